import time
from typing import Any

import pytest

from chalicelib.api import tokens
from chalicelib.api.tokens import Tokens, hash_of


class FakeSsm:
    """Returns one parameter per page and counts the reads."""

    def __init__(self, **hashes: str) -> None:
        self.hashes = hashes
        self.reads = 0

    def get_paginator(self, operation: str) -> "FakeSsm":
        assert operation == "get_parameters_by_path"
        return self

    def paginate(self, Path: str, WithDecryption: bool) -> Any:  # noqa: N803 - boto3's names
        assert WithDecryption
        self.reads += 1
        for name, value in self.hashes.items():
            yield {"Parameters": [{"Name": f"{Path}/{name}", "Value": value}]}


def test_a_known_token_on_any_page_has_its_name() -> None:
    tokens_of_stage = Tokens(FakeSsm(alice=hash_of("a-token"), bob=hash_of("b-token")), "/tokens")
    assert tokens_of_stage.name_of("Bearer a-token") == "alice"
    assert tokens_of_stage.name_of("bearer  b-token") == "bob"


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", "Bearer ", "Basic a-token", "a-token", "Bearer c-token", "Bearer a-token x"],
)
def test_any_other_header_has_no_name(authorization: str) -> None:
    tokens_of_stage = Tokens(FakeSsm(alice=hash_of("a-token")), "/tokens")
    assert tokens_of_stage.name_of(authorization) is None


def test_a_leaked_hash_is_not_a_token() -> None:
    leaked = hash_of("a-token")
    assert Tokens(FakeSsm(alice=leaked), "/tokens").name_of(f"Bearer {leaked}") is None


def test_ssm_is_read_once_per_cache_period_and_then_a_revoked_token_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    ssm = FakeSsm(alice=hash_of("a-token"))
    tokens_of_stage = Tokens(ssm, "/tokens")
    for _ in range(5):
        assert tokens_of_stage.name_of("Bearer a-token") == "alice"
    assert ssm.reads == 1
    ssm.hashes.clear()
    now[0] += tokens.CACHE_SECONDS + 1
    assert tokens_of_stage.name_of("Bearer a-token") is None


def test_a_new_token_works_at_once_but_guessing_does_not_use_up_ssms_quota(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    ssm = FakeSsm(alice=hash_of("a-token"))
    tokens_of_stage = Tokens(ssm, "/tokens")
    assert tokens_of_stage.name_of("Bearer a-token") == "alice"
    ssm.hashes["bob"] = hash_of("b-token")
    now[0] += tokens.MIN_READ_INTERVAL_SECONDS + 0.1
    assert tokens_of_stage.name_of("Bearer b-token") == "bob"
    reads = ssm.reads
    for guess in range(100):
        assert tokens_of_stage.name_of(f"Bearer {guess}") is None
    assert ssm.reads == reads
