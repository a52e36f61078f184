"""The emulator's gaps: if one of these tests fails, upstream has fixed a gap and a fill can go.

The emulator runs unmodified here, without localcloud/ministack_with_gaps_filled.py.
"""

import io
import json
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from localcloud.servers import Server
from tests.helpers.stage_process import PROJECT, free_ports, wait_for

ADMINISTRATOR = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
DEFINITION = {
    "swagger": "2.0",
    "info": {"title": "an-api", "version": "1.0"},
    "paths": {"/images": {"get": {"responses": {"200": {"description": "fine"}}}}},
}


@pytest.fixture(scope="module")
def emulator_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of an emulator without any fill."""
    folder = tmp_path_factory.mktemp("emulator")
    (port,) = free_ports(1)
    server = Server(
        "unmodified emulator",
        [PROJECT / ".localcloud" / "emulator" / "bin" / "python", "-m", "ministack"],
        ready_url=f"http://127.0.0.1:{port}/_ministack/health",
        log=folder / "log",
        environment={
            "PATH": os.environ["PATH"],
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": port,
            "AUTH": "true",
            "TMPDIR": str(folder),
        },
        folder=folder,
    )
    try:
        server.start()
        yield f"http://127.0.0.1:{port}"
    finally:
        server.stop()


def client(service: str, url: str, **credentials: str) -> Any:
    return boto3.client(
        service,
        endpoint_url=url,
        region_name="us-east-1",
        **{**ADMINISTRATOR, **credentials},
    )


def test_importing_an_api_creates_only_its_root_resource(emulator_url: str) -> None:
    gateway = client("apigateway", emulator_url)
    api_id = gateway.import_rest_api(body=json.dumps(DEFINITION).encode())["id"]
    resources = gateway.get_resources(restApiId=api_id)["items"]
    assert [resource["path"] for resource in resources] == ["/"]


def test_an_api_cannot_be_overwritten(emulator_url: str) -> None:
    gateway = client("apigateway", emulator_url)
    api_id = gateway.create_rest_api(name="an-api")["id"]
    with pytest.raises(ClientError):
        gateway.put_rest_api(
            restApiId=api_id, mode="overwrite", body=json.dumps(DEFINITION).encode()
        )


def test_a_policy_that_requires_tls_denies_everything(emulator_url: str) -> None:
    s3 = client("s3", emulator_url)
    s3.create_bucket(Bucket="only-over-tls")
    arn = "arn:aws:s3:::only-over-tls"
    statement = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:PutObject",
        "Resource": f"{arn}/*",
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    s3.put_bucket_policy(Bucket="only-over-tls", Policy=json.dumps(policy))
    with pytest.raises(ClientError, match="AccessDenied"):
        user(emulator_url, "s3", ["s3:PutObject"], f"{arn}/*").put_object(
            Bucket="only-over-tls", Key="key", Body=b"content"
        )


def test_a_policy_for_one_path_denies_get_parameters_by_path(emulator_url: str) -> None:
    arn = "arn:aws:ssm:us-east-1:000000000000:parameter/tokens"
    ssm = user(emulator_url, "ssm", ["ssm:GetParametersByPath"], arn)
    with pytest.raises(ClientError, match="AccessDenied"):
        ssm.get_parameters_by_path(Path="/tokens")


def test_delete_message_batch_needs_an_action_that_aws_does_not_have(emulator_url: str) -> None:
    url = client("sqs", emulator_url).create_queue(QueueName="a-queue")["QueueUrl"]
    arn = "arn:aws:sqs:us-east-1:000000000000:a-queue"
    sqs = user(emulator_url, "sqs", ["sqs:DeleteMessage"], arn)
    with pytest.raises(ClientError, match="AccessDenied"):
        sqs.delete_message_batch(QueueUrl=url, Entries=[{"Id": "1", "ReceiptHandle": "none"}])


def test_a_queue_waits_while_the_function_of_a_stream_runs(
    emulator_url: str, tmp_path: Path
) -> None:
    """Lambda polls each source by itself."""
    moments = tmp_path / "moments"
    table = client("dynamodb", emulator_url).create_table(
        TableName="followed",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"},
    )["TableDescription"]
    queue_url = client("sqs", emulator_url).create_queue(QueueName="waiting")["QueueUrl"]
    follow(emulator_url, "stream", 2, moments, table["LatestStreamArn"])
    follow(emulator_url, "queue", 0, moments, "arn:aws:sqs:us-east-1:000000000000:waiting")
    client("dynamodb", emulator_url).put_item(TableName="followed", Item={"pk": {"S": "1"}})
    wait_for(lambda: moments.exists(), bool, 20, "the function of the stream to begin")
    client("sqs", emulator_url).send_message(QueueUrl=queue_url, MessageBody="now")
    lines = wait_for(
        lambda: moments.read_text().splitlines(),
        lambda lines: "queue ends" in lines and "stream ends" in lines,
        20,
        "both functions to end",
    )
    assert lines == ["stream begins", "stream ends", "queue begins", "queue ends"]


def follow(url: str, name: str, seconds: float, moments: Path, source_arn: str) -> None:
    """Deploy a function that follows a source, takes some time, and writes when it runs."""
    trust = {"Version": "2012-10-17", "Statement": []}
    document = json.dumps(trust)
    role = client("iam", url).create_role(RoleName=name, AssumeRolePolicyDocument=document)
    code = f"""
import time
def write(what):
    with open({str(moments)!r}, "a") as file:
        file.write("{name} " + what + chr(10))
def handle(event, context):
    write("begins")
    time.sleep({seconds})
    write("ends")
"""
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w") as archive:
        archive.writestr("followed_source.py", code)
    functions = client("lambda", url)
    functions.create_function(
        FunctionName=name,
        Runtime="python3.11",
        Role=role["Role"]["Arn"],
        Handler="followed_source.handle",
        Code={"ZipFile": package.getvalue()},
        Timeout=10,
    )
    position = {"StartingPosition": "TRIM_HORIZON"} if name == "stream" else {}
    functions.create_event_source_mapping(
        FunctionName=name, EventSourceArn=source_arn, BatchSize=1, **position
    )


def user(url: str, service: str, actions: list[str], resource: str) -> Any:
    """A client of a new user who is allowed only these actions on this resource."""
    iam = client("iam", url)
    name = f"user-of-{service}"
    iam.create_user(UserName=name)
    statement = {"Effect": "Allow", "Action": actions, "Resource": resource}
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    iam.put_user_policy(UserName=name, PolicyName="only", PolicyDocument=json.dumps(policy))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return client(
        service,
        url,
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
    )


def test_the_fills_are_for_the_installed_version_of_the_emulator() -> None:
    requirements = (PROJECT / "localcloud" / "emulator-requirements.txt").read_text()
    site = PROJECT / ".localcloud" / "emulator" / "lib"
    (installed,) = site.glob("python*/site-packages/ministack-*.dist-info")
    version = Path(installed).name.removeprefix("ministack-").removesuffix(".dist-info")
    assert f"ministack=={version}\n" in requirements
    fills = (PROJECT / "localcloud" / "ministack_with_gaps_filled.py").read_text()
    assert f"ministack {version} " in fills
