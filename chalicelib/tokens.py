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
        found = None
        for name, known in self._known().items():  # all of them, so that time tells nothing
            if hmac.compare_digest(known, given):
                found = name
        return found

    def _known(self) -> dict[str, str]:
        if time.monotonic() - self._read_at > CACHE_SECONDS:
            self._hashes = dict(self._read())
            self._read_at = time.monotonic()
        return self._hashes

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
