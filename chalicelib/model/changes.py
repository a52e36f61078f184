"""What happens to an image, as functions from the image before to the image after."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType

from chalicelib.model.findings import Feature
from chalicelib.model.image import Delivery, DeliveryStatus, Failure, FeatureState, Image, Status

# A picture that is posted from a new URL each time (a signed one, say) must not grow its item
# over DynamoDB's 400 KB: 20 URLs of at most 8,192 characters are 164 KB.
MAX_SOURCES = 20

# So many deliveries are remembered.
MAX_DELIVERIES = 10


@dataclass(frozen=True)
class FeatureOutcome:
    """What came of one feature: `failure` is None where it was recognized."""

    feature: Feature
    model_version: str | None = None
    failure: Failure | None = None


def with_arrival(known: Image, arrival: Image) -> Image:
    """A picture came in that is known: perhaps from another URL, with a wish for more features."""
    sources = known.sources
    if len(sources) < MAX_SOURCES:
        sources = tuple(sorted({*sources, *arrival.sources}))
    return with_features_requested(
        replace(
            known,
            sources=sources,
            content=known.content or arrival.content,
            original=known.original or arrival.original,
        ),
        arrival.pending,
        arrival.created_at,
    )


def with_features_requested(
    image: Image,
    features: Iterable[Feature],
    now: datetime,
    latest_versions: Mapping[Feature, str] = MappingProxyType({}),
) -> Image:
    """Somebody asks for features: those that are new, or failed before, become PENDING.

    So do those that another version of the model recognized than the latest, where that is given.
    Where that opens a further round, its result begins a delivery of its own.
    """
    known = {state.name: state for state in image.features}
    added = {
        feature: FeatureState(feature, Status.PENDING, requested_at=now)
        for feature in features
        if feature not in known or _may_be_asked_again(known[feature], latest_versions)
    }
    if not added:
        return image
    states = known | added
    ordered = tuple(states[feature] for feature in Feature if feature in states)
    if image.pending or image.status is Status.PENDING:
        return replace(image, features=ordered)
    return replace(image, features=ordered, result_delivery=_next_number(image))


def with_outcomes(image: Image, outcomes: Iterable[FeatureOutcome], now: datetime) -> Image:
    """Rekognition answered for some features; with the last of them the image has its result."""
    ended = {outcome.feature: outcome for outcome in outcomes}
    image = replace(
        image,
        features=tuple(
            _ended(state, ended[state.name], now) if state.name in ended else state
            for state in image.features
        ),
    )
    if image.pending:
        return image
    failures = [state.failure for state in image.features if state.failure]
    is_failed = len(failures) == len(image.features)
    begun = Delivery(
        DeliveryStatus.PENDING, tries=0, number=image.result_delivery, requested_at=now
    )
    return replace(
        image,
        status=Status.FAILED if is_failed else Status.RECOGNIZED,
        failure=failures[0] if is_failed else None,
        recognized_at=now,
        deliveries=_begun(image, begun),
    )


def with_attempt(image: Image, delivery: Delivery) -> Image:
    """Note an attempt, unless its delivery is forgotten or succeeded: messages come twice."""
    return replace(
        image,
        deliveries=tuple(
            _tried(known, delivery) if known.number == delivery.number else known
            for known in image.deliveries
        ),
    )


def with_new_delivery(image: Image, now: datetime) -> Image:
    """Somebody asks for the result to be sent again."""
    begun = Delivery(DeliveryStatus.PENDING, tries=0, number=_next_number(image), requested_at=now)
    return replace(image, deliveries=_begun(image, begun))


def _may_be_asked_again(state: FeatureState, latest_versions: Mapping[Feature, str]) -> bool:
    if state.status is Status.RECOGNIZED:
        versions = {state.model_version, latest_versions.get(state.name)}
        return None not in versions and len(versions) == 2
    return state.status is Status.FAILED


def _ended(state: FeatureState, outcome: FeatureOutcome, now: datetime) -> FeatureState:
    return replace(
        state,
        status=Status.FAILED if outcome.failure else Status.RECOGNIZED,
        recognized_at=now,
        model_version=outcome.model_version,
        failure=outcome.failure,
    )


def _tried(before: Delivery, after: Delivery) -> Delivery:
    if before.status is DeliveryStatus.DELIVERED:
        return before
    if before.status is DeliveryStatus.SUPERSEDED and after.status is DeliveryStatus.PENDING:
        # A later delivery began during the try, so there is no next.
        return replace(after, status=DeliveryStatus.SUPERSEDED, next_try_at=None)
    return after


def _begun(image: Image, delivery: Delivery) -> tuple[Delivery, ...]:
    """One that still waits for its next try is superseded by the one that begins."""
    earlier = (
        replace(known, status=DeliveryStatus.SUPERSEDED, next_try_at=None)
        if known.status is DeliveryStatus.PENDING
        else known
        for known in image.deliveries
    )
    return (*earlier, delivery)[-MAX_DELIVERIES:]


def _next_number(image: Image) -> int:
    return max([image.result_delivery, *(delivery.number for delivery in image.deliveries)]) + 1
