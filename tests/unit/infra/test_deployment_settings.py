"""The settings in .chalice and infra that must agree with each other."""

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cfnlint.decode.cfn_yaml import loads  # type: ignore[import-untyped]

from chalicelib.aws.observability import NAMESPACE, SERVICE
from chalicelib.intake import last_attempts, upload_records
from chalicelib.intake.fetching.limits import FetchLimits
from chalicelib.intake.images.process_limits import ProcessLimits
from infra.partial_batch_responses import WORKERS as REPORTING
from infra.redrive import QUEUES as REDRIVEN

PROJECT = Path(__file__).parents[3]
PARTS = ("api", "recognition", "integration")
CONFIG = json.loads((PROJECT / ".chalice" / "config.json").read_text())
STAGES = tuple(CONFIG["stages"])
WORKERS = {
    "take_in_images": ("api", "Intake", "IntakeVisibilityTimeoutSeconds"),
    "recognize_images": ("api", "Recognition", "VisibilityTimeoutSeconds"),
    "deliver_results": ("integration", "Integration", "VisibilityTimeoutSeconds"),
    "forget_removed_image": ("api", "Removals", "VisibilityTimeoutSeconds"),
}
QUEUES = [queue for _, queue, _ in WORKERS.values()]

# The functions in app.py, as Chalice names them; api_handler serves all routes.
FUNCTIONS = {
    "take_in_images",
    "reconcile",
    "api_handler",
    "authorize",
    "recognize_images",
    "index_findings",
    "deliver_results",
    "forget_removed_image",
}

# Actions that AWS does not let a policy limit to a resource.
ANY_RESOURCE = {
    "rekognition:DetectLabels",
    "rekognition:DetectText",
    "rekognition:DetectFaces",
    "rekognition:DetectModerationLabels",
    "rekognition:RecognizeCelebrities",
}


def template(part: str) -> Any:
    return loads((PROJECT / "infra" / f"{part}.yaml").read_text())


TEMPLATES = {part: template(part) for part in PARTS}
RESOURCES = {
    name: resource for part in TEMPLATES.values() for name, resource in part["Resources"].items()
}


def of_type(kind: str) -> dict[str, Any]:
    return {name: each for name, each in RESOURCES.items() if each["Type"] == f"AWS::{kind}"}


def setting(stage: str, function: str, name: str) -> Any:
    """A function's setting at a stage, resolved in Chalice's order."""
    of_stage = CONFIG["stages"][stage]
    for place in (
        of_stage.get("lambda_functions", {}).get(function, {}),
        of_stage,
        CONFIG["lambda_functions"].get(function, {}),
        CONFIG,
    ):
        if name in place:
            return place[name]
    return None


def policy_of(function: str) -> Any:
    return json.loads((PROJECT / ".chalice" / "policies" / f"{function}.json").read_text())


@pytest.mark.parametrize("stage", STAGES)
def test_the_api_times_out_within_the_29_seconds_of_api_gateway(stage: str) -> None:
    assert setting(stage, "api_handler", "lambda_timeout") <= 29
    assert setting(stage, "authorize", "lambda_timeout") <= 29
    assert CONFIG["api_gateway_endpoint_type"] == "REGIONAL"


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("function", WORKERS)
def test_visibility_timeouts_are_at_least_six_times_the_functions_timeout(
    stage: str, function: str
) -> None:
    part, queue, name = WORKERS[function]
    parameters = TEMPLATES[part]["Parameters"]
    visibility = parameters[name]["Default"]
    assert visibility >= 6 * setting(stage, function, "lambda_timeout")
    properties = RESOURCES[f"{queue}Queue"]["Properties"]
    receives = parameters[properties["RedrivePolicy"]["maxReceiveCount"]["Ref"]]
    assert receives["Default"] >= 5
    assert receives["MinValue"] >= 5
    assert properties["VisibilityTimeout"] == {"Ref": name}


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize(("function", "images"), [("api_handler", 1), ("take_in_images", 10)])
def test_a_function_outlives_its_images_even_if_each_reaches_its_limit(
    stage: str, function: str, images: int
) -> None:
    fetching = FetchLimits().deadline_seconds
    decoding = images * ProcessLimits().cpu_seconds
    assert setting(stage, function, "lambda_timeout") > fetching + decoding
    assert setting(stage, function, "lambda_memory_size") * 1024 * 1024 > (
        ProcessLimits().memory_bytes + images * 40_000_000 + 150_000_000
    )


@pytest.mark.parametrize("stage", ["dev", "prod"])
def test_functions_on_aws_use_the_cheaper_arm64(stage: str) -> None:
    assert setting(stage, "api_handler", "lambda_architecture") == "arm64"


@pytest.mark.parametrize("stage", STAGES)
def test_each_function_has_its_own_policy_at_each_stage(stage: str) -> None:
    configured = CONFIG["stages"][stage]["lambda_functions"]
    files = {name: function["iam_policy_file"] for name, function in configured.items()}
    assert files == {name: f"rendered-policies/{stage}/{name}.json" for name in FUNCTIONS}
    assert CONFIG["autogen_policy"] is False
    written = {file.stem for file in (PROJECT / ".chalice" / "policies").glob("*.json")}
    assert written == FUNCTIONS


