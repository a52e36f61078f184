"""The images in S3: write, delete, list and inspect them."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from chalicelib.aws.retries import back_off, with_retries
from chalicelib.model.findings import Feature
from chalicelib.model.identity import IMAGES_PREFIX, image_id_of_key, image_key

PRESIGNED_URL_SECONDS = 300

_MAX_ATTEMPTS = 6  # about 3 seconds


class ImageStore:
    """The S3 bucket that stores the images, under the keys of `image_key`."""

    def __init__(self, client: Any, bucket_name: str) -> None:
        self._client = client
        self.bucket_name = bucket_name

    def put(
        self, image_id: str, content: bytes, content_type: str, features: Sequence[Feature]
    ) -> bool:
        """Store an image unless the bucket already has it; returns whether this call wrote it.

        The object's metadata names the requested features, in case the recognition runs before the
        image is in the catalog. The write is conditional, because a second write would make S3 send
        a second notification. Raises botocore's ClientError.
        """
        put = partial(
            self._client.put_object,
            Bucket=self.bucket_name,
            Key=image_key(image_id),
            Body=content,
            ContentType=content_type,
            IfNoneMatch="*",
            ChecksumAlgorithm="SHA256",
            Metadata={"features": ",".join(features)},
        )
        try:
            with_retries(put, _is_conflict, _MAX_ATTEMPTS, _pause)
        except ClientError as error:
            if error.response["Error"]["Code"] == "PreconditionFailed":
                return False
            raise
        return True

    def delete(self, image_id: str) -> None:
        """Delete an image, if it exists. S3 then sends a notification of the removal."""
        self._client.delete_object(Bucket=self.bucket_name, Key=image_key(image_id))

    def presigned_url(self, image_id: str) -> str:
        """A presigned URL that lets anyone GET the image for PRESIGNED_URL_SECONDS.

        Does not check that the image exists.
        """
        url: str = self._client.generate_presigned_url(
            "get_object",
            Params={"Bucket": self.bucket_name, "Key": image_key(image_id)},
            ExpiresIn=PRESIGNED_URL_SECONDS,
        )
        return url

    def page(self, after: str) -> tuple[list[tuple[str, datetime]], str]:
        """List the images after a key: from up to a thousand objects, in the order of their keys.

        Returns the id of each image with the time it was stored, and the key after which the next
        page begins. The key is empty on the last page.
        """
        response = self._client.list_objects_v2(
            Bucket=self.bucket_name, Prefix=IMAGES_PREFIX, StartAfter=after
        )
        objects = response.get("Contents", [])
        ids = ((image_id_of_key(each["Key"]), each["LastModified"]) for each in objects)
        stored = [(image_id, since) for image_id, since in ids if image_id is not None]
        return stored, objects[-1]["Key"] if response["IsTruncated"] else ""

    def exists(self, image_id: str) -> bool:
        """Whether the bucket currently has the image."""
        return self._head(image_id) is not None

    def features_of(self, image_id: str) -> tuple[Feature, ...]:
        """The features that were requested when the image was stored.

        Empty if the image does not exist, or has no such metadata because it was copied straight
        into the bucket.
        """
        head = self._head(image_id) or {}
        names = head.get("Metadata", {}).get("features", "").split(",")
        return tuple(feature for feature in Feature if feature in names)

    def _head(self, image_id: str) -> dict[str, Any] | None:
        try:
            head: dict[str, Any] = self._client.head_object(
                Bucket=self.bucket_name, Key=image_key(image_id)
            )
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                return None
            raise
        return head


def _is_conflict(error: Exception) -> bool:
    """Whether another request is writing or deleting the same key.

    Then this one stores nothing, and what the other one leaves is not known.
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
    """
    return (
        isinstance(error, ClientError)
        and error.response["Error"]["Code"] == "ConditionalRequestConflict"
    )


def _pause(attempt: int) -> None:
    back_off(attempt, first_seconds=0.1, longest_seconds=2)
