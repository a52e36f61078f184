"""Parses and validates query parameters."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from chalicelib.api.features import parse_features
from chalicelib.catalog.keys import label_key
from chalicelib.catalog.query import BEST, DEFAULT_LIMIT, MAX_LIMIT, NEWEST, PageRequest
from chalicelib.model.errors import InvalidRequest
from chalicelib.model.findings import Feature
from chalicelib.model.image import Status
from chalicelib.model.texts import fits

MAX_LABELS_LIMIT = 1000
MAX_QUERY_LABELS = 5
MAX_LABEL_LENGTH = 256
FAILURE_CODE_FORM = "the code of an image's failure, such as InvalidImageFormatException"

# DynamoDB's limit for a sort key is 1,024 bytes; the rest is for what `keys` adds to a label's.
# Case folding and UTF-8 can make a label of 256 characters longer than that.
MAX_LABEL_KEY_BYTES = 1000
_LABEL_LIMITS = (
    f"at most {MAX_LABEL_LENGTH} characters, and {MAX_LABEL_KEY_BYTES} bytes in UTF-8 and in lower "
    "case"
)

Parameters = Mapping[str, Sequence[str]]

_PARAMETERS = (
    "label",
    "min_confidence",
    "status",
    "failure",
    "created_after",
    "created_before",
    "order",
    "limit",
    "cursor",
)


def image_page(parameters: Parameters) -> PageRequest:
    """The page of images that `GET /images` requests.

    Without `order`, a label query without a time range lists the most confident images first; every
    other query lists the newest first. Raises InvalidRequest with the allowed values.
    """
    _refuse_unknown(parameters, _PARAMETERS)
    query = {name: _single(name, parameters[name]) for name in parameters if name != "label"}
    labels = _labels(parameters.get("label", ()))
    times = {"created_after", "created_before"}
    request = PageRequest(
        labels=labels,
        min_confidence=_number(query, "min_confidence", 0, 0, 100),
        status=_status(query.get("status")),
        failure=_failure(query.get("failure")),
        created_after=_time(query, "created_after"),
        created_before=_time(query, "created_before"),
        order=_order(query.get("order"), is_default_best=bool(labels) and not times & set(query)),
        limit=int(_number(query, "limit", DEFAULT_LIMIT, 1, MAX_LIMIT, whole=True)),
        cursor=query.get("cursor"),
    )
    _refuse_bad_combinations(request, query)
    return request


def label_page(parameters: Parameters) -> tuple[str, int, str | None]:
    """The prefix, limit and cursor of `GET /labels`.

    The prefix has at most MAX_LABEL_LENGTH characters and a key of at most MAX_LABEL_KEY_BYTES; the
    limit is 1 to MAX_LABELS_LIMIT. Raises InvalidRequest.
    """
    allowed = ("prefix", "limit", "cursor")
    _refuse_unknown(parameters, allowed)
    query = {name: _single(name, parameters[name]) for name in parameters}
    limit = int(_number(query, "limit", MAX_LIMIT, 1, MAX_LABELS_LIMIT, whole=True))
    prefix = query.get("prefix", "")
    if not _is_label(prefix):
        raise InvalidRequest(
            f"prefix is {prefix!r:.100}, but must be the start of a label's name: {_LABEL_LIMITS}."
        )
    return prefix, limit, query.get("cursor")


def features(parameters: Parameters, default: tuple[Feature, ...]) -> tuple[Feature, ...]:
    """The features in the query of a `POST /images` that has an image as its body.

    Without the parameter, `default`. Raises InvalidRequest.
    """
    _refuse_unknown(parameters, ("features",))
    if "features" not in parameters:
        return default
    names = _single("features", parameters["features"]).split(",")
    return parse_features([name.strip() for name in names])


def month(parameters: Parameters, now: datetime) -> str:
    """The month of `GET /usage` as YYYY-MM; without the parameter, the month of `now`.

    Raises InvalidRequest.
    """
    _refuse_unknown(parameters, ("month",))
    if "month" not in parameters:
        return f"{now:%Y-%m}"
    text = _single("month", parameters["month"])
    if not re.fullmatch(r"[0-9]{4}-(0[1-9]|1[0-2])", text):
        raise InvalidRequest(
            f"month is {text!r:.100}, but must be a year and a month such as 2026-11."
        )
    return text


def _refuse_bad_combinations(request: PageRequest, query: Mapping[str, str]) -> None:
    if request.failure and request.status not in (None, Status.FAILED):
        raise InvalidRequest(
            f"Only FAILED images have a failure: omit status={request.status}, or failure."
        )
    if not request.labels:
        if "min_confidence" in query:
            raise InvalidRequest("min_confidence requires a label: add label=... to the query.")
        if request.order == BEST:
            raise InvalidRequest("order=best requires a label: add label=... to the query.")
    if request.order == BEST and (request.created_after or request.created_before):
        raise InvalidRequest(
            "order=best cannot be combined with a time range: omit either order=best, or "
            "created_after and created_before."
        )
    after, before = request.created_after, request.created_before
    if after and before and after >= before:
        raise InvalidRequest(
            f"created_after is {query['created_after']!r:.100} and created_before is "
            f"{query['created_before']!r:.100}, but created_after must be the earlier one."
        )


def _labels(names: Sequence[str]) -> tuple[str, ...]:
    for name in names:
        if not name.strip() or not _is_label(name):
            raise InvalidRequest(
                f"label is {name!r:.100}, but must be a label's name, such as label=Cat: "
                f"{_LABEL_LIMITS}."
            )
    keys = tuple(dict.fromkeys(map(label_key, names)))
    if len(keys) > MAX_QUERY_LABELS:
        raise InvalidRequest(
            f"The query has {len(keys)} labels, but may have at most {MAX_QUERY_LABELS}."
        )
    return keys


def _is_label(text: str) -> bool:
    return len(text) <= MAX_LABEL_LENGTH and fits(label_key(text), MAX_LABEL_KEY_BYTES)


def _status(text: str | None) -> Status | None:
    if text is None:
        return None
    if text not in list(Status):
        raise InvalidRequest(f"status is {text!r:.100}, but must be one of {', '.join(Status)}.")
    return Status(text)


def is_failure_code(text: str) -> bool:
    """Whether a text has the form of a failure's code: 1 to 100 letters and digits."""
    return re.fullmatch("[A-Za-z0-9]{1,100}", text) is not None


