"""What the running system tells: JSON logs that name the image in every line, and metrics.

Metrics are lines in CloudWatch's embedded metric format, so they cost no call. Secrets that a URL
or a header can carry are taken out of every log line here, so that no other place has to think
of it.
"""

import logging
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from aws_lambda_powertools import Metrics
from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter
from aws_lambda_powertools.metrics import MetricUnit

SERVICE = "image-recognition"
NAMESPACE = "ImageRecognition"

# Query strings carry signatures of signed URLs, user information passwords, Bearer tokens access.
_SECRETS = (
    (re.compile(r"(?P<kept>https?://[^\s\"'<>?#\\]*)[?#][^\s\"'<>\\]*"), r"\g<kept>?(not logged)"),
    (re.compile(r"(?P<kept>https?://)[^\s\"'<>/@]*@"), r"\g<kept>(not logged)@"),
    (re.compile(r"(?P<kept>Bearer\s+)[^\s\"'\\]+", re.IGNORECASE), r"\g<kept>(not logged)"),
)

_image_id: ContextVar[str | None] = ContextVar("image_id", default=None)
_metrics = Metrics(namespace=NAMESPACE, service=SERVICE)
_metrics_lock = threading.Lock()  # a batch is worked on by several threads

logger = logging.getLogger(__name__)


class _JsonLines(LambdaPowertoolsFormatter):
    """A log record as one line of JSON, with the image's id and without secrets."""

    def format(self, record: logging.LogRecord) -> str:
        record.correlation_id = _image_id.get()
        return without_secrets(super().format(record))


def configure_logging(level: str, *loggers: logging.Logger) -> None:
    """Let loggers, and those of chalicelib, write JSON lines to the standard output."""
    handler = logging.StreamHandler()
    handler.setFormatter(
        _JsonLines(utc=True, use_rfc3339=True, serialize_stacktrace=False, service=SERVICE)
    )
    for chosen in (*loggers, logging.getLogger("chalicelib")):
        chosen.handlers = [handler]
        chosen.propagate = False
        chosen.setLevel(level)


def without_secrets(text: str) -> str:
    """A text in which no URL has a query or user information, and no Bearer token is left."""
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


@contextmanager
def about_image(image_id: str) -> Iterator[None]:
    """While this lasts, this thread's log lines carry the image's id."""
    token = _image_id.set(image_id)
    try:
        yield
    finally:
        _image_id.reset(token)


def count(metric: str, value: float = 1) -> None:
    """Add to a metric that counts things."""
    _add(metric, MetricUnit.Count, value)


def count_bytes(metric: str, value: int) -> None:
    """Add a size in bytes."""
    _add(metric, MetricUnit.Bytes, value)


@contextmanager
def timed(metric: str) -> Iterator[None]:
    """Measure how many seconds the block takes, whether or not it succeeds."""
    started = time.monotonic()
    try:
        yield
    finally:
        _add(metric, MetricUnit.Seconds, time.monotonic() - started)


def observe(event: Any, get_response: Callable[[Any], Any]) -> Any:
    """Chalice's middleware: after each invocation, its metrics go out, and requests are logged."""
    try:
        response = get_response(event)
    finally:
        if _metrics.metric_set:
            _metrics.flush_metrics()
    status_code = getattr(response, "status_code", None)
    if status_code is not None:
        body = response.body if isinstance(response.body, dict) else {}
        logger.info(
            "%s %s: %d",
            event.method,
            event.path,
            status_code,
            extra={"code": body["Code"]} if status_code >= 400 and "Code" in body else {},
        )
    return response


def _add(metric: str, unit: MetricUnit, value: float) -> None:
    with _metrics_lock:
        _metrics.add_metric(name=metric, unit=unit, value=value)
