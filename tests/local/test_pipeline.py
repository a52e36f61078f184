"""From POST to labels and to the third party's XML, on the deployed local stage."""

import json
from collections.abc import Iterable
from typing import Any
from xml.etree import ElementTree

import pytest
import requests
from PIL import Image, ImageEnhance, ImageOps

from tests.helpers.stage_process import PROJECT, StageProcess, wait_for
from tests.local.conftest import Origin

PHOTOGRAPHS = PROJECT / "localcloud" / "photographs"

# At least one of a photograph's names must be among its labels.
EXPECTED_LABELS = {
    "chelsea-cat.png": {"Cat"},
    "coffee.png": {"Cup", "Coffee Cup"},
    "astronaut.png": {"Person"},
    "cameraman-grey.png": {"Person"},
    "mirrored-cat.png": {"Cat"},
    "bright-coffee.png": {"Cup", "Coffee Cup"},
    "small-astronaut.jpg": {"Person"},
    "pagoda.jpg": {"Building", "Architecture", "Temple", "Pagoda"},
    "rocket.jpg": set(),  # the local models' confidence for these two is too low
    "dahlia.jpg": set(),
}


@pytest.fixture(scope="module")
def posted(stage: StageProcess, origin: Origin) -> dict[str, dict[str, Any]]:
    """The recognized images of ten photographs, which are posted one after the other."""
    make_photographs(origin)
    ids = {}
    for name in EXPECTED_LABELS:
        response = stage.request("POST", "/images", json={"url": f"{origin.url}/{name}"})
        assert response.status_code == 202, response.text
        ids[name] = response.json()["id"]
    return {name: stage.recognized(image_id) for name, image_id in ids.items()}


def make_photographs(origin: Origin) -> None:
    for name in EXPECTED_LABELS:
        if (PHOTOGRAPHS / name).exists():
            (origin.folder / name).write_bytes((PHOTOGRAPHS / name).read_bytes())
    ImageOps.mirror(Image.open(PHOTOGRAPHS / "chelsea-cat.png")).save(
        origin.folder / "mirrored-cat.png"
    )
    ImageEnhance.Brightness(Image.open(PHOTOGRAPHS / "coffee.png")).enhance(1.2).save(
        origin.folder / "bright-coffee.png"
    )
    Image.open(PHOTOGRAPHS / "astronaut.png").convert("RGB").resize((300, 300)).save(
        origin.folder / "small-astronaut.jpg", quality=90
    )


@pytest.mark.parametrize("name", EXPECTED_LABELS)
def test_each_photograph_gets_a_label_of_what_it_shows(
    posted: dict[str, dict[str, Any]], name: str
) -> None:
    image = posted[name]
    assert image["status"] == "RECOGNIZED"
    names = {label["name"] for label in image["labels"]}
    assert all(label["confidence"] >= 70 for label in image["labels"])
    assert len(image["labels"]) <= 10
    if EXPECTED_LABELS[name]:
        assert names & EXPECTED_LABELS[name], names


def test_all_images_are_listed_newest_first_over_several_pages(
    stage: StageProcess, posted: dict[str, dict[str, Any]]
) -> None:
    listed = list(all_pages(stage, "limit=3"))
    ids = [image["id"] for image in listed]
    assert {image["id"] for image in posted.values()} <= set(ids)
    assert len(ids) == len(set(ids))
    times = [image["created_at"] for image in listed]
    assert times == sorted(times, reverse=True)


def test_a_label_in_any_case_lists_its_images_best_first(
    stage: StageProcess, posted: dict[str, dict[str, Any]]
) -> None:
    listed = list(all_pages(stage, "label=cAT&min_confidence=70&limit=1"))
    ids = [image["id"] for image in listed]
    assert {posted["chelsea-cat.png"]["id"], posted["mirrored-cat.png"]["id"]} <= set(ids)
    assert posted["coffee.png"]["id"] not in ids
    confidences = [
        next(label["confidence"] for label in image["labels"] if label["name"] == "Cat")
        for image in listed
    ]
    assert confidences == sorted(confidences, reverse=True)


