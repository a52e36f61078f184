"""What is kept and shown of a URL: what identifies it, and nothing that opens it.

A URL that a caller sends can carry a password, a signature or a token. The fetch needs them, and
nobody else does. Whatever is stored, shown or delivered passes through `source_of` first.

Names of secrets cannot be listed completely, so a parameter of the query is kept only if neither
its name nor its value looks like a secret. In doubt it goes: a source that has lost a parameter
still says where the image came from. The path is kept as it is, because it is the image's name.
"""

import re
from collections.abc import Iterable
from urllib.parse import unquote, urlsplit

# With these an image's sources add 16 KB to its item, whose every write costs a unit per KB.
MAX_SOURCES = 20
MAX_SOURCE_BYTES = 2048
MAX_SOURCES_BYTES = 16 * 1024

# Whole words of a parameter's name: `X-Amz-Signature`, `access_token`, `Key-Pair-Id`, `sig`.
_SECRET_WORDS = frozenset({
    "access", "amz", "auth", "authorization", "bearer", "code", "credential", "credentials",
    "expires", "goog", "hash", "hdnea", "hdnts", "hmac", "jwt", "key", "nonce", "pass", "passwd",
    "password", "policy", "pwd", "secret", "session", "sid", "sig", "sign", "signature", "ticket",
    "token",
})  # fmt: skip
# Parts of names that are written as one word: `accesstoken`, `apikey`, `sessionid`.
_SECRET_PARTS = re.compile("auth|credential|jwt|passw|secret|session|signature|token|apikey")
_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[0-9]+")

# A run of characters that is long enough for a secret, and of more than one kind, is one.
_RUN = re.compile(r"[A-Za-z0-9+/_~.=-]{16,}")
_KINDS = tuple(map(re.compile, ("[a-z]", "[A-Z]", "[0-9]")))

# A value with these has parts of its own, such as another URL with its own query.
_NESTED = re.compile("[=&?#@%;]")

_SURROGATES = re.compile("[\ud800-\udfff]")
_AUTHORITY = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\[\]:@]+)(:[0-9]*)?")


def source_of(url: str) -> str:
    """What identifies a URL: no credentials, no fragment, and no parameter that may be a secret.

    It has at most MAX_SOURCE_BYTES bytes in UTF-8: a longer one loses its query, and if that is not
    enough its path. `url` is any text; of one that is no http or https URL, what precedes an @ and
    what follows a ? or # goes.
    """
    url = _SURROGATES.sub("\N{REPLACEMENT CHARACTER}", url)  # UTF-8 has none
    try:
        parts = urlsplit(url)
    except ValueError:
        return _of_no_url(url)
    authority = parts.netloc.rpartition("@")[2]
    if parts.scheme not in ("http", "https") or not _AUTHORITY.fullmatch(authority):
        return _of_no_url(url)
    origin = f"{parts.scheme}://{authority}"
    query = "&".join(part for part in re.split("[&;]", parts.query) if part and _may_stay(part))
    with_query = f"{origin}{parts.path}?{query}" if query else origin + parts.path
    for source in (with_query, origin + parts.path):
        if _bytes(source) <= MAX_SOURCE_BYTES:
            return source
    return _cut(origin)


def bounded_sources(known: Iterable[str], arrived: Iterable[str]) -> tuple[str, ...]:
    """The sources of an image, sorted: the known ones, and the arrived ones for which is room.

    At most MAX_SOURCES and MAX_SOURCES_BYTES in total. Those that came first stay, so that later
    callers cannot push out what the first one sent.
    """
    kept: set[str] = set()
    for source in dict.fromkeys(map(source_of, (*known, *arrived))):
        size = sum(map(_bytes, kept)) + _bytes(source)
        if len(kept) < MAX_SOURCES and size <= MAX_SOURCES_BYTES:
            kept.add(source)
    return tuple(sorted(kept))


def _may_stay(parameter: str) -> bool:
    name, _, value = (_decoded(part) for part in parameter.partition("="))
    words = {word.lower() for word in _WORDS.findall(name)}
    letters = re.sub("[^a-z]", "", name.lower())
    is_secret_name = bool(
        words & _SECRET_WORDS or letters in _SECRET_WORDS or _SECRET_PARTS.search(letters)
    )
    return not (is_secret_name or _is_opaque(name) or _is_opaque(value) or _NESTED.search(value))


def _is_opaque(text: str) -> bool:
    return any(sum(1 for kind in _KINDS if kind.search(run)) > 1 for run in _RUN.findall(text))


def _decoded(text: str) -> str:
    """A part of a query after percent-decoding; twice, because a parameter may hold another URL."""
    return unquote(unquote(text))


def _of_no_url(text: str) -> str:
    # A # or ? may be part of a password before the @, so the @ comes first.
    return _cut(re.split("[?#]", text.rpartition("@")[2])[0])


def _cut(text: str) -> str:
    return text.encode()[:MAX_SOURCE_BYTES].decode("utf-8", "ignore")


def _bytes(text: str) -> int:
    return len(text.encode())
