"""How a deploy handles a stack in whatever state an earlier one left it."""

from typing import Any

import pytest
from botocore.exceptions import ClientError, WaiterError

from infra.stacks import PARTS, StackError, Stacks

SETTLES_AS = {
    "stack_create_complete": "CREATE_COMPLETE",
    "stack_delete_complete": None,
    "stack_rollback_complete": "UPDATE_ROLLBACK_COMPLETE",
    "stack_update_complete": "UPDATE_COMPLETE",
}


class FakeCloudFormation:
    """Stacks in memory: each reaches the status its waiter waits for, or the one in `ends_as`."""

    def __init__(self, **statuses: str) -> None:
        self.statuses: dict[str, str | None] = {
            f"image-recognition-dev-{part}": status for part, status in statuses.items()
        }
        self.calls: list[str] = []
        self.ends_as: dict[str, str | None] = {}
        self._state = ""

    def validate_template(self, **_: Any) -> dict[str, Any]:
        return {"Parameters": [{"ParameterKey": "Stage"}]}

    def describe_stacks(self, StackName: str) -> dict[str, Any]:  # noqa: N803 - AWS's name
        status = self.statuses.get(StackName)
        if status is None:
            raise error(f"Stack with id {StackName} does not exist")
        return {"Stacks": [{"StackStatus": status, "StackId": StackName, "Outputs": []}]}

    def describe_stack_events(self, **_: Any) -> dict[str, Any]:
        failed = {"ResourceStatus": "CREATE_FAILED", "LogicalResourceId": "ImagesBucket"}
        return {"StackEvents": [failed | {"ResourceStatusReason": "It already exists"}]}

    def create_stack(self, **request: Any) -> dict[str, str]:
        self._call("create", request)
        return {"StackId": request["StackName"]}

    def update_stack(self, **request: Any) -> None:
        self._call("update", request)

    def delete_stack(self, **request: Any) -> None:
        self._call("delete", request)

    def continue_update_rollback(self, **request: Any) -> None:
        self._call("continue", request)

    def get_waiter(self, state: str) -> "FakeCloudFormation":
        self._state = state
        return self

    def wait(self, StackName: str, WaiterConfig: Any) -> None:  # noqa: N803 - AWS's names
        self.calls.append(f"wait {StackName.rpartition('-')[2]}")
        expected = SETTLES_AS[self._state]
        self.statuses[StackName] = self.ends_as.pop(StackName, expected)
        if self.statuses[StackName] != expected:
            raise WaiterError("x", "unexpected status", {})

    def _call(self, verb: str, request: dict[str, Any]) -> None:
        self.calls.append(f"{verb} {request['StackName'].rpartition('-')[2]}")


def error(message: str) -> ClientError:
    return ClientError({"Error": {"Code": "ValidationError", "Message": message}}, "Operation")


def deploy(client: FakeCloudFormation) -> list[str]:
    """Deploy, with all stacks but the first in place; return the calls made for the first."""
    for part in PARTS[1:]:
        client.statuses[f"image-recognition-dev-{part}"] = "CREATE_COMPLETE"
    lines: list[str] = []
    Stacks(client, "dev", lines.append).deploy()
    return [call for call in client.calls if call.endswith(" api")]


def test_a_missing_stack_is_created() -> None:
    assert deploy(FakeCloudFormation()) == ["create api", "wait api"]


@pytest.mark.parametrize(
    "status", ["CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"]
)
def test_an_existing_stack_is_updated(status: str) -> None:
    assert deploy(FakeCloudFormation(api=status)) == ["update api", "wait api"]


@pytest.mark.parametrize(
    "status",
    [
        "CREATE_FAILED",
        "DELETE_FAILED",
        "REVIEW_IN_PROGRESS",
        "ROLLBACK_COMPLETE",
        "ROLLBACK_FAILED",
    ],
)
def test_a_stack_that_failed_to_create_is_recreated(status: str) -> None:
    calls = deploy(FakeCloudFormation(api=status))
    assert calls == ["delete api", "wait api", "create api", "wait api"]


def test_a_stuck_rollback_is_continued_before_the_update() -> None:
    calls = deploy(FakeCloudFormation(api="UPDATE_ROLLBACK_FAILED"))
    assert calls == ["continue api", "wait api", "update api", "wait api"]


def test_an_operation_in_progress_is_awaited_before_the_update() -> None:
    calls = deploy(FakeCloudFormation(api="UPDATE_IN_PROGRESS"))
    assert calls == ["wait api", "update api", "wait api"]


def test_a_stack_whose_creation_in_progress_fails_is_recreated() -> None:
    client = FakeCloudFormation(api="CREATE_IN_PROGRESS")
    client.ends_as["image-recognition-dev-api"] = "ROLLBACK_COMPLETE"
    assert deploy(client) == ["wait api", "delete api", "wait api", "create api", "wait api"]


def test_a_failure_quotes_cloudformations_reason() -> None:
    client = FakeCloudFormation()
    client.ends_as["image-recognition-dev-api"] = None
    with pytest.raises(StackError, match="ImagesBucket: It already exists"):
        deploy(client)


def test_stacks_are_deleted_in_reverse_order() -> None:
    client = FakeCloudFormation(api="CREATE_COMPLETE", integration="ROLLBACK_COMPLETE")
    Stacks(client, "dev", lambda _: None).destroy()
    assert client.calls == ["delete integration", "wait integration", "delete api", "wait api"]
