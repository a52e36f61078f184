"""The messages of a batch on the intake queue: one for each URL."""

import json
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.model.events import NotOurMessage
from chalicelib.model.findings import Feature
from chalicelib.model.image import Failure

_ATTEMPTS = 3
_BATCH = 10  # SQS's limit for the messages of one request

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class BatchEntry:
    """One URL of a batch.

    `number` is its position in the batch, from 0. `url` is whole in the entry to fetch, and what
    `source_of` keeps of it in one that is read. `image_id` or `failure` is its outcome; a pending
    entry has neither. `requested_by` is the name of the token that sent the batch, in an entry to
    fetch.
    """

    batch_id: str
    number: int
    url: str
    features: tuple[Feature, ...] = ()
    image_id: str | None = None
    failure: Failure | None = None
    requested_by: str = ""


class BatchMessages:
    """Sends the entries of batches to the intake queue; `pause` takes seconds, as time.sleep does.

    `client` is a boto3 client of SQS.
    """

    def __init__(
        self, client: Any, queue_url: str, pause: Callable[[float], None] = time.sleep
    ) -> None:
        self._client = client
        self._queue_url = queue_url
        self._pause = pause

    def send(self, entries: Sequence[BatchEntry]) -> list[BatchEntry]:
        """Send entries, and again those that SQS refuses; returns those that it keeps refusing."""
        chunks = [entries[start : start + _BATCH] for start in range(0, len(entries), _BATCH)]
        with ThreadPoolExecutor(max_workers=10) as pool:
            return [entry for refused in pool.map(self._send, chunks) for entry in refused]

    def _send(self, entries: Sequence[BatchEntry]) -> Sequence[BatchEntry]:
        for attempt in range(_ATTEMPTS):
            if attempt:
                self._pause(0.1 * 2**attempt)
            try:
                response = self._client.send_message_batch(
                    QueueUrl=self._queue_url, Entries=list(map(_message, entries))
                )
            except (BotoCoreError, ClientError):
                logger.warning("SQS did not take %d URLs of a batch", len(entries), exc_info=True)
                continue
            failed = {each["Id"]: each for each in response.get("Failed", ())}
            if not failed:
                return ()
            logger.warning("SQS refused URLs of a batch: %s", list(failed.values()))
            entries = [entry for entry in entries if str(entry.number) in failed]
        return entries


def parse_batch_entry(message: dict[str, Any]) -> BatchEntry:
    """The entry in the body of an intake queue message; raises NotOurMessage if it has none."""
    try:
        return BatchEntry(
            str(message["batch_id"]),
            int(message["number"]),
            str(message["url"]),
            tuple(map(Feature, message["features"])),
            # Messages of an earlier version have no name.
            requested_by=str(message.get("requested_by", "")),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise NotOurMessage(f"Not a URL of a batch: {message!r:.200}") from error


def _message(entry: BatchEntry) -> dict[str, str]:
    body = {
        "batch_id": entry.batch_id,
        "number": entry.number,
        "url": entry.url,
        "features": entry.features,
        "requested_by": entry.requested_by,
    }
    return {"Id": str(entry.number), "MessageBody": json.dumps(body)}
