"""Every action in every function's policy is needed: without it, the function is denied it.

The emulator enforces the policies of the functions' roles (AUTH=true). Each test removes an action
from a role, triggers the function, waits until its log says that exactly this action is denied, and
restores the policy.
"""

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
import requests
from PIL import Image

from chalicelib.aws.dynamodb_table import Table, to_item
from chalicelib.catalog.deliveries import new_delivery
from chalicelib.catalog.items import Row, delivery_values, row_values
from chalicelib.model.changes import FeatureOutcome, with_features_requested, with_outcomes
from chalicelib.model.events import result_event
from chalicelib.model.findings import Feature
from chalicelib.model.image import Content, Status
from chalicelib.model.image import Image as ImageRow
from infra.tokens import new_token
from tests.helpers.stage_process import PROJECT, StageProcess, wait_for
from tests.local.conftest import Origin

CAT = PROJECT / "localcloud" / "photographs" / "chelsea-cat.png"
POLICIES = PROJECT / ".chalice" / "policies"
BUCKET = "image-recognition-local-images-000000000000"
TABLE = "image-recognition-local-catalog"
SECONDS = 40


@dataclass(frozen=True)
class Flow:
    """Everything a test can trigger on the stage."""

    stage: StageProcess
    origin: Origin

    def post_new_image(self) -> str:
        name = self._create_image_file()
        response = self.stage.request("POST", "/images", json={"url": f"{self.origin.url}/{name}"})
        return str(response.json().get("id", ""))

    def _create_image_file(self) -> str:
        number = time.monotonic_ns()
        name = f"{number}.png"
        image = Image.open(CAT).convert("RGB")
        image.putpixel((0, 0), tuple(number.to_bytes(16)[-4:-1]))
        image.putpixel((1, 0), tuple(number.to_bytes(16)[-7:-4]))
        image.save(self.origin.folder / name)
        return name

    def post_batch(self) -> None:
        urls = [f"{self.origin.url}/{self._create_image_file()}"]
        self.stage.request("POST", "/batches", json={"urls": urls})

    def post_bad_request_with_key(self) -> None:
        headers = {"Idempotency-Key": unknown_id()}
        self.stage.request("POST", "/images", json={"url": ""}, headers=headers)

    def upload_new_image(self) -> None:
        form = self.stage.request("POST", "/uploads").json()
        content = (self.origin.folder / self._create_image_file()).read_bytes()
        requests.post(form["url"], data=form["fields"], files={"file": content}, timeout=30)

    def attempt_delivery_of_new_image(self) -> None:
        image_id = self.post_new_image()
        wait_for(
            lambda: self.stage.request("GET", f"/images/{image_id}").json().get("delivery"),
            lambda delivery: bool(delivery) and delivery["tries"] > 0,
            SECONDS,
            "a delivery attempt",
        )

    def deliver_new_image(self) -> str:
        image_id = self.post_new_image()
        wait_for(
            lambda: self.stage.request("GET", f"/images/{image_id}").json().get("delivery"),
            lambda delivery: bool(delivery) and delivery["status"] == "DELIVERED",
            SECONDS,
            "a delivery",
        )
        return image_id

    def post_known_image(self) -> None:
        self.stage.request("POST", "/images", json={"url": self._known_url()})

    def post_batch_with_known_image(self) -> None:
        self.stage.request("POST", "/batches", json={"urls": [self._known_url()]})

    def post_batch_with_known_image_for_text(self) -> None:
        body = {"urls": [self._known_url()], "features": ["TEXT"]}
        self.stage.request("POST", "/batches", json=body)

    def get_image_content(self) -> str:
        image_id = self.deliver_new_image()
        response = self.stage.request("GET", f"/images/{image_id}/content", allow_redirects=False)
        return requests.get(response.headers["Location"], timeout=30).text

    def delete_image(self) -> None:
        image_id = self.post_new_image()
        self.stage.request("DELETE", f"/images/{image_id}")

    def reconcile(self) -> None:
        self.stage.reconcile()

    def reconcile_image_missing_from_catalog(self) -> None:
        image_id = self.deliver_new_image()
        delete_rows(self.stage, image_id)
        self.reconcile()

    def reconcile_row_without_object(self) -> None:
        image_id = unknown_id()
        now = datetime.now(UTC)
        image = with_features_requested(
            ImageRow(image_id, Status.PENDING, now), [Feature.LABELS], now
        )
        table = Table(self.stage.client("dynamodb"), TABLE)
        table.put(row_values(Row(image, revision=1)))
        table.put(delivery_values(image_id, new_delivery(1, now)))
        self.reconcile()

    def _known_url(self) -> str:
        name = self._create_image_file()
        url = f"{self.origin.url}/{name}"
        image = self.stage.request("POST", "/images", json={"url": url}).json()
        if "id" in image:  # else the API is already denied what the flow is about
            self.stage.recognized(image["id"])
        return url

    def deliver_rejected_result(self) -> None:
        """Publish a result with a negative size, which the sample third party rejects (422)."""
        now = datetime.now(UTC)
        content = Content("image/png", width=-1, height=-1, bytes=-1)
        pending = ImageRow(unknown_id(), Status.PENDING, now, content=content)
        outcome = FeatureOutcome(Feature.LABELS, "3.0")
        image = with_outcomes(
            with_features_requested(pending, [Feature.LABELS], now), [outcome], now
        )
        table = Table(self.stage.client("dynamodb"), TABLE)
        table.put(row_values(Row(image, revision=1)))
        table.put(delivery_values(image.id, new_delivery(1, now)))
        event, _ = result_event(image.summary(), image.result_delivery)
        self._send("integration", json.dumps(event))

    def list_images(self) -> None:
        self.stage.request("GET", "/images")

    def get_image(self) -> None:
        self.stage.request("GET", f"/images/{'0' * 32}")

    def announce_missing_image(self) -> None:
        self._send("recognition", self._event_of(f"images/{unknown_id()}"))

    def remove_image(self) -> None:
        image_id = self.deliver_new_image()
        self.stage.client("s3").delete_object(Bucket=BUCKET, Key=f"images/{image_id}")

    def send_invalid_message_to_recognition(self) -> None:
        self._send("recognition", "not ours")

    def send_invalid_message_to_removals(self) -> None:
        self._send("removals", "not ours")

    def send_failing_message_to_recognition(self) -> None:
        self._send("recognition", self._event_of(f"images/{self._broken_image()}"))

    def send_failing_message_to_removals(self) -> None:
        self._send("removals", self._event_of(f"images/{self._broken_image()}"))

    def send_failing_message_to_integration(self) -> None:
        event = {"id": "msg", "data": {"image_id": self._broken_image()}}
        self._send("integration", json.dumps(event))

    def send_failing_message_to_intake(self) -> None:
        upload_id = unknown_id()
        key = {"pk": f"UPLOAD#{upload_id}", "sk": "UPLOAD"}
        item = to_item(key | {"status": "WAITING", "features": ["NO_FEATURE"]})
        self.stage.client("dynamodb").put_item(TableName=TABLE, Item=item)
        self._send("intake", self._event_of(f"uploads/{upload_id}"))

    def _broken_image(self) -> str:
        """Put an item that is no image, so that every message about it fails; returns its id."""
        image_id = unknown_id()
        item = to_item({"pk": f"IMAGE#{image_id}", "sk": "IMAGE", "revision": "no number"})
        self.stage.client("dynamodb").put_item(TableName=TABLE, Item=item)
        return image_id

    def _event_of(self, key: str) -> str:
        record = {"s3": {"bucket": {"name": BUCKET}, "object": {"key": key}}}
        return json.dumps({"Records": [record]})

    def call_with_unknown_token(self) -> None:
        headers = {"Authorization": f"Bearer {new_token()}"}
        self.stage.request("GET", "/images", headers=headers)

    def _send(self, queue: str, body: str) -> None:
        sqs = self.stage.client("sqs")
        url = sqs.get_queue_url(QueueName=f"image-recognition-local-{queue}")["QueueUrl"]
        sqs.send_message(QueueUrl=url, MessageBody=body)


