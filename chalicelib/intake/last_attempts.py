"""Makes sure that what is taken in from the queue ends, even if a last attempt is killed.

No code runs when a worker is killed, or when SQS moves a message to the dead-letter queue. So the
last attempt at a message begins by noting its failure, which is true from the moment at which the
attempt has ended in any case. An attempt that ends by itself replaces the note with its outcome. So
does an attempt after a redrive.

Only a message that was lost before its last attempt began leaves no note. It is lost for certain
once it is older than the queue keeps messages.
"""

from datetime import datetime, timedelta

from chalicelib.model.errors import NotProcessed
from chalicelib.model.image import Failure

# Longer than the timeout of the function that takes images in, 120 seconds.
LONGEST_ATTEMPT = timedelta(seconds=135)

# The intake queue's MessageRetentionPeriod in infra/api.yaml.
QUEUE_RETENTION = timedelta(days=4)

NOT_PROCESSED = Failure(
    NotProcessed.__name__,
    "It could not be processed because of a failure on this side, of which the operators are "
    "informed. It may still be processed later; to be sure, send it again.",
)
NOT_QUEUED = Failure(
    NotProcessed.__name__,
    "The queue did not accept this URL, so it is not fetched. Send it again in another batch.",
)


def end_of_attempt(now: datetime) -> int:
    """The Unix time from which an attempt that begins now has ended in any case."""
    return int((now + LONGEST_ATTEMPT).timestamp())


def has_ended(end: int | None, now: datetime) -> bool:
    """Whether an attempt with that `end_of_attempt` has ended; None is an outcome, not a note."""
    return end is None or now.timestamp() >= end


def is_lost(queued_at: datetime, now: datetime) -> bool:
    """Whether no message that was queued at `queued_at` can be in the queue any more."""
    return now > queued_at + QUEUE_RETENTION + LONGEST_ATTEMPT
