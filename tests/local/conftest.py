"""One deployed local stage for all tests that only use it."""

from collections.abc import Iterator

import pytest

from tests.local.stage_process import StageProcess


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StageProcess]:
    """The local stage, started and deployed from nothing."""
    stage = StageProcess(tmp_path_factory.mktemp("local-stage") / "project")
    stage.copy_project()
    try:
        stage.start()
        yield stage
    finally:
        if stage.process is not None and stage.process.poll() is None:
            stage.stop()
