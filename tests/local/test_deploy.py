"""Deploying from scratch, redeploying, recovering from a failed deploy, and destroying a stage."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from infra.concurrency import authorizations_at_once
from infra.partial_batch_responses import WORKERS
from localcloud.configuration import Configuration
from localcloud.stage import LocalStage, _quick_waiters
from tests.helpers.stage_process import StageProcess, wait_for

NAME = "image-recognition-local"


@pytest.fixture
def servers(own_stage: StageProcess) -> Iterator[LocalStage]:
    """The servers of a stage, running with nothing deployed."""
    local = LocalStage(
        Configuration.from_environment(dict(own_stage.environment), own_stage.folder)
    )
    local._prepare_folders()
    try:
        for server in (local._emulator(), local._photographs()):
            local.servers.append(server)
            server.start()
        own_stage.ready = {"aws_endpoint_url": local.configuration.emulator_url}
        yield local
    finally:
        local.stop()


def environment_for(stage: StageProcess, **changes: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return {
        **kept,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{stage.environment['EMULATOR_PORT']}",
        "AWS_DATA_PATH": str(_quick_waiters(stage.folder / "botocore-data")),
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": str(stage.folder / "none"),
        "AWS_SHARED_CREDENTIALS_FILE": str(stage.folder / "none"),
        "THIRD_PARTY_URL": "http://127.0.0.1:9/results",
        **changes,
    }


# An empty value removes the third party from a stage. The others are unset if empty.
_MAY_BE_EMPTY = {"THIRD_PARTY_URL"}


def run(
    stage: StageProcess, command: str, *, name: str = "local", **changes: str
) -> subprocess.CompletedProcess[str]:
    """Run the command of `make deploy` or `make destroy`; an empty value unsets a variable."""
    environment = environment_for(stage, **changes)
    return subprocess.run(
        [sys.executable, "-m", f"infra.{command}", "--stage", name],
        cwd=stage.folder,
        env={
            key: environment[key] for key in environment if environment[key] or key in _MAY_BE_EMPTY
        },
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


def resources_on(stage: StageProcess) -> dict[str, list[str]]:
    """The names of all resources on the emulator, by kind; kinds without any are omitted."""
    client = stage.client
    queues = client("sqs").list_queues().get("QueueUrls", [])
    logs = client("logs").describe_log_groups()["logGroups"]
    alarms = client("cloudwatch").describe_alarms()["MetricAlarms"]
    dashboards = client("cloudwatch").list_dashboards()["DashboardEntries"]
    mappings = client("lambda").list_event_source_mappings()["EventSourceMappings"]
    functions = client("lambda").list_functions()["Functions"]
    stacks = client("cloudformation").describe_stacks()["Stacks"]
    parameters = client("ssm").describe_parameters()["Parameters"]
    found = {
        "alarms": [alarm["AlarmName"] for alarm in alarms],
        "buckets": [bucket["Name"] for bucket in client("s3").list_buckets()["Buckets"]],
        "dashboards": [dashboard["DashboardName"] for dashboard in dashboards],
        "functions": [function["FunctionName"] for function in functions],
        "log groups": [group["logGroupName"] for group in logs],
        "mappings": [mapping["UUID"] for mapping in mappings],
        "parameters": [parameter["Name"] for parameter in parameters],
        "queues": queues,
        "REST APIs": [api["id"] for api in client("apigateway").get_rest_apis()["items"]],
        "roles": [role["RoleName"] for role in client("iam").list_roles()["Roles"]],
        "stacks": [stack["StackName"] for stack in stacks],
        "subscriptions": [
            subscription["SubscriptionArn"]
            for subscription in client("sns").list_subscriptions()["Subscriptions"]
        ],
        "tables": client("dynamodb").list_tables()["TableNames"],
        "topics": [topic["TopicArn"] for topic in client("sns").list_topics()["Topics"]],
    }
    return {kind: names for kind, names in found.items() if names}


def deliver_one_image(stage: StageProcess, photograph: str) -> str:
    """Post a sample photograph by URL, wait until its result is delivered, and return its id."""
    photographs = f"http://127.0.0.1:{stage.environment['PHOTOGRAPHS_PORT']}"
    response = stage.request("POST", "/images", json={"url": f"{photographs}/{photograph}"})
    assert response.status_code == 202, response.text
    image_id = str(response.json()["id"])
    assert stage.recognized(image_id)["status"] == "RECOGNIZED"
    wait_for(
        lambda: stage.request("GET", f"/images/{image_id}").json()["delivery"] or {},
        lambda delivery: delivery.get("status") == "DELIVERED",
        60,
        "a delivery",
    )
    return image_id


def test_a_stage_is_deployed_updated_and_destroyed(own_stage: StageProcess) -> None:
    own_stage.start()
    deliver_one_image(own_stage, "chelsea-cat.png")
    before = resources_on(own_stage)
    assert len(before["REST APIs"]) == 1
    assert own_stage.request("GET", "/health").json() == {"status": "ok"}
    third_party_url = own_stage.ready["third_party_url"]
    functions = own_stage.client("lambda")
    reserved = functions.get_function_concurrency(FunctionName=f"{NAME}-authorize")
    expected = authorizations_at_once(functions, "local")
    assert reserved.get("ReservedConcurrentExecutions") == expected

    app = own_stage.folder / "app.py"
    app.write_text(app.read_text().replace('{"status": "ok"}', '{"status": "changed"}'))
    done = run(own_stage, "deploy", THIRD_PARTY_URL=third_party_url)
    assert done.returncode == 0, done.stdout + done.stderr
    assert own_stage.request("GET", "/health").json() == {"status": "changed"}
    assert resources_on(own_stage) == before
    assert_partial_batch_responses_are_read(own_stage)
    deliver_one_image(own_stage, "coffee.png")

    refused = run(own_stage, "destroy")
    assert refused.returncode == 1
    assert "holds 2 objects in bucket" in refused.stderr
    assert "items in table" in refused.stderr
    assert "FORCE=1" in refused.stderr
    assert resources_on(own_stage) == before

    done = run(own_stage, "destroy", FORCE="1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert resources_on(own_stage) == {}
    chalice = own_stage.folder / ".chalice"
    variables = json.loads((chalice / "config.json").read_text())["stages"]["local"]
    assert not [name for name in variables["environment_variables"] if "_ARN" in name]
    assert "IMAGES_BUCKET_NAME" not in variables["environment_variables"]
    assert not (chalice / "deployed" / "local.json").exists()
    assert not (chalice / "rendered-policies" / "local").exists()
    # Destroying a stage that no longer exists succeeds.
    assert run(own_stage, "destroy").returncode == 0


def test_a_stage_without_a_third_party_keeps_results_for_later_delivery(
    own_stage: StageProcess,
) -> None:
    own_stage.start()
    third_party_url = own_stage.ready["third_party_url"]
    done = run(own_stage, "deploy", THIRD_PARTY_URL="")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "no THIRD_PARTY_URL: results are kept" in done.stdout
    photographs = f"http://127.0.0.1:{own_stage.environment['PHOTOGRAPHS_PORT']}"
    response = own_stage.request("POST", "/images", json={"url": f"{photographs}/coffee.png"})
    image_id = response.json()["id"]
    assert own_stage.recognized(image_id)["labels"]
    delivery = ended_delivery(own_stage, image_id)
    assert (delivery["status"], delivery["tries"]) == ("NOT_CONFIGURED", 0)
    assert "THIRD_PARTY_URL" in delivery["reason"]

    done = run(own_stage, "deploy", THIRD_PARTY_URL=third_party_url)
    assert done.returncode == 0, done.stdout + done.stderr
    assert own_stage.request("POST", f"/images/{image_id}/deliveries").status_code == 202
    assert ended_delivery(own_stage, image_id)["status"] == "DELIVERED"


def ended_delivery(stage: StageProcess, image_id: str) -> dict[str, Any]:
    """Wait until the image's delivery has ended, and return it."""
    return wait_for(
        lambda: stage.request("GET", f"/images/{image_id}").json()["delivery"] or {},
        lambda delivery: delivery.get("status") not in {None, "PENDING"},
        60,
        "a delivery",
    )


