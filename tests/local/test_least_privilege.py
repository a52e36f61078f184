"""Each action in each function's policy is needed: without it, the flow fails for that reason.

The emulator enforces the policies of the functions' roles (AUTH=true). An action is taken away
from a role, the flow is driven, the function's log must say that just this was not allowed, and
the action is put back.
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

from chalicelib.aws.dynamodb_table import to_item
from chalicelib.catalog.items import Row, row_values
from chalicelib.model.changes import FeatureOutcome, with_features_requested, with_outcomes
from chalicelib.model.events import result_event
from chalicelib.model.findings import Feature
from chalicelib.model.image import Content, Status
from chalicelib.model.image import Image as ImageRow
from tests.helpers.stage_process import PROJECT, StageProcess, wait_for
from tests.local.conftest import Origin

CAT = PROJECT / "localcloud" / "photographs" / "chelsea-cat.png"
POLICIES = PROJECT / ".chalice" / "policies"
BUCKET = "image-recognition-local-images-000000000000"
TABLE = "image-recognition-local-catalog"
SECONDS = 40


@dataclass(frozen=True)
class Flow:
    """What a test can make happen."""

    stage: StageProcess
    origin: Origin

    def post_a_new_picture(self) -> str:
        name = self._make_a_new_picture()
        response = self.stage.request("POST", "/images", json={"url": f"{self.origin.url}/{name}"})
        return str(response.json().get("id", ""))

    def _make_a_new_picture(self) -> str:
        number = time.monotonic_ns()
        name = f"{number}.png"
        picture = Image.open(CAT).convert("RGB")
        picture.putpixel((0, 0), tuple(number.to_bytes(16)[-4:-1]))
        picture.putpixel((1, 0), tuple(number.to_bytes(16)[-7:-4]))
        picture.save(self.origin.folder / name)
        return name

    def post_a_batch(self) -> None:
        urls = [f"{self.origin.url}/{self._make_a_new_picture()}"]
        self.stage.request("POST", "/batches", json={"urls": urls})

    def post_a_bad_request_with_a_key(self) -> None:
        headers = {"Idempotency-Key": unknown_id()}
        self.stage.request("POST", "/images", json={"url": ""}, headers=headers)

    def upload_a_new_picture(self) -> None:
        form = self.stage.request("POST", "/uploads").json()
        content = (self.origin.folder / self._make_a_new_picture()).read_bytes()
        requests.post(form["url"], data=form["fields"], files={"file": content}, timeout=30)

    def recognize_and_try_to_deliver_a_new_picture(self) -> None:
        image_id = self.post_a_new_picture()
        wait_for(
            lambda: self.stage.request("GET", f"/images/{image_id}").json().get("delivery"),
            lambda delivery: bool(delivery) and delivery["tries"] > 0,
            SECONDS,
            "a try to deliver",
        )

    def recognize_and_deliver_a_new_picture(self) -> str:
        image_id = self.post_a_new_picture()
        wait_for(
            lambda: self.stage.request("GET", f"/images/{image_id}").json().get("delivery"),
            lambda delivery: bool(delivery) and delivery["status"] == "DELIVERED",
            SECONDS,
            "a delivery",
        )
        return image_id

    def post_a_known_picture(self) -> None:
        self.stage.request("POST", "/images", json={"url": self._known_url()})

    def post_a_batch_of_a_known_picture(self) -> None:
        self.stage.request("POST", "/batches", json={"urls": [self._known_url()]})

    def post_a_batch_of_a_known_picture_with_text(self) -> None:
        body = {"urls": [self._known_url()], "features": ["TEXT"]}
        self.stage.request("POST", "/batches", json=body)

    def get_a_pictures_content(self) -> str:
        image_id = self.recognize_and_deliver_a_new_picture()
        answer = self.stage.request("GET", f"/images/{image_id}/content", allow_redirects=False)
        return requests.get(answer.headers["Location"], timeout=30).text

    def delete_an_image(self) -> None:
        image_id = self.post_a_new_picture()
        self.stage.request("DELETE", f"/images/{image_id}")

    def reconcile(self) -> None:
        self.stage.reconcile()

    def reconcile_what_the_catalog_does_not_know(self) -> None:
        image_id = self.recognize_and_deliver_a_new_picture()
        delete_rows(self.stage, image_id)
        self.reconcile()

    def reconcile_a_row_without_its_object(self) -> None:
        image_id = unknown_id()
        now = datetime.now(UTC)
        image = with_features_requested(
            ImageRow(image_id, Status.PENDING, now), [Feature.LABELS], now
        )
        item = to_item(row_values(Row(image, revision=1)))
        self.stage.client("dynamodb").put_item(TableName=TABLE, Item=item)
        self.reconcile()

    def _known_url(self) -> str:
        name = self._make_a_new_picture()
        url = f"{self.origin.url}/{name}"
        image_id = self.stage.request("POST", "/images", json={"url": url}).json()["id"]
        self.stage.recognized(image_id)
        return url

    def deliver_what_is_refused(self) -> None:
        """A result that is not valid, which no picture has: the sample third party answers 422."""
        now = datetime.now(UTC)
        content = Content("image/png", width=-1, height=-1, bytes=-1)
        pending = ImageRow(unknown_id(), Status.PENDING, now, content=content)
        outcome = FeatureOutcome(Feature.LABELS, "3.0")
        image = with_outcomes(
            with_features_requested(pending, [Feature.LABELS], now), [outcome], now
        )
        item = to_item(row_values(Row(image, revision=1)))
        self.stage.client("dynamodb").put_item(TableName=TABLE, Item=item)
        event, _ = result_event(image.summary(), image.result_delivery)
        self._send("integration", json.dumps(event))

    def list_images(self) -> None:
        self.stage.request("GET", "/images")

    def get_an_image(self) -> None:
        self.stage.request("GET", f"/images/{'0' * 32}")

    def tell_of_an_image_that_is_gone(self) -> None:
        record = {
            "eventSource": "aws:s3",
            "eventName": "ObjectCreated:Put",
            "s3": {"bucket": {"name": BUCKET}, "object": {"key": f"images/{unknown_id()}"}},
        }
        self._send("recognition", json.dumps({"Records": [record]}))

    def remove_an_image(self) -> None:
        image_id = self.recognize_and_deliver_a_new_picture()
        self.stage.client("s3").delete_object(Bucket=BUCKET, Key=f"images/{image_id}")

    def send_nonsense_for_recognition(self) -> None:
        self._send("recognition", "not ours")

    def send_nonsense_to_take_in(self) -> None:
        self._send("intake", "not ours")

    def send_nonsense_for_delivery(self) -> None:
        self._send("integration", "not ours")

    def give_a_half_bad_batch_for_recognition(self) -> None:
        self._invoke_with_a_half_bad_batch("recognize_images", "recognition")

    def give_a_half_bad_batch_to_take_in(self) -> None:
        self._invoke_with_a_half_bad_batch("take_in_images", "intake")

    def give_a_half_bad_batch_for_delivery(self) -> None:
        self._invoke_with_a_half_bad_batch("deliver_results", "integration")

    def call_with_an_unknown_token(self) -> None:
        headers = {"Authorization": f"Bearer ir_{unknown_id()}"}
        self.stage.request("GET", "/images", headers=headers)

    def _send(self, queue: str, body: str) -> None:
        sqs = self.stage.client("sqs")
        url = sqs.get_queue_url(QueueName=f"image-recognition-local-{queue}")["QueueUrl"]
        sqs.send_message(QueueUrl=url, MessageBody=body)

    def _invoke_with_a_half_bad_batch(self, function: str, queue: str) -> None:
        """The bad message is at its last receive, so it is not postponed; the other is deleted."""
        done = json.dumps(
            {"Event": "s3:TestEvent", "id": "msg", "data": {"image_id": unknown_id()}}
        )
        records = [
            {
                "messageId": str(number),
                "receiptHandle": f"handle-{number}",
                "body": body,
                "attributes": {"ApproximateReceiveCount": "1000"},
                "eventSource": "aws:sqs",
                "eventSourceARN": f"arn:aws:sqs:us-east-1:000000000000:{queue}",
            }
            for number, body in enumerate((done, "not ours"))
        ]
        self.stage.client("lambda").invoke(
            FunctionName=f"image-recognition-local-{function}",
            Payload=json.dumps({"Records": records}).encode(),
        )


def delete_rows(stage: StageProcess, image_id: str) -> None:
    """Take an image out of the catalog, and leave it in the bucket."""
    client = stage.client("dynamodb")
    partition = {":pk": {"S": f"IMAGE#{image_id}"}}
    rows = client.query(
        TableName=TABLE, KeyConditionExpression="pk = :pk", ExpressionAttributeValues=partition
    )["Items"]
    for row in rows:
        client.delete_item(TableName=TABLE, Key={"pk": row["pk"], "sk": row["sk"]})


def unknown_id() -> str:
    return f"{time.monotonic_ns():032x}"


Drive = Callable[[Flow], object]

# What needs each action.
NEEDS: dict[str, dict[str, Drive]] = {
    "api_handler": {
        "s3:PutObject": Flow.post_a_new_picture,
        "s3:GetObject": Flow.get_a_pictures_content,
        "s3:DeleteObject": Flow.delete_an_image,
        "dynamodb:UpdateItem": Flow.post_a_known_picture,
        "dynamodb:GetItem": Flow.post_a_known_picture,
        "dynamodb:Query": Flow.list_images,
        "dynamodb:BatchGetItem": Flow.list_images,
        "dynamodb:PutItem": Flow.post_a_new_picture,
        "dynamodb:DeleteItem": Flow.post_a_bad_request_with_a_key,
        "sqs:SendMessage": Flow.post_a_batch,
    },
    "take_in_images": {
        "s3:GetObject": Flow.upload_a_new_picture,
        "s3:DeleteObject": Flow.upload_a_new_picture,
        "s3:PutObject": Flow.post_a_batch,
        "dynamodb:GetItem": Flow.upload_a_new_picture,
        "dynamodb:UpdateItem": Flow.post_a_batch_of_a_known_picture,
        "dynamodb:PutItem": Flow.post_a_batch,
        "sqs:SendMessage": Flow.post_a_batch_of_a_known_picture_with_text,
        "sqs:ChangeMessageVisibility": Flow.send_nonsense_to_take_in,
        "sqs:DeleteMessage": Flow.give_a_half_bad_batch_to_take_in,
    },
    "authorize": {"ssm:GetParametersByPath": Flow.call_with_an_unknown_token},
    "recognize_images": {
        "dynamodb:UpdateItem": Flow.post_a_new_picture,
        "dynamodb:PutItem": Flow.post_a_new_picture,
        "dynamodb:Query": Flow.tell_of_an_image_that_is_gone,
        "dynamodb:DeleteItem": Flow.tell_of_an_image_that_is_gone,
        "s3:GetObject": Flow.tell_of_an_image_that_is_gone,
        "sns:Publish": Flow.post_a_new_picture,
        "sqs:ChangeMessageVisibility": Flow.send_nonsense_for_recognition,
        "sqs:DeleteMessage": Flow.give_a_half_bad_batch_for_recognition,
    },
    "deliver_results": {
        "dynamodb:Query": Flow.post_a_new_picture,
        "dynamodb:GetItem": Flow.post_a_new_picture,
        "dynamodb:PutItem": Flow.post_a_new_picture,
        "ssm:GetParametersByPath": Flow.recognize_and_try_to_deliver_a_new_picture,
        "sqs:SendMessage": Flow.deliver_what_is_refused,
        "sqs:ChangeMessageVisibility": Flow.send_nonsense_for_delivery,
        "sqs:DeleteMessage": Flow.give_a_half_bad_batch_for_delivery,
    },
    "forget_removed_image": {
        "dynamodb:Query": Flow.remove_an_image,
        "dynamodb:DeleteItem": Flow.remove_an_image,
        "dynamodb:UpdateItem": Flow.remove_an_image,
        "s3:GetObject": Flow.remove_an_image,
    },
    "reconcile": {
        "dynamodb:GetItem": Flow.reconcile,
        "dynamodb:Query": Flow.reconcile,
        "dynamodb:BatchGetItem": Flow.reconcile_what_the_catalog_does_not_know,
        "dynamodb:PutItem": Flow.reconcile_what_the_catalog_does_not_know,
        "s3:ListBucket": Flow.reconcile,
        "sqs:SendMessage": Flow.reconcile_what_the_catalog_does_not_know,
        "s3:GetObject": Flow.reconcile_a_row_without_its_object,
        "dynamodb:DeleteItem": Flow.reconcile_a_row_without_its_object,
    },
}

# What the emulator cannot refuse: it does this itself, or another server answers.
NOT_ENFORCED = {
    "logs:CreateLogStream": "the emulator writes the logs itself",
    "logs:PutLogEvents": "the emulator writes the logs itself",
    "sqs:ReceiveMessage": "the emulator's poller does not ask the role",
    "sqs:GetQueueAttributes": "the emulator's poller does not ask the role",
    "s3:ListBucket": "the emulator answers 404 to a HEAD request also without it; AWS 403",
    "rekognition:DetectLabels": "the local Rekognition knows no roles",
    "rekognition:DetectText": "the local Rekognition knows no roles",
    "rekognition:DetectFaces": "the local Rekognition knows no roles",
    "rekognition:DetectModerationLabels": "the local Rekognition knows no roles",
    "rekognition:RecognizeCelebrities": "the local Rekognition knows no roles",
}

# What is needed only when two things meet by chance, which no test can bring about from outside.
NEEDED_BY_CHANCE = {
    ("recognize_images", "dynamodb:GetItem"): "an image is written while its result is recorded",
    ("reconcile", "dynamodb:UpdateItem"): "an image with labels waits for more and lost its object",
}

# S3 answers a HEAD request without a body, so without naming the action.
SAID_OTHERWISE = {
    "s3:GetObject": (
        r"\(403\) when calling the HeadObject operation: Forbidden"
        r"|not authorized to perform: s3:GetObject\b"
    ),
}


@pytest.fixture(scope="module")
def flow(stage: StageProcess, origin: Origin) -> Flow:
    """A flow that works with the policies as they are."""
    flow = Flow(stage, origin)
    flow.recognize_and_deliver_a_new_picture()
    return flow


@pytest.mark.parametrize(
    ("function", "action"),
    [(function, action) for function, needs in NEEDS.items() for action in needs],
)
def test_without_this_action_the_flow_fails_for_that_reason(
    flow: Flow, function: str, action: str
) -> None:
    message = SAID_OTHERWISE.get(action, rf"not authorized to perform: {action}\b")
    with action_taken_away(flow.stage, function, action):
        started_at = int(time.time() * 1000)
        answers: list[object] = []

        def look() -> str:
            # A warm function knows tokens and secrets for half a minute, so it is driven again.
            if not answers or action == "ssm:GetParametersByPath":
                answers.append(NEEDS[function][action](flow))
            return str(answers) + log(flow.stage, function, started_at)

        wait_for(
            look,
            lambda lines: bool(re.search(message, lines)),
            SECONDS,
            f"{function} to be refused {action}",
        )


def test_with_every_action_back_the_flow_works_again(flow: Flow) -> None:
    flow.recognize_and_deliver_a_new_picture()


def test_no_action_is_left_out() -> None:
    for function, needs in NEEDS.items():
        policy = json.loads((POLICIES / f"{function}.json").read_text())
        allowed = {action for statement in policy["Statement"] for action in statement["Action"]}
        by_chance = {action for name, action in NEEDED_BY_CHANCE if name == function}
        # What the emulator does not enforce for one function it may for another.
        assert allowed - by_chance - set(needs) <= set(NOT_ENFORCED), function
        assert set(needs) <= allowed, function


@contextmanager
def action_taken_away(stage: StageProcess, function: str, action: str) -> Iterator[None]:
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
