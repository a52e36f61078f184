"""The images in S3."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from chalicelib.model.findings import Feature
from chalicelib.model.identity import IMAGES_PREFIX, image_id_of_key, image_key

ADDRESS_SECONDS = 300


class ImageStore:
    """The bucket that keeps the images."""

    def __init__(self, client: Any, bucket_name: str) -> None:
        self._client = client
        self.bucket_name = bucket_name

    def put(
        self, image_id: str, content: bytes, content_type: str, features: Sequence[Feature]
    ) -> bool:
        """Store an image unless it is there already; tell whether it was written now.

        The features that are asked for are noted on the object, for a recognition that hears of it
        before the catalog does.

        A second write would make S3 tell of a second arrival, so it is left to S3 to refuse it.
        """
        try:
            self._client.put_object(
                Bucket=self.bucket_name,
                Key=image_key(image_id),
                Body=content,
                ContentType=content_type,
                IfNoneMatch="*",
                ChecksumAlgorithm="SHA256",
                Metadata={"features": ",".join(features)},
            )
        except ClientError as error:
            # ConditionalRequestConflict: another write of the same key is under way, with the
            # same content, since the key is made from the content.
            if error.response["Error"]["Code"] in {
                "PreconditionFailed",
                "ConditionalRequestConflict",
            }:
                return False
            raise
        return True

    def delete(self, image_id: str) -> None:
        """Remove an image, if it is there; S3 tells that it was removed."""
        self._client.delete_object(Bucket=self.bucket_name, Key=image_key(image_id))

    def presigned_url(self, image_id: str) -> str:
        """A URL at which whoever has it can get the image for ADDRESS_SECONDS."""
        url: str = self._client.generate_presigned_url(
            "get_object",
            Params={"Bucket": self.bucket_name, "Key": image_key(image_id)},
            ExpiresIn=ADDRESS_SECONDS,
        )
        return url

    def page(self, after: str) -> tuple[list[tuple[str, datetime]], str]:
        """Up to a thousand images after a key, each with when it was stored, and the last key.

        The key is empty where there are no more.
        """
        answer = self._client.list_objects_v2(
            Bucket=self.bucket_name, Prefix=IMAGES_PREFIX, StartAfter=after
        )
        found = answer.get("Contents", [])
        ids = ((image_id_of_key(each["Key"]), each["LastModified"]) for each in found)
        stored = [(image_id, since) for image_id, since in ids if image_id is not None]
        return stored, found[-1]["Key"] if answer["IsTruncated"] else ""

    def exists(self, image_id: str) -> bool:
        """Whether the image is in the bucket at this moment."""
        return self._head(image_id) is not None

    def features_of(self, image_id: str) -> tuple[Feature, ...]:
        """What was asked for when the image was stored; nothing where it was put by hand."""
        head = self._head(image_id) or {}
        noted = head.get("Metadata", {}).get("features", "").split(",")
        return tuple(feature for feature in Feature if feature in noted)

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
