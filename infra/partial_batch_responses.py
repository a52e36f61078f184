"""Makes Lambda read the partial batch responses of the functions on queues, and tells them so.

Chalice cannot set ReportBatchItemFailures, but its updates of a mapping leave it as it is. Without
it Lambda deletes every message of an invocation that returns, also those that failed. So a function
returns partial responses only if its variable PARTIAL_BATCH_RESPONSES is 1, and only this module
sets it, on the functions themselves, after it has verified their mappings.

`chalice deploy` knows nothing of the variable. It replaces the functions' variables before it
creates or updates a mapping, so whatever Chalice does, started by this project or by hand, the
functions have lost the variable by then. A function without it raises, which is safe even if
Lambda would read a response: its messages come again.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from infra.account import APP_NAME
from infra.chalice_record import function_name

VARIABLE = "PARTIAL_BATCH_RESPONSES"

# The functions of app.py that SQS triggers, and their queues.
WORKERS = {
    "take_in_images": "intake",
    "recognize_images": "recognition",
    "deliver_results": "integration",
    "forget_removed_image": "removals",
}

_SETTING = "ReportBatchItemFailures"
_SETTLED = {"Enabled", "Disabled"}
_PAUSE_SECONDS = 2
_DEADLINE_SECONDS = 180  # AWS's own documentation speaks of several minutes at most

Values = Mapping[str, Any]


@dataclass(frozen=True)
class PartialBatchResponses:
    """The setting of one stage's event source mappings.

    `client` is a boto3 client of Lambda. `sleep` takes seconds, as time.sleep does.
    """

    client: Any
    stage: str
    progress: Callable[[str], None]
    sleep: Callable[[float], None] = time.sleep

    def turn_on(self) -> None:
        """Make the setting for every function on a queue, verify it, and tell the functions.

        If it cannot be verified, they are told that it is not made.
        """
        for function in WORKERS:
            for mapping in self._mappings(function):
                if not _is_on(mapping):
                    self._turn_on(mapping["UUID"])
        are_on = self._are_on()
        if not are_on:
            self.progress("partial batch responses: not verified, so failures slow their queues")
        for function in WORKERS:
            self._tell(function_name(self.stage, function), are_on=are_on)

    def _are_on(self) -> bool:
        """Whether Lambda reads the partial responses of every function on a queue."""
        found = {function: list(self._mappings(function)) for function in WORKERS}
        return all(
            [_queue(mapping) for mapping in mappings] == [self._queue_name(function)]
            and all(map(_is_on, mappings))
            for function, mappings in found.items()
        )

    def _tell(self, name: str, *, are_on: bool) -> None:
        """Set a function's variable, or take it away; leaves its others as they are."""
        known = self.client.get_function_configuration(FunctionName=name)
        variables = known.get("Environment", {}).get("Variables", {})
        told = {key: value for key, value in variables.items() if key != VARIABLE}
        if are_on:
            told[VARIABLE] = "1"
        if told != variables:
            self.client.update_function_configuration(
                FunctionName=name, Environment={"Variables": told}
            )
            self.client.get_waiter("function_updated_v2").wait(FunctionName=name)

    def _turn_on(self, uuid: str) -> None:
        """Update a mapping as soon as it is settled, and wait until it is settled again."""
        self._settled(uuid)
        try:
            self.client.update_event_source_mapping(UUID=uuid, FunctionResponseTypes=[_SETTING])
        except ClientError as error:
            # It is being updated again; the verification that follows says that it is not on.
            if error.response["Error"]["Code"] != "ResourceInUseException":
                raise
        self._settled(uuid)

    def _settled(self, uuid: str) -> None:
        for _ in range(_DEADLINE_SECONDS // _PAUSE_SECONDS):
            state = self.client.get_event_source_mapping(UUID=uuid)["State"]
            if state in _SETTLED:
                return
            self.sleep(_PAUSE_SECONDS)
        self.progress(f"event source mapping {uuid} is still {state}")

    def _mappings(self, function: str) -> Iterator[Values]:
        """The mappings of queues to a function."""
        name = function_name(self.stage, function)
        found = self.client.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]
        for mapping in found:
            if ":sqs:" in mapping["EventSourceArn"]:
                # The list may be older than the mapping.
                yield self.client.get_event_source_mapping(UUID=mapping["UUID"])

    def _queue_name(self, function: str) -> str:
        return f"{APP_NAME}-{self.stage}-{WORKERS[function]}"


def _is_on(mapping: Values) -> bool:
    return mapping["State"] in _SETTLED and _SETTING in mapping.get("FunctionResponseTypes", ())


def _queue(mapping: Values) -> str:
    return str(mapping["EventSourceArn"].rpartition(":")[2])
