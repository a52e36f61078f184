"""All function instances together keep Rekognition's quota, and a throttle costs no receive."""

import heapq
from bisect import bisect_left

import pytest

from chalicelib.recognition.request_rate import HOLD_SECONDS, RequestRate, Throttled
from chalicelib.settings import Settings
from tests.unit.test_settings import REQUIRED


class Clock:
    """A clock that only `sleep` moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Throttling:
    """A request that is throttled `times` times; each takes `seconds`."""

    def __init__(self, clock: Clock, times: int, seconds: float = 0.1) -> None:
        self._clock = clock
        self._times = times
        self._seconds = seconds
        self.made_at: list[float] = []

    def __call__(self) -> str:
        self.made_at.append(self._clock())
        self._clock.sleep(self._seconds)
        if len(self.made_at) <= self._times:
            raise Throttled("Slow down.", 0)
        return "response"


def rate(share: float, clock: Clock) -> RequestRate:
    return RequestRate(share, clock=clock, sleep=clock.sleep)


def calls_of_all_instances(quota: int, seconds_of_a_call: float, duration: float) -> list[float]:
    """When calls begin, with every instance and thread that the settings allow at work."""
    settings = Settings.from_environment(
        REQUIRED | {"REKOGNITION_TRANSACTIONS_PER_SECOND": str(quota)}
    )
    clock = Clock()
    end = clock.now + duration
    began: list[float] = []
    instances = [
        rate(settings.recognition_rate, clock) for _ in range(settings.recognition_concurrency)
    ]
    # Each entry is a thread: when it is free, and its instance.
    free = [
        (clock.now, number)
        for number in range(len(instances))
        for _ in range(settings.recognitions_at_once)
    ]
    while free[0][0] < end:
        clock.now, number = heapq.heappop(free)
        begins_at = instances[number].reserve("DetectLabels", latest=float("inf"))
        began.append(begins_at)
        heapq.heappush(free, (begins_at + seconds_of_a_call, number))
    return sorted(began)


def most_in_one_second(began: list[float]) -> int:
    return max(bisect_left(began, start + 1 - 1e-9) - number for number, start in enumerate(began))


@pytest.mark.parametrize("quota", [2, 3, 5, 7, 10, 50, 55, 1000])
@pytest.mark.parametrize("seconds_of_a_call", [0.05, 0.4, 1.0])
def test_all_instances_together_keep_the_quota_however_fast_calls_are(
    quota: int, seconds_of_a_call: float
) -> None:
    began = calls_of_all_instances(quota, seconds_of_a_call, duration=20)
    assert most_in_one_second(began) <= quota


def test_a_quota_of_one_is_kept_on_average() -> None:
    """Two instances, the fewest that AWS allows, may call in the same second, and then pause."""
    began = calls_of_all_instances(1, 0.4, duration=100)
    assert len(began) <= 102


@pytest.mark.parametrize(("quota", "least"), [(5, 0.79), (10, 0.99), (50, 0.99)])
def test_the_quota_is_used(quota: int, least: float) -> None:
    began = calls_of_all_instances(quota, 0.4, duration=20)
    assert len(began) / 20 >= quota * least


def test_operations_have_quotas_of_their_own() -> None:
    clock = Clock()
    bucket = rate(1, clock)
    for operation in ("DetectLabels", "DetectText", "DetectFaces"):
        assert bucket.reserve(operation, clock.now) == clock.now


def test_a_throttled_request_is_made_again_within_the_patience() -> None:
    clock = Clock()
    request = Throttling(clock, times=2)
    assert rate(5, clock).make("DetectLabels", request) == "response"
    assert [round(moment - 100, 1) for moment in request.made_at] == [0, 1.1, 2.2]


def test_after_the_patience_the_operation_is_left_alone_for_a_while() -> None:
    clock = Clock()
    bucket = rate(5, clock)
    request = Throttling(clock, times=100)
    with pytest.raises(Throttled) as caught:
        bucket.make("DetectLabels", request)
    asked = len(request.made_at)
    assert 3 <= asked <= 6
    assert caught.value.pause_seconds == pytest.approx(HOLD_SECONDS)

    before = clock.now
    with pytest.raises(Throttled):
        bucket.make("DetectLabels", request)
    assert (len(request.made_at), clock.now) == (asked, before)  # neither a call nor a wait
    assert bucket.make("DetectText", Throttling(clock, times=0)) == "response"

    clock.sleep(HOLD_SECONDS)
    assert bucket.make("DetectLabels", Throttling(clock, times=0)) == "response"


def test_other_errors_are_not_repeated() -> None:
    clock = Clock()

    def fail() -> None:
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 - any
        rate(5, clock).make("DetectLabels", fail)
    assert clock.now == 100
