"""Measures the DynamoDB read units of catalog pages in catalogs of different sizes.

    python -m benchmarks.read_cost [--images 100 10000 100000]

Fills the emulator's DynamoDB with images of up to two labels and reads pages as the app does. The
read units are those that DynamoDB returns (ReturnConsumedCapacity). For BatchGetItem, for which
the emulator returns none, they are half a unit per 4 KB of each item, as DynamoDB counts them.
Exits with status 1 if a page costs over 10 % more in the largest catalog than in the smallest.
"""

import argparse
import json
import math
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from chalicelib.aws.dynamodb_table import Table
from chalicelib.catalog.images import Catalog
from chalicelib.catalog.labels import LabelCounts
from chalicelib.catalog.pages import CatalogPages
from chalicelib.catalog.query import PageRequest
from chalicelib.model.findings import Label
from chalicelib.model.image import Status
from tests.helpers.bare_emulator import bare_emulator
from tests.helpers.catalogs import EPOCH, image, write

SIZES = (100, 10_000, 100_000)
MOST_GROWTH = 1.1

# One image in fifty has the rare label, so that even the smallest catalog has some.
COMMON, RARE = Label("Person", 90.0), Label("Unicycle", 80.0)


class ReadUnits:
    """Sums the read units that a DynamoDB client's reads consume."""

    def __init__(self, client: Any) -> None:
        self.units = 0.0
        register = client.meta.events.register
        for operation in ("GetItem", "Query"):
            register(f"provide-client-params.dynamodb.{operation}", self._request_units)
            register(f"after-call.dynamodb.{operation}", self._add_consumed)
        register("after-call.dynamodb.BatchGetItem", self._add_batch)

    def _request_units(self, params: dict[str, Any], **_: Any) -> dict[str, Any]:
        return params | {"ReturnConsumedCapacity": "TOTAL"}

    def _add_consumed(self, parsed: dict[str, Any], **_: Any) -> None:
        self.units += parsed["ConsumedCapacity"]["CapacityUnits"]

    def _add_batch(self, parsed: dict[str, Any], **_: Any) -> None:
        for items in parsed["Responses"].values():
            # An item's JSON is slightly longer than the item size that DynamoDB counts.
            self.units += sum(math.ceil(len(json.dumps(item)) / 4096) / 2 for item in items)


def pages_of(client: Any, table_name: str) -> dict[str, Callable[[], object]]:
    """A reader of each kind of page, as the app reads it, by description."""
    pages, table = CatalogPages(client, table_name), Table(client, table_name)
    counts, catalog = LabelCounts(table), Catalog(table)
    second = pages.page(PageRequest()).cursor
    some_id = pages.page(PageRequest(limit=1)).images[0].id
    return {
        "newest first": lambda: pages.page(PageRequest()),
        "newest first, second page": lambda: pages.page(PageRequest(cursor=second)),
        "by status FAILED": lambda: pages.page(PageRequest(status=Status.FAILED, limit=2)),
        "before a time": lambda: pages.page(
            PageRequest(created_before=EPOCH + timedelta(minutes=90))
        ),
        "by label, best first": lambda: pages.page(PageRequest(("person",), order="best")),
        "by label, newest first": lambda: pages.page(PageRequest(("person",))),
        "by two labels": lambda: pages.page(PageRequest(("person", "unicycle"), limit=2)),
        "labels with counts": lambda: counts.page("", 20, None),
        "one image": lambda: catalog.find(some_id),
    }


def images(first: int, last: int) -> Iterator[Any]:
    """Yield images: all have one label, every 50th a rare one too; every 40th failed instead."""
    for number in range(first, last):
        # Spreads over the shards like a hash.
        image_id = f"{number * 0x9E3779B97F4A7C15 % 2**128:032x}"[::-1]
        failed = number % 40 == 39
        labels = () if failed else (COMMON, RARE) if number % 50 == 0 else (COMMON,)
        moment = EPOCH + timedelta(minutes=number)
        yield image(image_id, moment, labels, Status.FAILED if failed else Status.RECOGNIZED)


def measure(sizes: list[int], progress: Callable[[str], None]) -> dict[str, list[float]]:
    """The read units of each kind of page, one per catalog size, by description.

    `sizes` are numbers of images, ascending; `progress` receives a line per size.
    """
    found: dict[str, list[float]] = {}
    with (
        tempfile.TemporaryDirectory() as folder,
        bare_emulator(Path(folder)) as emulator,
    ):
        client = emulator.client("dynamodb")
        table_name = emulator.variables["CATALOG_TABLE_NAME"]
        read_units = ReadUnits(client)
        filled = 0
        for size in sizes:
            started = time.monotonic()
            write(client, table_name, images(filled, size))
            filled = size
            progress(f"{size} images written after {time.monotonic() - started:.0f} s")
            for name, read in pages_of(client, table_name).items():
                read_units.units = 0
                read()
                found.setdefault(name, []).append(read_units.units)
    return found


def main() -> int:
    """Run the command line and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.read_cost")
    parser.add_argument("--images", type=int, nargs="+", default=SIZES)
    sizes = sorted(parser.parse_args().images)
    found = measure(sizes, lambda line: print(f"  {line}", file=sys.stderr, flush=True))
    print("| page | " + " | ".join(f"{size:,} images" for size in sizes) + " |")
    print("| --- |" + " --- |" * len(sizes))
    for name, units in found.items():
        print(f"| {name} | " + " | ".join(f"{each:g}" for each in units) + " |")
    grown = [name for name, units in found.items() if units[-1] > MOST_GROWTH * units[0]]
    if grown:
        print(
            f"These pages cost over 10 % more in the largest catalog: {', '.join(grown)}",
            file=sys.stderr,
        )
    return 1 if grown else 0


if __name__ == "__main__":
    sys.exit(main())
