"""The third party's HTTP endpoint: one try to deliver a document, and what came of it."""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum, auto

from chalicelib.integration.circuit_breaker import CircuitBreaker
from chalicelib.integration.retry_schedule import retry_after_seconds
from chalicelib.integration.webhook_signing import WebhookSecrets, signed_headers
from chalicelib.transport.bounded_post import NoAnswer, PostAnswer, post
from chalicelib.transport.deadline import Deadline

# Of the answers that are neither success nor the server's fault, those that may pass.
_RETRIED_STATUSES = {408, 409, 425, 429}

# What says something about the server, not about this one result.
_DOWN_STATUSES = {408, 429}


class AttemptOutcome(Enum):
    """What came of one try."""

    DELIVERED = auto()
    TRY_AGAIN = auto()
    REFUSED = auto()
    WITHHELD = auto()


@dataclass(frozen=True)
class Attempt:
    """The outcome of one try.

    `status_code` is None where no answer came. `reason` says what went wrong, None: nothing did.
    """

    outcome: AttemptOutcome
    reason: str | None = None
    status_code: int | None = None
    retry_after_seconds: float | None = None


class ThirdParty:
    """Where results are delivered."""

    def __init__(
        self,
        url: str,
        secrets: WebhookSecrets,
        circuit_breaker: CircuitBreaker,
        deadline_seconds: float,
    ) -> None:
        self._url = url
        self._secrets = secrets
        self._circuit_breaker = circuit_breaker
        self._deadline_seconds = deadline_seconds

    def post(self, document: bytes, webhook_id: str, *, bypass_circuit_breaker: bool) -> Attempt:
        """Send a document once, signed; WITHHELD, and not sent, while the third party is down.

        Raises only what keeps the secrets from being read; nothing is sent without a signature.
        """
        now = datetime.now(UTC)
        headers = {
            "Content-Type": "application/xml",
            **signed_headers(self._secrets.all(), webhook_id, now, document),
        }
        if not (bypass_circuit_breaker or self._circuit_breaker.allows()):
            return Attempt(
                AttemptOutcome.WITHHELD, "held back: the third party failed several times"
            )
        try:
            given = post(self._url, headers, document, Deadline.after(self._deadline_seconds))
        except NoAnswer as error:
            self._circuit_breaker.record(failed=True)
            return Attempt(AttemptOutcome.TRY_AGAIN, str(error))
        self._circuit_breaker.record(
            failed=given.status_code >= 500 or given.status_code in _DOWN_STATUSES
        )
        return _answer(given, now)


def _answer(given: PostAnswer, now: datetime) -> Attempt:
    status_code = given.status_code
    if 200 <= status_code < 300:
        return Attempt(AttemptOutcome.DELIVERED, status_code=status_code)
    reason = f"HTTP status {status_code}" + (f": {given.text}" if given.text else "")
    if status_code >= 500 or status_code in _RETRIED_STATUSES:
        wished = retry_after_seconds(given.retry_after, now)
        return Attempt(AttemptOutcome.TRY_AGAIN, reason, status_code, wished)
    return Attempt(AttemptOutcome.REFUSED, reason, status_code)
