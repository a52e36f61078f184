"""Where the local stage keeps its things, and on which ports its servers listen."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from localcloud.servers import HOST, ServerError

REGION = "us-east-1"
PROJECT = Path(__file__).parent.parent

# Settings of the app that may be given to `make run`; what is empty is the app's own default.
SETTINGS = {
    "DEFAULT_FEATURES": "",
    "DELIVERY_DEADLINE_SECONDS": "",
    "DELIVERY_HOLD_SECONDS": "",
    "DELIVERY_PAUSES_SECONDS": "",
    "LOG_LEVEL": "",
    "MAX_LABELS": "",
    "MIN_CONFIDENCE": "",
    "RECONCILIATION_AGE_SECONDS": "",
    "REKOGNITION_PRICES": "",
    # As Amazon Rekognition grants it in its largest regions.
    "REKOGNITION_TRANSACTIONS_PER_SECOND": "50",
}


@dataclass(frozen=True)
class Configuration:
    """One local stage. Everything it writes is below `folder`."""

    project: Path
    emulator_port: int
    rekognition_port: int
    photographs_port: int
    third_party_port: int
    extra_allowed_origins: str
    foreign_third_party_url: str
    settings: Mapping[str, str]

    @classmethod
    def from_environment(
        cls, environment: Mapping[str, str] = os.environ, project: Path = PROJECT
    ) -> "Configuration":
        """Read the ports and addresses that can be chosen; raise ServerError for a bad port."""
        return cls(
            project=project,
            emulator_port=_port(environment, "EMULATOR_PORT", 4566),
            rekognition_port=_port(environment, "REKOGNITION_PORT", 4567),
            photographs_port=_port(environment, "PHOTOGRAPHS_PORT", 4568),
            third_party_port=_port(environment, "THIRD_PARTY_PORT", 4569),
            extra_allowed_origins=environment.get("FETCH_ALLOWED_ORIGINS", ""),
            foreign_third_party_url=environment.get("THIRD_PARTY_URL", ""),
            settings={name: environment.get(name, value) for name, value in SETTINGS.items()},
        )

    @property
    def folder(self) -> Path:
        """Everything that the local stage writes, outside of git."""
        return self.project / ".localcloud"

    @property
    def emulator_url(self) -> str:
        """The AWS of the local stage."""
        return f"http://{HOST}:{self.emulator_port}"

    @property
    def rekognition_url(self) -> str:
        """The Rekognition of the local stage."""
        return f"http://{HOST}:{self.rekognition_port}"

    @property
    def photographs_url(self) -> str:
        """The server of the bundled photographs."""
        return f"http://{HOST}:{self.photographs_port}"

    @property
    def third_party_url(self) -> str:
        """Where results are delivered."""
        return self.foreign_third_party_url or f"{self.sample_third_party_url}/results"

    @property
    def sample_third_party_url(self) -> str:
        """The bundled third party."""
        return f"http://{HOST}:{self.third_party_port}"

    @property
    def allowed_origins(self) -> str:
        """What the app may fetch although it is not public."""
        return ",".join(filter(None, (self.photographs_url, self.extra_allowed_origins)))

    @property
    def aws_environment(self) -> dict[str, str]:
        """How any AWS client reaches the emulator. Its credentials are no secret."""
        return {
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": self.emulator_url,
        }


def _port(environment: Mapping[str, str], variable: str, default: int) -> int:
    text = environment.get(variable) or str(default)
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise ServerError(f"{variable} is {text!r}, but must be a port from 1 to 65535.")
    return int(text)