def delete_rows(stage: StageProcess, image_id: str) -> None:
    """Remove an image from the catalog but leave it in the bucket."""
    client = stage.client("dynamodb")
    partition = {":pk": {"S": f"IMAGE#{image_id}"}}
    rows = client.query(
        TableName=TABLE, KeyConditionExpression="pk = :pk", ExpressionAttributeValues=partition
    )["Items"]
    for row in rows:
        client.delete_item(TableName=TABLE, Key={"pk": row["pk"], "sk": row["sk"]})


def unknown_id() -> str:
    return f"{time.monotonic_ns():032x}"


Trigger = Callable[[Flow], object]

# A trigger that needs the action, for each action of each function.
NEEDS: dict[str, dict[str, Trigger]] = {
    "api_handler": {
        "s3:PutObject": Flow.post_new_image,
        "s3:GetObject": Flow.get_image_content,
        "s3:DeleteObject": Flow.delete_image,
        "dynamodb:UpdateItem": Flow.post_known_image,
        "dynamodb:GetItem": Flow.post_known_image,
        "dynamodb:Query": Flow.list_images,
        "dynamodb:BatchGetItem": Flow.list_images,
        "dynamodb:PutItem": Flow.post_new_image,
        "dynamodb:DeleteItem": Flow.post_bad_request_with_key,
        "sqs:SendMessage": Flow.post_batch,
    },
    "take_in_images": {
        "s3:GetObject": Flow.upload_new_image,
        "s3:DeleteObject": Flow.upload_new_image,
        "s3:PutObject": Flow.post_batch,
        "dynamodb:GetItem": Flow.upload_new_image,
        "dynamodb:UpdateItem": Flow.post_batch_with_known_image,
        "dynamodb:PutItem": Flow.post_batch,
        "dynamodb:Query": Flow.post_batch,  # the stage has a limit on spending
        "sqs:SendMessage": Flow.post_batch_with_known_image_for_text,
        "sqs:ChangeMessageVisibility": Flow.send_failing_message_to_intake,
    },
    "authorize": {"ssm:GetParametersByPath": Flow.call_with_unknown_token},
    "recognize_images": {
        "dynamodb:UpdateItem": Flow.post_new_image,
        "dynamodb:PutItem": Flow.post_new_image,
        "dynamodb:Query": Flow.announce_missing_image,
        "s3:GetObject": Flow.announce_missing_image,
        "sns:Publish": Flow.post_new_image,
        "sqs:SendMessage": Flow.send_invalid_message_to_recognition,
        "sqs:ChangeMessageVisibility": Flow.send_failing_message_to_recognition,
    },
    "deliver_results": {
        "dynamodb:Query": Flow.post_new_image,
        "dynamodb:PutItem": Flow.post_new_image,
        "ssm:GetParametersByPath": Flow.attempt_delivery_of_new_image,
        "sqs:SendMessage": Flow.deliver_rejected_result,
        "sqs:ChangeMessageVisibility": Flow.send_failing_message_to_integration,
    },
    "forget_removed_image": {
        "dynamodb:Query": Flow.remove_image,
        "dynamodb:PutItem": Flow.remove_image,
        "dynamodb:DeleteItem": Flow.remove_image,
        "s3:GetObject": Flow.remove_image,
        "sqs:SendMessage": Flow.send_invalid_message_to_removals,
        "sqs:ChangeMessageVisibility": Flow.send_failing_message_to_removals,
    },
    "index_findings": {
        "dynamodb:BatchGetItem": Flow.post_new_image,
        "dynamodb:BatchWriteItem": Flow.post_new_image,
        "dynamodb:PutItem": Flow.post_new_image,
        "dynamodb:UpdateItem": Flow.post_new_image,
    },
    "reconcile": {
        "dynamodb:GetItem": Flow.reconcile,
        "dynamodb:Query": Flow.reconcile,
        "dynamodb:BatchGetItem": Flow.reconcile_image_missing_from_catalog,
        "dynamodb:PutItem": Flow.reconcile_image_missing_from_catalog,
        "s3:ListBucket": Flow.reconcile,
        "sqs:SendMessage": Flow.reconcile_image_missing_from_catalog,
        "s3:GetObject": Flow.reconcile_row_without_object,
        "dynamodb:DeleteItem": Flow.reconcile_row_without_object,
    },
}

