"""What becomes of a stack that an earlier deploy left in some state or other."""

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
    """Stacks in memory: each reaches the state that is waited for, or the one set to follow."""

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
        return {"StackEvents": [failed | {"ResourceStatusReason": "It is there already"}]}

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
        hoped = SETTLES_AS[self._state]
        self.statuses[StackName] = self.ends_as.pop(StackName, hoped)
        if self.statuses[StackName] != hoped:
            raise WaiterError("x", "it ended otherwise", {})

    def _call(self, verb: str, request: dict[str, Any]) -> None:
        self.calls.append(f"{verb} {request['StackName'].rpartition('-')[2]}")


def error(message: str) -> ClientError:
    return ClientError({"Error": {"Code": "ValidationError", "Message": message}}, "Operation")


def deploy(client: FakeCloudFormation) -> list[str]:
    """What is done to the first stack; the others are there and well."""
    for part in PARTS[1:]:
        client.statuses[f"image-recognition-dev-{part}"] = "CREATE_COMPLETE"
    told: list[str] = []
    Stacks(client, "dev", told.append).deploy()
    return [call for call in client.calls if call.endswith(" api")]


def test_a_stack_that_is_not_there_is_created() -> None:
    assert deploy(FakeCloudFormation()) == ["create api", "wait api"]


@pytest.mark.parametrize(
    "status", ["CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"]
)
def test_a_stack_that_is_there_is_updated(status: str) -> None:
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
def test_a_stack_that_never_came_into_being_is_made_anew(status: str) -> None:
    calls = deploy(FakeCloudFormation(api=status))
    assert calls == ["delete api", "wait api", "create api", "wait api"]


def test_a_rollback_that_got_stuck_is_continued_before_the_update() -> None:
    calls = deploy(FakeCloudFormation(api="UPDATE_ROLLBACK_FAILED"))
    assert calls == ["continue api", "wait api", "update api", "wait api"]


def test_what_is_under_way_is_waited_for() -> None:
    calls = deploy(FakeCloudFormation(api="UPDATE_IN_PROGRESS"))
    assert calls == ["wait api", "update api", "wait api"]


def test_a_creation_that_was_under_way_and_fails_is_made_anew() -> None:
    client = FakeCloudFormation(api="CREATE_IN_PROGRESS")
    client.ends_as["image-recognition-dev-api"] = "ROLLBACK_COMPLETE"
    assert deploy(client) == ["wait api", "delete api", "wait api", "create api", "wait api"]


def test_a_failure_says_what_cloudformation_said() -> None:
    client = FakeCloudFormation()
    client.ends_as["image-recognition-dev-api"] = None
    with pytest.raises(StackError, match="ImagesBucket: It is there already"):
        deploy(client)


def test_stacks_go_in_the_reverse_order() -> None:
    client = FakeCloudFormation(api="CREATE_COMPLETE", integration="ROLLBACK_COMPLETE")
    Stacks(client, "dev", lambda _: None).destroy()
    assert client.calls == ["delete integration", "wait integration", "delete api", "wait api"]
