"""The local stage: starts its servers, deploys the app, and stops everything together."""

import json
import os
import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import boto3
import botocore

from infra import tokens, webhook_secrets
from infra.deploy import deploy
from localcloud.configuration import REGION, Configuration
from localcloud.servers import HOST, Server, ServerError, require_free_port

PHOTOGRAPHS = Path(__file__).parent / "photographs"

# The caller's environment variables that servers inherit. The emulator passes its environment to
# every Lambda function, so any other variable would be visible there as it never is on AWS.
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "SSL_CERT_FILE", "SSL_CERT_DIR")


class LocalStage:
    """The servers and the deployed app of one local stage.

    After `start`, `url` is the API's base URL, `token` a bearer token for it, and `webhook_secret`
    the secret that signs results.
    """

    def __init__(self, configuration: Configuration) -> None:
        self.configuration = configuration
        self.url = ""
        self.token = ""
        self.webhook_secret = ""
        self.servers: list[Server] = []
        folder = configuration.folder
        self._ready_file = folder / "ready.json"
        self._environment_file = folder / "environment"
        self._logs = folder / "logs"
        self._temporary = folder / "tmp"
        self._state = folder / "state"

    def start(self) -> None:
        """Start every server, deploy the app, and write the addresses to .localcloud/ready.json.

        Raises ServerError, and infra's errors. Call `stop` even then.
        """
        self._require_free_ports()
        self._prepare_folders()
        self._start(self._emulator())
        if not self.configuration.external_rekognition_url:
            self._start(self._rekognition())
        self._start(self._photographs())
        self.webhook_secret = webhook_secrets.first(self._client("ssm"), "local")
        self._start(self._third_party())
        self.url = self._deploy()
        self.token = self._create_token()
        self._write_ready_file()

    def _start(self, server: Server) -> None:
        print_progress(f"starting the {server.name}")
        self.servers.append(server)
        server.start()

    def stop(self) -> None:
        """Stop the servers in reverse order, so that the emulator saves its state last."""
        self._ready_file.unlink(missing_ok=True)
        while self.servers:
            self.servers.pop().stop()
        shutil.rmtree(self._temporary, ignore_errors=True)

    def _require_free_ports(self) -> None:
        chosen = self.configuration
        ports = {
            "EMULATOR_PORT": (chosen.emulator_port, "AWS emulator"),
            "REKOGNITION_PORT": (chosen.rekognition_port, "local Rekognition"),
            "PHOTOGRAPHS_PORT": (chosen.photographs_port, "bundled photographs"),
            "THIRD_PARTY_PORT": (chosen.third_party_port, "sample third party"),
        }
        if len({port for port, _ in ports.values()}) < len(ports):
            listed = ", ".join(f"{variable}={port}" for variable, (port, _) in ports.items())
            raise ServerError(f"Each server needs its own port, but some are the same: {listed}.")
        for variable, (port, purpose) in ports.items():
            require_free_port(port, purpose=purpose, variable=variable)

    def _prepare_folders(self) -> None:
        shutil.rmtree(self._temporary, ignore_errors=True)
        for folder in (self._logs, self._temporary, self._state):
            folder.mkdir(parents=True, exist_ok=True)

    def _emulator(self) -> Server:
        folder = self.configuration.folder
        environment = _inherited_environment() | {
            "BIND_HOST": HOST,
            "MINISTACK_HOST": HOST,
            "GATEWAY_PORT": str(self.configuration.emulator_port),
            "MINISTACK_REGION": REGION,
            "AUTH": "true",  # enforce IAM policies, as AWS does
            "PERSIST_STATE": "1",
            "S3_PERSIST": "1",
            "STATE_DIR": str(self._state),
            "S3_DATA_DIR": str(self._state / "s3"),
            "TMPDIR": str(self._temporary),
        }
        return Server(
            "AWS emulator",
            [
                folder / "emulator" / "bin" / "python",
                Path(__file__).parent / "ministack_with_gaps_filled.py",
            ],
            ready_url=f"{self.configuration.emulator_url}/_ministack/health",
            log=self._logs / "emulator.log",
            environment=environment,
            folder=folder,
        )

    def _rekognition(self) -> Server:
        return Server(
            "local Rekognition",
            [
                *(sys.executable, "-m", "localcloud.rekognition"),
                *("--host", HOST, "--port", str(self.configuration.rekognition_port)),
                *("--cache", self.configuration.folder / "models"),
                *("--collections", self._state / "face-collections.sqlite"),
            ],
            ready_url=self.configuration.rekognition_url,
            log=self._logs / "rekognition.log",
            environment=_inherited_environment() | self.configuration.aws_environment,
            folder=self.configuration.project,
        )

    def _photographs(self) -> Server:
        port = str(self.configuration.photographs_port)
        return Server(
            "server of the bundled photographs",
            [sys.executable, "-m", "http.server", port, "--bind", HOST, "-d", PHOTOGRAPHS],
            ready_url=self.configuration.photographs_url,
            log=self._logs / "photographs.log",
            environment=_inherited_environment(),
            folder=self.configuration.folder,
        )

    def _third_party(self) -> Server:
        database = self.configuration.folder / "third-party.sqlite"
        return Server(
            "sample third party",
            [
                *(_chalice(), "local", "--no-autoreload"),
                *("--host", HOST, "--port", str(self.configuration.third_party_port)),
            ],
            ready_url=f"{self.configuration.sample_third_party_url}/received",
            log=self._logs / "third-party.log",
            environment=_inherited_environment()
            | {
                "RECEIVED_DATABASE": str(database),
                "WEBHOOK_SECRET": self.webhook_secret,
                "AWS_DEFAULT_REGION": REGION,
            },
            folder=self.configuration.project / "examples" / "third_party",
        )

    def _deploy(self) -> str:
        configuration = self.configuration
        environment = _inherited_environment() | configuration.aws_environment
        environment |= {
            name: value for name, value in os.environ.items() if name.startswith("PIP_")
        }
        environment["AWS_DATA_PATH"] = str(_quick_waiters(configuration.folder / "botocore-data"))
        variables = {
            "AWS_ENDPOINT_URL_REKOGNITION": configuration.rekognition_url,
            "FETCH_ALLOWED_ORIGINS": configuration.allowed_origins,
            "THIRD_PARTY_URL": configuration.third_party_url,
            **configuration.settings,
        }
        url = deploy("local", variables, project=configuration.project, environment=environment)
        # Chalice prints the URL the API would have on AWS; the emulator serves it under a path.
        api_id = re.findall(r"https://([^.]+)\.execute-api\.", url)[0]
        return f"{configuration.emulator_url}/_aws/execute-api/{api_id}/api"

    def _create_token(self) -> str:
        """Create a token, which replaces that of the previous start."""
        return tokens.create(self._client("ssm"), "local", "local", replace=True)

    def _client(self, service: str) -> Any:
        return boto3.client(service, **_client_arguments(self.configuration.aws_environment))

    def _write_ready_file(self) -> None:
        configuration = self.configuration
        ready = {
            "url": self.url,
            "token": self.token,
            "aws_endpoint_url": configuration.emulator_url,
            "rekognition_url": configuration.rekognition_url,
            "third_party_url": configuration.third_party_url,
            "webhook_secret": self.webhook_secret,
        }
        exports = [
            f"export {name}={value}" for name, value in configuration.aws_environment.items()
        ]
        self._environment_file.write_text("\n".join(exports) + "\n")
        unfinished = self._ready_file.with_suffix(".unfinished")
        unfinished.write_text(json.dumps(ready, indent=2) + "\n")
        unfinished.replace(self._ready_file)