# Actions that the emulator cannot deny: it does the work itself, or another server responds.
NOT_ENFORCED = {
    "logs:CreateLogStream": "the emulator writes the logs itself",
    "logs:PutLogEvents": "the emulator writes the logs itself",
    "sqs:ReceiveMessage": "the emulator's poller does not ask the role",
    "sqs:GetQueueAttributes": "the emulator's poller does not ask the role",
    "dynamodb:GetRecords": "the emulator's poller does not ask the role",
    "dynamodb:GetShardIterator": "the emulator's poller does not ask the role",
    "dynamodb:DescribeStream": "the emulator's poller does not ask the role",
    "dynamodb:ListStreams": "the emulator's poller does not ask the role",
    "sqs:DeleteMessage": "nor does it to delete; a function deletes only during a long batch",
    "s3:ListBucket": "without it, the emulator responds to a HEAD request with 404, AWS with 403",
    "rekognition:DetectLabels": "the local Rekognition knows no roles",
    "rekognition:DetectText": "the local Rekognition knows no roles",
    "rekognition:DetectFaces": "the local Rekognition knows no roles",
    "rekognition:DetectModerationLabels": "the local Rekognition knows no roles",
    "rekognition:RecognizeCelebrities": "the local Rekognition knows no roles",
}

# Actions needed only in a race that a test cannot cause from outside.
NEEDED_IN_A_RACE = {
    ("recognize_images", "dynamodb:GetItem"): "an image changes while its result is written",
    ("recognize_images", "dynamodb:DeleteItem"): "a lease is lost after findings were kept",
    ("reconcile", "dynamodb:UpdateItem"): "an image or a delivery is overdue",
    ("reconcile", "dynamodb:BatchWriteItem"): "the index of an image differs from its findings",
}

