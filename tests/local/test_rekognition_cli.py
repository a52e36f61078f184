"""The AWS CLI against the local Rekognition, unchanged; skipped where there is no AWS CLI."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.local.rekognition_process import PHOTOGRAPHS, new_client, photograph, running_server

AWS = shutil.which("aws")
WOMAN = "astronaut.png"

pytestmark = pytest.mark.skipif(AWS is None, reason="there is no AWS CLI on this machine")


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    collections = tmp_path_factory.mktemp("faces") / "collections.sqlite"
    with running_server("--collections", str(collections)) as url:
        yield url


def aws(url: str, operation: str, *arguments: str) -> dict[str, Any]:
    command = [str(AWS), "rekognition", operation, "--endpoint-url", url, "--output", "json"]
    environment = {
        **os.environ,
        "AWS_ACCESS_KEY_ID": "any",
        "AWS_SECRET_ACCESS_KEY": "any",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": os.devnull,
        "NO_PROXY": "127.0.0.1",
    }
    done = subprocess.run(
        [*command, *arguments], env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout or "{}")
    return answer


def file(name: str) -> str:
    return f"fileb://{Path(PHOTOGRAPHS / name)}"


@pytest.mark.parametrize(
    ("operation", "members"),
    [
        ("detect-labels", {"Labels", "LabelModelVersion"}),
        ("detect-text", {"TextDetections", "TextModelVersion"}),
        ("detect-faces", {"FaceDetails"}),
        ("detect-moderation-labels", {"ModerationLabels", "ModerationModelVersion"}),
    ],
)
def test_the_cli_gets_what_boto3_gets(url: str, operation: str, members: set[str]) -> None:
    by_cli = aws(url, operation, "--image-bytes", file(WOMAN))
    by_boto3 = getattr(new_client(url), operation.replace("-", "_"))(
        Image={"Bytes": photograph(WOMAN)}
    )
    assert members <= set(by_cli)
    assert {name: by_cli[name] for name in members} == {name: by_boto3[name] for name in members}


def test_the_cli_keeps_a_collection_from_its_making_to_its_end(url: str) -> None:
    people = ("--collection-id", "people")
    assert aws(url, "create-collection", *people)["StatusCode"] == 200
    indexed = aws(url, "index-faces", *people, "--image-bytes", file(WOMAN))
    face_id = indexed["FaceRecords"][0]["Face"]["FaceId"]
    found = aws(url, "search-faces-by-image", *people, "--image-bytes", file(WOMAN))
    assert [match["Face"]["FaceId"] for match in found["FaceMatches"]] == [face_id]
    assert [face["FaceId"] for face in aws(url, "list-faces", *people)["Faces"]] == [face_id]
    assert aws(url, "delete-faces", *people, "--face-ids", face_id)["DeletedFaces"] == [face_id]
    assert aws(url, "delete-collection", *people)["StatusCode"] == 200
