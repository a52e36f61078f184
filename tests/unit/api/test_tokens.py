import time
from typing import Any

import pytest

from chalicelib.api import tokens
from chalicelib.api.tokens import Tokens, hash_of


class FakeSsm:
    """Gives its parameters page by page, and counts how often it is asked."""

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


def test_a_known_token_is_known_by_its_name_on_every_page() -> None:
    known = Tokens(FakeSsm(alice=hash_of("a-token"), bob=hash_of("b-token")), "/tokens")
    assert known.name_of("Bearer a-token") == "alice"
    assert known.name_of("bearer  b-token") == "bob"


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", "Bearer ", "Basic a-token", "a-token", "Bearer c-token", "Bearer a-token x"],
)
def test_nothing_else_is_known(authorization: str) -> None:
    known = Tokens(FakeSsm(alice=hash_of("a-token")), "/tokens")
    assert known.name_of(authorization) is None


def test_a_hash_that_leaked_is_no_token() -> None:
    leaked = hash_of("a-token")
    assert Tokens(FakeSsm(alice=leaked), "/tokens").name_of(f"Bearer {leaked}") is None


def test_ssm_is_asked_once_in_a_while_and_a_revoked_token_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    ssm = FakeSsm(alice=hash_of("a-token"))
    known = Tokens(ssm, "/tokens")
    for _ in range(5):
        assert known.name_of("Bearer a-token") == "alice"
    assert ssm.reads == 1
    ssm.hashes.clear()
    now[0] += tokens.CACHE_SECONDS + 1
    assert known.name_of("Bearer a-token") is None


def test_a_new_token_works_at_once_but_guessing_does_not_wear_ssm_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    ssm = FakeSsm(alice=hash_of("a-token"))
    known = Tokens(ssm, "/tokens")
    assert known.name_of("Bearer a-token") == "alice"
    ssm.hashes["bob"] = hash_of("b-token")
    now[0] += tokens.LOOK_AGAIN_SECONDS + 0.1
    assert known.name_of("Bearer b-token") == "bob"
    reads = ssm.reads
    for guess in range(100):
        assert known.name_of(f"Bearer {guess}") is None
    assert ssm.reads == reads