def test_repeating_a_deploy_killed_after_the_second_stack_completes_it(
    own_stage: StageProcess, servers: LocalStage
) -> None:
    kill_deploy_at(own_stage, rf"stack {NAME}-recognition: created")
    assert "functions" not in resources_on(own_stage)
    done = run(own_stage, "deploy")
    assert done.returncode == 0, done.stdout + done.stderr
    assert_deployed_once(own_stage)


def test_repeating_a_deploy_killed_inside_chalice_creates_no_duplicates(
    own_stage: StageProcess, servers: LocalStage
) -> None:
    first = run(own_stage, "deploy")
    assert first.returncode == 0, first.stdout + first.stderr
    before = resources_on(own_stage)
    other_stages_api = create_rest_api_for(own_stage, f"{NAME}2")
    create_rest_api_for(own_stage, NAME)
    # Chalice writes its record last, so a deploy that is killed leaves none.
    (own_stage.folder / ".chalice" / "deployed" / "local.json").unlink()
    done = run(own_stage, "deploy")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "is a duplicate left by a failed deploy" in done.stdout
    before["REST APIs"].append(other_stages_api)
    assert resources_on(own_stage) == before


def test_a_stack_that_failed_to_create_is_recreated(
    own_stage: StageProcess, servers: LocalStage
) -> None:
    fifo_queue_without_the_fifo_suffix = {
        "Type": "AWS::SQS::Queue",
        "Properties": {"QueueName": "queue", "FifoQueue": True},
    }
    broken = json.dumps({"Resources": {"Queue": fifo_queue_without_the_fifo_suffix}})
    cloudformation = own_stage.client("cloudformation")
    cloudformation.create_stack(StackName=f"{NAME}-api", TemplateBody=broken)
    wait_for(
        lambda: cloudformation.describe_stacks(StackName=f"{NAME}-api")["Stacks"][0]["StackStatus"],
        lambda status: status == "ROLLBACK_COMPLETE",
        30,
        "the stack's failure",
    )
    done = run(own_stage, "deploy")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ROLLBACK_COMPLETE cannot be updated: deleting the stack" in done.stdout
    assert_deployed_once(own_stage)


