"""State changes of an image: pure functions that take an Image and return the next one."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType

from chalicelib.model.findings import Feature
from chalicelib.model.image import Failure, FeatureState, Image, Status
from chalicelib.model.sources import bounded_sources


@dataclass(frozen=True)
class FeatureOutcome:
    """The outcome of recognizing one feature; `failure` is None on success.

    `model_version` is None on failure, and for an operation that reports no model version.
    """

    feature: Feature
    model_version: str | None = None
    failure: Failure | None = None


def with_arrival(known: Image, arrival: Image) -> Image:
    """The known image after it arrives again, perhaps from another URL or for more features.

    Adds the arrival's sources within the limits of `bounded_sources`, fills in `content` and
    `original` where they are missing, and requests the arrival's pending features.
    """
    image = with_features_requested(
        replace(
            known,
            sources=bounded_sources(known.sources, arrival.sources),
            content=known.content or arrival.content,
            original=known.original or arrival.original,
        ),
        arrival.pending,
        arrival.created_at,
    )
    return _with_requesters(image, known, arrival.requested_by)


def with_features_requested(
    image: Image,
    features: Iterable[Feature],
    now: datetime,
    latest_versions: Mapping[Feature, str] = MappingProxyType({}),
    requested_by: str = "",
) -> Image:
    """The image after a caller requests features; the new and the failed ones become PENDING.

    A recognized feature also becomes PENDING if its model version differs from the one in
    `latest_versions`. It stays as it is if either version is unknown. If nothing was pending
    before, the result of this round starts a delivery of its own. `requested_by` is the name of the
    caller's token; without one, a feature that is requested again keeps the name that it has.
    """
    features = tuple(features)
    known = {state.name: state for state in image.features}
    added = {
        feature: FeatureState(feature, Status.PENDING, requested_at=now)
        for feature in features
        if feature not in known or _can_be_requested_again(known[feature], latest_versions)
    }
    names = dict.fromkeys(features, requested_by)
    if not added:
        return _with_requesters(image, image, names)
    states = known | added
    ordered = tuple(states[feature] for feature in Feature if feature in states)
    after = _with_requesters(replace(image, features=ordered), image, names)
    if image.pending or image.status is Status.PENDING:
        return after
    return with_new_delivery(after, is_result=True)


def with_outcomes(image: Image, outcomes: Iterable[FeatureOutcome], now: datetime) -> Image:
    """The image after some of its features are recognized or have failed.

    When no feature is pending any more, the image gets its result: it is FAILED if every feature
    failed, else RECOGNIZED.
    """
    completed = {outcome.feature: outcome for outcome in outcomes}
    image = replace(
        image,
        features=tuple(
            _completed(state, completed[state.name], now) if state.name in completed else state
            for state in image.features
        ),
    )
    if image.pending:
        return image
    failures = [state.failure for state in image.features if state.failure]
    is_failed = len(failures) == len(image.features)
    return replace(
        image,
        status=Status.FAILED if is_failed else Status.RECOGNIZED,
        failure=failures[0] if is_failed else None,
        recognized_at=now,
    )


def with_new_delivery(image: Image, *, is_result: bool = False) -> Image:
    """The image with the number of one more delivery.

    `is_result` says that the delivery is the first of the image's next result; otherwise it repeats
    the current one.
    """
    number = image.last_delivery + 1
    result_delivery = number if is_result else image.result_delivery
    return replace(image, last_delivery=number, result_delivery=result_delivery)


def _with_requesters(image: Image, before: Image, names: Mapping[Feature, str]) -> Image:
    """The image with the names of those who made features pending, which `before` was without.

    A pending feature without a name gets one too: S3 announced the image before its caller's
    request was registered.
    """
    new = {
        feature: names[feature]
        for feature in image.pending
        if names.get(feature)
        and (feature not in before.pending or feature not in before.requested_by)
    }
    return replace(image, requested_by={**image.requested_by, **new}) if new else image


def _can_be_requested_again(state: FeatureState, latest_versions: Mapping[Feature, str]) -> bool:
    if state.status is Status.RECOGNIZED:
        versions = {state.model_version, latest_versions.get(state.name)}
        return None not in versions and len(versions) == 2
    return state.status is Status.FAILED


def _completed(state: FeatureState, outcome: FeatureOutcome, now: datetime) -> FeatureState:
    return replace(
        state,
        status=Status.FAILED if outcome.failure else Status.RECOGNIZED,
        recognized_at=now,
        model_version=outcome.model_version,
        failure=outcome.failure,
    )