def print_progress(line: str) -> None:
    """Print a line of progress, indented."""
    print(f"  {line}", flush=True)


def _client_arguments(environment: Mapping[str, str]) -> dict[str, str]:
    return {
        "endpoint_url": environment["AWS_ENDPOINT_URL"],
        "region_name": environment["AWS_DEFAULT_REGION"],
        "aws_access_key_id": environment["AWS_ACCESS_KEY_ID"],
        "aws_secret_access_key": environment["AWS_SECRET_ACCESS_KEY"],
    }


def _inherited_environment() -> dict[str, str]:
    return {name: os.environ[name] for name in _INHERITED if name in os.environ}


def _chalice() -> Path:
    return Path(sys.executable).with_name("chalice")


def _quick_waiters(folder: Path) -> Path:
    """Write a botocore data folder whose Lambda waiters poll every second, and return its path.

    By default botocore polls every five seconds, which would be most of a local deploy's duration.
    """
    service = Path("lambda", "2015-03-31", "waiters-2.json")
    waiters = json.loads(Path(botocore.__file__).with_name("data").joinpath(service).read_text())
    for waiter in waiters["waiters"].values():
        waiter["delay"] = 1
    (folder / service).parent.mkdir(parents=True, exist_ok=True)
    (folder / service).write_text(json.dumps(waiters))
    return folder