def test_every_trigger_in_app_py_has_a_policy() -> None:
    source = (PROJECT / "app.py").read_text()
    for line in source.splitlines():
        if line.startswith(("def ", "async def ")):
            name = line.split()[1].partition("(")[0]
            decorated = source[: source.index(line)].rpartition("\n\n\n")[2]
            if any(word in decorated for word in ("@app.on_", "@app.schedule", "@app.authorizer")):
                assert name in FUNCTIONS


@pytest.mark.parametrize("function", FUNCTIONS)
def test_policies_allow_named_actions_on_resources_of_the_stage(function: str) -> None:
    for statement in policy_of(function)["Statement"]:
        assert not any("*" in action for action in statement["Action"]), statement
        listed = statement["Resource"]
        for resource in [listed] if isinstance(listed, str) else listed:
            if resource == "*":
                assert set(statement["Action"]) <= ANY_RESOURCE, statement
            else:
                assert resource.startswith("arn:${partition}:"), resource
                assert "${stage}" in resource, resource
                assert "*" not in resource[:-1], resource


@pytest.mark.parametrize("function", FUNCTIONS)
def test_each_function_has_log_retention_and_an_alarm(function: str) -> None:
    own = "" if function == "api_handler" else f"-{function}"
    name = "image-recognition-${Stage}" + own
    logs = [log["Properties"] for log in of_type("Logs::LogGroup").values()]
    (log,) = [log for log in logs if log["LogGroupName"] == {"Fn::Sub": f"/aws/lambda/{name}"}]
    assert log["RetentionInDays"] == {"Ref": "LogRetentionDays"}
    alarms = [alarm["Properties"] for alarm in of_type("CloudWatch::Alarm").values()]
    dimension = {"Name": "FunctionName", "Value": {"Fn::Sub": name}}
    assert [alarm for alarm in alarms if dimension in alarm.get("Dimensions", [])]


def test_every_trigger_on_a_queue_is_one_that_reports_its_failures() -> None:
    source = (PROJECT / "app.py").read_text()
    triggers = re.findall(
        r"@app\.on_sqs_message\(\s*queue=settings\.(\w+)_queue_name.*?\ndef (\w+)\(",
        source,
        re.DOTALL,
    )
    assert {function: queue for queue, function in triggers} == REPORTING
    assert set(REPORTING) == set(WORKERS)
    for function, queue in REPORTING.items():
        name = {"Fn::Sub": f"image-recognition-${{Stage}}-{queue}"}
        assert RESOURCES[f"{WORKERS[function][1]}Queue"]["Properties"]["QueueName"] == name
        assert queue in REDRIVEN


@pytest.mark.parametrize("function", WORKERS)
def test_each_function_on_a_queue_may_move_messages_to_its_dead_letters(function: str) -> None:
    queue = WORKERS[function][1].lower()
    resources: list[str] = []
    for statement in policy_of(function)["Statement"]:
        if "sqs:SendMessage" in statement["Action"]:
            listed = statement["Resource"]
            resources += [listed] if isinstance(listed, str) else listed
    names = {resource.partition("${stage}-")[2] for resource in resources}
    assert f"{queue}-dead-letters" in names


def test_files_of_uploads_outlive_dead_letters_about_them() -> None:
    rules = RESOURCES["ImagesBucket"]["Properties"]["LifecycleConfiguration"]["Rules"]
    (days,) = [rule["ExpirationInDays"] for rule in rules if rule.get("Prefix") == "uploads/"]
    retention = RESOURCES["IntakeDeadLetterQueue"]["Properties"]["MessageRetentionPeriod"]
    assert timedelta(days=days) == upload_records.RETENTION > timedelta(seconds=retention)


def test_the_intake_knows_how_long_its_queue_keeps_a_message_and_its_function_runs() -> None:
    retention = RESOURCES["IntakeQueue"]["Properties"]["MessageRetentionPeriod"]
    assert timedelta(seconds=retention) == last_attempts.QUEUE_RETENTION
    for stage in STAGES:
        timeout = setting(stage, "take_in_images", "lambda_timeout")
        assert timedelta(seconds=timeout) < last_attempts.LONGEST_ATTEMPT


def test_the_bucket_keeps_no_versions_of_what_is_deleted() -> None:
    assert "VersioningConfiguration" not in RESOURCES["ImagesBucket"]["Properties"]


def test_only_the_stack_writes_the_buckets_notifications() -> None:
    """S3 replaces them as a whole: a second writer would lose its part at the next stack update."""
    assert "on_s3_event" not in (PROJECT / "app.py").read_text()