MISCONFIGURED: list[tuple[str, dict[str, str], str]] = [
    ("local", {"AWS_ACCESS_KEY_ID": "AKIAWRONGWRONGWRONG1"}, "does not accept the credentials"),
    ("local", {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, "no credentials"),
    ("local", {"AWS_DEFAULT_REGION": ""}, "No region"),
    ("local", {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, "cannot be reached"),
    ("staging", {}, "no stage 'staging'"),
]


@pytest.mark.parametrize(
    ("command", "name", "changes", "message"),
    [
        *(("deploy", *misconfigured) for misconfigured in MISCONFIGURED),
        *(("destroy", *misconfigured) for misconfigured in MISCONFIGURED),
    ],
)
def test_a_misconfiguration_is_reported_in_one_line(
    own_stage: StageProcess,
    servers: LocalStage,
    command: str,
    name: str,
    changes: dict[str, str],
    message: str,
) -> None:
    done = run(own_stage, command, name=name, **changes)
    assert done.returncode == 1
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert resources_on(own_stage) == {}


def kill_deploy_at(stage: StageProcess, line: str) -> None:
    """Deploy, and kill the process once it prints a line that matches a regular expression."""
    with subprocess.Popen(
        [sys.executable, "-m", "infra.deploy", "--stage", "local"],
        cwd=stage.folder,
        env=environment_for(stage),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        for printed in process.stdout:
            if re.search(line, printed):
                process.send_signal(signal.SIGKILL)
                break


def create_rest_api_for(stage: StageProcess, function: str) -> str:
    """Create a REST API like the one Chalice creates for a stage, and return its id."""
    arn = f"arn:aws:lambda:us-east-1:000000000000:function:{function}"
    uri = f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{arn}/invocations"
    integration = {"type": "aws_proxy", "httpMethod": "POST", "uri": uri}
    definition = {
        "swagger": "2.0",
        "info": {"title": "image-recognition", "version": "1.0"},
        "paths": {"/": {"get": {"x-amazon-apigateway-integration": integration}}},
    }
    body = json.dumps(definition).encode()
    return str(stage.client("apigateway").import_rest_api(body=body)["id"])


def assert_deployed_once(stage: StageProcess) -> None:
    resources = resources_on(stage)
    assert len(resources["stacks"]) == 3
    assert len(resources["REST APIs"]) == 1
    assert len(resources["mappings"]) == 5
    assert len(resources["functions"]) == len(resources["roles"]) == 8
    assert_partial_batch_responses_are_read(stage)
    assert_only_changes_of_findings_are_indexed(stage)


def assert_only_changes_of_findings_are_indexed(stage: StageProcess) -> None:
    name = "image-recognition-local-index_findings"
    (mapping,) = stage.client("lambda").list_event_source_mappings(FunctionName=name)[
        "EventSourceMappings"
    ]
    (pattern,) = mapping["FilterCriteria"]["Filters"]
    assert json.loads(pattern["Pattern"]) == {
        "dynamodb": {"Keys": {"sk": {"S": [{"prefix": "FEATURE#"}]}}}
    }


def assert_partial_batch_responses_are_read(stage: StageProcess) -> None:
    """Lambda reads them, and the functions know it."""
    client = stage.client("lambda")
    for function in WORKERS:
        name = f"{NAME}-{function}"
        (mapping,) = client.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]
        assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
        known = client.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
        assert known["PARTIAL_BATCH_RESPONSES"] == "1"
    # Not recorded: a `chalice deploy` by hand may create mappings without the setting.
    config = json.loads((stage.folder / ".chalice" / "config.json").read_text())
    assert "PARTIAL_BATCH_RESPONSES" not in config["stages"]["local"]["environment_variables"]
