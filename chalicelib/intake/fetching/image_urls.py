"""A URL read once, in one way, so that what is checked is what is connected to."""

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from chalicelib.model.errors import FetchError, InvalidUrl, UrlHasCredentials, UrlSchemeNotAllowed

# Where nginx, Apache and IIS stop reading a request line.
LONGEST_URL = 8192

_DEFAULT_PORTS = {"http": 80, "https": 443}

# White space and control characters are dropped, and a backslash is turned, by some parsers and
# not by others, so that two readers of one URL would see two hosts in it.
_AMBIGUOUS = re.compile(r"[\x00-\x20\x7f-\xa0\\\u2028\u2029\ufeff\ud800-\udfff]")

# After the scheme and "//": an IPv6 address in brackets or anything else without them, and a port.
_AUTHORITY = re.compile(
    r"(\[(?P<ipv6>[0-9a-fA-F:.]+)\]|(?P<host>[^\[\]:%]+))(:(?P<port>[0-9]{0,5}))?"
)

# What the operating system's resolver would take for an IPv4 address although it is not written
# as four decimal numbers: 0x7f.1, 017700000001, 2130706433, 127.1 (WHATWG: "ends in a number").
_ENDS_IN_A_NUMBER = re.compile(r"(^|\.)([0-9]+|0x[0-9a-f]*)$")

# Labels of at most 63 characters, 253 together (RFC 1035); underscores are no one's rule but exist.
_HOST_NAME = re.compile(r"(?!.{254})([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9-]{1,63}")


@dataclass(frozen=True)
class ImageUrl:
    """An http or https URL without credentials.

    `host` is what is resolved and what a certificate must name: lower case, in ASCII (IDNA), an
    IPv6 address without brackets. `request_target` is its path and query, percent-encoded.
    """

    text: str
    scheme: str
    host: str
    port: int
    request_target: str

    @property
    def authority(self) -> str:
        """Host and port as the Host header has them: a default port is left out."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        """All of the URL that can be shown: its path and query may hold secrets."""
        return f"{self.scheme}://{self.authority}"

    def join(self, location: str) -> str:
        """The URL that a Location header means, seen from here."""
        try:
            return urljoin(self.text, location)
        except ValueError as error:
            raise InvalidUrl(f"{self.origin} redirects to what is not a URL.") from error


def parse_image_url(text: str) -> ImageUrl:
    """Read a URL; raise InvalidUrl, UrlSchemeNotAllowed or UrlHasCredentials."""
    if len(text) > LONGEST_URL:
        raise InvalidUrl(f"The URL is {len(text)} characters long; at most {LONGEST_URL} are read.")
    ambiguous = _AMBIGUOUS.search(text)
    if ambiguous:
        raise InvalidUrl(
            f"The URL has the character {ambiguous[0]!a} at position {ambiguous.start()}, "
            "which different programs read differently. Percent-encode it."
        )
    try:
        split = urlsplit(text)
    except ValueError as error:
        raise InvalidUrl(f"The URL cannot be read: {error}.") from error
    if split.scheme not in _DEFAULT_PORTS:
        raise UrlSchemeNotAllowed(
            f"The URL's scheme is {split.scheme[:20]!r}; only http and https are fetched."
        )
    if "@" in split.netloc:
        raise UrlHasCredentials(
            "The URL has a user name or password before its host. Take it out: URLs are stored "
            "and shown. An address that is signed in its query works."
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
    """A scheme, host and port and nothing else, in the form of `ImageUrl.origin`.

    Raises ValueError with what is wrong.
    """
    try:
        url = parse_image_url(text)
    except FetchError as error:
        raise ValueError(f"an origin cannot be read: {error}") from error
    if url.request_target != "/" or "?" in text or "#" in text:
        raise ValueError(
            f"{text!r} is more than an origin: give only scheme, host and port, as in {url.origin}"
        )
    return url.origin


def _host_and_port(netloc: str) -> tuple[str, int | None]:
    authority = _AUTHORITY.fullmatch(netloc)
    if not authority:
        raise InvalidUrl(f"The URL's host {netloc[:253]!r} cannot be read.")
    port = int(authority["port"]) if authority["port"] else None
    if port is not None and not 1 <= port <= 65535:
        raise InvalidUrl(f"The URL's port is {port}; ports go from 1 to 65535.")
    try:
        if authority["ipv6"]:
            return str(ipaddress.IPv6Address(authority["ipv6"])), port
        host = _ascii_host(authority["host"]).removesuffix(".")
        if _ENDS_IN_A_NUMBER.search(host):
            return str(ipaddress.IPv4Address(host)), port
    except ValueError as error:
        raise InvalidUrl(
            f"The URL's host {netloc[:253]!r} is neither a name nor an address. Write an IPv4 "
            "address as four decimal numbers, an IPv6 address in brackets."
        ) from error
    if not _HOST_NAME.fullmatch(host):
        raise InvalidUrl(f"The URL's host {netloc[:253]!r} is not a host name.")
    return host, port


def _ascii_host(written: str) -> str:
    if written.isascii():
        return written.lower()
    if len(written) > 253:  # no name is longer (RFC 1035), and reading one costs time
        raise ValueError("too long")
    import idna  # large tables, which few URLs need

    # As browsers do (UTS 46): full-width digits and letters become plain ones here.
    return idna.encode(written, uts46=True).decode().lower()


def _request_target(split: SplitResult) -> str:
    path = quote(split.path or "/", safe="/%:@!$&'()*+,;=~")
    query = quote(split.query, safe="/%:@!$&'()*+,;=~?")
    return f"{path}?{query}" if query else path
