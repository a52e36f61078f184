"""A deployed local stage whose recognizer and third party answer at once."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.helpers.quick_servers import QuickRecognizer, QuickThirdParty
from tests.helpers.stage_process import StageProcess


@dataclass(frozen=True)
class QuickStage:
    """A stage, and what answers it."""

    stage: StageProcess
    recognizer: QuickRecognizer
    third_party: QuickThirdParty


@contextmanager
def quick_stage(
    folder: Path, recognizer: QuickRecognizer | None = None, **settings: str
) -> Iterator[QuickStage]:
    """Deploy and run a stage in a new folder; without a recognizer, to one of ten labels."""
    recognizer, third_party = recognizer or QuickRecognizer(), QuickThirdParty()
    environment = {"REKOGNITION_URL": recognizer.url, "THIRD_PARTY_URL": third_party.url}
    stage = StageProcess(folder, environment | settings)
    stage.copy_project()
    try:
        stage.start()
        yield QuickStage(stage, recognizer, third_party)
    finally:
        stage.stop_if_running()
        recognizer.close()
        third_party.close()
