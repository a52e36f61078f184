"""The third party's HTTP endpoint: one try to deliver a document, and what came of it."""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum, auto

import requests

# Standard Webhooks asks for 15 to 30 seconds; the function that delivers has 60 for ten messages.
CONNECT_SECONDS = 5
ANSWER_SECONDS = 15

_RETRIED_STATUSES = {408, 409, 425, 429}


class Outcome(Enum):
    """What came of one try."""

    DELIVERED = auto()
    TRY_AGAIN = auto()
    REFUSED = auto()


@dataclass(frozen=True)
class Answer:
    """The outcome of one try, and in words what went wrong (None: nothing did)."""

    outcome: Outcome
    reason: str | None = None


class ThirdParty:
    """Where results are delivered."""

    def __init__(self, url: str) -> None:
        self._url = url

    def post(self, document: bytes, webhook_id: str) -> Answer:
        """Send a document once. Redirects are not followed; the answer's body is not read."""
        session = requests.Session()
        session.trust_env = False  # no proxy and no .netrc that happen to lie around
        try:
            with session.post(
                self._url,
                data=document,
                headers={
                    "content-type": "application/xml",
                    "webhook-id": webhook_id,
                    "webhook-timestamp": str(int(datetime.now(UTC).timestamp())),
                },
                timeout=(CONNECT_SECONDS, ANSWER_SECONDS),
                allow_redirects=False,
                stream=True,
            ) as response:
                return _answer(response.status_code)
        except requests.RequestException as error:
            return Answer(Outcome.TRY_AGAIN, f"no answer: {type(error).__name__}")


def _answer(status_code: int) -> Answer:
    if 200 <= status_code < 300:
        return Answer(Outcome.DELIVERED)
    if status_code >= 500 or status_code in _RETRIED_STATUSES:
        return Answer(Outcome.TRY_AGAIN, f"HTTP status {status_code}")
    return Answer(Outcome.REFUSED, f"HTTP status {status_code}")
