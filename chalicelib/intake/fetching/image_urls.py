"""Parses a URL once, so that the host that is checked is the host that is connected to."""

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from chalicelib.model.errors import FetchError, InvalidUrl, UrlHasCredentials, UrlSchemeNotAllowed

# The limit of nginx, Apache and IIS for a request line, in bytes.
MAX_URL_BYTES = 8192

_DEFAULT_PORTS = {"http": 80, "https": 443}

# Some parsers drop whitespace and control characters or turn a backslash into a slash, and others
# do not, so they would find different hosts in one URL.
_AMBIGUOUS = re.compile(r"[\x00-\x20\x7f-\xa0\\\u2028\u2029\ufeff\ud800-\udfff]")

# The part after the scheme and "//": an IPv6 address in brackets, or a host without them, and a
# port.
_AUTHORITY = re.compile(
    r"(\[(?P<ipv6>[0-9a-fA-F:.]+)\]|(?P<host>[^\[\]:%]+))(:(?P<port>[0-9]{0,5}))?"
)

# What the operating system's resolver accepts as an IPv4 address other than four decimal numbers:
# 0x7f.1, 017700000001, 2130706433, 127.1 (WHATWG: "ends in a number").
_ENDS_IN_A_NUMBER = re.compile(r"(^|\.)([0-9]+|0x[0-9a-f]*)$")

# Labels of at most 63 characters, 253 in total (RFC 1035). Underscores break the rules but exist.
_HOST_NAME = re.compile(r"(?!.{254})([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9-]{1,63}")


@dataclass(frozen=True)
class ImageUrl:
    """An http or https URL without credentials.

    `text` is the URL as received. `host` is the name to resolve and to find in a certificate: lower
    case, ASCII (IDNA), an IPv6 address without brackets. `port` is 1 to 65535. `request_target` is
    the path and query, percent-encoded.
    """

    text: str
    scheme: str
    host: str
    port: int
    request_target: str

    @property
    def authority(self) -> str:
        """Host and port as in the Host header, without a default port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        """Scheme, host and port: what may be shown, because path and query may contain secrets."""
        return f"{self.scheme}://{self.authority}"

    def join(self, location: str) -> str:
        """The URL of a Location header, relative to this one; raises InvalidUrl."""
        try:
            return urljoin(self.text, location)
        except ValueError as error:
            raise InvalidUrl(f"{self.origin} redirects to an invalid URL.") from error


def parse_image_url(text: str) -> ImageUrl:
    """Parse a URL of at most MAX_URL_BYTES bytes in UTF-8.

    Raises InvalidUrl, UrlSchemeNotAllowed or UrlHasCredentials.
    """
    size = len(text.encode("utf-8", "replace"))
    if size > MAX_URL_BYTES:
        raise InvalidUrl(f"The URL has {size} bytes in UTF-8; the limit is {MAX_URL_BYTES}.")
    ambiguous = _AMBIGUOUS.search(text)
    if ambiguous:
        raise InvalidUrl(
            f"The URL has the character {ambiguous[0]!a} at position {ambiguous.start()}, "
            "which programs interpret differently. Percent-encode it."
        )
    try:
        split = urlsplit(text)
    except ValueError as error:
        # Python's message quotes the authority, which may contain a password.
        raise InvalidUrl("The URL's host or port cannot be parsed. Check its spelling.") from error
    if split.scheme not in _DEFAULT_PORTS:
        raise UrlSchemeNotAllowed(
            f"The URL's scheme is {split.scheme[:20]!r}; only http and https are fetched."
        )
    if "@" in split.netloc:
        raise UrlHasCredentials(
            "The URL has a user name or password before its host. Remove it. A URL with a "
            "signature in its query works, and the signature is neither stored nor shown."
        )
    host, port = _host_and_port(split.netloc)
    return ImageUrl(
        text=text,
        scheme=split.scheme,
        host=host,
        port=_DEFAULT_PORTS[split.scheme] if port is None else port,
        request_target=_request_target(split),
    )


def parse_origin(text: str) -> str:
    """The origin in `text`, in the form of `ImageUrl.origin`.

    Raises ValueError if `text` is not a scheme, host and optional port alone.
    """
    try:
        url = parse_image_url(text)
    except FetchError as error:
        raise ValueError(f"an origin cannot be parsed: {error}") from error
    if url.request_target != "/" or "?" in text or "#" in text:
        raise ValueError(
            f"{text!r} is more than an origin: use scheme, host and port only, as in {url.origin}"
        )
    return url.origin


def _host_and_port(netloc: str) -> tuple[str, int | None]:
    authority = _AUTHORITY.fullmatch(netloc)
    if not authority:
        # What follows the colon can be the start of a password that contains a # or a /.
        host = netloc.partition(":")[0]
        raise InvalidUrl(f"The URL's host {host[:253]!r} or its port cannot be parsed.")
    port = int(authority["port"]) if authority["port"] else None
    if port is not None and not 1 <= port <= 65535:
        raise InvalidUrl(f"The URL's port is {port}; ports are 1 to 65535.")
    try:
        if authority["ipv6"]:
            return str(ipaddress.IPv6Address(authority["ipv6"])), port
        host = _ascii_host(authority["host"]).removesuffix(".")
        if _ENDS_IN_A_NUMBER.search(host):
            return str(ipaddress.IPv4Address(host)), port
    except ValueError as error:
        raise InvalidUrl(
            f"The URL's host {netloc[:253]!r} is neither a name nor an address. Write an IPv4 "
            "address as four decimal numbers and an IPv6 address in brackets."
        ) from error
    if not _HOST_NAME.fullmatch(host):
        raise InvalidUrl(f"The URL's host {netloc[:253]!r} is not a host name.")
    return host, port


def _ascii_host(host: str) -> str:
    if host.isascii():
        return host.lower()
    if len(host) > 253:  # the limit of a name (RFC 1035); encoding a longer one is slow
        raise ValueError("too long")
    import idna  # large tables that few URLs need

    # Maps full-width digits and letters to ASCII, as browsers do (UTS 46).
    return idna.encode(host, uts46=True).decode().lower()


def _request_target(split: SplitResult) -> str:
    path = quote(split.path or "/", safe="/%:@!$&'()*+,;=~")
    query = quote(split.query, safe="/%:@!$&'()*+,;=~?")
    return f"{path}?{query}" if query else path
