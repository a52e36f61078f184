"""Images and their labels in DynamoDB: what is written, and how one image is found.

The image's item is the truth and its label items are an index of it, written and deleted with it
in one transaction. `revision` counts the writes of an image's item, so that a decision made on
what was read can be made conditional on nothing having changed since.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from chalicelib import catalog_items as items
from chalicelib.model import Content, Delivery, Failure, Image, Original, Recognition, Status

# A picture that is posted from a new URL each time (a signed one, say) must not grow its item
# over DynamoDB's 400 KB: 20 URLs of at most 8,192 characters are 164 KB.
MAX_SOURCES = 20

# What a new image's item starts with, whoever writes it first: the request or the recognition.
_START = (
    "#status = if_not_exists(#status, :pending), "
    "created_at = if_not_exists(created_at, :now), "
    "time_shard = if_not_exists(time_shard, :time_shard), "
    "time_key = if_not_exists(time_key, :time_key)"
)
_NAMES = {"#status": "status"}


@dataclass(frozen=True)
class Claim:
    """An image as it is, and the token that lets its holder write its result.

    `token` is None where the image has a result already, or somebody else holds the claim.
    """

    image: Image
    token: str | None


@dataclass(frozen=True)
class Snapshot:
    """The keys of all the items of an image at one moment, and its revision then (0: no item)."""

    image_id: str
    sort_keys: tuple[str, ...]
    revision: int


class Catalog:
    """The table of images and labels."""

    def __init__(self, client: Any, table_name: str) -> None:
        self._client = client
        self._table_name = table_name

    def find(self, image_id: str) -> Image | None:
        """Everything known of an image, as of this moment."""
        answer = self._client.get_item(
            TableName=self._table_name, Key=items.image_key(image_id), ConsistentRead=True
        )
        return items.image_from_item(answer["Item"]) if "Item" in answer else None

    def register(
        self,
        image_id: str,
        source: str | None,
        content: Content,
        original: Original,
        now: datetime,
    ) -> Image:
        """Note that an image is stored, and a URL it came from; what is known already stays."""
        update = (
            f"SET {_START}, content = if_not_exists(content, :content), "
            "original = if_not_exists(original, :original) ADD revision :one"
        )
        values = {
            **_start_values(image_id, now),
            ":content": asdict(content),
            ":original": asdict(original),
            ":one": 1,
        }
        if source is None:
            return self._update(image_id, update, values)
        try:
            return self._update(
                image_id,
                f"{update}, sources :source",
                {**values, ":source": {source}, ":max": MAX_SOURCES, ":url": source},
                condition=(
                    "attribute_not_exists(sources) OR contains(sources, :url) "
                    "OR size(sources) < :max"
                ),
            )
        except ClientError as error:
            if not _condition_failed(error):
                raise
            return self._update(image_id, update, values)

    def claim(self, image_id: str, now: datetime, lease: timedelta) -> Claim:
        """Take the right to recognize an image until the lease ends, unless it is taken or done.

        An image that nobody registered (uploaded straight to the bucket) starts to exist here.
        """
        token = items.to_timestamp(now + lease)
        try:
            image = self._update(
                image_id,
                f"SET {_START}, claimed_until = :token ADD revision :one",
                {**_start_values(image_id, now), ":token": token, ":one": 1},
                condition=(
                    "attribute_not_exists(#status) OR (#status = :pending AND "
                    "(attribute_not_exists(claimed_until) OR claimed_until < :now))"
                ),
            )
        except ClientError as error:
            if not _condition_failed(error):
                raise
            return Claim(items.image_from_item(error.response["Item"]), token=None)
        return Claim(image, token)

    def release(self, claim: Claim) -> None:
        """Give a claim back, so that the next try need not wait for the lease to end."""
        try:
            self._update(
                claim.image.id,
                "REMOVE claimed_until ADD revision :one",
                {":token": claim.token, ":one": 1},
                condition="claimed_until = :token",
            )
        except ClientError as error:
            if not _condition_failed(error):
                raise

    def record_recognition(self, claim: Claim, recognition: Recognition, now: datetime) -> bool:
        """Write what was recognized, all of it or nothing; False where the claim does not hold.

        It does not hold when the image was removed meanwhile, or the lease ended and another
        took over: the result is dropped.
        """
        return self._record_result(
            claim,
            "labels = :labels, model_version = :model_version",
            {
                ":status": Status.RECOGNIZED,
                ":labels": items.labels_to_values(recognition.labels),
                ":model_version": recognition.model_version,
            },
            now,
            [items.label_item(claim.image.id, label) for label in recognition.labels],
        )

    def record_failure(self, claim: Claim, failure: Failure, now: datetime) -> bool:
        """Write why an image cannot be recognized; False where the claim does not hold."""
        return self._record_result(
            claim,
            "failure = :failure",
            {":status": Status.FAILED, ":failure": asdict(failure)},
            now,
            [],
        )

    def record_delivery(self, image_id: str, delivery: Delivery) -> None:
        """Write the state of an image's delivery, unless the image was removed meanwhile."""
        values = asdict(delivery) | {"last_tried_at": items.to_timestamp(delivery.last_tried_at)}
        try:
            self._update(
                image_id,
                "SET delivery = :delivery ADD revision :one",
                {":delivery": values, ":one": 1},
                condition="attribute_exists(pk)",
            )
        except ClientError as error:
            if not _condition_failed(error):
                raise

    def snapshot(self, image_id: str) -> Snapshot:
        """Which items an image has at this moment."""
        answer = self._client.query(
            TableName=self._table_name,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues=items.to_item({":pk": items.partition_key(image_id)}),
            ProjectionExpression="sk, revision",
            ConsistentRead=True,
        )
        found = [items.from_item(item) for item in answer["Items"]]
        return Snapshot(
            image_id,
            sort_keys=tuple(item["sk"] for item in found),
            revision=max((int(item.get("revision", 0)) for item in found), default=0),
        )

    def forget(self, snapshot: Snapshot) -> bool:
        """Delete an image's items; False, and nothing deleted, where it changed since."""
        deletes = [self._delete(snapshot, sort_key) for sort_key in snapshot.sort_keys]
        if not deletes:
            return True
        return self._transact(deletes)

    def _record_result(
        self,
        claim: Claim,
        assignments: str,
        values: dict[str, Any],
        now: datetime,
        label_items: list[dict[str, Any]],
    ) -> bool:
        update = {
            "TableName": self._table_name,
            "Key": items.image_key(claim.image.id),
            "UpdateExpression": (
                f"SET #status = :status, recognized_at = :now, {assignments} "
                "REMOVE claimed_until ADD revision :one"
            ),
            "ConditionExpression": "claimed_until = :token",
            "ExpressionAttributeNames": _NAMES,
            "ExpressionAttributeValues": items.to_item(
                {**values, ":now": items.to_timestamp(now), ":token": claim.token, ":one": 1}
            ),
        }
        puts = [{"Put": {"TableName": self._table_name, "Item": item}} for item in label_items]
        return self._transact([{"Update": update}, *puts])

    def _delete(self, snapshot: Snapshot, sort_key: str) -> dict[str, Any]:
        key = items.to_item({"pk": items.partition_key(snapshot.image_id), "sk": sort_key})
        delete: dict[str, Any] = {"TableName": self._table_name, "Key": key}
        if sort_key == items.IMAGE_SORT_KEY:
            delete["ConditionExpression"] = "revision = :revision"
            delete["ExpressionAttributeValues"] = items.to_item({":revision": snapshot.revision})
        return {"Delete": delete}

    def _transact(self, writes: list[dict[str, Any]]) -> bool:
        try:
            self._client.transact_write_items(TransactItems=writes)
        except self._client.exceptions.TransactionCanceledException as error:
            reasons = {reason.get("Code") for reason in error.response["CancellationReasons"]}
            if "ConditionalCheckFailed" in reasons:
                return False
            raise
        return True

    def _update(
        self,
        image_id: str,
        expression: str,
        values: Mapping[str, Any],
        condition: str | None = None,
    ) -> Image:
        request: dict[str, Any] = {
            "TableName": self._table_name,
            "Key": items.image_key(image_id),
            "UpdateExpression": expression,
            "ExpressionAttributeValues": items.to_item(values),
            "ReturnValues": "ALL_NEW",
        }
        if "#status" in expression:
            request["ExpressionAttributeNames"] = _NAMES
        if condition:
            request["ConditionExpression"] = condition
            request["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
        return items.image_from_item(self._client.update_item(**request)["Attributes"])


def _start_values(image_id: str, now: datetime) -> dict[str, Any]:
    return {
        ":pending": Status.PENDING,
        ":now": items.to_timestamp(now),
        ":time_shard": items.time_shard(image_id),
        ":time_key": items.time_key(now, image_id),
    }


def _condition_failed(error: ClientError) -> bool:
    return bool(error.response["Error"]["Code"] == "ConditionalCheckFailedException")
