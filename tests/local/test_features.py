"""Every feature, requested on the deployed local stage and found in its API and XML."""

import io
import time
from datetime import UTC, datetime
from typing import Any

import pytest
import requests
from PIL import Image, ImageDraw, ImageFont

from tests.helpers.stage_process import PROJECT, StageProcess, wait_for
from tests.local.conftest import Origin

PHOTOGRAPHS = PROJECT / "localcloud" / "photographs"
BUCKET = "image-recognition-local-images-000000000000"
TABLE = "image-recognition-local-catalog"
CAPTION = "FRESH COFFEE 42"
EVERY_FEATURE = ["LABELS", "TEXT", "FACES", "MODERATION", "CELEBRITIES", "PROPERTIES"]


def new_image(name: str, caption: str = "") -> bytes:
    """A photograph with a white bar below it that holds a caption, as a PNG new to the stage.

    Two pixels carry the time, so that the bytes differ on each call.
    """
    photograph = Image.open(PHOTOGRAPHS / name).convert("RGB")
    image = Image.new("RGB", (photograph.width, photograph.height + 60), "white")
    image.paste(photograph, (0, 0))
    if caption:
        draw = ImageDraw.Draw(image)
        draw.text((20, photograph.height + 10), caption, "black", ImageFont.load_default(36))
    number = time.monotonic_ns().to_bytes(16)
    image.putpixel((0, 0), tuple(number[-4:-1]))
    image.putpixel((1, 0), tuple(number[-7:-4]))
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def post(stage: StageProcess, content: bytes, *features: str) -> dict[str, Any]:
    query = f"?features={','.join(features)}" if features else ""
    headers = {"Content-Type": "image/png"}
    response = stage.request("POST", f"/images{query}", data=content, headers=headers)
    assert response.status_code in (200, 202), response.text
    accepted: dict[str, Any] = response.json()
    return accepted


def completed(stage: StageProcess, image_id: str) -> dict[str, Any]:
    """The image, as soon as none of its features is pending."""
    wait_for(
        lambda: stage.request("GET", f"/images/{image_id}").json(),
        lambda image: all(each["status"] != "PENDING" for each in image["features"]),
        90,
        f"all features of image {image_id}",
    )
    return stage.recognized(image_id)  # and is counted


def states(image: dict[str, Any]) -> dict[str, str]:
    return {each["name"]: each["status"] for each in image["features"]}


def listed(stage: StageProcess, query: str) -> list[dict[str, Any]]:
    response = stage.request("GET", f"/images?{query}")
    assert response.status_code == 200, response.text
    found: list[dict[str, Any]] = response.json()["images"]
    return found


def usage(stage: StageProcess) -> dict[str, Any]:
    values: dict[str, Any] = stage.request("GET", "/usage").json()
    return values


@pytest.fixture(scope="module")
def portrait(stage: StageProcess) -> dict[str, Any]:
    """A portrait of a woman above a caption, recognized with every feature."""
    accepted = post(stage, new_image("astronaut.png", CAPTION), *EVERY_FEATURE)
    return completed(stage, accepted["id"])


def test_each_feature_finds_what_is_in_the_image(portrait: dict[str, Any]) -> None:
    assert portrait["status"] == "RECOGNIZED"
    assert "Person" in {label["name"] for label in portrait["labels"]}
    lines = [text["detected_text"] for text in portrait["texts"] if text["type"] == "LINE"]
    assert CAPTION in lines
    (face,) = portrait["faces"]
    assert face["emotions"][0]["type"] == "HAPPY"
    assert face["bounding_box"]["top"] < 0.4
    assert portrait["moderation_labels"] == []
    assert 0 < portrait["properties"]["quality"]["brightness"] < 100
    assert portrait["properties"]["dominant_colors"]


def test_only_a_feature_without_a_model_fails_and_it_says_why(portrait: dict[str, Any]) -> None:
    recognized = dict.fromkeys(EVERY_FEATURE, "RECOGNIZED")
    assert states(portrait) == recognized | {"CELEBRITIES": "FAILED"}
    celebrities = portrait["features"][EVERY_FEATURE.index("CELEBRITIES")]
    assert celebrities["failure"]["code"] == "NotImplementedException"
    assert "no model" in celebrities["failure"]["reason"]
    assert portrait["celebrities"] == []


def test_each_feature_has_its_times_and_its_model_version(portrait: dict[str, Any]) -> None:
    versions = {each["name"]: each["model_version"] for each in portrait["features"]}
    assert versions["LABELS"] == versions["PROPERTIES"] == "3.0-local"
    assert versions["TEXT"]
    assert all(each["recognized_at"] >= each["requested_at"] for each in portrait["features"])


def test_the_xml_has_every_feature_and_is_valid(
    stage: StageProcess, portrait: dict[str, Any]
) -> None:
    from xmlschema import XMLSchema

    headers = {"Accept": "application/xml"}
    document = stage.request("GET", f"/images/{portrait['id']}", headers=headers).content
    schema = requests.get(f"{stage.ready['url']}/schemas/image-recognition.xsd", timeout=10).text
    XMLSchema(schema).validate(document.decode())
    assert f"<DetectedText>{CAPTION}</DetectedText>" in document.decode()


