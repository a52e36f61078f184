import io
import json
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest

from chalicelib.aws import observability
from chalicelib.aws.observability import (
    about_image,
    configure_logging,
    configure_metrics,
    count,
    count_outcome,
    observe,
    timed,
    without_secrets,
)

SIGNED = "https://cdn.example.com/cat.jpg?X-Amz-Signature=SECRET&x=1"


@pytest.fixture
def lines() -> Any:
    """A logger that writes JSON lines, and the lines that it wrote."""
    logger = logging.getLogger("test_observability")
    stream = io.StringIO()
    configure_logging("INFO", logger)
    logger.handlers[0].setStream(stream)  # type: ignore[attr-defined]

    def written() -> list[dict[str, Any]]:
        return [json.loads(line) for line in stream.getvalue().splitlines()]

    return SimpleNamespace(logger=logger, written=written)


def test_a_log_line_carries_the_id_of_its_image(lines: Any) -> None:
    with about_image("0123"):
        lines.logger.info("Stored")
    lines.logger.info("Idle")
    about, idle = lines.written()
    assert (about["message"], about["correlation_id"]) == ("Stored", "0123")
    assert "correlation_id" not in idle


def test_log_lines_of_images_in_parallel_threads_keep_their_own_ids(lines: Any) -> None:
    def work(image_id: str) -> None:
        with about_image(image_id):
            lines.logger.info("working on %s", image_id)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, [str(number) for number in range(100)]))
    assert len(lines.written()) == 100
    for line in lines.written():
        assert line["message"] == f"working on {line['correlation_id']}"


@pytest.mark.parametrize(
    "text",
    [
        f"Cannot fetch {SIGNED}",
        "Cannot fetch https://cdn.example.com/cat.jpg#SECRET",
        'Cannot fetch https://cdn.example.com/a"b.jpg?x="&token=SECRET&y=\\SECRET?SECRET#SECRET',
        "Cannot fetch https://cdn.example.com/\u00e9\U0001f600\x7f.jpg?x=\u00e9&token=SECRET",
        "Cannot fetch https://user:SECRET@cdn.example.com/cat.jpg",
        "{'authorization': 'Bearer SECRET'}",
        "authorization: bearer SECRET",
    ],
)
def test_no_secret_is_logged_in_a_message_or_an_exception(lines: Any, text: str) -> None:
    lines.logger.info(text)
    lines.logger.info("%s", text)
    lines.logger.info("with more", extra={"source": text})
    try:
        raise ValueError(text)
    except ValueError:
        lines.logger.exception("It failed")
    assert len(lines.written()) == 4
    assert "SECRET" not in json.dumps(lines.written())


def test_the_host_and_path_of_a_url_are_logged(lines: Any) -> None:
    lines.logger.info("Cannot fetch %s today", SIGNED)
    message = lines.written()[0]["message"]
    assert message == "Cannot fetch https://cdn.example.com/cat.jpg?(not logged) today"


@pytest.fixture
def output(capsys: pytest.CaptureFixture[str]) -> pytest.CaptureFixture[str]:
    """The captured output, after the metrics of earlier tests are written and discarded."""
    observe(object(), lambda _event: None)
    capsys.readouterr()
    return capsys


def test_metrics_are_written_once_after_each_invocation(output: pytest.CaptureFixture[str]) -> None:
    def work(_event: object) -> None:
        count("PutBack")
        count("PutBack")
        with pytest.raises(ValueError, match="no"), timed("FetchSeconds"):
            raise ValueError("no")

    observe(object(), work)
    observe(object(), lambda _event: None)
    (line,) = [json.loads(line) for line in output.readouterr().out.splitlines()]
    assert sum(line["PutBack"]) == 2
    assert line["FetchSeconds"][0] >= 0
    assert line["_aws"]["CloudWatchMetrics"][0]["Namespace"] == observability.NAMESPACE


def test_every_metric_has_the_stage_as_a_dimension(output: pytest.CaptureFixture[str]) -> None:
    """Without it, CloudWatch would add up the stages of an account."""
    configure_metrics("dev")
    for _ in range(2):  # also after a flush, which forgets all but the default dimensions
        observe(object(), lambda _event: count("PutBack"))
    for line in map(json.loads, output.readouterr().out.splitlines()):
        (metrics,) = line["_aws"]["CloudWatchMetrics"]
        assert sorted(metrics["Dimensions"][0]) == ["service", "stage"]
        assert (line["service"], line["stage"]) == (observability.SERVICE, "dev")


def test_an_outcome_counts_one_or_nothing(output: pytest.CaptureFixture[str]) -> None:
    def work(_event: object) -> None:
        count_outcome("ResultsDelivered", is_good=True)
        count_outcome("ResultsDelivered", is_good=False)

    observe(object(), work)
    (line,) = [json.loads(line) for line in output.readouterr().out.splitlines()]
    assert line["ResultsDelivered"] == [1, 0]


def test_metrics_of_a_failed_invocation_are_written_too(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def work(_event: object) -> None:
        count("PutBack")
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        observe(object(), work)
    assert "PutBack" in capsys.readouterr().out


def test_a_long_text_is_scrubbed_in_a_short_time() -> None:
    text = "http://" * 30_000
    started = time.process_time()
    assert without_secrets(f"{text}?SECRET") == f"{text}?(not logged)"
    assert time.process_time() - started < 1
