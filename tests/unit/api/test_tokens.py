import time
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from chalicelib.api import tokens
from chalicelib.api.tokens import Tokens, TokensUnreadable, checksum_of, hash_of
from infra.tokens import new_token

A_TOKEN, B_TOKEN = new_token(), new_token()
OLD_TOKEN = "ir_" + "x" * 43  # of before there were checksums
THROTTLED = ClientError({"Error": {"Code": "ThrottlingException"}}, "GetParametersByPath")
UNREACHABLE = EndpointConnectionError(endpoint_url="https://ssm.us-east-1.amazonaws.com")


class FakeSsm:
    """Returns one parameter per page, or raises `error`, and counts the reads."""

    def __init__(self, **hashes: str) -> None:
        self.hashes = hashes
        self.reads = 0
        self.error: Exception | None = None

    def get_paginator(self, operation: str) -> "FakeSsm":
        assert operation == "get_parameters_by_path"
        return self

    def paginate(self, Path: str, WithDecryption: bool) -> Any:  # noqa: N803 - boto3's names
        assert WithDecryption
        self.reads += 1
        if self.error:
            raise self.error
        for name, value in self.hashes.items():
            yield {"Parameters": [{"Name": f"{Path}/{name}", "Value": value}]}


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time in seconds, as its only entry."""
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_a_known_token_on_any_page_has_its_name() -> None:
    tokens_of_stage = Tokens(FakeSsm(alice=hash_of(A_TOKEN), bob=hash_of(B_TOKEN)), "/tokens")
    assert tokens_of_stage.name_of(f"Bearer {A_TOKEN}") == "alice"
    assert tokens_of_stage.name_of(f"bearer  {B_TOKEN}") == "bob"


@pytest.mark.parametrize(
    "authorization",
    [
        *("", "Bearer", "Bearer ", f"Basic {A_TOKEN}", A_TOKEN),
        *(f"Bearer {B_TOKEN}", f"Bearer {A_TOKEN} x", f"Bearer {A_TOKEN}x"),
    ],
)
def test_any_other_header_has_no_name(authorization: str) -> None:
    tokens_of_stage = Tokens(FakeSsm(alice=hash_of(A_TOKEN)), "/tokens")
    assert tokens_of_stage.name_of(authorization) is None


def test_a_leaked_hash_is_not_a_token() -> None:
    leaked = hash_of(A_TOKEN)
    assert Tokens(FakeSsm(alice=leaked), "/tokens").name_of(f"Bearer {leaked}") is None


def test_a_new_token_ends_in_the_checksum_of_the_rest() -> None:
    token = new_token()
    assert token.startswith("ir_")
    assert token[-8:] == checksum_of(token[:-8])


def test_a_text_that_was_never_a_token_is_refused_without_asking_ssm() -> None:
    ssm = FakeSsm(alice=hash_of(A_TOKEN))
    tokens_of_stage = Tokens(ssm, "/tokens")
    wrong_checksum = A_TOKEN[:-8] + checksum_of(B_TOKEN)
    for text in (wrong_checksum, A_TOKEN[:-1], f"{A_TOKEN}0", "wrong", "ir_", "x" * 54):
        assert tokens_of_stage.name_of(f"Bearer {text}") is None
    assert ssm.reads == 0


def test_a_token_without_a_checksum_stays_valid_and_triggers_no_early_read(
    clock: list[float],
) -> None:
    ssm = FakeSsm(alice=hash_of(OLD_TOKEN))
    tokens_of_stage = Tokens(ssm, "/tokens")
    assert tokens_of_stage.name_of(f"Bearer {OLD_TOKEN}") == "alice"
    for number in range(100):
        clock[0] += 0.1
        assert tokens_of_stage.name_of(f"Bearer ir_{number:043}") is None
    assert ssm.reads == 1


def test_ssm_is_read_once_per_cache_period_and_then_a_revoked_token_fails(
    clock: list[float],
) -> None:
    ssm = FakeSsm(alice=hash_of(A_TOKEN))
    tokens_of_stage = Tokens(ssm, "/tokens")
    for _ in range(5):
        assert tokens_of_stage.name_of(f"Bearer {A_TOKEN}") == "alice"
    assert ssm.reads == 1
    ssm.hashes.clear()
    clock[0] += tokens.CACHE_SECONDS + 1
    assert tokens_of_stage.name_of(f"Bearer {A_TOKEN}") is None


def test_a_new_token_works_at_once(clock: list[float]) -> None:
    ssm = FakeSsm(alice=hash_of(A_TOKEN))
    tokens_of_stage = Tokens(ssm, "/tokens")
    assert tokens_of_stage.name_of(f"Bearer {A_TOKEN}") == "alice"
    ssm.hashes["bob"] = hash_of(B_TOKEN)
    clock[0] += 0.1
    assert tokens_of_stage.name_of(f"Bearer {B_TOKEN}") == "bob"


def test_unknown_tokens_with_a_checksum_make_a_bounded_number_of_reads(clock: list[float]) -> None:
    ssm = FakeSsm(alice=hash_of(A_TOKEN))
    tokens_of_stage = Tokens(ssm, "/tokens")
    minutes = 10
    for _ in range(minutes * 60 * 10):
        clock[0] += 0.1
        assert tokens_of_stage.name_of(f"Bearer {new_token()}") is None
    periods = minutes * 60 / tokens.CACHE_SECONDS
    assert ssm.reads <= 1 + tokens.MAX_EARLY_READS + 2 * periods
    assert tokens_of_stage.name_of(f"Bearer {A_TOKEN}") == "alice"


@pytest.mark.parametrize("error", [THROTTLED, UNREACHABLE])
def test_known_tokens_work_while_ssm_fails_and_for_a_bounded_time(
    clock: list[float], caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    ssm = FakeSsm(alice=hash_of(A_TOKEN))
    tokens_of_stage = Tokens(ssm, "/tokens")
    assert tokens_of_stage.name_of(f"Bearer {A_TOKEN}") == "alice"
    ssm.error = error
    while clock[0] < 1000 + tokens.MAX_STALE_SECONDS:
        clock[0] += 1
        if clock[0] <= 1000 + tokens.MAX_STALE_SECONDS:
            assert tokens_of_stage.name_of(f"Bearer {A_TOKEN}") == "alice"
            assert tokens_of_stage.name_of(f"Bearer {B_TOKEN}") is None
    assert "SSM cannot be read" in caplog.text
    failed_reads = tokens.MAX_STALE_SECONDS / tokens.MAX_PAUSE_SECONDS
    assert ssm.reads <= 1 + 5 + failed_reads
    clock[0] += 1
    with pytest.raises(TokensUnreadable):
        tokens_of_stage.name_of(f"Bearer {A_TOKEN}")
    ssm.error = None
    clock[0] += tokens.MAX_PAUSE_SECONDS
    assert tokens_of_stage.name_of(f"Bearer {A_TOKEN}") == "alice"


def test_a_function_that_knows_no_tokens_fails_and_does_not_hammer_ssm(
    clock: list[float],
) -> None:
    ssm = FakeSsm()
    ssm.error = THROTTLED
    tokens_of_stage = Tokens(ssm, "/tokens")
    for _ in range(100):
        with pytest.raises(TokensUnreadable):
            tokens_of_stage.name_of(f"Bearer {A_TOKEN}")
    assert ssm.reads == 1