def test_a_feature_requested_later_is_delivered_as_a_result_of_its_own(
    stage: StageProcess,
) -> None:
    image = completed(stage, post(stage, new_image("coffee.png", CAPTION))["id"])
    assert set(states(image)) == {"LABELS"}
    assert "texts" not in image
    delivered(stage, image["id"], 1)
    body = {"features": ["TEXT", "LABELS"]}
    response = stage.request("POST", f"/images/{image['id']}/recognitions", json=body)
    assert response.status_code == 202, response.text
    image = completed(stage, image["id"])
    assert CAPTION in [text["detected_text"] for text in image["texts"]]
    assert [each["number"] for each in delivered(stage, image["id"], 2)] == [1, 2]
    again = stage.request("POST", f"/images/{image['id']}/recognitions", json=body)
    assert again.status_code == 200


def delivered(stage: StageProcess, image_id: str, number: int) -> list[dict[str, Any]]:
    """An image's deliveries, as soon as `number` of them are there and all are DELIVERED.

    A later delivery would supersede one that is still pending, so tests wait for each.
    """
    deliveries: list[dict[str, Any]] = wait_for(
        lambda: stage.request("GET", f"/images/{image_id}").json()["deliveries"],
        lambda deliveries: [each["status"] for each in deliveries] == ["DELIVERED"] * number,
        60,
        f"{number} deliveries",
    )
    return deliveries


def test_known_features_are_not_paid_again_and_the_savings_are_counted(
    stage: StageProcess,
) -> None:
    content = new_image("coffee.png")
    before = usage(stage)
    image = completed(stage, post(stage, content, "LABELS", "PROPERTIES")["id"])
    once = usage(stage)
    assert once["calls"] == before["calls"] + 1  # labels and properties share one call
    post(stage, content, "LABELS", "PROPERTIES")
    body = {"features": ["LABELS"]}
    stage.request("POST", f"/images/{image['id']}/recognitions", json=body)
    twice = usage(stage)
    assert twice["calls"] == once["calls"]
    saved = {name: twice["saved"]["images"].get(name, 0) for name in ("LABELS", "PROPERTIES")}
    earlier = {name: once["saved"]["images"].get(name, 0) for name in saved}
    assert saved == {"LABELS": earlier["LABELS"] + 2, "PROPERTIES": earlier["PROPERTIES"] + 1}
    assert twice["price"] > 0


def test_images_are_found_by_name_parent_and_several_labels(
    stage: StageProcess, portrait: dict[str, Any]
) -> None:
    cat = completed(stage, post(stage, new_image("chelsea-cat.png"))["id"])
    for query in ("label=CAT", "label=animal", "label=Cat&label=Pet&min_confidence=70"):
        assert cat["id"] in [image["id"] for image in listed(stage, query + "&limit=100")], query
    assert listed(stage, "label=Cat&label=Person") == []
    assert portrait["id"] not in [image["id"] for image in listed(stage, "label=cat&limit=100")]
    newest = listed(stage, "label=cat&order=newest&limit=1")
    assert newest[0]["id"] == cat["id"]


def test_images_are_found_by_status_and_time(stage: StageProcess, portrait: dict[str, Any]) -> None:
    started = datetime.now(UTC)
    cup = completed(stage, post(stage, new_image("coffee.png"))["id"])
    query = f"created_after={started.isoformat().replace('+', '%2B')}&status=RECOGNIZED"
    assert [image["id"] for image in listed(stage, query)] == [cup["id"]]
    assert portrait["id"] not in [image["id"] for image in listed(stage, query)]


def test_labels_are_listed_with_the_number_of_their_images(stage: StageProcess) -> None:
    def count(name: str) -> int:
        labels = stage.request("GET", f"/labels?prefix={name}").json()["labels"]
        return next((each["count"] for each in labels if each["name"] == name), 0)

    before = count("Cat")
    cat = completed(stage, post(stage, new_image("chelsea-cat.png"))["id"])
    assert count("Cat") == before + 1
    stage.request("DELETE", f"/images/{cat['id']}")
    wait_for(lambda: count("Cat"), lambda number: number == before, 30, "the count to go back")


def test_the_content_of_an_image_has_the_pixels_that_were_posted(stage: StageProcess) -> None:
    content = new_image("coffee.png")
    image = post(stage, content)
    response = stage.request("GET", f"/images/{image['id']}/content", allow_redirects=False)
    assert response.status_code == 302
    stored = requests.get(response.headers["Location"], timeout=30)
    assert stored.status_code == 200
    sent, kept = (Image.open(io.BytesIO(each)) for each in (content, stored.content))
    assert (kept.mode, kept.tobytes()) == (sent.mode, sent.tobytes())
    assert stored.headers["Content-Type"] == "image/png"


