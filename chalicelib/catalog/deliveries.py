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


def new_delivery(number: int, now: datetime) -> Delivery:
    """A delivery that no attempt has been made for yet."""
    return Delivery(DeliveryStatus.PENDING, tries=0, number=number, requested_at=now)


class Deliveries:
    """Writes the deliveries of images; `Catalog.find` reads them with their image."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def begin_in_transaction(self, image_id: str, delivery: Delivery) -> list[Values]:
        """The actions of `Table.transact` that write a new delivery and delete the oldest."""
        put = self._table.put_in_transaction(delivery_values(image_id, delivery))
        oldest = delivery.number - MAX_DELIVERIES
        if oldest < 1:
            return [put]
        pk = keys.partition_key(image_id)
        return [put, self._table.delete_in_transaction(pk, keys.delivery_sort_key(oldest))]

    def begin(self, image_id: str, delivery: Delivery) -> None:
        """Write a new delivery, and delete the oldest of more than MAX_DELIVERIES."""
        self._table.transact(self.begin_in_transaction(image_id, delivery))

    def record(self, image_id: str, delivery: Delivery) -> bool:
        """Write the state of a delivery after an attempt.

        Returns False and writes nothing if the delivery has already succeeded, because SQS may
        deliver a message more than once, or if its image was removed.
        """
        return self._table.put(delivery_values(image_id, delivery), _NOT_DELIVERED, _DELIVERED)
