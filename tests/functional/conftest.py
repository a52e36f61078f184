"""The app as Lambda loads it; botocore Stubbers answer every AWS call."""

import io
import json
import logging
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from botocore.stub import Stubber
from chalice.test import Client, HTTPResponse

from chalicelib.api.tokens import Tokens, hash_of
from chalicelib.aws.clients import client as aws_client
from chalicelib.aws.observability import configure_logging
from chalicelib.services import Services
from infra.tokens import new_token
from tests.helpers.gateway import Gateway
from tests.helpers.memory_stage import memory_services

PHOTOGRAPHS = Path(__file__).parents[2] / "localcloud" / "photographs"

TOKEN = new_token()
BUCKET, TABLE = "images-bucket", "catalog-table"
INTAKE_QUEUE = "https://sqs.us-east-1.amazonaws.com/1/intake"
RECOGNITION_QUEUE = "https://sqs.us-east-1.amazonaws.com/1/recognition"
INTEGRATION_QUEUE = "https://sqs.us-east-1.amazonaws.com/1/integration"
INTEGRATION_DEAD_LETTERS = "https://sqs.us-east-1.amazonaws.com/1/integration-dead-letters"
INTAKE_DEAD_LETTERS = "https://sqs.us-east-1.amazonaws.com/1/intake-dead-letters"
RECOGNITION_DEAD_LETTERS = "https://sqs.us-east-1.amazonaws.com/1/recognition-dead-letters"
REMOVALS_QUEUE = "https://sqs.us-east-1.amazonaws.com/1/removals"
REMOVALS_DEAD_LETTERS = "https://sqs.us-east-1.amazonaws.com/1/removals-dead-letters"
RESULTS_TOPIC = "arn:aws:sns:us-east-1:1:results"


Lines = Callable[[], list[dict[str, Any]]]


class QuietFiles(SimpleHTTPRequestHandler):
    """Serves the sample photographs without logging."""

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        pass


