"""The example in docs/integrating.md: a queue that subscribes to some of the results."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image, ImageOps

from tests.helpers.stage_process import PROJECT, StageProcess, wait_for
from tests.local.conftest import Origin

PHOTOGRAPHS = PROJECT / "localcloud" / "photographs"
TOPIC = "arn:aws:sns:us-east-1:000000000000:image-recognition-local-results"


@pytest.fixture(scope="module")
def queue_url(stage: StageProcess) -> Iterator[str]:
    """The URL of the queue that the document's CloudFormation template creates."""
    page = (PROJECT / "docs" / "integrating.md").read_text()
    (template,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    client = stage.client("cloudformation")
    client.create_stack(
        StackName="pets",
        TemplateBody=template,
        Parameters=[{"ParameterKey": "ResultsTopicArn", "ParameterValue": TOPIC}],
    )
    client.get_waiter("stack_create_complete").wait(StackName="pets", WaiterConfig={"Delay": 1})
    (stack,) = client.describe_stacks(StackName="pets")["Stacks"]
    yield str(stack["Outputs"][0]["OutputValue"])
    client.delete_stack(StackName="pets")


def test_the_queue_gets_only_the_events_that_match_its_filter(
    stage: StageProcess, origin: Origin, queue_url: str
) -> None:
    # The cup first: if the filter let it through, it would arrive before the cat.
    cup, cat = (post(stage, origin, name) for name in ("coffee.png", "chelsea-cat.png"))
    image = stage.recognized(cat)
    events = wait_for(
        lambda: received(stage, queue_url),
        lambda events: any(event["subject"] == cat for event in events),
        60,
        "the cat's event",
    )
    assert cup not in {event["subject"] for event in events}
    (event,) = events
    assert event["specversion"] == "1.0"
    assert event["type"] == "image-recognition.image.recognized.v1"
    assert event["data"] == {
        "image_id": cat,
        "status": "RECOGNIZED",
        "features": ["LABELS"],
        "labels": [label["name"] for label in image["labels"]],
        "delivery": 1,
    }
    assert "Cat" in event["data"]["labels"]


def post(stage: StageProcess, origin: Origin, name: str) -> str:
    """The id of a recognized image, from a photograph that no other test posts."""
    framed = ImageOps.expand(Image.open(PHOTOGRAPHS / name).convert("RGB"), 3, "white")
    framed.save(origin.folder / f"framed-{name}")
    body = {"url": f"{origin.url}/framed-{name}"}
    image_id = str(stage.request("POST", "/images", json=body).json()["id"])
    stage.recognized(image_id)
    return image_id


def received(stage: StageProcess, queue_url: str) -> list[dict[str, Any]]:
    """The events in the queue, without deleting them."""
    messages = stage.client("sqs").receive_message(
        QueueUrl=queue_url, MaxNumberOfMessages=10, VisibilityTimeout=0
    )
    return [json.loads(message["Body"]) for message in messages.get("Messages", [])]
