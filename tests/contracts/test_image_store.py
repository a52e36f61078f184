"""What intake, recognition and removal rely on in the image store."""

import pytest
from botocore.exceptions import ClientError

from chalicelib.catalog import image_store
from chalicelib.catalog.image_store import ImageStore
from chalicelib.model.findings import Feature
from chalicelib.model.identity import image_key
from tests.helpers.aws_faults import client_error, failing
from tests.helpers.memory import MemoryAws

A, B, C = ("0" * 31 + digit for digit in "abc")


@pytest.fixture
def store(aws: MemoryAws) -> ImageStore:
    return ImageStore(aws.client("s3"), aws.bucket_name)


def put(store: ImageStore, image_id: str, content: bytes = b"content") -> bool:
    return store.put(image_id, content, "image/png", [Feature.LABELS, Feature.TEXT])


def test_an_image_is_stored_once_and_never_overwritten(aws: MemoryAws, store: ImageStore) -> None:
    assert put(store, A, b"first")
    assert not put(store, A, b"second")
    found = aws.client("s3").get_object(Bucket=aws.bucket_name, Key=image_key(A))
    assert (found["Body"].read(), found["ContentType"]) == (b"first", "image/png")


def test_an_image_exists_until_it_is_deleted_and_deleting_it_twice_succeeds(
    store: ImageStore,
) -> None:
    assert not store.exists(A)
    put(store, A)
    assert store.exists(A)
    for _ in range(2):
        store.delete(A)
        assert not store.exists(A)


def test_a_deleted_image_can_be_stored_again(store: ImageStore) -> None:
    put(store, A)
    store.delete(A)
    assert put(store, A)


def test_the_object_stores_the_requested_features(aws: MemoryAws, store: ImageStore) -> None:
    put(store, A)
    assert store.features_of(A) == (Feature.LABELS, Feature.TEXT)
    assert store.features_of(B) == ()
    aws.client("s3").put_object(Bucket=aws.bucket_name, Key=image_key(B), Body=b"by hand")
    assert store.features_of(B) == ()


def test_pages_list_images_in_order_and_omit_other_objects(
    aws: MemoryAws, store: ImageStore
) -> None:
    for image_id in (C, A, B):
        put(store, image_id)
    for key in ("images/readme.txt", "uploads/x", "other"):
        aws.client("s3").put_object(Bucket=aws.bucket_name, Key=key, Body=b"")
    stored, after = store.page("")
    assert ([image_id for image_id, _ in stored], after) == ([A, B, C], "")
    stored, after = store.page(image_key(A))
    assert [image_id for image_id, _ in stored] == [B, C]


@pytest.mark.parametrize("times", [1, 4])
def test_an_image_is_stored_although_s3_reports_a_conflict_at_first(
    aws: MemoryAws, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    """S3 answers 409 while another request writes or deletes the key; nothing is stored then."""
    monkeypatch.setattr(image_store, "_pause", lambda attempt: None)
    client = aws.client("s3")
    store = ImageStore(client, aws.bucket_name)
    conflicts = [client_error("PutObject", "ConditionalRequestConflict", 409)] * times
    with failing(client, "PutObject", *conflicts):
        assert put(store, A)
    assert store.exists(A)


def test_an_image_that_s3_keeps_refusing_is_not_taken_for_stored(
    aws: MemoryAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_store, "_pause", lambda attempt: None)
    client = aws.client("s3")
    store = ImageStore(client, aws.bucket_name)
    conflicts = [client_error("PutObject", "ConditionalRequestConflict", 409)] * 6
    with failing(client, "PutObject", *conflicts), pytest.raises(ClientError):
        put(store, A)
    assert not store.exists(A)
