"""The example of docs/integrating.md: a queue of one's own that gets the results it asks for."""

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
    """The queue that the document's template makes."""
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


def test_it_gets_the_events_that_its_filter_names_and_no_others(
    stage: StageProcess, origin: Origin, queue_url: str
) -> None:
    # The cup first: were it let through, it would be here by the time the cat is.
    cup, cat = (post(stage, origin, name) for name in ("coffee.png", "chelsea-cat.png"))
    image = stage.recognized(cat)
    events = wait_for(
        lambda: received(stage, queue_url),
        lambda seen: any(event["subject"] == cat for event in seen),
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
    """A photograph that no other test has, recognized; its image's id."""
    picture = ImageOps.expand(Image.open(PHOTOGRAPHS / name).convert("RGB"), 3, "white")
    picture.save(origin.folder / f"framed-{name}")
    body = {"url": f"{origin.url}/framed-{name}"}
    image_id = str(stage.request("POST", "/images", json=body).json()["id"])
    stage.recognized(image_id)
    return image_id


def received(stage: StageProcess, queue_url: str) -> list[dict[str, Any]]:
    """What waits in the queue; it stays there."""
    messages = stage.client("sqs").receive_message(
        QueueUrl=queue_url, MaxNumberOfMessages=10, VisibilityTimeout=0
    )
    return [json.loads(message["Body"]) for message in messages.get("Messages", [])]
