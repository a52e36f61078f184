"""Images that arrive as bytes, uploads and batches; and requests with an Idempotency-Key."""

import io
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
from PIL import Image

from tests.helpers.stage_process import PROJECT, StageProcess, wait_for
from tests.local.conftest import Origin

PHOTOGRAPHS = PROJECT / "localcloud" / "photographs"
BUCKET = "image-recognition-local-images-000000000000"
COUNTS = ("pending", "recognized", "failed", "removed")


def new_cat(kind: str = "PNG", **options: Any) -> bytes:
    """The cat photograph with two pixels set from the clock, so that its bytes are always new."""
    cat = Image.open(PHOTOGRAPHS / "chelsea-cat.png").convert("RGB")
    number = time.monotonic_ns().to_bytes(16)
    cat.putpixel((0, 0), tuple(number[-4:-1]))
    cat.putpixel((1, 0), tuple(number[-7:-4]))
    output = io.BytesIO()
    cat.save(output, kind, **options)
    return output.getvalue()


def names(image: dict[str, Any]) -> set[str]:
    return {label["name"] for label in image["labels"]}


def test_an_image_in_the_body_is_stored_and_recognized(stage: StageProcess) -> None:
    content = new_cat("JPEG", quality=90)
    headers = {"Content-Type": "image/jpeg"}
    response = stage.request("POST", "/images", data=content, headers=headers)
    assert response.status_code == 202, response.text
    assert response.headers["Location"].endswith(f"/images/{response.json()['id']}")
    image = stage.recognized(response.json()["id"])
    assert "Cat" in names(image)
    assert image["sources"] == []
    assert image["original"]["bytes"] == len(content)


def test_a_body_that_is_not_an_image_is_refused(stage: StageProcess) -> None:
    headers = {"Content-Type": "application/octet-stream"}
    response = stage.request("POST", "/images", data=b"\x00\x01not one", headers=headers)
    assert (response.status_code, response.json()["Code"]) == (415, "NotAnImage")


def test_an_upload_is_checked_stored_and_recognized(stage: StageProcess) -> None:
    form = begin_upload(stage)
    assert upload_of(stage, form)["status"] == "WAITING"
    assert send(form, new_cat()).status_code == 204
    upload = wait_for(
        lambda: upload_of(stage, form),
        lambda upload: upload["status"] != "WAITING",
        60,
        "the upload to be stored",
    )
    assert upload["status"] == "STORED", upload
    assert "Cat" in names(stage.recognized(upload["image_id"]))
    wait_for(lambda: objects(stage, "uploads/"), lambda keys: not keys, 30, "uploads/ to be empty")


def test_an_upload_that_is_not_an_image_is_refused_with_the_reason(stage: StageProcess) -> None:
    before = objects(stage, "images/")
    form = begin_upload(stage)
    assert send(form, b"%PDF-1.7 not an image").status_code == 204
    upload = wait_for(
        lambda: upload_of(stage, form),
        lambda upload: upload["status"] != "WAITING",
        60,
        "the upload to be checked",
    )
    assert (upload["status"], upload["code"]) == ("REFUSED", "ImageKindNotSupported")
    assert "PDF" in upload["message"]
    assert objects(stage, "images/") == before


def test_s3_refuses_an_upload_that_is_empty_or_over_the_limit(stage: StageProcess) -> None:
    form = begin_upload(stage)
    assert send(form, b"\xff" * (form["max_bytes"] + 1)).status_code == 400
    assert send(form, b"").status_code == 400


def test_an_unknown_upload_or_batch_is_answered_404(stage: StageProcess) -> None:
    for path, code in (("/uploads/0", "UploadNotFound"), ("/batches/0", "BatchNotFound")):
        response = stage.request("GET", path)
        assert (response.status_code, response.json()["Code"]) == (404, code)


def test_a_batch_reports_the_outcome_of_every_url(stage: StageProcess, origin: Origin) -> None:
    good = []
    for number in range(5):
        (origin.folder / f"batch-{number}.png").write_bytes(new_cat())
        good.append(f"{origin.url}/batch-{number}.png")
    (origin.folder / "page.html").write_text("<html>not an image</html>")
    bad = {
        f"{origin.url}/page.html": "NotAnImage",
        f"{origin.url}/missing.png": "ImageServerError",
        "http://127.0.0.1/cat.png": "AddressNotPublic",
        "not a url": "InvalidUrl",
    }
    response = stage.request("POST", "/batches", json={"urls": [*good, *bad, good[0]]})
    assert response.status_code == 202, response.text
    batch = finished_batch(stage, response.json()["id"])
    assert {name: batch[name] for name in COUNTS} == {
        "pending": 0,
        "recognized": 6,
        "failed": 4,
        "removed": 0,
    }
    assert {failure["url"]: failure["code"] for failure in batch["failures"]} == bad
    image_ids = {entry["image_id"] for entry in batch["images"]}
    assert len(image_ids) == 5
    assert all("Cat" in names(stage.recognized(image_id)) for image_id in image_ids)


