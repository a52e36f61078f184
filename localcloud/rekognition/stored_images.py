"""Reads the images that requests refer to as S3 objects."""

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from localcloud.rekognition.protocol import ServiceError

# "Maximum image size as an Amazon S3 object is limited to 15 MB", which the service counts in MiB.
MAX_BYTES = 15 * 1024 * 1024


class StoredImages:
    """Reads images from S3 with a boto3 client."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def read(self, s3_object: Mapping[str, Any]) -> bytes:
        """The content of an S3Object of the service model.

        Raises ServiceError: InvalidParameterException without Bucket or Name,
        InvalidS3ObjectException for an object that does not exist or cannot be read, and
        ImageTooLargeException above 15 MiB, before the body is read.
        """
        parameters = {"Bucket": s3_object.get("Bucket"), "Key": s3_object.get("Name")}
        if None in parameters.values():
            raise ServiceError(
                "InvalidParameterException",
                "Request has invalid parameters: S3Object needs Bucket and Name",
            )
        if "Version" in s3_object:
            parameters["VersionId"] = s3_object["Version"]
        try:
            found = self._client.get_object(**parameters)
            size = found["ContentLength"]
            if size > MAX_BYTES:
                found["Body"].close()
                raise ServiceError(
                    "ImageTooLargeException",
                    f"Image size is too large: {size} bytes, maximum: {MAX_BYTES}",
                )
            content: bytes = found["Body"].read()
        except ClientError as error:
            raise _invalid_object(error.response["Error"]["Code"]) from error
        except BotoCoreError as error:
            raise _invalid_object(str(error)) from error
        return content


def _invalid_object(reason: str) -> ServiceError:
    return ServiceError(
        "InvalidS3ObjectException",
        "Unable to get object metadata from S3. Check object key, region and/or access "
        f"permissions. ({reason})",
    )
