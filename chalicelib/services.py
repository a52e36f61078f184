"""Puts the parts together: which use case works with which client and which setting.

Everything is made at its first use, so that a function pays only for what it needs.
"""

from functools import cached_property, partial

from chalicelib.batches import Batches
from chalicelib.catalog import Catalog
from chalicelib.catalog_pages import CatalogPages
from chalicelib.clients import client
from chalicelib.delivery import ResultDelivery
from chalicelib.fetch import fetch
from chalicelib.idempotency import IdempotentRequests
from chalicelib.intake import ImageIntake
from chalicelib.messages import Queue
from chalicelib.recognition import ImageRecognition
from chalicelib.rekognition import Rekognition
from chalicelib.removal import ImageRemoval
from chalicelib.results import Results
from chalicelib.settings import Settings
from chalicelib.storage import ImageStore
from chalicelib.third_party import ThirdParty
from chalicelib.tokens import Tokens
from chalicelib.uploads import Uploads
from chalicelib.waiting_pictures import WaitingPictures


class Services:
    """The use cases of one stage."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @cached_property
    def tokens(self) -> Tokens:
        """Who may call the API."""
        return Tokens(client("ssm"), self._settings.api_tokens_path)

    @cached_property
    def intake(self) -> ImageIntake:
        """URLs to stored images."""
        return ImageIntake(
            partial(fetch, limits=self._settings.fetch_limits), self._store, self.catalog
        )

    @cached_property
    def uploads(self) -> Uploads:
        """Files that go straight to S3."""
        return Uploads(
            client("s3"),
            self._settings.images_bucket_name,
            client("dynamodb"),
            self._settings.catalog_table_name,
            self._settings.fetch_limits.max_bytes,
        )

    @cached_property
    def batches(self) -> Batches:
        """Many URLs in one request."""
        return Batches(
            client("dynamodb"),
            self._settings.catalog_table_name,
            client("sqs"),
            self._settings.intake_queue_url,
        )

    @cached_property
    def waiting_pictures(self) -> WaitingPictures:
        """Uploads and URLs of batches to stored images."""
        return WaitingPictures(self.intake, self.uploads, self.batches)

    @cached_property
    def idempotent_requests(self) -> IdempotentRequests:
        """Answers of requests that have a key."""
        return IdempotentRequests(client("dynamodb"), self._settings.idempotency_table_name)

    @cached_property
    def intake_queue(self) -> Queue:
        """Where uploads and URLs of batches wait to be taken in."""
        return Queue(
            client("sqs"), self._settings.intake_queue_url, self._settings.intake_max_receives
        )

    @cached_property
    def recognition(self) -> ImageRecognition:
        """Stored images to recognized ones."""
        rekognition = Rekognition(
            client("rekognition"), self._settings.max_labels, self._settings.min_confidence
        )
        results = Results(client("sns"), self._settings.results_topic_arn)
        return ImageRecognition(self._store, rekognition, self.catalog, results)

    @cached_property
    def delivery(self) -> ResultDelivery:
        """Results to the third party."""
        return ResultDelivery(self.catalog, ThirdParty(self._settings.third_party_url))

    @cached_property
    def removal(self) -> ImageRemoval:
        """Removed images to nothing."""
        return ImageRemoval(self._store, self.catalog)

    @cached_property
    def catalog(self) -> Catalog:
        """What is known of each image."""
        return Catalog(client("dynamodb"), self._settings.catalog_table_name)

    @cached_property
    def catalog_pages(self) -> CatalogPages:
        """What is known of many images."""
        return CatalogPages(client("dynamodb"), self._settings.catalog_table_name)

    @cached_property
    def recognition_queue(self) -> Queue:
        """Where arrivals wait to be recognized."""
        return Queue(
            client("sqs"),
            self._settings.recognition_queue_url,
            self._settings.recognition_max_receives,
        )

    @cached_property
    def integration_queue(self) -> Queue:
        """Where results wait to be delivered."""
        return Queue(
            client("sqs"),
            self._settings.integration_queue_url,
            self._settings.integration_max_receives,
        )

    @cached_property
    def _store(self) -> ImageStore:
        return ImageStore(client("s3"), self._settings.images_bucket_name)