def _failure(text: str | None) -> str | None:
    if text is not None and not is_failure_code(text):
        raise InvalidRequest(f"failure is {text!r:.100}, but must be {FAILURE_CODE_FORM}.")
    return text


def _order(text: str | None, *, is_default_best: bool) -> str:
    if text is None:
        return BEST if is_default_best else NEWEST
    if text not in (NEWEST, BEST):
        raise InvalidRequest(f"order is {text!r:.100}, but must be {NEWEST} or {BEST}.")
    return text


def _time(query: Mapping[str, str], name: str) -> datetime | None:
    text = query.get(name)
    if text is None:
        return None
    try:
        # A plus sign that is not percent-encoded arrives as a space.
        time = datetime.fromisoformat(text.replace(" ", "+"))
        in_utc = time.astimezone(UTC) if time.tzinfo else None
    except (ValueError, OverflowError):  # the latter where UTC is not in the years 1 to 9999
        in_utc = None
    if in_utc is None:
        raise InvalidRequest(
            f"{name} is {text!r:.100}, but must be a time with a time zone, such as "
            "2026-11-23T12:00:00Z."
        )
    return in_utc


def _refuse_unknown(parameters: Iterable[str], allowed: Sequence[str]) -> None:
    unknown = sorted(set(parameters) - set(allowed))
    if unknown:
        raise InvalidRequest(
            f"Unknown query parameters {unknown!s:.200}. Allowed parameters: {', '.join(allowed)}."
        )


def _number(
    query: Mapping[str, str],
    name: str,
    default: float,
    minimum: float,
    maximum: float,
    *,
    whole: bool = False,
) -> float:
    text = query.get(name)
    if text is None:
        return default
    try:
        value = int(text) if whole else float(text)
    except ValueError:
        value = float("nan")
    if not minimum <= value <= maximum:
        noun = "a whole number" if whole else "a number"
        raise InvalidRequest(
            f"{name} is {text!r:.100}, but must be {noun} from {minimum} to {maximum}."
        )
    return value


def _single(name: str, values: Sequence[str]) -> str:
    if len(values) != 1:
        raise InvalidRequest(f"{name} appears {len(values)} times. Send it once.")
    return values[0]
