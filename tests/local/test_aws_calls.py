"""What an image costs in AWS calls; `python -m benchmarks.aws_calls` tells what each is for."""

from benchmarks.aws_calls import REASONS, calls_of_one_image


def test_each_call_of_an_image_has_its_reason() -> None:
    assert calls_of_one_image() == [name for name, _ in REASONS]
