"""The local stage's settings: its ports, addresses and folders."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from localcloud.servers import HOST, ServerError

REGION = "us-east-1"
PROJECT = Path(__file__).parent.parent

# App settings that `make run` takes from the environment; an empty one means the app's default.
SETTINGS = {
    "DEFAULT_FEATURES": "",
    "DELIVERIES_AT_ONCE": "",
    "DELIVERY_DEADLINE_SECONDS": "",
    "DELIVERY_HOLD_SECONDS": "",
    "DELIVERY_PAUSES_SECONDS": "",
    "LOG_LEVEL": "",
    "MAX_LABELS": "",
    "MIN_CONFIDENCE": "",
    "MONTHLY_SPENDING_LIMIT_PER_TOKEN_USD": "",
    "MONTHLY_SPENDING_LIMIT_USD": "",
    "RECONCILIATION_AGE_SECONDS": "",
    "REKOGNITION_PRICES": "",
    # Amazon Rekognition's default quota in its largest Regions.
    "REKOGNITION_TRANSACTIONS_PER_SECOND": "50",
    "THIRD_PARTY_HTTP_ALLOWED": "",
}


@dataclass(frozen=True)
class Configuration:
    """The settings of one local stage, which writes only below `folder`."""

    project: Path
    emulator_port: int
    rekognition_port: int
    photographs_port: int
    third_party_port: int
    extra_allowed_origins: str
    external_rekognition_url: str
    external_third_party_url: str
    settings: Mapping[str, str]

    @classmethod
    def from_environment(
        cls, environment: Mapping[str, str] = os.environ, project: Path = PROJECT
    ) -> "Configuration":
        """Read the settings from environment variables; raise ServerError for an invalid port."""
        return cls(
            project=project,
            emulator_port=_port(environment, "EMULATOR_PORT", 4566),
            rekognition_port=_port(environment, "REKOGNITION_PORT", 4567),
            photographs_port=_port(environment, "PHOTOGRAPHS_PORT", 4568),
            third_party_port=_port(environment, "THIRD_PARTY_PORT", 4569),
            extra_allowed_origins=environment.get("FETCH_ALLOWED_ORIGINS", ""),
            external_rekognition_url=environment.get("REKOGNITION_URL", ""),
            external_third_party_url=environment.get("THIRD_PARTY_URL", ""),
            settings={name: environment.get(name, value) for name, value in SETTINGS.items()},
        )

    @property
    def folder(self) -> Path:
        """The folder for everything the local stage writes; git ignores it."""
        return self.project / ".localcloud"

    @property
    def emulator_url(self) -> str:
        """The AWS emulator's endpoint."""
        return f"http://{HOST}:{self.emulator_port}"

    @property
    def rekognition_url(self) -> str:
        """Rekognition's endpoint: that of the local one, unless REKOGNITION_URL names another."""
        return self.external_rekognition_url or f"http://{HOST}:{self.rekognition_port}"

    @property
    def photographs_url(self) -> str:
        """The base URL of the bundled photographs."""
        return f"http://{HOST}:{self.photographs_port}"

    @property
    def third_party_url(self) -> str:
        """The URL results are delivered to."""
        return self.external_third_party_url or f"{self.sample_third_party_url}/results"

    @property
    def sample_third_party_url(self) -> str:
        """The base URL of the bundled sample third party."""
        return f"http://{HOST}:{self.third_party_port}"

    @property
    def allowed_origins(self) -> str:
        """Non-public origins the app may fetch from, separated by commas."""
        return ",".join(filter(None, (self.photographs_url, self.extra_allowed_origins)))

    @property
    def aws_environment(self) -> dict[str, str]:
        """AWS environment variables for clients of the emulator; its credentials are not secret."""
        return {
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": self.emulator_url,
        }


def _port(environment: Mapping[str, str], variable: str, default: int) -> int:
    text = environment.get(variable) or str(default)
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise ServerError(f"{variable} is {text!r}, but must be a port number from 1 to 65535.")
    return int(text)
