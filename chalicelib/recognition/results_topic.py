"""The SNS topic that publishes the results of images to subscribers."""

import json
from typing import Any

from chalicelib.model.events import result_event
from chalicelib.model.image import ImageSummary


class ResultsTopic:
    """Publishes results on an SNS topic."""

    def __init__(self, client: Any, topic_arn: str) -> None:
        self._client = client
        self._topic_arn = topic_arn

    def publish(self, image: ImageSummary, delivery: int) -> None:
        """Publish an image's result, which starts the delivery with the given number.

        The event has the same id each time the same result is published.
        """
        event, attributes = result_event(image, delivery)
        self._client.publish(
            TopicArn=self._topic_arn, Message=json.dumps(event), MessageAttributes=attributes
        )
