"""The AWS calls per image; `python -m benchmarks.aws_calls` prints the reason for each."""

from benchmarks.aws_calls import REASONS, calls_of_one_image


def test_every_call_made_for_an_image_has_a_reason() -> None:
    assert calls_of_one_image() == [name for name, _ in REASONS]
