"""Fetches an untrusted URL without giving its sender access to our network (SSRF).

Every hop (the URL itself and each redirect) takes the same path: `image_urls` parses the URL once,
this module checks its port and host name, and `transport.guarded_http` sends one GET, which
connects to public addresses only and ends by the deadline.
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

# Names that a private network defines for itself (RFC 6761, 6762, 8375; ICANN's "internal"), and
# metadata services with other names. A single-label name is refused as well, because resolvers
# complete it with the network's search domains.
_PRIVATE_NAME_SUFFIXES = (
    ".internal", ".local", ".localhost", ".home.arpa", ".in-addr.arpa", ".ip6.arpa",
    ".metadata.tencentyun.com", ".metadata.oraclecloud.com",
)  # fmt: skip

# The error and message that a caller gets for each transport error. No message names the addresses
# of a host: they would reveal the layout of our network.
_FETCH_ERRORS: dict[type[transport.TransportError], tuple[type[errors.FetchError], str]] = {
    transport.DeadlinePassed: (
        errors.FetchTimedOut,
        "The image did not arrive within {limits.deadline_seconds:g} seconds, the limit for DNS, "
        "connections, redirects and the body together. Try again later, or send a URL on a faster "
        "server.",
    ),
    transport.AddressRefused: (
        errors.AddressNotPublic,
        "The URL's host {url.host!r} is or has an address that is not public. Images are fetched "
        "from public servers only; upload the image instead.",
    ),
    transport.HostUnknown: (
        errors.HostNotFound,
        "The URL's host {url.host!r} does not exist or has no address. Check the URL's spelling.",
    ),
    transport.Unreachable: (
        errors.ImageServerUnreachable,
        "{url.authority} cannot be reached: {error}. Check the URL, or try again later.",
    ),
    transport.TooManyHeaderBytes: (
        errors.ResponseHeadersTooLarge,
        f"{{url.authority}} sent more than 100 headers, or more than {MAX_HEADER_BYTES} bytes of "
        "them. Send a URL on another server.",
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
    """The body at a URL, its Content-Type, and the URL after all redirects.

    Neither `content` nor `content_type` is validated yet; `content` may not be an image.
    """

    content: bytes
    content_type: str | None
    url: str


def fetch(url: str, limits: FetchLimits) -> FetchedImage:
    """GET the body at `url`, following redirects, within `limits`.

    Raises a subclass of FetchError: status 400 for a URL that must not be fetched or has no host,
    413 for a body over the limit, 502 for an error of the server, 504 after the deadline.
    """
    deadline = Deadline.after(limits.deadline_seconds)
    hop, previous_origin = url, None
    for _ in range(limits.max_redirects + 1):
        try:
            image_url = parse_image_url(hop)
            fetched = _get(image_url, limits, deadline)
        except errors.FetchError as error:
            if previous_origin is None:
                raise
            raise type(error)(f"{previous_origin} redirects to another URL. {error}") from error
        if isinstance(fetched, FetchedImage):
            return fetched
        hop, previous_origin = fetched, image_url.origin
    raise errors.TooManyRedirects(
        f"The URL redirects more than {limits.max_redirects} times. Send the URL of the image "
        "itself."
    )


def _get(url: ImageUrl, limits: FetchLimits, deadline: Deadline) -> FetchedImage | str:
    """The body at a URL, or the URL that it redirects to."""
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
        error_class, message = _FETCH_ERRORS[type(error)]
        raise error_class(message.format(url=url, limits=limits, error=error)) from error


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
        if "." not in host or f".{host}".endswith(_PRIVATE_NAME_SUFFIXES):
            raise transport.AddressRefused(host) from None


def _redirect_target(response: requests.Response, url: ImageUrl) -> str:
    location = response.headers.get("Location")
    if not location:
        raise errors.ImageServerError(
            f"{url.authority} responded {response.status_code} without a Location header."
        )
    # http.client decodes headers as Latin-1, but servers that send non-ASCII text use UTF-8.
    return url.join(location.encode("latin-1").decode("utf-8", "replace"))


def _body(response: requests.Response, url: ImageUrl, max_bytes: int) -> bytes:
    if response.status_code != 200:
        raise errors.ImageServerError(
            f"{url.authority} responded {response.status_code} instead of an image. Check that the "
            "URL opens without signing in."
        )
    # Stops early only; the received bytes are counted whatever Content-Length says.
    if (response.raw.length_remaining or 0) > max_bytes:
        raise transport.TooManyBodyBytes("a body over the limit")
    chunks, size = [], 0
    for chunk in _decoded(response, url):
        size += len(chunk)
        if size > max_bytes:
            raise transport.TooManyBodyBytes("a body over the limit")
        chunks.append(chunk)
    return b"".join(chunks)


def _decoded(response: requests.Response, url: ImageUrl) -> Iterator[bytes]:
    received: Iterator[bytes] = response.raw.stream(_READ_BYTES, decode_content=False)
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    match encoding:
        case "identity" | "":
            return received
        case "gzip" | "x-gzip":
            return _gunzipped(received)
    raise errors.ImageServerError(
        f"{url.authority} sent the image with the Content-Encoding {encoding[:20]!r}, although the "
        "request accepts only identity."
    )


def _gunzipped(chunks: Iterator[bytes]) -> Iterator[bytes]:
    # urllib3's own decoder accepts a truncated stream as complete.
    gunzip = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    for chunk in chunks:
        rest = chunk
        while rest and not gunzip.eof:
            yield gunzip.decompress(rest, _READ_BYTES)  # bounds each step of a decompression bomb
            rest = gunzip.unconsumed_tail
    if not gunzip.eof:
        raise transport.InvalidResponse("an incomplete body")