def test_a_deleted_image_is_gone_and_comes_back_when_it_is_posted_again(
    stage: StageProcess,
) -> None:
    content = new_image("chelsea-cat.png")
    image = completed(stage, post(stage, content)["id"])
    assert stage.request("DELETE", f"/images/{image['id']}").status_code == 202
    wait_for(
        lambda: stage.request("GET", f"/images/{image['id']}").status_code,
        lambda status_code: status_code == 404,
        30,
        "the image to be forgotten",
    )
    assert image["id"] not in [each["id"] for each in listed(stage, "label=cat&limit=100")]
    again = completed(stage, post(stage, content)["id"])
    assert "Cat" in {label["name"] for label in again["labels"]}


@pytest.mark.parametrize(
    ("method", "path", "body", "words"),
    [
        ("POST", "/images", {"url": "http://a.example/", "features": ["SMELL"]}, "LABELS, TEXT"),
        ("POST", "/batches", {"urls": ["u"], "features": []}, "LABELS, TEXT"),
        ("GET", "/images?status=DONE", None, "PENDING, RECOGNIZED, FAILED"),
        ("GET", "/images?limit=1000", None, "from 1 to 100"),
        ("GET", "/images?label=Cat&min_confidence=200", None, "from 0 to 100"),
        ("GET", "/images?cursor=nonsense", None, "damaged"),
        ("GET", "/usage?month=soon", None, "2026-11"),
    ],
)
def test_an_invalid_value_is_refused_with_the_valid_ones(
    stage: StageProcess, method: str, path: str, body: Any, words: str
) -> None:
    response = stage.request(method, path, json=body)
    assert (response.status_code, response.json()["Code"]) == (400, "InvalidRequest")
    assert words in response.json()["Message"]


def test_an_unknown_label_is_refused_with_known_labels(
    stage: StageProcess, portrait: dict[str, Any]
) -> None:
    assert portrait["labels"]
    response = stage.request("GET", "/images?label=Unicorn")
    assert (response.status_code, response.json()["Code"]) == (400, "UnknownLabel")
    assert "'unicorn'" in response.json()["Message"]
    assert "Known labels: " in response.json()["Message"]


def test_a_cursor_of_another_query_is_refused(
    stage: StageProcess, portrait: dict[str, Any]
) -> None:
    post(stage, new_image("coffee.png"))
    cursor = stage.request("GET", "/images?limit=1").json()["cursor"]
    response = stage.request("GET", f"/images?label=cat&cursor={cursor}")
    assert response.status_code == 400
    assert "another query" in response.json()["Message"]


def test_reconciliation_recognizes_an_image_missing_from_the_catalog(
    stage: StageProcess,
) -> None:
    image = completed(stage, post(stage, new_image("chelsea-cat.png"))["id"])
    delete_rows(stage, image["id"])
    assert stage.request("GET", f"/images/{image['id']}").status_code == 404
    stage.reconcile()
    found = wait_for(
        lambda: stage.request("GET", f"/images/{image['id']}"),
        lambda response: response.status_code == 200,
        30,
        "the image to be in the catalog again",
    )
    assert "Cat" in {label["name"] for label in completed(stage, found.json()["id"])["labels"]}


def test_reconciliation_requeues_a_pending_image_whose_message_is_lost(
    stage: StageProcess, origin: Origin
) -> None:
    """Purges the queue before the function receives S3's message: its event source is disabled."""
    functions = stage.client("lambda")
    name = "image-recognition-local-recognize_images"
    (mapping,) = functions.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]
    sqs = stage.client("sqs")
    queue = sqs.get_queue_url(QueueName="image-recognition-local-recognition")["QueueUrl"]
    functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    try:
        image = post(stage, new_image("chelsea-cat.png"))
        wait_for(lambda: number_of_messages(sqs, queue), bool, 30, "the message to arrive")
        sqs.purge_queue(QueueUrl=queue)
    finally:
        functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=True)
    assert stage.request("GET", f"/images/{image['id']}").json()["status"] == "PENDING"
    stage.reconcile()
    assert "Cat" in {label["name"] for label in completed(stage, image["id"])["labels"]}


def test_reconciliation_runs_on_a_schedule(stage: StageProcess) -> None:
    rules = stage.client("events").list_rules()["Rules"]
    (rule,) = [rule for rule in rules if "reconcile" in rule["Name"]]
    assert rule["ScheduleExpression"] == "rate(15 minutes)"
    (target,) = stage.client("events").list_targets_by_rule(Rule=rule["Name"])["Targets"]
    assert target["Arn"].endswith(":function:image-recognition-local-reconcile")


def number_of_messages(sqs: Any, queue: str) -> int:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"]
    return sum(int(found[name]) for name in names)


def delete_rows(stage: StageProcess, image_id: str) -> None:
    """Delete an image from the catalog, but not from the bucket."""
    client = stage.client("dynamodb")
    partition = {":pk": {"S": f"IMAGE#{image_id}"}}
    rows = client.query(
        TableName=TABLE, KeyConditionExpression="pk = :pk", ExpressionAttributeValues=partition
    )["Items"]
    for row in rows:
        client.delete_item(TableName=TABLE, Key={"pk": row["pk"], "sk": row["sk"]})
