"""The headers by which a third party knows that a result is ours, and new, and which one it is.

After Standard Webhooks 1.0 (https://www.standardwebhooks.com). The secrets are parameters below a
path in SSM. While one is changed for another there are two, and every request carries a signature
of each, so that the third party can change when it likes.
"""

import time
from datetime import datetime
from typing import Any

# A new secret is used this much later at the latest by a function that is warm.
CACHE_SECONDS = 30


class NoWebhookSecret(Exception):
    """There is no secret to sign with, so nothing may be sent."""


class WebhookSecrets:
    """The secrets of one stage."""

    def __init__(self, client: Any, path: str) -> None:
        self._client = client
        self._path = path
        self._secrets: tuple[str, ...] = ()
        self._read_at = float("-inf")

    def all(self) -> tuple[str, ...]:
        """Every secret that is valid now, ordered by name; raises NoWebhookSecret."""
        if time.monotonic() - self._read_at > CACHE_SECONDS:
            self._secrets = self._read()
            self._read_at = time.monotonic()
        return self._secrets

    def _read(self) -> tuple[str, ...]:
        pages = self._client.get_paginator("get_parameters_by_path").paginate(
            Path=self._path, WithDecryption=True
        )
        found = {
            parameter["Name"]: parameter["Value"]
            for page in pages
            for parameter in page["Parameters"]
        }
        if not found:
            raise NoWebhookSecret(
                f"There is no secret below {self._path} in SSM. "
                "Make one: python -m infra.webhook_secrets --stage STAGE create"
            )
        return tuple(found[name] for name in sorted(found))


def signed_headers(
    secrets: tuple[str, ...], webhook_id: str, moment: datetime, body: bytes
) -> dict[str, str]:
    """The three headers of one try. `moment` is in UTC; `body` is UTF-8, as it is sent."""
    from standardwebhooks.webhooks import Webhook  # most invocations sign nothing

    text = body.decode()
    signatures = [Webhook(secret).sign(webhook_id, moment, text) for secret in secrets]
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
