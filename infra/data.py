"""A stage's irreplaceable data: the images in S3 and the catalog in DynamoDB.

The stacks retain both when they are deleted. Only this module deletes them, by name, on request.
"""

from collections.abc import Callable
from typing import Any

from infra.account import APP_NAME, Account


def held(account: Account, stage: str) -> list[str]:
    """The data there is, in words, such as `12 objects in bucket …`; empty if there is none."""
    return [
        f"{count}{'' if is_exact else ' or more'} {what} {name}"
        for (count, is_exact), what, name in (
            (
                _objects(account.client("s3"), _bucket(account, stage)),
                "objects in bucket",
                _bucket(account, stage),
            ),
            (_items(account.client("dynamodb"), _table(stage)), "items in table", _table(stage)),
        )
        if count
    ]


def delete(account: Account, stage: str, progress: Callable[[str], None]) -> None:
    """Delete the bucket and the table, if they exist, with everything in them."""
    bucket, table = _bucket(account, stage), _table(stage)
    s3, dynamodb = account.client("s3"), account.client("dynamodb")
    try:
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            keys = [{"Key": stored["Key"]} for stored in page.get("Contents", ())]
            if keys:
                s3.delete_objects(Bucket=bucket, Delete={"Objects": keys, "Quiet": True})
        s3.delete_bucket(Bucket=bucket)
        progress(f"bucket {bucket}: deleted")
    except s3.exceptions.NoSuchBucket:
        pass
    try:
        dynamodb.delete_table(TableName=table)
        dynamodb.get_waiter("table_not_exists").wait(TableName=table, WaiterConfig={"Delay": 2})
        progress(f"table {table}: deleted")
    except dynamodb.exceptions.ResourceNotFoundException:
        pass


def _objects(s3: Any, bucket: str) -> tuple[int, bool]:
    """The number of objects on the first page, and whether that is all of them."""
    try:
        page = s3.list_objects_v2(Bucket=bucket)
    except s3.exceptions.NoSuchBucket:
        return 0, True
    return page["KeyCount"], not page["IsTruncated"]


def _items(dynamodb: Any, table: str) -> tuple[int, bool]:
    """The same for items; DynamoDB's own ItemCount is up to six hours old."""
    try:
        page = dynamodb.scan(TableName=table, Select="COUNT", Limit=1000)
    except dynamodb.exceptions.ResourceNotFoundException:
        return 0, True
    return page["Count"], "LastEvaluatedKey" not in page


def _bucket(account: Account, stage: str) -> str:
    return f"{APP_NAME}-{stage}-images-{account.id}"


def _table(stage: str) -> str:
    return f"{APP_NAME}-{stage}-catalog"
