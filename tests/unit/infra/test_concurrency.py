import json
from pathlib import Path

import boto3
import pytest
from botocore.stub import Stubber

from infra.concurrency import EXECUTIONS, authorizations_at_once
from infra.configuration import StageConfiguration


def reservation(*, free: int, reserved: int | None) -> int | None:
    """What is reserved; `reserved` is what an earlier deploy did, None if there was none."""
    client = boto3.client(
        "lambda", region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test"
    )
    name = {"FunctionName": "image-recognition-dev-authorize"}
    with Stubber(client) as stubber:
        limit = {"ConcurrentExecutions": 1000, "UnreservedConcurrentExecutions": free}
        stubber.add_response("get_account_settings", {"AccountLimit": limit}, {})
        if reserved is None:
            stubber.add_client_error(
                "get_function_concurrency", "ResourceNotFoundException", expected_params=name
            )
        else:
            response = {"ReservedConcurrentExecutions": reserved} if reserved else {}
            stubber.add_response("get_function_concurrency", response, name)
        return authorizations_at_once(client, "dev")


@pytest.mark.parametrize(
    ("free", "reserved", "expected"),
    [
        (1000, None, EXECUTIONS),
        (1000, 0, EXECUTIONS),
        (900, EXECUTIONS, EXECUTIONS),  # deployed again
        (200, None, EXECUTIONS),
        (100, EXECUTIONS, EXECUTIONS),
        (199, None, None),
        (10, None, None),  # a new account
    ],
)
def test_the_authorizer_gets_what_it_needs_if_the_account_can_spare_it(
    free: int, reserved: int | None, expected: int | None
) -> None:
    assert reservation(free=free, reserved=reserved) == expected


def test_the_reservation_is_chalices_setting_of_the_function(tmp_path: Path) -> None:
    function = {"iam_policy_file": "authorize.json"}
    file = tmp_path / ".chalice" / "config.json"
    file.parent.mkdir()
    file.write_text(json.dumps({"stages": {"dev": {"lambda_functions": {"authorize": function}}}}))
    configuration = StageConfiguration(tmp_path, "dev")

    def recorded() -> object:
        return json.loads(file.read_text())["stages"]["dev"]["lambda_functions"]["authorize"]

    configuration.reserve("authorize", 100)
    assert recorded() == {**function, "reserved_concurrency": 100}
    configuration.reserve("authorize", None)
    assert recorded() == function
