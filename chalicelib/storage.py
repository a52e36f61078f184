"""The images in S3."""

from typing import Any

from botocore.exceptions import ClientError

from chalicelib.images import PreparedImage
from chalicelib.model import is_image_id

KEY_PREFIX = "images/"


def key_of(image_id: str) -> str:
    """The S3 key under which an image is stored."""
    return KEY_PREFIX + image_id


def image_id_of(key: str) -> str | None:
    """The image that is stored under a key, or None where the key is not one of ours."""
    image_id = key.removeprefix(KEY_PREFIX)
    if key.startswith(KEY_PREFIX) and is_image_id(image_id):
        return image_id
    return None


class ImageStore:
    """The bucket that keeps the images."""

    def __init__(self, client: Any, bucket_name: str) -> None:
        self._client = client
        self.bucket_name = bucket_name

    def put(self, image_id: str, image: PreparedImage) -> bool:
        """Store an image unless it is there already; tell whether it was written now.

        A second write would make S3 tell of a second arrival, so it is left to S3 to refuse it.
        """
        try:
            self._client.put_object(
                Bucket=self.bucket_name,
                Key=key_of(image_id),
                Body=image.content,
                ContentType=image.content_type,
                IfNoneMatch="*",
                ChecksumAlgorithm="SHA256",
                Metadata={"width": str(image.width), "height": str(image.height)},
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

    def holds(self, image_id: str) -> bool:
        """Whether the image is in the bucket at this moment."""
        try:
            self._client.head_object(Bucket=self.bucket_name, Key=key_of(image_id))
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                return False
            raise
        return True