def test_the_third_party_gets_every_result_as_well_formed_xml(
    stage: StageProcess, posted: dict[str, dict[str, Any]]
) -> None:
    ids = {image["id"] for image in posted.values()}
    documents = wait_for(
        lambda: received_documents(stage), lambda found: ids <= set(found), 60, "ten documents"
    )
    cat = documents[posted["chelsea-cat.png"]["id"]]
    assert "Cat" in {name.text for name in cat.iterfind("Labels/Label/Name")}
    for image in posted.values():
        assert documents[image["id"]].findtext("Status") == "RECOGNIZED"
        delivered = delivered_image(stage, image["id"])
        assert delivered["delivery"]["status"] == "DELIVERED"


def test_get_returns_the_same_xml_that_the_third_party_gets(
    stage: StageProcess, posted: dict[str, dict[str, Any]]
) -> None:
    image_id = posted["coffee.png"]["id"]
    documents = wait_for(
        lambda: received(stage), lambda found: image_id in found, 60, "the coffee's document"
    )
    response = stage.request("GET", f"/images/{image_id}", headers={"Accept": "application/xml"})
    assert response.headers["Content-Type"].startswith("application/xml")
    assert response.text == documents[image_id]


def test_the_same_image_from_two_urls_is_one_image_that_is_recognized_once(
    stage: StageProcess, posted: dict[str, dict[str, Any]], origin: Origin
) -> None:
    image_id = posted["chelsea-cat.png"]["id"]
    url = f"{origin.url}/chelsea-cat.png?again"
    response = stage.request("POST", "/images", json={"url": url})
    assert response.status_code == 200
    image = response.json()
    assert image["id"] == image_id
    assert url in image["sources"]
    assert len(image["sources"]) == 2
    assert image["status"] == "RECOGNIZED"
    assert recognitions_of(stage, image_id) == 1


def test_removing_an_object_deletes_its_rows(
    stage: StageProcess, posted: dict[str, dict[str, Any]]
) -> None:
    image_id = posted["mirrored-cat.png"]["id"]
    assert len(stage.items_of(image_id)) > 1
    bucket = "image-recognition-local-images-000000000000"
    stage.client("s3").delete_object(Bucket=bucket, Key=f"images/{image_id}")
    wait_for(
        lambda: stage.items_of(image_id),
        lambda items: items.keys() == {"IMAGE", "SEARCH"} and not items["SEARCH"]["terms"],
        30,
        "the removal of the image's items",
    )
    assert "removed_at" in stage.items_of(image_id)["IMAGE"]
    assert stage.request("GET", f"/images/{image_id}").status_code == 404
    assert image_id not in [image["id"] for image in all_pages(stage, "label=cat")]


def test_foreign_objects_and_messages_do_not_stop_the_pipeline(
    stage: StageProcess, origin: Origin
) -> None:
    bucket = "image-recognition-local-images-000000000000"
    stage.client("s3").put_object(Bucket=bucket, Key="images/café au lait+1.jpg", Body=b"x")
    sqs = stage.client("sqs")
    for queue in ("recognition", "integration"):
        url = sqs.get_queue_url(QueueName=f"image-recognition-local-{queue}")["QueueUrl"]
        sqs.send_message(QueueUrl=url, MessageBody="not ours")
        sqs.send_message(
            QueueUrl=url, MessageBody=json.dumps({"Service": "S3", "Event": "s3:TestEvent"})
        )
    ImageOps.flip(Image.open(PHOTOGRAPHS / "coffee.png")).save(origin.folder / "flipped.png")
    response = stage.request("POST", "/images", json={"url": f"{origin.url}/flipped.png"})
    image_id = response.json()["id"]
    assert stage.recognized(image_id)["status"] == "RECOGNIZED"
    assert delivered_image(stage, image_id)["delivery"]["status"] == "DELIVERED"


