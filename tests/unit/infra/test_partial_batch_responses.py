"""A function returns partial batch responses only while Lambda is verified to read them."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from infra.partial_batch_responses import VARIABLE, WORKERS, PartialBatchResponses

SETTING = "ReportBatchItemFailures"


class NoSuchFunction(Exception):
    """Lambda's ResourceNotFoundException."""


class FakeLambda:
    """Functions and their mappings; a mapping that changes is `Updating` at the next two looks.

    `at_each_call` runs before each call that changes something.
    """

    class exceptions:  # noqa: N801 - boto3's name
        ResourceNotFoundException = NoSuchFunction

    def __init__(self) -> None:
        self.mappings: dict[str, dict[str, Any]] = {}
        self.variables: dict[str, dict[str, str]] = {}
        self.looks_until_settled: dict[str, int] = {}
        self.at_each_call: Callable[[], None] = lambda: None
        self.keeps_setting = True

    def chalice_deploys(self, *functions: str) -> None:
        """Create what Chalice creates, or update what is there; Chalice's updates keep settings."""
        for function in functions or WORKERS:
            name = f"image-recognition-dev-{function}"
            self.variables.setdefault(name, {"LOG_LEVEL": "INFO"})
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
        if FunctionName not in self.variables:
            raise NoSuchFunction
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
        self.at_each_call()
        if self.looks_until_settled.get(UUID, 0):
            error = {"Error": {"Code": "ResourceInUseException"}}
            raise ClientError(error, "UpdateEventSourceMapping")
        self.looks_until_settled[UUID] = 2
        if self.keeps_setting:
            self.mappings[UUID]["FunctionResponseTypes"] = FunctionResponseTypes

    def get_function_configuration(self, FunctionName: str) -> dict[str, Any]:  # noqa: N803 - boto3's names
        return {"Environment": {"Variables": self.variables[FunctionName]}}

    def update_function_configuration(self, FunctionName: str, Environment: Any) -> None:  # noqa: N803 - boto3's names
        self.at_each_call()
        self.variables[FunctionName] = Environment["Variables"]

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
    return FakeLambda()


def responses(aws: FakeLambda, lines: list[str] | None = None) -> PartialBatchResponses:
    progress = (lines if lines is not None else []).append
    return PartialBatchResponses(aws, "dev", progress, sleep=lambda seconds: None)


def test_after_a_first_deploy_every_function_on_a_queue_is_told(aws: FakeLambda) -> None:
    assert not responses(aws).are_on()  # there is nothing yet
    aws.chalice_deploys()
    aws.at_each_call = lambda: pytest.fail("loss") if aws.would_lose_messages() else None
    assert responses(aws).turn_on()
    assert [mapping["FunctionResponseTypes"] for mapping in aws.mappings.values()] == [
        [SETTING]
    ] * len(WORKERS)
    responses(aws).tell_functions(are_on=True)
    assert all(
        variables == {"LOG_LEVEL": "INFO", VARIABLE: "1"} for variables in aws.variables.values()
    )
    assert responses(aws).are_on()


def test_a_later_deploy_changes_nothing(aws: FakeLambda) -> None:
    aws.chalice_deploys()
    responses(aws).turn_on()
    responses(aws).tell_functions(are_on=True)
    aws.chalice_deploys()
    aws.at_each_call = lambda: pytest.fail("a change")
    aws.looks_until_settled.clear()
    assert responses(aws).turn_on()
    responses(aws).tell_functions(are_on=True)


def test_a_function_without_its_mapping_means_that_they_are_not_on(aws: FakeLambda) -> None:
    """Chalice is about to create the mapping, without the setting."""
    aws.chalice_deploys(*list(WORKERS)[:-1])
    responses(aws).turn_on()
    assert not responses(aws).are_on()


def test_a_mapping_of_another_queue_means_that_they_are_not_on(aws: FakeLambda) -> None:
    aws.chalice_deploys()
    responses(aws).turn_on()
    aws.mappings["deliver_results"]["EventSourceArn"] += "-of-old"
    assert not responses(aws).are_on()


def test_a_setting_that_lambda_does_not_keep_is_not_relied_on(aws: FakeLambda) -> None:
    aws.chalice_deploys()
    aws.keeps_setting = False
    assert not responses(aws).turn_on()
    for variables in aws.variables.values():
        variables[VARIABLE] = "1"
    responses(aws).tell_functions(are_on=False)
    assert not aws.would_lose_messages()
    assert all(VARIABLE not in variables for variables in aws.variables.values())


def test_a_mapping_that_never_settles_ends_the_wait(aws: FakeLambda) -> None:
    aws.chalice_deploys()
    aws.looks_until_settled["deliver_results"] = 10_000
    lines: list[str] = []
    assert not responses(aws, lines).turn_on()
    assert lines
    assert all("deliver_results is still Updating" in line for line in lines)
