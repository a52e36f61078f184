"""The headers with which a third party verifies a result's sender, time and id.

They follow Standard Webhooks 1.0 (https://www.standardwebhooks.com). The secrets are SSM parameters
below a path. During a rotation there are two secrets, and every request has a signature for each,
so the third party can switch at any time.
"""

import time
from datetime import datetime
from typing import Any

# A warm function uses a new secret after at most this time.
CACHE_SECONDS = 30


class NoWebhookSecret(Exception):
    """Raised when SSM holds no secret: without a signature, nothing may be sent."""


class WebhookSecrets:
    """The webhook secrets of one stage: one SSM parameter each, below `path`."""

    def __init__(self, client: Any, path: str) -> None:
        self._client = client
        self._path = path
        self._secrets: tuple[str, ...] = ()
        self._read_at = float("-inf")

    def all(self) -> tuple[str, ...]:
        """All secrets, ordered by parameter name, at most CACHE_SECONDS old.

        Raises NoWebhookSecret if there is none, and botocore's ClientError if SSM cannot be read.
        """
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
                "Create one: python -m infra.webhook_secrets --stage STAGE create"
            )
        return tuple(found[name] for name in sorted(found))


def signed_headers(
    secrets: tuple[str, ...], webhook_id: str, moment: datetime, body: bytes
) -> dict[str, str]:
    """The webhook-id, webhook-timestamp and webhook-signature headers of one attempt.

    `moment` is the time of the attempt in UTC. `body` is the request's body and must be UTF-8. The
    signature header has one signature per secret, separated by spaces.
    """
    # Imported here, because most functions sign nothing.
    from standardwebhooks.webhooks import Webhook

    text = body.decode()
    signatures = [Webhook(secret).sign(webhook_id, moment, text) for secret in secrets]
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
