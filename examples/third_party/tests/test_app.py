"""What the third party takes and what it refuses, over HTTP as Chalice has it."""

import importlib.util
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from chalice.test import Client, HTTPResponse
from standardwebhooks.webhooks import Webhook

APP = Path(__file__).parents[1] / "app.py"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER_SECRET = "whsec_" + "A" * 32
DOCUMENT = Path(__file__).with_name("cat.xml").read_bytes()


@pytest.fixture(scope="module")
def third_party() -> ModuleType:
    """The app under a name of its own, beside the app that sends."""
    specification = importlib.util.spec_from_file_location("third_party_app", APP)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.fixture
def client(
    third_party: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Client]:
    """Calls the routes of an app that has received nothing yet."""
    monkeypatch.setattr(third_party, "DATABASE", str(tmp_path / "received.sqlite"))
    monkeypatch.setenv("WEBHOOK_SECRET", SECRET)
    with Client(third_party.app) as client:
        yield client


def signed(
    body: bytes, *, secret: str = SECRET, age: timedelta = timedelta(0), webhook_id: str = "msg_1"
) -> dict[str, str]:
    moment = datetime.now(UTC) - age
    return {
        "Content-Type": "application/xml",
        "webhook-id": webhook_id,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": Webhook(secret).sign(webhook_id, moment, body.decode()),
    }


def post(client: Client, body: bytes, headers: dict[str, str]) -> HTTPResponse:
    return client.http.post("/results", headers=headers, body=body)


def received(client: Client) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.http.get("/received").json_body["received"]
    return found


def test_a_signed_and_valid_document_is_kept_byte_for_byte(client: Client) -> None:
    assert post(client, DOCUMENT, signed(DOCUMENT)).status_code == 204
    (entry,) = received(client)
    assert entry["webhook_id"] == "msg_1"
    assert entry["document"].encode() == DOCUMENT
    assert set(entry) == {"webhook_id", "received_at", "document"}


def test_a_repetition_is_taken_and_kept_once(client: Client) -> None:
    for _ in range(3):
        assert post(client, DOCUMENT, signed(DOCUMENT)).status_code == 204
    assert post(client, DOCUMENT, signed(DOCUMENT, webhook_id="msg_2")).status_code == 204
    assert sorted(entry["webhook_id"] for entry in received(client)) == ["msg_1", "msg_2"]


def test_while_the_secret_is_changed_one_good_signature_is_enough(client: Client) -> None:
    headers = signed(DOCUMENT)
    other = signed(DOCUMENT, secret=OTHER_SECRET)["webhook-signature"]
    headers["webhook-signature"] = f"{other} {headers['webhook-signature']}"
    assert post(client, DOCUMENT, headers).status_code == 204


@pytest.mark.parametrize(
    "change",
    [
        {"webhook-signature": ""},
        {"webhook-signature": "v1"},
        {"webhook-signature": "v1,!"},
        {"webhook-signature": "v2,abc"},
        {"webhook-signature": "v1,MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="},
        {"webhook-id": "msg_other"},
        {"webhook-timestamp": "0"},
        {"webhook-timestamp": "yesterday"},
    ],
)
def test_what_is_not_signed_by_the_sender_is_a_401(client: Client, change: dict[str, str]) -> None:
    assert post(client, DOCUMENT, signed(DOCUMENT) | change).status_code == 401
    assert received(client) == []


@pytest.mark.parametrize("minutes", [-6, 6])
def test_what_was_not_signed_just_now_is_a_401(client: Client, minutes: int) -> None:
    headers = signed(DOCUMENT, age=timedelta(minutes=minutes))
    assert post(client, DOCUMENT, headers).status_code == 401


def test_what_is_signed_with_another_secret_is_a_401(client: Client) -> None:
    assert post(client, DOCUMENT, signed(DOCUMENT, secret=OTHER_SECRET)).status_code == 401


def test_a_request_without_the_headers_is_a_401(client: Client) -> None:
    assert post(client, DOCUMENT, {"Content-Type": "application/xml"}).status_code == 401


def test_a_body_that_was_changed_on_its_way_is_a_401(client: Client) -> None:
    changed = DOCUMENT.replace(b"RECOGNIZED", b"FAILED")
    assert post(client, changed, signed(DOCUMENT)).status_code == 401
    assert post(client, b"\xff", signed(DOCUMENT)).status_code == 401


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"not XML",
        b"<Other/>",
        DOCUMENT.replace(b"RECOGNIZED", b"GUESSED"),
        DOCUMENT.replace(b"<Version>1.0</Version>", b""),
        DOCUMENT.replace(b"</Labels>", b"</Labels><More/>"),
        DOCUMENT.replace(
            b"<ImageRecognition>",
            b'<!DOCTYPE x [<!ENTITY a "b">]><ImageRecognition>',
        ),
    ],
)
def test_a_document_that_is_not_valid_is_a_422(client: Client, document: bytes) -> None:
    response = post(client, document, signed(document))
    assert response.status_code == 422
    assert "Message" in response.json_body
    assert received(client) == []
