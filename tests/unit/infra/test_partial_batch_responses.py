"""A function returns partial batch responses only while Lambda is verified to read them."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from infra.partial_batch_responses import VARIABLE, WORKERS, PartialBatchResponses

SETTING = "ReportBatchItemFailures"


class FakeLambda:
    """Functions and their mappings; a mapping that changes is `Updating` at the next two looks.

    `after_each_change` runs after each call that changes something.
    """

    def __init__(self) -> None:
        self.mappings: dict[str, dict[str, Any]] = {}
        self.variables: dict[str, dict[str, str]] = {}
        self.looks_until_settled: dict[str, int] = {}
        self.after_each_change: Callable[[], None] = lambda: None
        self.keeps_setting = True

    def chalice_deploys(self) -> None:
        """Replace the functions' variables, then create the mappings that are not there."""
        for function in WORKERS:
            name = f"image-recognition-dev-{function}"
            self.variables[name] = {"LOG_LEVEL": "INFO"}
            queue = f"image-recognition-dev-{WORKERS[function]}"
            mapping = {
                "UUID": function,
                "FunctionName": name,
                "EventSourceArn": f"arn:aws:sqs:us-east-1:1:{queue}",
                "FunctionResponseTypes": [],
            }
            self.mappings.setdefault(function, mapping)
            self.looks_until_settled[function] = 2

    def list_event_source_mappings(self, FunctionName: str) -> dict[str, Any]:  # noqa: N803 - boto3's names
        return {
            "EventSourceMappings": [
                mapping
                for mapping in self.mappings.values()
                if mapping["FunctionName"] == FunctionName
            ]
        }

    def get_event_source_mapping(self, UUID: str) -> dict[str, Any]:  # noqa: N803 - boto3's names
        looks = self.looks_until_settled.get(UUID, 0)
        self.looks_until_settled[UUID] = max(looks - 1, 0)
        return self.mappings[UUID] | {"State": "Updating" if looks else "Enabled"}

    def update_event_source_mapping(self, UUID: str, FunctionResponseTypes: list[str]) -> None:  # noqa: N803 - boto3's names
        if self.looks_until_settled.get(UUID, 0):
            error = {"Error": {"Code": "ResourceInUseException"}}
            raise ClientError(error, "UpdateEventSourceMapping")
        self.looks_until_settled[UUID] = 2
        if self.keeps_setting:
            self.mappings[UUID]["FunctionResponseTypes"] = FunctionResponseTypes
        self.after_each_change()

    def get_function_configuration(self, FunctionName: str) -> dict[str, Any]:  # noqa: N803 - boto3's names
        return {"Environment": {"Variables": self.variables[FunctionName]}}

    def update_function_configuration(self, FunctionName: str, Environment: Any) -> None:  # noqa: N803 - boto3's names
        self.variables[FunctionName] = Environment["Variables"]
        self.after_each_change()

    def get_waiter(self, name: str) -> "FakeLambda":
        assert name == "function_updated_v2"
        return self

    def wait(self, FunctionName: str) -> None:  # noqa: N803 - boto3's names
        assert FunctionName in self.variables

    def would_lose_messages(self) -> bool:
        """Whether a function returns failed messages to a mapping that deletes them."""
        return any(
            self.variables[mapping["FunctionName"]].get(VARIABLE) == "1"
            and SETTING not in mapping["FunctionResponseTypes"]
            for mapping in self.mappings.values()
        )


@pytest.fixture
def aws() -> FakeLambda:
    """Lambda after `chalice deploy`; a change after which messages would be lost fails the test."""
    aws = FakeLambda()
    aws.chalice_deploys()
    aws.after_each_change = lambda: pytest.fail("loss") if aws.would_lose_messages() else None
    return aws


def turn_on(aws: FakeLambda) -> list[str]:
    """Turn partial responses on, and return the lines of progress."""
    lines: list[str] = []
    PartialBatchResponses(aws, "dev", lines.append, sleep=lambda seconds: None).turn_on()
    return lines


def told(aws: FakeLambda) -> set[str | None]:
    """What the functions on queues are told."""
    return {
        variables.get(VARIABLE)
        for name, variables in aws.variables.items()
        if name.rpartition("-")[2] in WORKERS
    }


def test_every_function_on_a_queue_is_told_once_its_mapping_is_verified(aws: FakeLambda) -> None:
    assert turn_on(aws) == []
    for mapping in aws.mappings.values():
        assert mapping["FunctionResponseTypes"] == [SETTING]
    assert told(aws) == {"1"}
    assert all(variables["LOG_LEVEL"] == "INFO" for variables in aws.variables.values())


def test_functions_that_are_told_already_are_left_alone(aws: FakeLambda) -> None:
    turn_on(aws)
    aws.after_each_change = lambda: pytest.fail("a change")
    assert turn_on(aws) == []


def test_a_deploy_by_chalice_alone_takes_the_variable_away(aws: FakeLambda) -> None:
    """Chalice replaces the variables before it creates a mapping."""
    turn_on(aws)
    aws.mappings.clear()  # as after `chalice delete`, or by hand
    aws.chalice_deploys()
    assert not aws.would_lose_messages()
    assert told(aws) == {None}
    turn_on(aws)
    assert told(aws) == {"1"}


@pytest.mark.parametrize("function", WORKERS)
def test_a_function_without_its_mapping_keeps_all_of_them_safe(
    aws: FakeLambda, function: str
) -> None:
    del aws.mappings[function]
    assert turn_on(aws)
    assert told(aws) == {None}


def test_a_mapping_of_another_queue_keeps_all_of_them_safe(aws: FakeLambda) -> None:
    aws.mappings["deliver_results"]["EventSourceArn"] += "-of-old"
    assert turn_on(aws)
    assert told(aws) == {None}


def test_a_setting_that_lambda_does_not_keep_is_not_relied_on(aws: FakeLambda) -> None:
    aws.keeps_setting = False
    assert turn_on(aws)
    assert told(aws) == {None}


def test_a_mapping_that_never_settles_ends_the_wait(aws: FakeLambda) -> None:
    aws.looks_until_settled["deliver_results"] = 10_000
    lines = turn_on(aws)
    assert "event source mapping deliver_results is still Updating" in lines
    assert told(aws) == {None}
