"""The three CloudFormation stacks of a stage, in dependency order."""

import contextlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError, WaiterError

from infra.account import APP_NAME
from infra.errors import DeployError

FOLDER = Path(__file__).parent
PARTS = ("api", "recognition", "integration")
WAIT = {"Delay": 2, "MaxAttempts": 450}  # every 2 seconds, 450 times: 15 minutes per stack

# Statuses from which a stack cannot be updated, only deleted and created again. The templates
# retain data once a creation has succeeded (RetainExceptOnCreate).
_NOT_UPDATABLE = {
    "CREATE_FAILED",
    "DELETE_FAILED",
    "REVIEW_IN_PROGRESS",
    "ROLLBACK_COMPLETE",
    "ROLLBACK_FAILED",
}
# Statuses of a running operation, and the waiter for its end.
_WAITERS = {
    "CREATE_IN_PROGRESS": "stack_create_complete",
    "DELETE_IN_PROGRESS": "stack_delete_complete",
    "ROLLBACK_IN_PROGRESS": "stack_rollback_complete",
    "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS": "stack_update_complete",
    "UPDATE_IN_PROGRESS": "stack_update_complete",
    "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS": "stack_rollback_complete",
    "UPDATE_ROLLBACK_IN_PROGRESS": "stack_rollback_complete",
}

Progress = Callable[[str], None]


class StackError(DeployError):
    """A stack operation failed; the message has CloudFormation's reasons."""


@dataclass(frozen=True)
class Stacks:
    """The stacks of one stage."""

    client: Any  # a boto3 CloudFormation client
    stage: str
    progress: Progress

    def deploy(self) -> dict[str, str]:
        """Create or update all three, whatever their status, and return their outputs by name."""
        outputs: dict[str, str] = {}
        for part in PARTS:
            outputs |= self._deploy(part, outputs)
        return outputs

    def destroy(self) -> None:
        """Delete those that exist, in reverse order; resources that hold data are retained."""
        for part in reversed(PARTS):
            name = stack_name(self.stage, part)
            if self._stable_status(name):
                self._delete(name)
                self.progress(f"stack {name}: deleted")

    def _deploy(self, part: str, outputs: Mapping[str, str]) -> dict[str, str]:
        name = stack_name(self.stage, part)
        template = (FOLDER / f"{part}.yaml").read_text()
        declared = {
            parameter["ParameterKey"]
            for parameter in self.client.validate_template(TemplateBody=template)["Parameters"]
        }
        values = {"Stage": self.stage, **outputs}
        request = {
            "StackName": name,
            "TemplateBody": template,
            "Parameters": [
                {"ParameterKey": key, "ParameterValue": values[key]}
                for key in sorted(declared & set(values))
            ],
        }
        status = self._stable_status(name)
        if status in _NOT_UPDATABLE:
            self.progress(f"stack {name}: {status} cannot be updated: deleting the stack")
            self._delete(name)
            status = None
        if status == "UPDATE_ROLLBACK_FAILED":
            self.progress(f"stack {name}: {status}: continuing the rollback")
            self.client.continue_update_rollback(StackName=name)
            self._wait("stack_rollback_complete", name)
        outcome = self._update(request) if status else self._create(request)
        self.progress(f"stack {name}: {outcome}")
        return dict(self._outputs(name))

    def _create(self, request: dict[str, Any]) -> str:
        created = self.client.create_stack(**request, OnFailure="DELETE")
        # By id: a stack that failed and was deleted cannot be found by its name.
        self._wait("stack_create_complete", created["StackId"])
        return "created"

    def _update(self, request: dict[str, Any]) -> str:
        try:
            self.client.update_stack(**request)
        except ClientError as error:
            if "No updates are to be performed" in error.response["Error"]["Message"]:
                return "unchanged"
            raise
        self._wait("stack_update_complete", request["StackName"])
        return "updated"

    def _delete(self, name: str) -> None:
        stack_id = self.client.describe_stacks(StackName=name)["Stacks"][0]["StackId"]
        self.client.delete_stack(StackName=name)
        self._wait("stack_delete_complete", stack_id)

    def _stable_status(self, name: str) -> str | None:
        """The stack's status once no operation runs on it; None if there is no stack."""
        status = self._status(name)
        if status in _WAITERS:
            self.progress(f"stack {name}: {status}, waiting for it to finish")
            # The status read next says how the operation ended.
            with contextlib.suppress(WaiterError):
                self.client.get_waiter(_WAITERS[status]).wait(StackName=name, WaiterConfig=WAIT)
            status = self._status(name)
        return status

    def _status(self, name: str) -> str | None:
        try:
            stack = self.client.describe_stacks(StackName=name)["Stacks"][0]
        except ClientError as error:
            if "does not exist" in error.response["Error"]["Message"]:
                return None
            raise
        status: str = stack["StackStatus"]
        return None if status == "DELETE_COMPLETE" else status

    def _wait(self, state: str, name: str) -> None:
        try:
            self.client.get_waiter(state).wait(StackName=name, WaiterConfig=WAIT)
        except WaiterError as error:
            raise StackError(f"Stack {name} failed: {'; '.join(self._failures(name))}") from error

    def _failures(self, name: str) -> Iterator[str]:
        for event in self.client.describe_stack_events(StackName=name)["StackEvents"]:
            if event["ResourceStatus"].endswith("FAILED"):
                reason = event.get("ResourceStatusReason", "no reason given")
                yield f"{event['LogicalResourceId']}: {reason}"

    def _outputs(self, name: str) -> Iterator[tuple[str, str]]:
        stack = self.client.describe_stacks(StackName=name)["Stacks"][0]
        for output in stack.get("Outputs", ()):
            yield output["OutputKey"], output["OutputValue"]


def output_names() -> list[str]:
    """The names of the three templates' outputs."""
    texts = [(FOLDER / f"{part}.yaml").read_text() for part in PARTS]
    return [
        name
        for text in texts
        for name in re.findall(r"^  (\w+):$", text.partition("\nOutputs:\n")[2], re.MULTILINE)
    ]


def stack_name(stage: str, part: str) -> str:
    """The name of a stage's stack for one of PARTS."""
    return f"{APP_NAME}-{stage}-{part}"