@pytest.mark.parametrize("queue", QUEUES)
def test_each_queue_has_alarms_on_dead_letters_and_message_age(queue: str) -> None:
    watched = {
        (alarm["Properties"]["MetricName"], str(alarm["Properties"]["Dimensions"][0]["Value"]))
        for alarm in of_type("CloudWatch::Alarm").values()
        if alarm["Properties"]["Namespace"] == "AWS/SQS"
    }
    for metric, name in (
        ("ApproximateNumberOfMessagesVisible", f"{queue}DeadLetterQueue"),
        ("ApproximateAgeOfOldestMessage", f"{queue}Queue"),
    ):
        assert (metric, str({"Fn::GetAtt": [name, "QueueName"]})) in watched


def test_every_alarm_notifies_the_alarm_topic() -> None:
    for alarm in of_type("CloudWatch::Alarm").values():
        assert alarm["Properties"]["AlarmActions"] in (
            [{"Ref": "AlarmTopic"}],
            [{"Ref": "AlarmTopicArn"}],
        )


def test_buckets_and_tables_outlive_their_stack() -> None:
    for kind in ("S3::Bucket", "DynamoDB::Table"):
        for name, resource in of_type(kind).items():
            if name == "IdempotencyTable":
                continue  # responses kept for a day
            assert resource["DeletionPolicy"] == "RetainExceptOnCreate"
            assert resource["UpdateReplacePolicy"] == "Retain"


def test_the_bucket_queues_and_topics_deny_requests_without_tls() -> None:
    denial = {"Bool": {"aws:SecureTransport": "false"}}
    guarded = []
    for kind, place in (
        ("S3::BucketPolicy", "Bucket"),
        ("SQS::QueuePolicy", "Queues"),
        ("SNS::TopicPolicy", "Topics"),
    ):
        for policy in of_type(kind).values():
            statements = policy["Properties"]["PolicyDocument"]["Statement"]
            assert [each for each in statements if each.get("Condition") == denial], kind
            targets = policy["Properties"][place]
            guarded += targets if isinstance(targets, list) else [targets]
    names = {target["Ref"] for target in guarded}
    for kind in ("S3::Bucket", "SQS::Queue", "SNS::Topic"):
        assert set(of_type(kind)) <= names, kind


def custom_metrics_in_the_code() -> set[str]:
    """The metrics that the functions write, by the names in their sources."""
    pattern = re.compile(r"\b(?:count|count_bytes|count_outcome|timed)\(\s*\"([A-Z]\w+)\"")
    sources = (PROJECT / "chalicelib").rglob("*.py")
    return {name for source in sources for name in pattern.findall(source.read_text())}


def dashboard() -> dict[str, Any]:
    """The dashboard, with the names of parameters in place of their values."""
    body = RESOURCES["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    shown: dict[str, Any] = json.loads(body)
    return shown


def dashboard_metrics() -> list[list[Any]]:
    return [
        metric for widget in dashboard()["widgets"] for metric in widget["properties"]["metrics"]
    ]


def test_the_dashboard_shows_every_custom_metric_of_its_stage_and_no_other() -> None:
    shown = [metric for metric in dashboard_metrics() if metric[0] == NAMESPACE]
    assert {metric[1] for metric in shown} == custom_metrics_in_the_code()
    for metric in shown:
        assert metric[2:6] == ["service", SERVICE, "stage", "${Stage}"]


def test_one_stage_has_fewer_custom_metrics_than_are_free() -> None:
    """CloudWatch bills 0.30 USD a month for each beyond ten; docs/deploying.md has the number."""
    names = custom_metrics_in_the_code()
    assert len(names) <= 10
    assert f"| {len(names)} custom metrics |" in (PROJECT / "docs" / "deploying.md").read_text()


def test_the_dashboard_shows_every_function_and_every_queue() -> None:
    functions = {
        f"image-recognition-${{Stage}}{'' if name == 'api_handler' else f'-{name}'}"
        for name in FUNCTIONS
    }
    for metric in ("Errors", "Invocations", "Duration"):
        assert {each[3] for each in dashboard_metrics() if each[1] == metric} == functions
    queues = {f"image-recognition-${{Stage}}-{queue.lower()}" for queue in QUEUES}
    shown = {
        each[3] for each in dashboard_metrics() if each[1] == "ApproximateNumberOfMessagesVisible"
    }
    assert shown == queues | {f"{queue}-dead-letters" for queue in queues}


def test_alarms_of_custom_metrics_watch_the_metrics_of_their_stage() -> None:
    watched = {
        alarm["Properties"]["MetricName"]: alarm["Properties"]
        for alarm in RESOURCES.values()
        if alarm["Type"] == "AWS::CloudWatch::Alarm"
        and str(alarm["Properties"].get("Namespace", "")).startswith(NAMESPACE)
    }
    assert watched.keys() == {"ResultsDelivered"}
    assert watched.keys() <= custom_metrics_in_the_code()
    for properties in watched.values():
        assert properties["Dimensions"] == [
            {"Name": "service", "Value": SERVICE},
            {"Name": "stage", "Value": {"Ref": "Stage"}},
        ]
