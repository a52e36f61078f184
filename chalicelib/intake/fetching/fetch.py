"""A stranger's URL to bytes, without becoming the stranger's hand inside our network.

Every hop (the URL itself and each redirect) goes the same way: the URL is parsed once
(image_urls), its port and name are checked here, and one GET goes out through a guarded transport,
which connects to public addresses only and ends by the deadline (transport.guarded_http).
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address

import requests

from chalicelib.intake.fetching.image_urls import ImageUrl, parse_image_url
from chalicelib.intake.fetching.limits import FetchLimits
from chalicelib.model import errors
from chalicelib.transport import errors as transport
from chalicelib.transport.address_policy import any_address, public_addresses
from chalicelib.transport.counted_response import MAX_HEADER_BYTES
from chalicelib.transport.deadline import Deadline
from chalicelib.transport.guarded_http import guarded_request

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_READ_BYTES = 64 * 1024

# Names that mean something else inside a network than outside (RFC 6761, 6762, 8375; ICANN's
# "internal"), and the metadata services that have a name of another kind. A name of one label
# is completed with the network's search domains, so it is refused as well.
_NAMES_OF_NETWORKS = (
    ".internal", ".local", ".localhost", ".home.arpa", ".in-addr.arpa", ".ip6.arpa",
    ".metadata.tencentyun.com", ".metadata.oraclecloud.com",
)  # fmt: skip


# What a caller reads about each error of the transport. No message names the addresses of a name:
# they would draw a map of our network.
_REFUSALS: dict[type[transport.TransportError], tuple[type[errors.FetchError], str]] = {
    transport.DeadlinePassed: (
        errors.FetchTimedOut,
        "The image did not arrive within {limits.deadline_seconds:g} seconds, the limit for its "
        "name, connection, redirects and body together. Try again later, or send the address of a "
        "faster server.",
    ),
    transport.AddressRefused: (
        errors.AddressNotPublic,
        "The URL's host {url.host!r} is not, or not only, a public address. Images are fetched "
        "from public servers only; upload the image instead.",
    ),
    transport.HostUnknown: (
        errors.HostNotFound,
        "There is no host {url.host!r}. Check the URL's spelling.",
    ),
    transport.Unreachable: (
        errors.ImageServerUnreachable,
        "{url.authority} cannot be reached: {error}. Check the URL, or try again later.",
    ),
    transport.TooManyHeaderBytes: (
        errors.ResponseHeadersTooLarge,
        f"{{url.authority}} sent more than 100 headers, or more than {MAX_HEADER_BYTES} bytes of "
        "them. Send the address of another server.",
    ),
    transport.TooManyBodyBytes: (
        errors.ImageFileTooLarge,
        "The image at {url.authority} has more than {limits.max_bytes} bytes, the limit for a "
        "fetched image. Send a smaller version.",
    ),
    transport.InvalidResponse: (
        errors.ImageServerError,
        "{url.authority} sent {error}. Check that the URL opens in a browser, or try again later.",
    ),
}


@dataclass(frozen=True)
class FetchedImage:
    """What a URL gave: its bytes, its Content-Type, and the URL after all redirects.

    Neither the bytes nor `content_type` have been looked at yet.
    """

    content: bytes
    content_type: str | None
    url: str


def fetch(url: str, limits: FetchLimits) -> FetchedImage:
    """Get the body at a URL, within the limits.

    Raises a subclass of `FetchError`: 400 for a URL that may not be fetched, 413 for a body that
    is too large, 502 for what its server did, 504 where the deadline passed.
    """
    deadline = Deadline.after(limits.deadline_seconds)
    hop, came_from = url, None
    for _ in range(limits.max_redirects + 1):
        try:
            image_url = parse_image_url(hop)
            fetched = _get(image_url, limits, deadline)
        except errors.FetchError as error:
            if came_from is None:
                raise
            raise type(error)(f"{came_from} redirects to another URL. {error}") from error
        if isinstance(fetched, FetchedImage):
            return fetched
        hop, came_from = fetched, image_url.origin
    raise errors.TooManyRedirects(
        f"The URL redirects more than {limits.max_redirects} times. Send the address of the image "
        "itself."
    )


def _get(url: ImageUrl, limits: FetchLimits, deadline: Deadline) -> FetchedImage | str:
    """The image at a URL, or the URL that it redirects to."""
    is_allowed = url.origin in limits.allowed_origins
    try:
        if not is_allowed:
            _check_port(url, limits.ports)
            _check_name(url.host)
        with guarded_request(
            "GET",
            url.origin + url.request_target,
            {"Accept": "image/*,*/*;q=0.1", "Accept-Encoding": "identity"},
            policy=any_address(url.port) if is_allowed else public_addresses(url.port),
            deadline=deadline,
            max_body_bytes=limits.max_bytes,
        ) as response:
            if response.status_code in _REDIRECTS:
                return _redirect_target(response, url)
            body = _body(response, url, limits.max_bytes)
            return FetchedImage(body, response.headers.get("Content-Type"), url.text)
    except transport.TransportError as error:
        kind, sentence = _REFUSALS[type(error)]
        raise kind(sentence.format(url=url, limits=limits, error=error)) from error


def _check_port(url: ImageUrl, ports: frozenset[int]) -> None:
    if url.port not in ports:
        listed = " and ".join(str(port) for port in sorted(ports))
        raise errors.UrlPortNotAllowed(
            f"The URL's port is {url.port}; images are fetched from {listed} only."
        )


def _check_name(host: str) -> None:
    try:
        ip_address(host)
    except ValueError:
        if "." not in host or f".{host}".endswith(_NAMES_OF_NETWORKS):
            raise transport.AddressRefused(host) from None


def _redirect_target(response: requests.Response, url: ImageUrl) -> str:
    location = response.headers.get("Location")
    if not location:
        raise errors.ImageServerError(
            f"{url.authority} answered {response.status_code} without saying where to."
        )
    # http.client reads headers as Latin-1; servers that send more than ASCII send UTF-8.
    return url.join(location.encode("latin-1").decode("utf-8", "replace"))


def _body(response: requests.Response, url: ImageUrl, max_bytes: int) -> bytes:
    if response.status_code != 200:
        raise errors.ImageServerError(
            f"{url.authority} answered {response.status_code} where an image was expected. Check "
            "that the URL opens without signing in."
        )
    # Only a reason to stop early: what is received is counted whatever was promised.
    if (response.raw.length_remaining or 0) > max_bytes:
        raise transport.TooManyBodyBytes("a body over the limit")
    pieces, size = [], 0
    for piece in _decoded(response, url):
        size += len(piece)
        if size > max_bytes:
            raise transport.TooManyBodyBytes("a body over the limit")
        pieces.append(piece)
    return b"".join(pieces)


def _decoded(response: requests.Response, url: ImageUrl) -> Iterator[bytes]:
    received: Iterator[bytes] = response.raw.stream(_READ_BYTES, decode_content=False)
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    match encoding:
        case "identity" | "":
            return received
        case "gzip" | "x-gzip":
            return _gunzipped(received)
    raise errors.ImageServerError(
        f"{url.authority} sent the image compressed as {encoding[:20]!r}, although it was asked "
        "not to compress it."
    )


def _gunzipped(pieces: Iterator[bytes]) -> Iterator[bytes]:
    # urllib3's own decoder takes a stream that is cut short for a whole one.
    gunzip = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    for piece in pieces:
        rest = piece
        while rest and not gunzip.eof:
            yield gunzip.decompress(rest, _READ_BYTES)  # a bomb goes off a part at a time
            rest = gunzip.unconsumed_tail
    if not gunzip.eof:
        raise transport.InvalidResponse("a body that ends before it is complete")
