"""The stage's settings, read once from the environment."""

import math
import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from chalicelib.intake.fetching.limits import FetchLimits, parse_allowed_origins
from chalicelib.integration import third_party_url
from chalicelib.integration.retry_schedule import MAX_PAUSE_SECONDS
from chalicelib.model.findings import Feature

# Ten pauses between eleven attempts: 5 s, 30 s, 2 min, 10 min, 30 min, 1 h, 2 h, 4 h, 6 h, 10 h; a
# day in total, as Standard Webhooks recommends. INTEGRATION_MAX_RECEIVES must match.
DELIVERY_PAUSES_SECONDS = "5,30,120,600,1800,3600,7200,14400,21600,36000"

# US dollars per image, for the first million per month in us-east-1, as of November 2026 in public
# write-ups of https://aws.amazon.com/rekognition/pricing/.
REKOGNITION_PRICES = (
    "LABELS=0.001,TEXT=0.001,FACES=0.001,MODERATION=0.001,CELEBRITIES=0.001,PROPERTIES=0.00075"
)


class SettingsError(Exception):
    """Raised when environment variables are missing or invalid; the message names all of them."""


@dataclass(frozen=True)
class Settings:
    """The settings of a stage. The README's table gives the default and the range of each."""

    api_tokens_path: str
    images_bucket_name: str
    catalog_table_name: str
    stage: str
    catalog_table_stream_arn: str
    idempotency_table_name: str
    intake_queue_url: str
    intake_max_receives: int
    intake_dead_letters_url: str
    recognition_queue_url: str
    recognition_max_receives: int
    recognition_dead_letters_url: str
    results_topic_arn: str
    integration_queue_url: str
    integration_max_receives: int
    integration_dead_letters_url: str
    removals_queue_url: str
    removals_max_receives: int
    removals_dead_letters_url: str
    partial_batch_responses: bool
    third_party_url: str
    webhook_secrets_path: str
    delivery_pauses_seconds: tuple[float, ...]
    delivery_deadline_seconds: float
    delivery_hold_seconds: float
    deliveries_at_once: int
    fetch_limits: FetchLimits
    default_features: tuple[Feature, ...]
    max_labels: int
    min_confidence: float
    rekognition_transactions_per_second: int
    rekognition_prices: Mapping[Feature, float]
    monthly_spending_limit: float
    monthly_spending_limit_per_token: float
    reconciliation_age_seconds: float
    log_level: str

    @property
    def intake_queue_name(self) -> str:
        """The last part of a queue's URL is its name."""
        return self.intake_queue_url.rpartition("/")[2]

    @property
    def recognition_queue_name(self) -> str:
        """The last part of a queue's URL is its name."""
        return self.recognition_queue_url.rpartition("/")[2]

    @property
    def integration_queue_name(self) -> str:
        """The last part of a queue's URL is its name."""
        return self.integration_queue_url.rpartition("/")[2]

    @property
    def removals_queue_name(self) -> str:
        """The last part of a queue's URL is its name."""
        return self.removals_queue_url.rpartition("/")[2]

    @property
    def recognition_concurrency(self) -> int:
        """The maximum of concurrent invocations that recognize, in AWS's range of 2 to 1,000."""
        return min(max(self.rekognition_transactions_per_second // 10, 2), 1000)

    @property
    def recognitions_at_once(self) -> int:
        """The number of images that one invocation recognizes concurrently, 1 to 10.

        A call of Rekognition takes about a second, so as many concurrent calls as the quota has
        transactions per second use it up. Where calls are faster, `recognition_rate` limits them.
        """
        return min(
            max(self.rekognition_transactions_per_second // self.recognition_concurrency, 1), 10
        )

    @property
    def recognition_rate(self) -> float:
        """The share of the quota of one concurrent invocation, in calls per second."""
        return self.rekognition_transactions_per_second / self.recognition_concurrency

    @property
    def delivery_concurrency(self) -> int:
        """The maximum of concurrent invocations that deliver, in AWS's range of 2 to 1,000.

        As few as make `deliveries_at_once` requests at a time, with up to 10 each.
        """
        return max(math.ceil(self.deliveries_at_once / 10), 2)

    @property
    def deliveries_per_invocation(self) -> int:
        """The number of results that one invocation receives and delivers concurrently, 1 to 10.

        It receives no more, so that it has time for each of them, however slow the third party is.
        """
        return self.deliveries_at_once // self.delivery_concurrency

    @property
    def deliveries_per_second(self) -> float:
        """The slowest rate of deliveries: every request takes the whole deadline."""
        at_once = self.delivery_concurrency * self.deliveries_per_invocation
        return at_once / self.delivery_deadline_seconds

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Settings":
        """Read every setting. Raises one SettingsError for everything missing or invalid."""
        read = _Reader(environment)
        settings = cls(
            api_tokens_path=read.text("API_TOKENS_PATH"),
            images_bucket_name=read.text("IMAGES_BUCKET_NAME"),
            catalog_table_name=read.text("CATALOG_TABLE_NAME"),
            stage=read.text("STAGE"),
            catalog_table_stream_arn=read.text("CATALOG_TABLE_STREAM_ARN"),
            idempotency_table_name=read.text("IDEMPOTENCY_TABLE_NAME"),
            intake_queue_url=read.url("INTAKE_QUEUE_URL"),
            intake_max_receives=read.integer("INTAKE_MAX_RECEIVES", "5", 1, 1000),
            intake_dead_letters_url=read.url("INTAKE_DEAD_LETTERS_URL"),
            recognition_queue_url=read.url("RECOGNITION_QUEUE_URL"),
            recognition_max_receives=read.integer("RECOGNITION_MAX_RECEIVES", "8", 1, 1000),
            recognition_dead_letters_url=read.url("RECOGNITION_DEAD_LETTERS_URL"),
            results_topic_arn=read.text("RESULTS_TOPIC_ARN"),
            integration_queue_url=read.url("INTEGRATION_QUEUE_URL"),
            integration_max_receives=read.integer("INTEGRATION_MAX_RECEIVES", "11", 1, 1000),
            integration_dead_letters_url=read.url("INTEGRATION_DEAD_LETTERS_URL"),
            removals_queue_url=read.url("REMOVALS_QUEUE_URL"),
            removals_max_receives=read.integer("REMOVALS_MAX_RECEIVES", "8", 1, 1000),
            removals_dead_letters_url=read.url("REMOVALS_DEAD_LETTERS_URL"),
            # Only infra/partial_batch_responses.py sets it, once Lambda is verified to read them.
            partial_batch_responses=read.one_of("PARTIAL_BATCH_RESPONSES", "0", ("0", "1")) == "1",
            third_party_url=read.third_party_url(),
            webhook_secrets_path=read.text("WEBHOOK_SECRETS_PATH"),
            delivery_pauses_seconds=read.numbers(
                "DELIVERY_PAUSES_SECONDS", DELIVERY_PAUSES_SECONDS, 0, MAX_PAUSE_SECONDS
            ),
            # Standard Webhooks recommends 15 to 30. The function that delivers has 60, which must
            # cover this and its own work.
            delivery_deadline_seconds=read.number("DELIVERY_DEADLINE_SECONDS", "15", 0.1, 30),
            delivery_hold_seconds=read.number("DELIVERY_HOLD_SECONDS", "30", 0, 900),
            deliveries_at_once=read.integer("DELIVERIES_AT_ONCE", "50", 2, 10_000),
            fetch_limits=FetchLimits(
                allowed_origins=read.origins("FETCH_ALLOWED_ORIGINS"),
                max_bytes=read.integer("FETCH_MAX_BYTES", str(25 * 1024 * 1024), 1, 100_000_000),
                deadline_seconds=read.number("FETCH_DEADLINE_SECONDS", "20", 1, 25),
            ),
            default_features=read.features("DEFAULT_FEATURES", "LABELS"),
            # A DynamoDB transaction has 100 actions, and one transaction must be able to change the
            # counts of all labels that an image gets and of all that it no longer has.
            max_labels=read.integer("MAX_LABELS", "10", 1, 30),
            min_confidence=read.number("MIN_CONFIDENCE", "70", 0, 100),
            rekognition_transactions_per_second=read.integer(
                "REKOGNITION_TRANSACTIONS_PER_SECOND", "5", 1, 10_000
            ),
            rekognition_prices=read.prices("REKOGNITION_PRICES", REKOGNITION_PRICES),
            monthly_spending_limit=read.number("MONTHLY_SPENDING_LIMIT_USD", "0", 0, 1_000_000),
            monthly_spending_limit_per_token=read.number(
                "MONTHLY_SPENDING_LIMIT_PER_TOKEN_USD", "0", 0, 1_000_000
            ),
            # Longer than all attempts of a message take: 8 receives, pauses of up to 15 minutes.
            reconciliation_age_seconds=read.number(
                "RECONCILIATION_AGE_SECONDS", "3600", 0, 7 * 24 * 3600
            ),
            log_level=read.one_of("LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR")),
        )
        if read.problems or read.missing:
            raise SettingsError(_message(read))
        return settings


def settings_or_exit() -> Settings:
    """Read the stage's settings, or end the process with one message if they are not usable.

    `chalice local` loads the app in a thread, where any exception, even SystemExit, would leave the
    process running without a server. So this function ends the process itself.
    """
    try:
        return Settings.from_environment()
    except SettingsError as error:
        print(error, file=sys.stderr, flush=True)  # noqa: T201 - there is no stage to log to
        os._exit(1)


def _message(read: "_Reader") -> str:
    problems = read.problems
    if read.missing:
        verb = "is" if len(read.missing) == 1 else "are"
        problems = [f"{', '.join(read.missing)} {verb} missing", *problems]
    text = (
        "The stage's environment_variables in .chalice/config.json are not usable: "
        f"{'; '.join(problems)}."
    )
    if read.found:
        return text
    return (
        "This stage is not deployed. Deploy one: `make run` on this machine, or "
        "`make deploy STAGE=dev` on AWS. Then name it, as in `chalice local --stage local`. " + text
    )


class _Reader:
    """Reads variables and collects every problem instead of stopping at the first.

    `found` and `missing` are the variables that have no default.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self.problems: list[str] = []
        self.missing: list[str] = []
        self.found: list[str] = []

    def text(self, name: str, default: str = "") -> str:
        value = self._environment.get(name, "").strip()
        if not default:
            (self.found if value else self.missing).append(name)
        return value or default

    def url(self, name: str) -> str:
        value = self.text(name)
        if value and not re.fullmatch(r"https?://[^/\s]+(/\S*)?", value):
            self.problems.append(f"{name} is {value!r}, but must be an http or https URL")
        return value

    def third_party_url(self) -> str:
        url = self._environment.get(third_party_url.URL_VARIABLE, "").strip()
        allowed = self._environment.get(third_party_url.HTTP_ALLOWED_VARIABLE, "")
        problem = url and third_party_url.problem_with(url, third_party_url.parse_hosts(allowed))
        if problem:
            self.problems.append(f"{third_party_url.URL_VARIABLE} {problem}")
        return url

    def integer(self, name: str, default: str, least: int, most: int) -> int:
        return int(self.number(name, default, least, most, int))

    def number(
        self,
        name: str,
        default: str,
        least: float,
        most: float,
        kind: Callable[[str], float] = float,
    ) -> float:
        text = self.text(name, default)
        try:
            value = kind(text)
        except ValueError:
            value = float("nan")
        if not least <= value <= most:
            noun = "a whole number" if kind is int else "a number"
            self.problems.append(f"{name} is {text!r}, but must be {noun} from {least} to {most}")
            return least
        return value

    def numbers(self, name: str, default: str, least: float, most: float) -> tuple[float, ...]:
        text = self.text(name, default)
        try:
            values = tuple(float(part) for part in text.split(","))
        except ValueError:
            values = ()
        if not values or not all(least <= value <= most for value in values):
            self.problems.append(
                f"{name} is {text!r}, but must be numbers from {least} to {most} with commas "
                "between them"
            )
        return values

    def features(self, name: str, default: str) -> tuple[Feature, ...]:
        names = {part.strip() for part in self.text(name, default).split(",")}
        if not names or names - set(Feature):
            self.problems.append(
                f"{name} is {self.text(name, default)!r}, but must be one or more of "
                f"{', '.join(Feature)} with commas between them"
            )
        return tuple(feature for feature in Feature if feature in names)

    def prices(self, name: str, default: str) -> Mapping[Feature, float]:
        text = self.text(name, default)
        try:
            prices = {
                Feature(feature.strip()): float(price)
                for feature, price in (part.split("=") for part in text.split(","))
            }
        except ValueError:
            prices = {}
        if set(prices) != set(Feature) or not all(price >= 0 for price in prices.values()):
            self.problems.append(
                f"{name} is {text!r}, but must give a price of 0 or more to each feature, as in "
                f"{default}"
            )
        return prices

    def one_of(self, name: str, default: str, allowed: tuple[str, ...]) -> str:
        value = self.text(name, default)
        if value not in allowed:
            self.problems.append(f"{name} is {value!r}, but must be one of {', '.join(allowed)}")
        return value

    def origins(self, name: str) -> frozenset[str]:
        try:
            return parse_allowed_origins(self._environment.get(name, ""))
        except ValueError as error:
            self.problems.append(f"{name}: {error}")
            return frozenset()