def test_a_batch_of_a_thousand_urls_reports_the_outcome_of_every_url(
    stage: StageProcess, origin: Origin
) -> None:
    (origin.folder / "one-of-many.png").write_bytes(new_cat())
    urls = [
        f"{origin.url}/{'one-of-many' if number % 4 else 'no-such'}.png?{number}"
        for number in range(1000)
    ]
    started = time.monotonic()
    response = stage.request("POST", "/batches", json={"urls": urls})
    assert response.status_code == 202, response.text
    assert time.monotonic() - started < 29, "API Gateway would have timed out"
    batch = finished_batch(stage, response.json()["id"], 240)
    assert (batch["recognized"], batch["failed"], batch["removed"]) == (750, 250, 0)
    assert len({entry["image_id"] for entry in batch["images"]}) == 1


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"urls": []},
        {"urls": "https://example.com/cat.jpg"},
        {"urls": [1]},
        {"urls": ["https://example.com/"] * 1001},
        {"urls": ["x" * 9000]},
    ],
)
def test_an_invalid_batch_is_refused(stage: StageProcess, body: Any) -> None:
    response = stage.request("POST", "/batches", json=body)
    assert (response.status_code, response.json()["Code"]) == (400, "InvalidRequest")


def test_a_request_that_repeats_its_key_gets_the_first_status_and_the_image_as_it_is(
    stage: StageProcess, origin: Origin
) -> None:
    (origin.folder / "once.png").write_bytes(new_cat())
    headers = {"Idempotency-Key": f"key-{time.monotonic_ns()}"}
    body = {"url": f"{origin.url}/once.png"}
    first = stage.request("POST", "/images", json=body, headers=headers)
    assert first.status_code == 202
    image = stage.recognized(first.json()["id"])
    (origin.folder / "once.png").unlink()
    second = stage.request("POST", "/images", json=body, headers=headers)
    assert (second.status_code, second.json()["labels"]) == (202, image["labels"])
    assert second.headers["Location"] == first.headers["Location"]


def test_location_and_key_of_a_redelivery_are_those_of_its_image(stage: StageProcess) -> None:
    headers = {"Content-Type": "image/png"}
    images = [
        stage.recognized(
            stage.request("POST", "/images", data=new_cat(), headers=headers).json()["id"]
        )
        for _ in range(2)
    ]
    key = {"Idempotency-Key": f"key-{time.monotonic_ns()}"}
    first, second = (
        stage.request("POST", f"/images/{image['id']}/deliveries", headers=key) for image in images
    )
    assert first.status_code == 202
    assert first.headers["Location"].endswith(f"/api/images/{images[0]['id']}")
    assert (second.status_code, second.json()["Code"]) == (422, "IdempotencyKeyReused")


def test_the_key_of_a_different_request_is_refused(stage: StageProcess, origin: Origin) -> None:
    (origin.folder / "other.png").write_bytes(new_cat())
    headers = {"Idempotency-Key": f"key-{time.monotonic_ns()}"}
    body = {"url": f"{origin.url}/other.png"}
    assert stage.request("POST", "/images", json=body, headers=headers).status_code == 202
    other = {"url": f"{origin.url}/other.png?2"}
    response = stage.request("POST", "/images", json=other, headers=headers)
    assert (response.status_code, response.json()["Code"]) == (422, "IdempotencyKeyReused")


def test_a_failed_request_can_be_retried_with_its_key(stage: StageProcess, origin: Origin) -> None:
    headers = {"Idempotency-Key": f"key-{time.monotonic_ns()}"}
    body = {"url": f"{origin.url}/soon.png"}
    assert stage.request("POST", "/images", json=body, headers=headers).status_code == 502
    (origin.folder / "soon.png").write_bytes(new_cat())
    assert stage.request("POST", "/images", json=body, headers=headers).status_code == 202


def test_concurrent_posts_of_the_same_image_make_one_image_that_is_recognized_once(
    stage: StageProcess, origin: Origin
) -> None:
    (origin.folder / "twins.png").write_bytes(new_cat())

    def post(number: int) -> requests.Response:
        body = {"url": f"{origin.url}/twins.png?{number}"}
        return stage.request("POST", "/images", json=body)

    with ThreadPoolExecutor(4) as pool:
        responses = list(pool.map(post, range(4)))
    assert sorted(response.status_code for response in responses) == [200, 200, 200, 202]
    (image_id,) = {response.json()["id"] for response in responses}
    image = stage.recognized(image_id)
    assert len(image["sources"]) == 4
    assert stage.log("rekognition").count(f"images/{image_id}") == 1


def begin_upload(stage: StageProcess) -> dict[str, Any]:
    response = stage.request("POST", "/uploads")
    assert response.status_code == 201, response.text
    form: dict[str, Any] = response.json()
    return form


def send(form: dict[str, Any], content: bytes) -> requests.Response:
    return requests.post(
        form["url"], data=form["fields"], files={"file": ("image", content)}, timeout=60
    )


def upload_of(stage: StageProcess, form: dict[str, Any]) -> dict[str, Any]:
    upload: dict[str, Any] = stage.request("GET", f"/uploads/{form['id']}").json()
    return upload


def finished_batch(stage: StageProcess, batch_id: str, seconds: float = 90) -> dict[str, Any]:
    def read_batch() -> dict[str, Any]:
        response = stage.request("GET", f"/batches/{batch_id}")
        assert response.status_code == 200, response.text
        batch: dict[str, Any] = response.json()
        assert sum(batch[name] for name in COUNTS) == batch["total"]
        return batch

    return wait_for(read_batch, lambda batch: batch["pending"] == 0, seconds, "the batch's end")


def objects(stage: StageProcess, prefix: str) -> list[str]:
    found = stage.client("s3").list_objects_v2(Bucket=BUCKET, Prefix=prefix)
    return [stored["Key"] for stored in found.get("Contents", [])]
