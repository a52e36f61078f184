"""Telling everybody who subscribed that an image has a result."""

import json
from typing import Any

from chalicelib.model.events import result_event
from chalicelib.model.image import ImageSummary


class ResultsTopic:
    """The topic on which results are told."""

    def __init__(self, client: Any, topic_arn: str) -> None:
        self._client = client
        self._topic_arn = topic_arn

    def publish(self, image: ImageSummary, delivery: int) -> None:
        """Publish an image's result, which begins the delivery of a number.

        RekognitionResponse twice, the event has the same id.
        """
        event, attributes = result_event(image, delivery)
        self._client.publish(
            TopicArn=self._topic_arn, Message=json.dumps(event), MessageAttributes=attributes
        )
