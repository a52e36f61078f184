"""One GET over a connection that is there already, read within limits.

The standard library's HTTP client does the parsing; every byte comes to it through a bounded
socket, so no phase of an answer can go on for longer or hold more, however slowly or however much
the server sends.
"""

import http.client
import socket
import ssl
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from chalicelib.intake.fetching.image_urls import ImageUrl
from chalicelib.model.errors import ImageFileTooLarge, ImageServerError, ResponseHeadersTooLarge
from chalicelib.transport.bounded_socket import AllowanceUsedUp, BoundedSocket
from chalicelib.transport.deadline import Deadline

# Servers accept 8 to 32 KB of headers from a client; nothing honest needs more the other way.
MAX_HEADER_BYTES = 64 * 1024

_READ_BYTES = 64 * 1024
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True)
class Answer:
    """Where to go on, or the body (decoded) and what the server calls it."""

    location: str | None
    body: bytes
    content_type: str | None


def get(connection: socket.socket, url: ImageUrl, max_bytes: int, deadline: Deadline) -> Answer:
    """Ask for the URL and read the answer; leaves closing the connection to the caller.

    Raises ImageServerError, ResponseHeadersTooLarge, ImageFileTooLarge or FetchTimedOut.
    """
    try:
        connection.settimeout(deadline.remaining_seconds())
        if url.scheme == "https":
            with tls_context().wrap_socket(connection, server_hostname=url.host) as secured:
                return _exchange(BoundedSocket(secured, deadline, MAX_HEADER_BYTES), url, max_bytes)
        return _exchange(BoundedSocket(connection, deadline, MAX_HEADER_BYTES), url, max_bytes)
    except TimeoutError:
        raise deadline.passed() from None
    except ssl.SSLCertVerificationError as error:
        raise ImageServerError(
            f"The certificate of {url.authority} is not valid: {error.verify_message}."
        ) from error
    # ValueError: http.client's own for a negative chunk size.
    except (OSError, http.client.HTTPException, ValueError, zlib.error) as error:
        raise ImageServerError(
            f"{url.authority} broke off, or did not answer as HTTP asks ({type(error).__name__})."
        ) from error


@cache
def tls_context() -> ssl.SSLContext:
    """The certificate authorities that are believed: Mozilla's list, the same on every machine."""
    import certifi

    return ssl.create_default_context(cafile=certifi.where())


def _exchange(bounded: BoundedSocket, url: ImageUrl, max_bytes: int) -> Answer:
    response = _ask(bounded, url)
    if response.status in _REDIRECTS:
        location = response.headers.get("Location")
        if not location:
            raise ImageServerError(
                f"{url.authority} answered {response.status} without saying where to."
            )
        return Answer(_as_text(location), b"", None)
    if response.status != 200:
        raise ImageServerError(
            f"{url.authority} answered {response.status} where an image was expected. Check that "
            "the URL opens without signing in."
        )
    # Twice the body is room for the framing of any honest chunked answer.
    bounded.allow(2 * max_bytes + MAX_HEADER_BYTES)
    try:
        body = b"".join(_body(response, url, max_bytes))
    except AllowanceUsedUp as error:
        raise _too_large(url, max_bytes) from error
    return Answer(None, body, response.headers.get("Content-Type"))


def _ask(bounded: BoundedSocket, url: ImageUrl) -> http.client.HTTPResponse:
    client = http.client.HTTPConnection(url.host, url.port)
    client.sock = bounded
    client.putrequest("GET", url.request_target, skip_host=True, skip_accept_encoding=True)
    client.putheader("Host", url.authority)
    client.putheader("User-Agent", "image-recognition/1.0")
    client.putheader("Accept", "image/*,*/*;q=0.1")
    client.putheader("Accept-Encoding", "identity")
    client.putheader("Connection", "close")
    try:
        client.endheaders()
        return client.getresponse()
    except (AllowanceUsedUp, http.client.LineTooLong) as error:
        raise _headers_too_large(url) from error
    except http.client.HTTPException as error:
        if type(error) is http.client.HTTPException:  # "got more than 100 headers"
            raise _headers_too_large(url) from error
        raise


def _as_text(header: str) -> str:
    # http.client reads headers as Latin-1; servers that send more than ASCII send UTF-8.
    return header.encode("latin-1").decode("utf-8", "replace")


def _headers_too_large(url: ImageUrl) -> ResponseHeadersTooLarge:
    return ResponseHeadersTooLarge(
        f"{url.authority} answered with more than 100 headers, or more than {MAX_HEADER_BYTES} "
        "bytes of them."
    )


def _body(response: http.client.HTTPResponse, url: ImageUrl, max_bytes: int) -> Iterator[bytes]:
    # Only a reason to stop early: what is received is counted whatever was promised.
    if response.length is not None and response.length > max_bytes:
        raise _too_large(url, max_bytes)
    size = 0
    for part in _decoded(response, url):
        size += len(part)
        if size > max_bytes:
            raise _too_large(url, max_bytes)
        yield part


def _decoded(response: http.client.HTTPResponse, url: ImageUrl) -> Iterator[bytes]:
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    match encoding:
        case "identity" | "":
            return _received(response, url)
        case "gzip" | "x-gzip":
            return _gunzipped(_received(response, url), url)
    raise ImageServerError(
        f"{url.authority} sent the image compressed as {encoding[:20]!r}, though it was asked not "
        "to compress it."
    )


def _gunzipped(pieces: Iterator[bytes], url: ImageUrl) -> Iterator[bytes]:
    gunzip = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    for piece in pieces:
        rest = piece
        while rest and not gunzip.eof:
            yield gunzip.decompress(rest, _READ_BYTES)  # a bomb goes off a part at a time
            rest = gunzip.unconsumed_tail
    if not gunzip.eof:
        raise _cut_short(url)


def _received(response: http.client.HTTPResponse, url: ImageUrl) -> Iterator[bytes]:
    promised = response.length
    received = 0
    while piece := response.read(_READ_BYTES):
        received += len(piece)
        yield piece
    if promised is not None and received < promised:
        raise _cut_short(url)


def _cut_short(url: ImageUrl) -> ImageServerError:
    return ImageServerError(
        f"{url.authority} ended the image before it was complete. Try again later."
    )


def _too_large(url: ImageUrl, max_bytes: int) -> ImageFileTooLarge:
    return ImageFileTooLarge(
        f"The image at {url.authority} has more than {max_bytes} bytes, the limit for a fetched "
        "image. Send a smaller version."
    )
