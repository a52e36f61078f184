"""Reads a table's stream like Lambda's event source: in order, again until acknowledged."""

from abc import ABC, abstractmethod
from typing import Any

from moto.backends import get_backend

_ACCOUNT = "123456789012"


class TableStream(ABC):
    """The records of a table's stream after those that are acknowledged, as Lambda's event."""

    def __init__(self) -> None:
        self._acknowledged: set[str] = set()

    def event(self, limit: int = 1000) -> dict[str, Any]:
        """The first records that are not acknowledged yet."""
        new = [each for each in self.records() if each["eventID"] not in self._acknowledged]
        return {"Records": new[:limit]}

    def acknowledge(self, event: dict[str, Any]) -> None:
        """Leave the records of an event out of the next events."""
        self._acknowledged |= {record["eventID"] for record in event["Records"]}

    @abstractmethod
    def records(self) -> list[dict[str, Any]]:
        """All records of the stream."""


class MemoryStream(TableStream):
    """The stream of a table in moto, whose DescribeStream does not work with the current boto3."""

    def __init__(self, table_name: str) -> None:
        super().__init__()
        self._table = get_backend("dynamodb")[_ACCOUNT]["us-east-1"].tables[table_name]

    def records(self) -> list[dict[str, Any]]:
        shard = self._table.stream_shard
        assert shard is not None
        records: list[dict[str, Any]] = shard.get(shard.starting_sequence_number, 1_000_000)
        return records


class EmulatorStream(TableStream):
    """The stream of a table, by the clients of DynamoDB and its streams."""

    def __init__(self, dynamodb: Any, streams: Any, table_name: str) -> None:
        super().__init__()
        arn = dynamodb.describe_table(TableName=table_name)["Table"]["LatestStreamArn"]
        self._streams = streams
        self._records: list[dict[str, Any]] = []
        shards = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]
        self._iterators = [
            streams.get_shard_iterator(
                StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
            )["ShardIterator"]
            for shard in shards
        ]

    def records(self) -> list[dict[str, Any]]:
        for number, iterator in enumerate(self._iterators):
            while True:
                page = self._streams.get_records(ShardIterator=iterator)
                self._records += page["Records"]
                iterator = self._iterators[number] = page["NextShardIterator"]
                if not page["Records"]:
                    break
        return self._records
