"""Why a feature failed, in a code and a sentence of ours; the log has the error itself."""

from chalicelib.model.image import Failure


def failure_of(error: Exception) -> Failure:
    """The failure to record."""
    return Failure(type(error).__name__, str(error))


def is_temporary(failure: Failure) -> bool:
    """Whether another attempt may succeed."""
    return failure.code in {"Throttled", "ObjectUnreadable"}
