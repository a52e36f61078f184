"""The third party's HTTP endpoint: one attempt to deliver a document, and its outcome."""

import contextlib
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum, auto
from urllib.parse import urlsplit

from requests import Response
from urllib3.exceptions import HTTPError

from chalicelib.integration.circuit_breaker import CircuitBreaker
from chalicelib.integration.retry_schedule import retry_after_seconds
from chalicelib.integration.webhook_signing import WebhookSecrets, signed_headers
from chalicelib.transport.address_policy import any_address
from chalicelib.transport.deadline import Deadline
from chalicelib.transport.errors import TransportError
from chalicelib.transport.guarded_http import guarded_request

_READ_BYTES = 300  # of the body of a response that is an error

# Statuses below 500 that another attempt may not meet again.
_RETRIED_STATUSES = {408, 409, 425, 429}

# Statuses below 500 that concern the server, not this one result.
_DOWN_STATUSES = {408, 429}


class AttemptOutcome(Enum):
    """The outcome of one attempt."""

    DELIVERED = auto()
    TRY_AGAIN = auto()
    REFUSED = auto()
    WITHHELD = auto()


@dataclass(frozen=True)
class Attempt:
    """One attempt and its outcome.

    `reason` says what went wrong, and is None if nothing did. `status_code` is None if no response
    arrived. `retry_after_seconds` is what the third party asked for in Retry-After.
    """

    outcome: AttemptOutcome
    reason: str | None = None
    status_code: int | None = None
    retry_after_seconds: float | None = None


class ThirdParty:
    """The endpoint at `url`, which `third_party_url` has checked.

    `deadline_seconds` is for one attempt, from DNS to the response.
    """

    def __init__(
        self,
        url: str,
        secrets: WebhookSecrets,
        circuit_breaker: CircuitBreaker,
        deadline_seconds: float,
    ) -> None:
        parts = urlsplit(url)
        self._url = url
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._secrets = secrets
        self._circuit_breaker = circuit_breaker
        self._deadline_seconds = deadline_seconds

    def post(self, document: bytes, webhook_id: str, *, bypass_circuit_breaker: bool) -> Attempt:
        """Send a signed document once; WITHHELD, and not sent, while the circuit breaker is open.

        Raises only what prevents the secrets from being read: nothing is sent without a signature.
        """
        now = datetime.now(UTC)
        headers = {
            "Content-Type": "application/xml",
            **signed_headers(self._secrets.all(), webhook_id, now, document),
        }
        if not (bypass_circuit_breaker or self._circuit_breaker.allows()):
            return Attempt(
                AttemptOutcome.WITHHELD, "withheld: the third party failed several times in a row"
            )
        deadline = Deadline.after(self._deadline_seconds)
        try:
            with guarded_request(
                "POST",
                self._url,
                headers,
                policy=any_address(self._port),  # the owner of the stage chose the host
                deadline=deadline,
                max_body_bytes=_READ_BYTES,
                body=document,
            ) as response:
                attempt = _attempt(response, now)
        except TransportError as error:
            attempt = Attempt(AttemptOutcome.TRY_AGAIN, str(error))
        self._circuit_breaker.record(failed=_is_down(attempt))
        return attempt


def _is_down(attempt: Attempt) -> bool:
    status_code = attempt.status_code
    return status_code is None or status_code >= 500 or status_code in _DOWN_STATUSES


def _attempt(response: Response, now: datetime) -> Attempt:
    status_code = response.status_code
    if 200 <= status_code < 300:
        return Attempt(AttemptOutcome.DELIVERED, status_code=status_code)
    text = _start_of_body(response) if status_code >= 400 else ""
    reason = f"HTTP status {status_code}" + (f": {text}" if text else "")
    if status_code >= 500 or status_code in _RETRIED_STATUSES:
        pause = retry_after_seconds(response.headers.get("Retry-After"), now)
        return Attempt(AttemptOutcome.TRY_AGAIN, reason, status_code, pause)
    return Attempt(AttemptOutcome.REFUSED, reason, status_code)


def _start_of_body(response: Response) -> str:
    """The printable start of an error's body; empty if it cannot be read."""
    text = b""
    with contextlib.suppress(HTTPError, OSError, TransportError):
        text = response.raw.read1(_READ_BYTES, decode_content=False)
    words = text.decode("utf-8", "replace").split()
    return "".join(character for character in " ".join(words) if character.isprintable())
