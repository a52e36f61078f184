"""The three CloudFormation stacks of a stage, in the order in which they need each other."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError, WaiterError

FOLDER = Path(__file__).parent
PARTS = ("api", "recognition", "integration")
WAIT = {"Delay": 2, "MaxAttempts": 450}  # seconds and times: 15 minutes a stack

Progress = Callable[[str], None]


class StackError(Exception):
    """A stack could not be made; the message says what CloudFormation said."""


@dataclass(frozen=True)
class Stacks:
    """The stacks of one stage."""

    client: Any  # a boto3 CloudFormation client
    stage: str
    tell: Progress

    def deploy(self) -> dict[str, str]:
        """Create or update all three; their outputs, by name."""
        outputs: dict[str, str] = {}
        for part in PARTS:
            outputs |= self._deploy(part, outputs)
        return outputs

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
        if self._exists(name):
            done = self._update(request)
        else:
            self.client.create_stack(**request, OnFailure="DELETE")
            self._wait("stack_create_complete", name)
            done = "created"
        self.tell(f"stack {name}: {done}")
        return dict(self._outputs(name))

    def _exists(self, name: str) -> bool:
        try:
            stacks = self.client.describe_stacks(StackName=name)["Stacks"]
        except ClientError as error:
            if "does not exist" in error.response["Error"]["Message"]:
                return False
            raise
        return bool(stacks)

    def _update(self, request: dict[str, Any]) -> str:
        try:
            self.client.update_stack(**request)
        except ClientError as error:
            if "No updates are to be performed" in error.response["Error"]["Message"]:
                return "unchanged"
            raise
        self._wait("stack_update_complete", request["StackName"])
        return "updated"

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


def stack_name(stage: str, part: str) -> str:
    """The name of a stage's stack."""
    return f"image-recognition-{stage}-{part}"
