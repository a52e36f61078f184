"""The one place of composition: which use case works with which client and which setting.

Everything is made at its first use, and its class is imported there, so that a Lambda function pays
only for what it needs.
"""

from datetime import timedelta
from functools import cached_property, partial
from typing import TYPE_CHECKING

from chalicelib.aws.clients import client
from chalicelib.aws.dynamodb_table import Table
from chalicelib.aws.sqs_queue import Queue
from chalicelib.model.events import NotOurMessage
from chalicelib.settings import Settings

if TYPE_CHECKING:
    from chalicelib.api.idempotency import IdempotentRequests
    from chalicelib.api.tokens import Tokens
    from chalicelib.catalog.backlog import Backlog
    from chalicelib.catalog.deliveries import Deliveries
    from chalicelib.catalog.forget import ImageRemoval
    from chalicelib.catalog.image_store import ImageStore
    from chalicelib.catalog.images import Catalog
    from chalicelib.catalog.labels import LabelCounts
    from chalicelib.catalog.model_versions import ModelVersions
    from chalicelib.catalog.pages import CatalogPages
    from chalicelib.catalog.search import ImageSearch
    from chalicelib.catalog.search_index import SearchIndex
    from chalicelib.catalog.spending_limit import SpendingLimit
    from chalicelib.catalog.usage import Usage
    from chalicelib.intake.accept import ImageIntake
    from chalicelib.intake.batches import Batches
    from chalicelib.intake.take_in import QueuedImages
    from chalicelib.intake.uploads import Uploads
    from chalicelib.integration.deliver import ResultDelivery
    from chalicelib.integration.redeliver import OverdueDeliveries, Redelivery
    from chalicelib.recognition.recognition_requests import RecognitionRequests
    from chalicelib.recognition.recognize import ImageRecognition
    from chalicelib.recognition.reconcile import Reconciliation

# After this many failed deliveries in a row the third party counts as down.
MAX_CONSECUTIVE_FAILURES = 5