CACHED = {
    ("authorize", "ssm:GetParametersByPath"),
    ("deliver_results", "ssm:GetParametersByPath"),
    ("take_in_images", "dynamodb:Query"),
}

# S3's response to a HEAD request has no body, so it does not name the action.
DENIAL_MESSAGES = {
    "s3:GetObject": (
        r"\(403\) when calling the HeadObject operation: Forbidden"
        r"|not authorized to perform: s3:GetObject\b"
    ),
}


@pytest.fixture(scope="module")
def flow(stage: StageProcess, origin: Origin) -> Flow:
    """Triggers for a stage that delivers a result with its policies unchanged."""
    flow = Flow(stage, origin)
    flow.deliver_new_image()
    return flow


@pytest.mark.parametrize(
    ("function", "action"),
    [(function, action) for function, needs in NEEDS.items() for action in needs],
)
def test_without_the_action_the_function_is_denied(flow: Flow, function: str, action: str) -> None:
    message = DENIAL_MESSAGES.get(action, rf"not authorized to perform: {action}\b")
    with action_removed(flow.stage, function, action):
        started_at = int(time.time() * 1000)
        responses: list[object] = []

        def look() -> str:
            # A warm function caches what it read for up to 30 seconds, so trigger it repeatedly.
            if not responses or (function, action) in CACHED:
                responses.append(NEEDS[function][action](flow))
            return str(responses) + log(flow.stage, function, started_at)

        wait_for(
            look,
            lambda lines: bool(re.search(message, lines)),
            SECONDS,
            f"{function} to be denied {action}",
        )


def test_with_all_policies_restored_a_result_is_delivered(flow: Flow) -> None:
    flow.deliver_new_image()


def test_every_action_of_every_policy_is_accounted_for() -> None:
    for function, needs in NEEDS.items():
        policy = json.loads((POLICIES / f"{function}.json").read_text())
        allowed = {action for statement in policy["Statement"] for action in statement["Action"]}
        needed_in_a_race = {action for name, action in NEEDED_IN_A_RACE if name == function}
        # The emulator may enforce an action for one function and not for another.
        assert allowed - needed_in_a_race - set(needs) <= set(NOT_ENFORCED), function
        assert set(needs) <= allowed, function


@contextmanager
def action_removed(stage: StageProcess, function: str, action: str) -> Iterator[None]:
    iam = stage.client("iam")
    role = f"image-recognition-local-{function}"
    (name,) = iam.list_role_policies(RoleName=role)["PolicyNames"]
    policy: dict[str, Any] = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
    statements = [
        statement | {"Action": [allowed for allowed in statement["Action"] if allowed != action]}
        for statement in policy["Statement"]
    ]
    without = policy | {"Statement": [each for each in statements if each["Action"]]}
    assert without != policy
    try:
        iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(without))
        yield
    finally:
        iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(policy))


def log(stage: StageProcess, function: str, since: int) -> str:
    name = "image-recognition-local" + ("" if function == "api_handler" else f"-{function}")
    events = stage.client("logs").filter_log_events(
        logGroupName=f"/aws/lambda/{name}", startTime=since
    )["events"]
    return "\n".join(event["message"] for event in events)
