"""The stage's settings, read once from the environment."""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from chalicelib.fetch import FetchLimits, parse_allowed_origins


class SettingsError(Exception):
    """Some environment variables are missing or bad; the message names them all."""


@dataclass(frozen=True)
class Settings:
    """What a stage can choose. The README's table of settings says each one's default and range."""

    api_tokens_path: str
    images_bucket_name: str
    catalog_table_name: str
    idempotency_table_name: str
    intake_queue_url: str
    intake_max_receives: int
    recognition_queue_url: str
    recognition_max_receives: int
    results_topic_arn: str
    integration_queue_url: str
    integration_max_receives: int
    third_party_url: str
    fetch_limits: FetchLimits
    max_labels: int
    min_confidence: float
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

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Settings":
        """Read every setting; raise one SettingsError that names all that is missing or bad."""
        read = _Reader(environment)
        settings = cls(
            api_tokens_path=read.text("API_TOKENS_PATH"),
            images_bucket_name=read.text("IMAGES_BUCKET_NAME"),
            catalog_table_name=read.text("CATALOG_TABLE_NAME"),
            idempotency_table_name=read.text("IDEMPOTENCY_TABLE_NAME"),
            intake_queue_url=read.url("INTAKE_QUEUE_URL"),
            intake_max_receives=read.integer("INTAKE_MAX_RECEIVES", "5", 1, 1000),
            recognition_queue_url=read.url("RECOGNITION_QUEUE_URL"),
            recognition_max_receives=read.integer("RECOGNITION_MAX_RECEIVES", "5", 1, 1000),
            results_topic_arn=read.text("RESULTS_TOPIC_ARN"),
            integration_queue_url=read.url("INTEGRATION_QUEUE_URL"),
            integration_max_receives=read.integer("INTEGRATION_MAX_RECEIVES", "10", 1, 1000),
            third_party_url=read.url("THIRD_PARTY_URL"),
            fetch_limits=FetchLimits(
                allowed_origins=read.origins("FETCH_ALLOWED_ORIGINS"),
                max_bytes=read.integer("FETCH_MAX_BYTES", str(25 * 1024 * 1024), 1, 100_000_000),
                deadline_seconds=read.number("FETCH_DEADLINE_SECONDS", "20", 1, 25),
            ),
            # One transaction of DynamoDB takes 100 items: the image and 99 labels.
            max_labels=read.integer("MAX_LABELS", "10", 1, 99),
            min_confidence=read.number("MIN_CONFIDENCE", "70", 0, 100),
            log_level=read.one_of("LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR")),
        )
        if read.problems:
            raise SettingsError(
                "The stage's environment_variables in .chalice/config.json need mending: "
                + "; ".join(read.problems)
                + "."
            )
        return settings


class _Reader:
    """Reads variables one by one and remembers each problem instead of stopping at the first."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self.problems: list[str] = []

    def text(self, name: str, default: str = "") -> str:
        value = self._environment.get(name, "").strip() or default
        if not value:
            self.problems.append(f"{name} is missing")
        return value

    def url(self, name: str) -> str:
        value = self.text(name)
        if value and not re.fullmatch(r"https?://[^/\s]+(/\S*)?", value):
            self.problems.append(f"{name} is {value!r}, but must be an http or https URL")
        return value

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
