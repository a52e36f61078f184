"""One deployed local stage, shared by all tests that only use it."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.stage_process import StageProcess


@dataclass(frozen=True)
class Origin:
    """A folder and the URL under which its files are served."""

    folder: Path
    url: str


class QuietFiles(SimpleHTTPRequestHandler):
    """Serves files without logging requests."""

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        pass


@pytest.fixture(scope="session")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Origin]:
    """A server of images that the tests create; the stage may fetch from it."""
    folder = tmp_path_factory.mktemp("origin")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietFiles, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield Origin(folder, f"http://127.0.0.1:{server.server_address[1]}")
    server.shutdown()


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory, origin: Origin) -> Iterator[StageProcess]:
    """The local stage, started and deployed from scratch."""
    stage = StageProcess(
        tmp_path_factory.mktemp("local-stage") / "project",
        environment={
            "FETCH_ALLOWED_ORIGINS": origin.url,
            "RECONCILIATION_AGE_SECONDS": "0",  # a test cannot wait an hour
            "MONTHLY_SPENDING_LIMIT_USD": "1000",  # checked, and not reached
        },
    )
    stage.copy_project()
    try:
        stage.start()
        yield stage
    finally:
        stage.stop_if_running()


@pytest.fixture
def own_stage(tmp_path: Path) -> Iterator[StageProcess]:
    """A copy of the project that one test alone starts, deploys and destroys."""
    stage = StageProcess(tmp_path / "project")
    stage.copy_project()
    yield stage
    stage.stop_if_running()
