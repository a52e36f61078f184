"""Bearer tokens of the API; SSM stores only their SHA-256 hashes.

A token holds 256 random bits, so it cannot be guessed and needs no slow hash. It ends in a checksum
of itself, so that a text that was never a token is refused without asking SSM. Its name is the last
part of its SSM parameter's name.
"""

import hashlib
import hmac
import logging
import re
import time
import zlib
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

# A warm function accepts a revoked token for at most this long. API Gateway also caches the
# authorizer's response, for the ttl_seconds in app.py.
CACHE_SECONDS = 30

# While SSM cannot be read, the hashes that were read last stay valid for at most this long.
MAX_STALE_SECONDS = 15 * 60

# An unknown token may be new, so it triggers another read of SSM. Anybody can compute a checksum,
# so a function makes only a few of these reads, and regains one every CACHE_SECONDS.
MAX_EARLY_READS = 5

# The pauses between reads that fail double from 1 second to this.
MAX_PAUSE_SECONDS = 30

_BEARER = re.compile(r"Bearer +(?P<token>[A-Za-z0-9._~+/-]+=*) *", re.IGNORECASE)  # RFC 6750
_TOKEN = re.compile(r"(?P<random>ir_[A-Za-z0-9_-]{43})(?P<checksum>[0-9a-f]{8})?")

logger = logging.getLogger(__name__)


class TokensUnreadable(Exception):
    """Raised while SSM cannot be read and the hashes are not known, or too old."""


class Tokens:
    """The tokens of one stage: one SSM parameter each, below `path`."""

    def __init__(self, client: Any, path: str) -> None:
        self._client = client
        self._path = path
        self._hashes: dict[str, str] = {}
        self._read_at = float("-inf")
        self._next_read_at = float("-inf")
        self._failed_reads = 0
        self._early_reads = float(MAX_EARLY_READS)

    def name_of(self, authorization: str) -> str | None:
        """The name of the token in an Authorization header; None without a valid token.

        Raises TokensUnreadable.
        """
        match = _BEARER.fullmatch(authorization)
        form = _TOKEN.fullmatch(match["token"]) if match else None
        # Tokens of before there were checksums have none, and stay valid.
        if form is None or form["checksum"] not in (None, checksum_of(form["random"])):
            return None
        digest = hash_of(form[0])
        is_due = self._age() > CACHE_SECONDS
        if is_due:
            self._read()
        name = self._find(digest)
        # A token without a checksum cannot be new.
        may_be_new = name is None and form["checksum"] and not is_due
        if may_be_new and self._early_reads >= 1:
            self._early_reads -= 1
            self._read()
            name = self._find(digest)
        return name

    def _find(self, digest: str) -> str | None:
        found = None
        for name, known in self._hashes.items():  # no early exit, which timing could reveal
            if hmac.compare_digest(known, digest):
                found = name
        return found

    def _age(self) -> float:
        return time.monotonic() - self._read_at

    def _read(self) -> None:
        """Read the hashes, unless SSM failed just now; keep the known ones if it fails."""
        if time.monotonic() >= self._next_read_at:
            try:
                hashes = dict(self._hashes_in_ssm())
            except (BotoCoreError, ClientError) as error:
                self._failed_reads += 1
                pause = min(2 ** (self._failed_reads - 1), MAX_PAUSE_SECONDS)
                self._next_read_at = time.monotonic() + pause
                logger.warning("SSM cannot be read; the last known tokens apply: %s", error)
            else:
                regained = self._age() / CACHE_SECONDS
                self._early_reads = min(self._early_reads + regained, MAX_EARLY_READS)
                self._hashes = hashes
                self._read_at = time.monotonic()
                self._failed_reads = 0
        if self._age() > MAX_STALE_SECONDS:
            raise TokensUnreadable("SSM cannot be read, and no recent hashes of tokens are known.")

    def _hashes_in_ssm(self) -> list[tuple[str, str]]:
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


def checksum_of(random: str) -> str:
    """The last 8 characters of a token: the CRC-32 of what precedes them, in hex."""
    return f"{zlib.crc32(random.encode()):08x}"
