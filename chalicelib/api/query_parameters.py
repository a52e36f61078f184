"""What callers send in a query, checked."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from chalicelib.api.features import known_features
from chalicelib.catalog.keys import label_key
from chalicelib.catalog.query import BEST, DEFAULT_LIMIT, MAX_LIMIT, NEWEST, PageRequest
from chalicelib.model.errors import InvalidRequest
from chalicelib.model.findings import Feature
from chalicelib.model.image import Status

MAX_LABELS_LIMIT = 1000
MAX_QUERY_LABELS = 5
LONGEST_LABEL = 256

Parameters = Mapping[str, Sequence[str]]

_PARAMETERS = (
    "label",
    "min_confidence",
    "status",
    "created_after",
    "created_before",
    "order",
    "limit",
    "cursor",
)


def image_page(parameters: Parameters) -> PageRequest:
    """The page that query parameters ask for; raises InvalidRequest with what is allowed."""
    _refuse_unknown(parameters, _PARAMETERS)
    given = {name: _only(name, parameters[name]) for name in parameters if name != "label"}
    labels = _labels(parameters.get("label", ()))
    times = {"created_after", "created_before"}
    request = PageRequest(
        labels=labels,
        min_confidence=_number(given, "min_confidence", 0, 0, 100),
        status=_status(given.get("status")),
        created_after=_moment(given, "created_after"),
        created_before=_moment(given, "created_before"),
        order=_order(given.get("order"), is_default_best=bool(labels) and not times & set(given)),
        limit=int(_number(given, "limit", DEFAULT_LIMIT, 1, MAX_LIMIT, whole=True)),
        cursor=given.get("cursor"),
    )
    _refuse_bad_combinations(request, given)
    return request


def label_page(parameters: Parameters) -> tuple[str, int, str | None]:
    """The prefix, limit and cursor of `GET /labels`; raises InvalidRequest."""
    allowed = ("prefix", "limit", "cursor")
    _refuse_unknown(parameters, allowed)
    given = {name: _only(name, parameters[name]) for name in parameters}
    limit = int(_number(given, "limit", MAX_LIMIT, 1, MAX_LABELS_LIMIT, whole=True))
    return given.get("prefix", "")[:LONGEST_LABEL], limit, given.get("cursor")


def features(parameters: Parameters, default: tuple[Feature, ...]) -> tuple[Feature, ...]:
    """The features that `POST /images` asks for with an image as its body."""
    _refuse_unknown(parameters, ("features",))
    if "features" not in parameters:
        return default
    names = parameters["features"][-1].split(",")
    return known_features([name.strip() for name in names])


def month(parameters: Parameters, now: datetime) -> str:
    """The month that `GET /usage` asks for, such as 2026-11; without one the present month."""
    _refuse_unknown(parameters, ("month",))
    if "month" not in parameters:
        return f"{now:%Y-%m}"
    wanted = parameters["month"][-1]
    if not re.fullmatch(r"[0-9]{4}-(0[1-9]|1[0-2])", wanted):
        raise InvalidRequest(
            f"month is {wanted!r}, but must be a year and a month such as 2026-11."
        )
    return wanted


def _refuse_bad_combinations(request: PageRequest, given: Mapping[str, str]) -> None:
    if not request.labels:
        if "min_confidence" in given:
            raise InvalidRequest("min_confidence goes with a label: add label=... to the query.")
        if request.order == BEST:
            raise InvalidRequest("order=best goes with a label: add label=... to the query.")
    if request.order == BEST and (request.created_after or request.created_before):
        raise InvalidRequest(
            "order=best does not go with a time range: leave it out, or created_after and "
            "created_before."
        )


def _labels(names: Sequence[str]) -> tuple[str, ...]:
    for name in names:
        if not name.strip() or len(name) > LONGEST_LABEL:
            raise InvalidRequest(
                f"label is {name!r:.100}, but must be a label's name of 1 to {LONGEST_LABEL} "
                "characters, such as label=Cat."
            )
    keys = tuple(dict.fromkeys(map(label_key, names)))
    if len(keys) > MAX_QUERY_LABELS:
        raise InvalidRequest(
            f"The query has {len(keys)} labels, but may have at most {MAX_QUERY_LABELS}."
        )
    return keys


def _status(text: str | None) -> Status | None:
    if text is None:
        return None
    if text not in list(Status):
        raise InvalidRequest(f"status is {text!r}, but must be one of {', '.join(Status)}.")
    return Status(text)


def _order(text: str | None, *, is_default_best: bool) -> str:
    if text is None:
        return BEST if is_default_best else NEWEST
    if text not in (NEWEST, BEST):
        raise InvalidRequest(f"order is {text!r}, but must be {NEWEST} or {BEST}.")
    return text


def _moment(given: Mapping[str, str], name: str) -> datetime | None:
    text = given.get(name)
    if text is None:
        return None
    try:
        # A plus that was not encoded arrives as a space.
        moment = datetime.fromisoformat(text.replace(" ", "+"))
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise InvalidRequest(
            f"{name} is {text!r}, but must be a time with its zone, such as 2026-11-23T12:00:00Z."
        )
    return moment.astimezone(UTC)


def _refuse_unknown(parameters: Iterable[str], allowed: Sequence[str]) -> None:
    unknown = sorted(set(parameters) - set(allowed))
    if unknown:
        raise InvalidRequest(
            f"Unknown query parameters {unknown}. The query may have: {', '.join(allowed)}."
        )


def _number(
    given: Mapping[str, str],
    name: str,
    default: float,
    least: float,
    most: float,
    *,
    whole: bool = False,
) -> float:
    text = given.get(name)
    if text is None:
        return default
    try:
        value = int(text) if whole else float(text)
    except ValueError:
        value = float("nan")
    if not least <= value <= most:
        noun = "a whole number" if whole else "a number"
        raise InvalidRequest(f"{name} is {text!r}, but must be {noun} from {least} to {most}.")
    return value


def _only(name: str, values: Sequence[str]) -> str:
    if len(values) != 1:
        raise InvalidRequest(f"{name} is given {len(values)} times. Give it once.")
    return values[0]
