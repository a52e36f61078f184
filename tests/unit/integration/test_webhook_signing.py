import base64
import hashlib
import hmac
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from chalicelib.integration import webhook_signing
from chalicelib.integration.webhook_signing import NoWebhookSecret, WebhookSecrets, signed_headers

OLD = "whsec_" + base64.b64encode(b"o" * 32).decode()
NEW = "whsec_" + base64.b64encode(b"n" * 32).decode()
BODY = "<A>\u00fc\U0001f408</A>".encode()


def expected_signature(secret: str, headers: dict[str, str], body: bytes) -> str:
    """The signature as the specification defines it, without the package."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = b".".join(
        (headers["webhook-id"].encode(), headers["webhook-timestamp"].encode(), body)
    )
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


@given(st.binary(min_size=24, max_size=64), st.text(st.characters(codec="utf-8")))
def test_the_signature_is_the_specifications_and_the_packages_verifier_accepts_it(
    key: bytes, text: str
) -> None:
    secret = "whsec_" + base64.b64encode(key).decode()
    body = text.encode()
    headers = signed_headers((secret,), "msg_1", datetime.now(UTC), body)
    Webhook(secret).verify(body, headers, json_parse=False)
    assert headers["webhook-signature"] == expected_signature(secret, headers, body)


def test_the_specifications_example_has_the_published_signature() -> None:
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    body = b'{"test": 2432232314}'
    headers = signed_headers(
        (secret,), "msg_p5jXN8AQM9LWM0D4loKWxJek", datetime.fromtimestamp(1614265330, UTC), body
    )
    assert headers["webhook-timestamp"] == "1614265330"
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_during_a_rotation_both_secrets_verify() -> None:
    headers = signed_headers((OLD, NEW), "msg_1", datetime.now(UTC), BODY)
    for secret in (OLD, NEW):
        Webhook(secret).verify(BODY, headers, json_parse=False)
    assert headers["webhook-signature"].split(" ") == [
        expected_signature(OLD, headers, BODY),
        expected_signature(NEW, headers, BODY),
    ]


@pytest.mark.parametrize(
    "change",
    [
        {"webhook-id": "msg_2"},
        {"webhook-timestamp": str(int(datetime.now(UTC).timestamp()) + 1)},
    ],
)
def test_the_signature_covers_id_and_timestamp(change: dict[str, str]) -> None:
    headers = signed_headers((NEW,), "msg_1", datetime.now(UTC) - timedelta(seconds=5), BODY)
    with pytest.raises(WebhookVerificationError):
        Webhook(NEW).verify(BODY, headers | change, json_parse=False)


class FakeSsm:
    """Holds parameters in memory and counts the reads."""

    def __init__(self, **secrets: str) -> None:
        self.secrets = secrets
        self.reads = 0

    def get_paginator(self, operation: str) -> "FakeSsm":
        assert operation == "get_parameters_by_path"
        return self

    def paginate(self, Path: str, WithDecryption: bool) -> list[dict[str, Any]]:  # noqa: N803 - boto3's names
        assert (Path, WithDecryption) == ("/secrets", True)
        self.reads += 1
        return [
            {"Parameters": [{"Name": f"{Path}/{name}", "Value": value}]}
            for name, value in self.secrets.items()
        ]


def test_secrets_are_cached_for_a_short_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    ssm = FakeSsm(b=NEW, a=OLD)
    secrets = WebhookSecrets(ssm, "/secrets")
    assert secrets.all() == secrets.all() == (OLD, NEW)
    assert ssm.reads == 1
    del ssm.secrets["a"]
    now += webhook_signing.CACHE_SECONDS + 1
    assert secrets.all() == (NEW,)


def test_a_missing_secret_raises_an_error_that_names_the_path() -> None:
    with pytest.raises(NoWebhookSecret, match="/secrets"):
        WebhookSecrets(FakeSsm(), "/secrets").all()