NOT_IMAGES = {
    "text.jpg": (b"This is not an image.", 400),
    "page.png": (b"<html><body>Log in</body></html>", 400),
    "empty.jpg": (b"", 400),
}


@pytest.mark.parametrize("name", NOT_IMAGES)
def test_what_is_not_an_image_is_refused_and_stores_nothing(
    stage: StageProcess, origin: Origin, name: str
) -> None:
    content, min_status = NOT_IMAGES[name]
    (origin.folder / name).write_bytes(content)
    assert_refused(stage, {"url": f"{origin.url}/{name}"}, min_status)


def test_an_image_with_a_side_under_80_pixels_is_refused(
    stage: StageProcess, origin: Origin
) -> None:
    Image.new("RGB", (79, 200)).save(origin.folder / "small.png")
    message = assert_refused(stage, {"url": f"{origin.url}/small.png"}, 400)
    assert "79" in message
    assert "80" in message


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"url": ""},
        {"url": "ftp://example.com/cat.jpg"},
        {"url": "file:///etc/passwd"},
        {"url": "http://127.0.0.1:4566/"},
        {"url": "http://169.254.169.254/latest/meta-data/"},
        {"url": "http://no-such-host.invalid/cat.jpg"},
    ],
)
def test_a_url_that_cannot_be_fetched_is_refused(stage: StageProcess, body: dict[str, str]) -> None:
    assert_refused(stage, body, 400)


def test_an_image_that_its_server_does_not_have_is_answered_502(
    stage: StageProcess, origin: Origin
) -> None:
    message = assert_refused(stage, {"url": f"{origin.url}/no-such-image.jpg"}, 502)
    assert "404" in message


def test_an_unknown_image_is_answered_404(stage: StageProcess) -> None:
    response = stage.request("GET", "/images/" + "0" * 32)
    assert (response.status_code, response.json()["Code"]) == (404, "ImageNotFound")


def delivered_image(stage: StageProcess, image_id: str) -> dict[str, Any]:
    """The image, once its delivery is no longer PENDING."""
    return wait_for(
        lambda: stage.request("GET", f"/images/{image_id}").json(),
        lambda image: image["delivery"] and image["delivery"]["status"] != "PENDING",
        60,
        f"the delivery of image {image_id}",
    )


def assert_refused(stage: StageProcess, body: Any, min_status: int) -> str:
    """Assert that the request is refused with Code and Message and stores nothing; the Message."""
    before = objects(stage)
    response = stage.request("POST", "/images", json=body)
    assert min_status <= response.status_code < 600, response.text
    assert response.status_code not in (500, 503), response.text
    assert set(response.json()) == {"Code", "Message"}
    assert objects(stage) == before
    return str(response.json()["Message"])


def objects(stage: StageProcess) -> list[str]:
    bucket = "image-recognition-local-images-000000000000"
    found = stage.client("s3").list_objects_v2(Bucket=bucket)
    return [stored["Key"] for stored in found.get("Contents", [])]


def all_pages(stage: StageProcess, query: str) -> Iterable[dict[str, Any]]:
    cursor = ""
    while True:
        page = stage.request("GET", f"/images?{query}{cursor}").json()
        yield from page["images"]
        if page["cursor"] is None:
            return
        cursor = f"&cursor={page['cursor']}"


def received(stage: StageProcess) -> dict[str, str]:
    """The documents that the third party received, by image id."""
    url = stage.ready["third_party_url"].replace("/results", "/received")
    documents = [entry["document"] for entry in requests.get(url, timeout=10).json()["received"]]
    return {parse(document).findtext("Id", ""): document for document in documents}


def received_documents(stage: StageProcess) -> dict[str, ElementTree.Element]:
    return {image_id: parse(document) for image_id, document in received(stage).items()}


def parse(document: str) -> ElementTree.Element:
    return ElementTree.fromstring(document.encode())  # noqa: S314 - our own document


def recognitions_of(stage: StageProcess, image_id: str) -> int:
    """The number of the local Rekognition's calls for an image, from its log."""
    return stage.log("rekognition").count(f"images/{image_id}")
