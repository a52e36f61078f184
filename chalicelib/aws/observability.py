"""Logs as lines of JSON that carry the image's id and the caller, and CloudWatch metrics.

Metrics are log lines in CloudWatch's embedded metric format, so they need no API call. This module
removes the secrets that a URL or a header can carry from every log line, so that no caller has to.
"""

import logging
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any

from aws_lambda_powertools import Metrics
from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter
from aws_lambda_powertools.metrics import MetricUnit

SERVICE = "image-recognition"
NAMESPACE = "ImageRecognition"

# A URL's query string can carry a signature, and its user information a password. A Bearer token
# grants access.
# JSON writes some of a URL's characters with a backslash, but ends of lines are never part of one.
_OF_URLS = r"(?:[^\s\"'<>?#\\]|\\[^nrt])*+"
_SECRETS: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    # Matches URLs without a query as well, so that a long text is read only once.
    (
        re.compile(rf"(?P<kept>https?://{_OF_URLS})(?P<query>(?:[?#]{_OF_URLS})*+)"),
        lambda url: url["kept"] + ("?(not logged)" if url["query"] else ""),
    ),
    (re.compile(r"(?P<kept>https?://)[^\s\"'<>/@]*@"), r"\g<kept>(not logged)@"),
    (re.compile(r"(?P<kept>Bearer\s+)[^\s\"'\\]+", re.IGNORECASE), r"\g<kept>(not logged)"),
)

_image_id: ContextVar[str | None] = ContextVar("image_id", default=None)
_request: ContextVar[Mapping[str, str]] = ContextVar("request", default=MappingProxyType({}))
_metrics = Metrics(namespace=NAMESPACE, service=SERVICE)
_metrics_lock = threading.Lock()  # several threads process one batch

logger = logging.getLogger(__name__)


class _JsonLines(LambdaPowertoolsFormatter):
    """Formats a log record as one line of JSON, with its context and without secrets."""

    def format(self, record: logging.LogRecord) -> str:
        record.correlation_id = _image_id.get()
        vars(record).update(_request.get())
        return without_secrets(super().format(record))


def configure_logging(level: str, *loggers: logging.Logger) -> None:
    """Make `loggers` and those of chalicelib write JSON lines to standard error, from `level` up.

    `level` is a name such as INFO.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(
        _JsonLines(utc=True, use_rfc3339=True, serialize_stacktrace=False, service=SERVICE)
    )
    for configured in (*loggers, logging.getLogger("chalicelib")):
        configured.handlers = [handler]
        configured.propagate = False
        configured.setLevel(level)


def configure_metrics(stage: str) -> None:
    """Give every metric the dimension `stage`, which tells the stages of an account apart."""
    _metrics.set_default_dimensions(stage=stage)


def without_secrets(text: str) -> str:
    """The text without the queries, fragments and user information of URLs, and Bearer tokens.

    `(not logged)` takes the place of each.
    """
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


@contextmanager
def about_image(image_id: str) -> Iterator[None]:
    """A context in which the log lines of this thread carry the image's id as correlation_id."""
    token = _image_id.set(image_id)
    try:
        yield
    finally:
        _image_id.reset(token)


@contextmanager
def about_request(caller: str, request: str) -> Iterator[None]:
    """A context in which the log lines of this thread say who asked for what.

    `caller` is the name of the caller's token, `request` for example `DELETE /images/0123…`; the
    log lines carry them under these names.
    """
    # A path can hold text that UTF-8 cannot encode, and that would cost the whole line.
    shown = request.encode("utf-8", "backslashreplace").decode()
    token = _request.set({"caller": caller, "request": shown})
    try:
        yield
    finally:
        _request.reset(token)


def count(metric: str, value: float = 1) -> None:
    """Add to a metric of unit Count."""
    _add(metric, MetricUnit.Count, value)


def count_bytes(metric: str, value: int) -> None:
    """Add a size to a metric of unit Bytes; its sample count says how many there were."""
    _add(metric, MetricUnit.Bytes, value)


def count_outcome(metric: str, *, is_good: bool) -> None:
    """Add 1 or 0 to a metric of unit Count.

    Its sum counts what went well, its sample count everything, its average is the share that went
    well, and its minimum is 0 if anything did not. So one metric does, where CloudWatch would bill
    two.
    """
    _add(metric, MetricUnit.Count, int(is_good))


@contextmanager
def timed(metric: str) -> Iterator[None]:
    """Add the duration of the block to a metric of unit Seconds, even if the block raises."""
    started = time.monotonic()
    try:
        yield
    finally:
        _add(metric, MetricUnit.Seconds, time.monotonic() - started)


def observe(event: Any, get_response: Callable[[Any], Any]) -> Any:
    """Chalice middleware that writes the metrics of each invocation and logs HTTP requests.

    Writes the metrics even if the invocation raises. Logs method, path and HTTP status of a request
    and, for an error, its Code.
    """
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
