"""What a deploy checks before it makes anything."""

import json
from pathlib import Path
from typing import Any

import boto3
import pytest

from infra.deploy import deploy
from infra.errors import DeployError

CONFIG: dict[str, Any] = {"stages": {"dev": {"environment_variables": {}, "lambda_functions": {}}}}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with one stage; AWS must not be asked."""

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("The deploy asked AWS.")

    monkeypatch.setattr(boto3, "client", refuse)
    monkeypatch.setattr(boto3.Session, "client", refuse)
    (tmp_path / ".chalice").mkdir()
    (tmp_path / ".chalice" / "config.json").write_text(json.dumps(CONFIG))
    return tmp_path


@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        ({"THIRD_PARTY_URL": "https://alice:pa55@third.example.com/"}, "user name or password"),
        ({"THIRD_PARTY_URL": "http://third.example.com/"}, "THIRD_PARTY_HTTP_ALLOWED"),
        (
            {
                "THIRD_PARTY_URL": "http://third.example.com/",
                "THIRD_PARTY_HTTP_ALLOWED": "other.example",
            },
            "THIRD_PARTY_HTTP_ALLOWED",
        ),
    ],
)
def test_a_third_party_that_is_not_delivered_to_is_refused_before_anything_is_made(
    project: Path, variables: dict[str, str], reason: str
) -> None:
    with pytest.raises(DeployError, match=reason) as caught:
        deploy("dev", variables, project=project, environment={"AWS_DEFAULT_REGION": "us-east-1"})
    assert "pa55" not in str(caught.value)
    assert json.loads((project / ".chalice" / "config.json").read_text()) == CONFIG


def test_the_url_that_an_earlier_deploy_recorded_is_checked_too(project: Path) -> None:
    recorded = {"THIRD_PARTY_URL": "https://alice:pa55@third.example.com/"}
    config = {"stages": {"dev": {"environment_variables": recorded, "lambda_functions": {}}}}
    (project / ".chalice" / "config.json").write_text(json.dumps(config))
    with pytest.raises(DeployError, match="user name or password"):
        deploy("dev", {}, project=project, environment={"AWS_DEFAULT_REGION": "us-east-1"})
