"""What a stage keeps that cannot be made again: the images in S3, the catalog in DynamoDB.

Neither goes with its stack; they are deleted here, by name, and only when somebody asked for it.
"""

from collections.abc import Callable
from typing import Any

from infra.account import APP_NAME, Account


def held(account: Account, stage: str) -> list[str]:
    """What there is, in words, such as `12 images in bucket …`; nothing where all is empty."""
    return [
        f"{count}{'' if whole else ' or more'} {what} {name}"
        for (count, whole), what, name in (
            (
                _objects(account.client("s3"), _bucket(account, stage)),
                "objects in bucket",
                _bucket(account, stage),
            ),
            (_items(account.client("dynamodb"), _table(stage)), "items in table", _table(stage)),
        )
        if count
    ]


def delete(account: Account, stage: str, tell: Callable[[str], None]) -> None:
    """Delete the bucket and the table with all that is in them, where they exist."""
    bucket, table = _bucket(account, stage), _table(stage)
    s3, dynamodb = account.client("s3"), account.client("dynamodb")
    try:
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            keys = [{"Key": stored["Key"]} for stored in page.get("Contents", ())]
            if keys:
                s3.delete_objects(Bucket=bucket, Delete={"Objects": keys, "Quiet": True})
        s3.delete_bucket(Bucket=bucket)
        tell(f"bucket {bucket}: deleted")
    except s3.exceptions.NoSuchBucket:
        pass
    try:
        dynamodb.delete_table(TableName=table)
        dynamodb.get_waiter("table_not_exists").wait(TableName=table, WaiterConfig={"Delay": 2})
        tell(f"table {table}: deleted")
    except dynamodb.exceptions.ResourceNotFoundException:
        pass


def _objects(s3: Any, bucket: str) -> tuple[int, bool]:
    """How many objects the first page has, and whether there are no more."""
    try:
        page = s3.list_objects_v2(Bucket=bucket)
    except s3.exceptions.NoSuchBucket:
        return 0, True
    return page["KeyCount"], not page["IsTruncated"]


def _items(dynamodb: Any, table: str) -> tuple[int, bool]:
    """As `_objects`; DynamoDB's own ItemCount is up to six hours old."""
    try:
        page = dynamodb.scan(TableName=table, Select="COUNT", Limit=1000)
    except dynamodb.exceptions.ResourceNotFoundException:
        return 0, True
    return page["Count"], "LastEvaluatedKey" not in page


def _bucket(account: Account, stage: str) -> str:
    return f"{APP_NAME}-{stage}-images-{account.id}"


def _table(stage: str) -> str:
    return f"{APP_NAME}-{stage}-catalog"
