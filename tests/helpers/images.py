"""Sample images of the unit tests."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from chalicelib.model.findings import BoundingBox, Feature, Findings, Instance, Label
from chalicelib.model.image import (
    Content,
    Delivery,
    DeliveryStatus,
    FeatureState,
    Image,
    Original,
    Status,
)

IMAGE_ID = "0123456789abcdef0123456789abcdef"
CREATED_AT = datetime(2026, 11, 23, 1, 2, 3, 456789, tzinfo=UTC)

CAT = Label(
    name="Cat",
    confidence=98.25,
    parents=("Animal", "Mammal", "Pet"),
    aliases=("Kitty",),
    categories=("Animals and Pets",),
    instances=(Instance(97.5, BoundingBox(left=0.1, top=0.2, width=0.5, height=0.25)),),
)
CUP = Label(name="Coffee Cup", confidence=71.0)


def state(feature: Feature, status: Status = Status.RECOGNIZED, **changes: Any) -> FeatureState:
    """The state of a feature that was requested at CREATED_AT."""
    finished = {} if status is Status.PENDING else {"recognized_at": CREATED_AT}
    return FeatureState(feature, status, CREATED_AT, **(finished | changes))


RECOGNIZED = Image(
    id=IMAGE_ID,
    status=Status.RECOGNIZED,
    created_at=CREATED_AT,
    sources=("https://example.com/cat.jpg",),
    content=Content("image/jpeg", width=640, height=480, bytes=12345),
    original=Original("WEBP", 23456, "ab" * 32),
    features=(state(Feature.LABELS, model_version="3.0"),),
    findings=Findings(labels=(CAT, CUP)),
    recognized_at=CREATED_AT,
    deliveries=(Delivery(DeliveryStatus.DELIVERED, tries=2, last_tried_at=CREATED_AT),),
)
PENDING = Image(
    id=IMAGE_ID,
    status=Status.PENDING,
    created_at=CREATED_AT,
    features=(state(Feature.LABELS, Status.PENDING),),
)


def recognized(**changes: Any) -> Image:
    """RECOGNIZED with other values in some fields."""
    return replace(RECOGNIZED, **changes)