class Services:
    """The use cases of one stage."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @cached_property
    def tokens(self) -> "Tokens":
        """The callers' tokens, by their hashes in SSM."""
        from chalicelib.api.tokens import Tokens

        return Tokens(client("ssm"), self._settings.api_tokens_path)

    @cached_property
    def intake(self) -> "ImageIntake":
        """The way in for every image: fetch, check, store, register."""
        from chalicelib.intake.accept import ImageIntake
        from chalicelib.intake.fetching.fetch import fetch
        from chalicelib.intake.images.isolated_decoder import IsolatedDecoder

        return ImageIntake(
            partial(fetch, limits=self._settings.fetch_limits),
            IsolatedDecoder(),
            self.store,
            self.catalog,
            self.recognition_requests,
            self.usage,
            self._spending_limit,
        )

    @cached_property
    def uploads(self) -> "Uploads":
        """Uploads of files that go straight to S3."""
        from chalicelib.intake.upload_records import UploadRecords
        from chalicelib.intake.uploads import Uploads

        return Uploads(
            client("s3"),
            self._settings.images_bucket_name,
            UploadRecords(self._table),
            self._settings.fetch_limits.max_bytes,
            self._settings.default_features,
            self._spending_limit,
        )

    @cached_property
    def batches(self) -> "Batches":
        """Batches of URLs that are fetched from the intake queue."""
        from chalicelib.intake.batch_messages import BatchMessages
        from chalicelib.intake.batches import Batches

        messages = BatchMessages(client("sqs"), self._settings.intake_queue_url)
        return Batches(self._table, messages, self._spending_limit)

    @cached_property
    def queued_images(self) -> "QueuedImages":
        """Uploads and URLs of batches, taken in from the intake queue."""
        from chalicelib.intake.take_in import QueuedImages

        return QueuedImages(self.intake, self.uploads, self.batches)

    @cached_property
    def idempotent_requests(self) -> "IdempotentRequests":
        """Responses of requests that carry an Idempotency-Key."""
        from chalicelib.api.idempotency import IdempotentRequests
        from chalicelib.api.resources import Resources

        resources = Resources(self.catalog, self.catalog_pages, self.uploads, self.batches)
        return IdempotentRequests(
            client("dynamodb"), self._settings.idempotency_table_name, resources.read
        )

    @cached_property
    def intake_queue(self) -> Queue:
        """The queue of uploads and URLs of batches to take in."""
        settings = self._settings
        return self._queue(
            settings.intake_queue_url,
            settings.intake_max_receives,
            settings.intake_dead_letters_url,
        )

    @cached_property
    def recognition(self) -> "ImageRecognition":
        """Recognition of a stored image's pending features."""
        from chalicelib.catalog.leases import Leases
        from chalicelib.recognition.recognize import ImageRecognition
        from chalicelib.recognition.rekognition import Rekognition
        from chalicelib.recognition.request_rate import RequestRate
        from chalicelib.recognition.results_topic import ResultsTopic

        rekognition = Rekognition(
            client("rekognition"),
            self._settings.images_bucket_name,
            self._settings.max_labels,
            self._settings.min_confidence,
            RequestRate(self._settings.recognition_rate),
        )
        leases = Leases(
            self._table,
            self.catalog,
            self._deliveries,
            lambda image_id: self.store.features_of(image_id) or self._settings.default_features,
        )
        results = ResultsTopic(client("sns"), self._settings.results_topic_arn)
        return ImageRecognition(rekognition, self.catalog, self.removal, leases, results)

    @cached_property
    def recognition_requests(self) -> "RecognitionRequests":
        """Requests to recognize more features of an image."""
        from chalicelib.recognition.recognition_requests import RecognitionRequests

        return RecognitionRequests(
            self.catalog,
            self.catalog_pages,
            self.usage,
            self._model_versions,
            client("sqs"),
            self._settings.recognition_queue_url,
            self._spending_limit,
        )

    @cached_property
    def reconciliation(self) -> "Reconciliation":
        """The comparison of S3 with the catalog that finds lost images."""
        from chalicelib.recognition.reconcile import Reconciliation

        return Reconciliation(
            self.store,
            self._table,
            self.catalog,
            self.catalog_pages,
            self._backlog,
            self.search_index,
            self.recognition_requests,
            self.recognition_queue,
            self._reconciliation_age,
            self._settings.rekognition_transactions_per_second,
        )

    @cached_property
    def overdue_deliveries(self) -> "OverdueDeliveries":
        """Deliveries whose messages were lost."""
        from chalicelib.integration.redeliver import OverdueDeliveries

        return OverdueDeliveries(
            self.catalog,
            self._deliveries,
            self._backlog,
            self.redelivery,
            self.integration_queue,
            self._reconciliation_age,
            self._settings.deliveries_per_second,
        )

    @cached_property
    def search_index(self) -> "SearchIndex":
        """Search, counts and usage, which follow from the findings in the catalog."""
        from chalicelib.catalog.search_index import SearchIndex

        return SearchIndex(self._table, self._model_versions)

    @cached_property
    def usage(self) -> "Usage":
        """Counts of Rekognition's calls, and of those that a known image saved."""
        from chalicelib.catalog.usage import Usage

        return Usage(self._table)

    @cached_property
    def delivery(self) -> "ResultDelivery":
        """Deliveries of results to the third party, if the stage has one."""
        from chalicelib.integration.circuit_breaker import CircuitBreaker
        from chalicelib.integration.deliver import ResultDelivery
        from chalicelib.integration.retry_schedule import RetrySchedule
        from chalicelib.integration.third_party import ThirdParty
        from chalicelib.integration.webhook_signing import WebhookSecrets

        third_party = None
        if self._settings.third_party_url:
            third_party = ThirdParty(
                self._settings.third_party_url,
                WebhookSecrets(client("ssm"), self._settings.webhook_secrets_path),
                CircuitBreaker(MAX_CONSECUTIVE_FAILURES, self._settings.delivery_hold_seconds),
                self._settings.delivery_deadline_seconds,
            )
        schedule = RetrySchedule(self._settings.delivery_pauses_seconds)
        return ResultDelivery(self.catalog, self._deliveries, third_party, schedule)

    @cached_property
    def redelivery(self) -> "Redelivery":
        """Requests to deliver an image's result again."""
        from chalicelib.integration.redeliver import Redelivery

        return Redelivery(
            self.catalog, self._deliveries, client("sqs"), self._settings.integration_queue_url
        )

    @cached_property
    def removal(self) -> "ImageRemoval":
        """Deletion of the items of images that were removed from S3."""
        from chalicelib.catalog.forget import ImageRemoval

        return ImageRemoval(self.store, self.catalog)

    @cached_property
    def catalog(self) -> "Catalog":
        """Single images: found, registered, changed, forgotten."""
        from chalicelib.catalog.images import Catalog

        return Catalog(self._table)

    @cached_property
    def label_counts(self) -> "LabelCounts":
        """The number of images of each label."""
        from chalicelib.catalog.labels import LabelCounts

        return LabelCounts(self._table)

    @cached_property
    def image_search(self) -> "ImageSearch":
        """Images by label, status and time."""
        from chalicelib.catalog.search import ImageSearch

        return ImageSearch(self.label_counts, self.catalog_pages)

    @cached_property
    def catalog_pages(self) -> "CatalogPages":
        """Pages of images, by the table's indexes."""
        from chalicelib.catalog.pages import CatalogPages

        return CatalogPages(client("dynamodb"), self._settings.catalog_table_name)

    @cached_property
    def recognition_queue(self) -> Queue:
        """The queue of images to recognize."""
        settings = self._settings
        return self._queue(
            settings.recognition_queue_url,
            settings.recognition_max_receives,
            settings.recognition_dead_letters_url,
        )

    @cached_property
    def integration_queue(self) -> Queue:
        """The queue of results to deliver."""
        settings = self._settings
        return self._queue(
            settings.integration_queue_url,
            settings.integration_max_receives,
            settings.integration_dead_letters_url,
        )

    @cached_property
    def removals_queue(self) -> Queue:
        """The queue of images that were removed from S3."""
        settings = self._settings
        return self._queue(
            settings.removals_queue_url,
            settings.removals_max_receives,
            settings.removals_dead_letters_url,
        )

    def _queue(self, url: str, max_receives: int, dead_letters_url: str) -> Queue:
        return Queue(
            client("sqs"),
            url,
            max_receives,
            dead_letters_url,
            hopeless=(NotOurMessage,),
            reports_failures=self._settings.partial_batch_responses,
        )

    @cached_property
    def _spending_limit(self) -> "SpendingLimit":
        from chalicelib.catalog.spending_limit import SpendingLimit

        return SpendingLimit(
            self.usage,
            self._settings.rekognition_prices,
            self._settings.monthly_spending_limit,
            self._settings.monthly_spending_limit_per_token,
        )

    @cached_property
    def _model_versions(self) -> "ModelVersions":
        from chalicelib.catalog.model_versions import ModelVersions

        return ModelVersions(self._table)

    @cached_property
    def _deliveries(self) -> "Deliveries":
        from chalicelib.catalog.deliveries import Deliveries

        return Deliveries(self._table)

    @cached_property
    def _backlog(self) -> "Backlog":
        from chalicelib.catalog.backlog import Backlog

        return Backlog(self._table)

    @property
    def _reconciliation_age(self) -> timedelta:
        return timedelta(seconds=self._settings.reconciliation_age_seconds)

    @cached_property
    def _table(self) -> Table:
        return Table(client("dynamodb"), self._settings.catalog_table_name)

    @cached_property
    def store(self) -> "ImageStore":
        """The images' content in S3."""
        from chalicelib.catalog.image_store import ImageStore

        return ImageStore(client("s3"), self._settings.images_bucket_name)
