"""What is in the Lambda package, and what a function does with it on a cold start."""

import json
import zipfile
from collections.abc import Iterator
from importlib.util import source_hash
from pathlib import Path

import pytest

from benchmarks.package import NEEDS, ColdStarts, code_of, cold_starts, last_package
from tests.helpers.stage_process import PROJECT, StageProcess

# Prints the modules that the code after it compiles.
REPORT_COMPILING = """
import atexit, json
from importlib.machinery import SourceFileLoader
compiled, compile_source = [], SourceFileLoader.source_to_code
def source_to_code(self, data, path, **options):
    compiled.append(path)
    return compile_source(self, data, path, **options)
SourceFileLoader.source_to_code = source_to_code
atexit.register(lambda: print(json.dumps(compiled)))
"""


@pytest.fixture(scope="module")
def package(stage: StageProcess) -> Path:
    package = last_package(stage.folder)
    assert package is not None
    return package


@pytest.fixture(scope="module")
def names(package: Path) -> list[str]:
    """The names of all files in the functions' package."""
    with zipfile.ZipFile(package) as archive:
        return archive.namelist()


@pytest.fixture(scope="module")
def starts(stage: StageProcess, package: Path) -> Iterator[ColdStarts]:
    with cold_starts(stage.folder, package) as starts:
        yield starts


def test_the_package_bundles_pillows_libraries(names: list[str]) -> None:
    """Without a matching wheel, Chalice compiles Pillow against libraries that Lambda lacks."""
    folders = {part for name in names for part in name.split("/")}
    assert {"PIL", "pillow.libs"} <= folders


def test_the_package_holds_only_what_lambda_needs(names: list[str]) -> None:
    assert "app.py" in names
    assert len(names) == len(set(names))
    first_parts = {name.split("/")[0] for name in names}
    assert not first_parts & {"tests", "localcloud", "infra", "examples", "boto3", "botocore"}


def test_bytecode_is_that_of_the_sources_beside_it(package: Path) -> None:
    with zipfile.ZipFile(package) as archive:
        compiled = [name for name in archive.namelist() if name.endswith(".pyc")]
        for name in compiled:
            folder, _, file = name.rpartition("__pycache__/")
            source = archive.read(f"{folder}{file.partition('.')[0]}.py")
            bytecode = archive.read(name)
            assert bytecode[4:16] == b"\x03\0\0\0" + source_hash(source), name
            assert str(PROJECT).encode() not in bytecode
    assert len(compiled) > 300


@pytest.mark.parametrize("function", NEEDS)
def test_a_cold_start_compiles_nothing(starts: ColdStarts, function: str) -> None:
    printed = starts.run(REPORT_COMPILING + code_of(function))
    assert json.loads(printed.splitlines()[-1]) == []


def test_importing_the_app_loads_no_use_case(starts: ColdStarts) -> None:
    """Each function loads at its first use what it needs, so the others do not pay for it."""
    printed = starts.run("import app, json, sys; print(json.dumps(list(sys.modules)))")
    use_cases = {
        "PIL",
        "requests",
        "chalicelib.catalog.pages",
        "chalicelib.catalog.usage",
        "chalicelib.intake.accept",
        "chalicelib.intake.batches",
        "chalicelib.intake.uploads",
        "chalicelib.integration.deliver",
        "chalicelib.integration.redeliver",
        "chalicelib.recognition.recognition_requests",
        "chalicelib.recognition.recognize",
    }
    assert not use_cases & set(json.loads(printed))