class ThirdPartyRequests(SimpleHTTPRequestHandler):
    """Records every POST in the server's `received` and responds with the server's `status`."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.received.append((dict(self.headers), body))  # type: ignore[attr-defined]
        self.send_response(self.server.status)  # type: ignore[attr-defined]
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        pass


def _serve(handler: Any) -> ThreadingHTTPServer:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def _url(server: ThreadingHTTPServer) -> str:
    return f"http://127.0.0.1:{server.server_address[1]}"


@pytest.fixture(scope="session")
def photographs() -> Iterator[str]:
    """The URL of a server with the sample photographs."""
    server = _serve(partial(QuietFiles, directory=str(PHOTOGRAPHS)))
    yield _url(server)
    server.shutdown()


@pytest.fixture(scope="session")
def third_party_server() -> Iterator[ThreadingHTTPServer]:
    """The server that the app delivers results to."""
    server = _serve(ThirdPartyRequests)
    yield server
    server.shutdown()


@pytest.fixture
def third_party(third_party_server: ThreadingHTTPServer) -> ThreadingHTTPServer:
    """The third party with an empty `received`; it responds 204."""
    third_party_server.received = []  # type: ignore[attr-defined]
    third_party_server.status = 204  # type: ignore[attr-defined]
    return third_party_server


@pytest.fixture(scope="package")
def app(photographs: str, third_party_server: ThreadingHTTPServer) -> Iterator[Any]:
    """The app, loaded with a stage's environment variables, which no other package sees."""
    variables = {
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "API_TOKENS_PATH": "/tokens",
        "IMAGES_BUCKET_NAME": BUCKET,
        "CATALOG_TABLE_NAME": TABLE,
        "STAGE": "local",
        "CATALOG_TABLE_STREAM_ARN": "arn:aws:dynamodb:us-east-1:123456789012:table/t/stream/1",
        "IDEMPOTENCY_TABLE_NAME": "idempotency-table",
        "INTAKE_QUEUE_URL": INTAKE_QUEUE,
        "RECOGNITION_QUEUE_URL": RECOGNITION_QUEUE,
        "RESULTS_TOPIC_ARN": RESULTS_TOPIC,
        "INTEGRATION_QUEUE_URL": INTEGRATION_QUEUE,
        "INTEGRATION_DEAD_LETTERS_URL": INTEGRATION_DEAD_LETTERS,
        "INTAKE_DEAD_LETTERS_URL": INTAKE_DEAD_LETTERS,
        "RECOGNITION_DEAD_LETTERS_URL": RECOGNITION_DEAD_LETTERS,
        "REMOVALS_QUEUE_URL": REMOVALS_QUEUE,
        "REMOVALS_DEAD_LETTERS_URL": REMOVALS_DEAD_LETTERS,
        "THIRD_PARTY_URL": f"{_url(third_party_server)}/results",
        "WEBHOOK_SECRETS_PATH": "/webhook-secrets",
        "FETCH_ALLOWED_ORIGINS": photographs,
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        import app

        yield app.app


class Api:
    """Calls the routes with a known token."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def get(self, path: str, **headers: str) -> HTTPResponse:
        return self._client.http.get(path, headers={"Authorization": f"Bearer {TOKEN}"} | headers)

    def delete(self, path: str) -> HTTPResponse:
        return self.call("DELETE", path)

    def call(self, method: str, path: str, body: bytes = b"") -> HTTPResponse:
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
        return self._client.http.request(method, path, headers=headers, body=body)

    def post(self, path: str, body: bytes) -> HTTPResponse:
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
        return self._client.http.post(path, headers=headers, body=body)


@pytest.fixture
def client(app: Any) -> Iterator[Client]:
    """Chalice's test client for the app."""
    with Client(app) as client:
        yield client


@pytest.fixture
def api(client: Client, aws: dict[str, Stubber], monkeypatch: pytest.MonkeyPatch) -> Api:
    """Calls the app's routes; the token is read from SSM once."""
    import app

    aws["ssm"].add_response(
        "get_parameters_by_path",
        {"Parameters": [{"Name": "/tokens/tester", "Value": hash_of(TOKEN)}]},
        {"Path": "/tokens", "WithDecryption": True},
    )
    tokens = Tokens(aws_client("ssm"), "/tokens")
    assert tokens.name_of(f"Bearer {TOKEN}") == "tester"
    monkeypatch.setattr(app.services, "tokens", tokens)
    return Api(client)


@pytest.fixture
def memory(app: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    """The app's services over AWS in memory, which is empty at first."""
    import app as app_module

    with memory_services(app_module.settings) as services:
        monkeypatch.setattr(app_module, "services", services)
        yield services


@pytest.fixture
def gateway(app: Any, memory: Services) -> Gateway:
    """API Gateway in front of the app over AWS in memory."""
    return Gateway(app)


@pytest.fixture
def lines(app: Any) -> Iterator[Lines]:
    """The lines that the app logs, as on AWS."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
    loggers = (app.log, logging.getLogger("chalicelib"))
    before = [logger.handlers for logger in loggers]
    configure_logging("INFO", app.log)
    for logger in loggers:
        logger.handlers[0].setStream(stream)  # type: ignore[union-attr]
    written: Any = stream.buffer
    yield lambda: [json.loads(line) for line in written.getvalue().splitlines()]
    for logger, handlers in zip(loggers, before, strict=True):
        logger.handlers = handlers


@pytest.fixture
def aws(app: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Stubber]]:
    """A Stubber per service; the test must make exactly the expected calls."""
    import app as app_module

    # Services of its own, because other tests replace the clients.
    monkeypatch.setattr(app_module, "services", Services(app_module.settings))
    stubbers = {
        service: Stubber(aws_client(service))
        for service in ("s3", "dynamodb", "rekognition", "sns", "sqs", "ssm")
    }
    for stubber in stubbers.values():
        stubber.activate()
    yield stubbers
    for stubber in stubbers.values():
        stubber.deactivate()
    for stubber in stubbers.values():
        stubber.assert_no_pending_responses()
