"""Bearer tokens of the API; SSM stores only their SHA-256 hashes.

A token holds 256 random bits, so it cannot be guessed and needs no slow hash. Its name is the last
part of its SSM parameter's name.
"""

import hashlib
import hmac
import re
import time
from typing import Any

# A warm function accepts a revoked token for at most this long. API Gateway also caches the
# authorizer's response, for the ttl_seconds in app.py.
CACHE_SECONDS = 30

# An unknown token may be new, so it triggers another read of SSM, but no more often than this: a
# caller that guesses tokens must not use up SSM's quota of requests per second.
MIN_READ_INTERVAL_SECONDS = 1

_BEARER = re.compile(r"Bearer +(?P<token>[A-Za-z0-9._~+/-]+=*) *", re.IGNORECASE)  # RFC 6750


class Tokens:
    """The tokens of one stage: one SSM parameter each, below `path`."""

    def __init__(self, client: Any, path: str) -> None:
        self._client = client
        self._path = path
        self._hashes: dict[str, str] = {}
        self._read_at = float("-inf")

    def name_of(self, authorization: str) -> str | None:
        """The name of the token in an Authorization header; None without a valid token."""
        match = _BEARER.fullmatch(authorization)
        if match is None:
            return None
        digest = hash_of(match["token"])
        return self._find(digest, CACHE_SECONDS) or self._find(digest, MIN_READ_INTERVAL_SECONDS)

    def _find(self, digest: str, max_age_seconds: float) -> str | None:
        if time.monotonic() - self._read_at > max_age_seconds:
            self._hashes = dict(self._read())
            self._read_at = time.monotonic()
        found = None
        for name, known in self._hashes.items():  # no early exit, which timing could reveal
            if hmac.compare_digest(known, digest):
                found = name
        return found

    def _read(self) -> list[tuple[str, str]]:
        pages = self._client.get_paginator("get_parameters_by_path").paginate(
            Path=self._path, WithDecryption=True
        )
        return [
            (parameter["Name"].rpartition("/")[2], parameter["Value"])
            for page in pages
            for parameter in page["Parameters"]
        ]


def hash_of(token: str) -> str:
    """The SHA-256 hash of `token` in hex, as SSM stores it."""
    return hashlib.sha256(token.encode()).hexdigest()
