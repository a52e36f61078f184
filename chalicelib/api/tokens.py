"""Who may call the API: bearer tokens, of which only SHA-256 hashes are kept, in SSM.

A token is a random text of 256 bits, so a plain hash is enough: there is nothing to guess that a
slow hash would protect. Each has a name, the last part of its parameter's name.
"""

import hashlib
import hmac
import re
import time
from typing import Any

# A revoked token works at most this long in a warm function. API Gateway keeps an authorizer's
# answer as well, for the time that app.py gives it.
CACHE_SECONDS = 30

# A token that is not known may be new, so SSM is asked again, but no oftener than this: whoever
# tries tokens must not use up SSM's requests per second.
LOOK_AGAIN_SECONDS = 1

_BEARER = re.compile(r"Bearer +(?P<token>[A-Za-z0-9._~+/-]+=*) *", re.IGNORECASE)  # RFC 6750


class Tokens:
    """The tokens of one stage."""

    def __init__(self, client: Any, path: str) -> None:
        self._client = client
        self._path = path
        self._hashes: dict[str, str] = {}
        self._read_at = float("-inf")

    def name_of(self, authorization: str) -> str | None:
        """The name of the token in an Authorization header, or None where there is none such."""
        match = _BEARER.fullmatch(authorization)
        if match is None:
            return None
        given = hash_of(match["token"])
        return self._find(given, CACHE_SECONDS) or self._find(given, LOOK_AGAIN_SECONDS)

    def _find(self, given: str, oldest_seconds: float) -> str | None:
        if time.monotonic() - self._read_at > oldest_seconds:
            self._hashes = dict(self._read())
            self._read_at = time.monotonic()
        found = None
        for name, known in self._hashes.items():  # all of them, so that time tells nothing
            if hmac.compare_digest(known, given):
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
    """What is kept of a token."""
    return hashlib.sha256(token.encode()).hexdigest()
