"""Tokens on the deployed local stage: created, used, revoked."""

import os
import subprocess
import sys

import pytest
import requests

from tests.helpers.stage_process import StageProcess, wait_for


def tokens(stage: StageProcess, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command behind `make token` and `make revoke`."""
    return subprocess.run(
        [sys.executable, "-m", "infra.tokens", "--stage", "local", *arguments],
        cwd=stage.folder,
        env={
            **os.environ,
            "AWS_ENDPOINT_URL": stage.ready["aws_endpoint_url"],
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def status_with(stage: StageProcess, token: str) -> int:
    headers = {"Authorization": f"Bearer {token}"}
    return requests.get(f"{stage.ready['url']}/images", headers=headers, timeout=30).status_code


def test_a_token_works_from_its_creation_until_it_is_revoked(stage: StageProcess) -> None:
    created = tokens(stage, "create", "alice")
    assert created.returncode == 0, created.stderr
    token = created.stdout.split()[0]
    parameter = stage.client("ssm").get_parameter(
        Name="/image-recognition/local/tokens/alice", WithDecryption=True
    )["Parameter"]
    assert token not in parameter["Value"]
    assert parameter["Type"] == "SecureString"
    wait_for(lambda: status_with(stage, token), lambda status: status == 200, 90, "the new token")
    assert "alice" in tokens(stage, "list").stdout.split()

    again = tokens(stage, "create", "alice")
    assert (again.returncode, again.stdout) == (1, "")
    assert "alice" in again.stderr

    assert tokens(stage, "revoke", "alice").returncode == 0
    assert "alice" not in tokens(stage, "list").stdout.split()
    wait_for(lambda: status_with(stage, token), lambda status: status == 403, 120, "the revocation")
    assert tokens(stage, "revoke", "alice").returncode == 1


@pytest.mark.parametrize("path", ["/images", "/images/0", "/uploads/0", "/batches/0"])
def test_without_a_known_token_only_health_is_open(stage: StageProcess, path: str) -> None:
    url = stage.ready["url"]
    assert requests.get(url + path, timeout=30).status_code == 401
    assert status_with(stage, "ir_unknown-token") == 403
    assert requests.get(url + "/health", timeout=30).status_code == 200


def test_a_token_does_not_appear_in_the_logs(stage: StageProcess) -> None:
    assert status_with(stage, stage.ready["token"]) == 200
    assert stage.ready["token"] not in stage.log("emulator")
    assert "image-recognition" in stage.log("emulator")
