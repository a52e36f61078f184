"""The deliveries of images to the third party, each in an item of its own.

So an attempt to deliver never contends with recognition, or with another delivery. A PENDING
delivery is in the index by_waiting, where reconciliation finds it if its message is lost.
"""

from datetime import datetime

from chalicelib.aws.dynamodb_table import Table, Values
from chalicelib.catalog import keys
from chalicelib.catalog.items import MAX_DELIVERIES, delivery_values
from chalicelib.model.image import Delivery, DeliveryStatus

_NOT_DELIVERED = "attribute_exists(pk) AND delivery_status <> :delivered"
_DELIVERED: Values = {":delivered": DeliveryStatus.DELIVERED.value}


def new_delivery(number: int, now: datetime, requested_by: str = "") -> Delivery:
    """A delivery that no attempt has been made for yet.

    `requested_by` is the name of the token that requested it, empty for that of a new result.
    """
    return Delivery(
        DeliveryStatus.PENDING,
        tries=0,
        number=number,
        requested_at=now,
        requested_by=requested_by,
    )


class Deliveries:
    """Writes the deliveries of images; `Catalog.find` reads them with their image."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def begin(self, image_id: str, delivery: Delivery) -> None:
        """Write a new delivery, and delete the oldest of more than MAX_DELIVERIES.

        Beginning it again has no second effect before its first attempt.
        """
        self._table.put(delivery_values(image_id, delivery))
        oldest = delivery.number - MAX_DELIVERIES
        if oldest >= 1:
            pk = keys.partition_key(image_id)
            self._table.write_batch((), [(pk, keys.delivery_sort_key(oldest))])

    def record(self, image_id: str, delivery: Delivery) -> bool:
        """Write the state of a delivery after an attempt.

        Returns False and writes nothing if the delivery has already succeeded, because SQS may
        deliver a message more than once, or if its image was removed.
        """
        return self._table.put(delivery_values(image_id, delivery), _NOT_DELIVERED, _DELIVERED)
