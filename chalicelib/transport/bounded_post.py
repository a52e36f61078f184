"""One POST that ends by a deadline, however slowly or however much the other side answers.

Redirects are not followed, and of the answer only the headers are read, and the first few bytes of
the body where it says what went wrong.
"""

import contextlib
import http.client
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from chalicelib.model.errors import FetchTimedOut
from chalicelib.transport.bounded_http import MAX_HEADER_BYTES, tls_context
from chalicelib.transport.bounded_socket import AllowanceUsedUp, BoundedSocket
from chalicelib.transport.deadline import Deadline

CONNECT_SECONDS = 5  # for each address of the host, within the deadline
READ_BYTES = 300  # of the body of an answer that is an error


class NoAnswer(Exception):
    """No HTTP answer came; the text says why, in a few words and without the URL."""


@dataclass(frozen=True)
class PostAnswer:
    """The status line, the header Retry-After, and what an error's body begins with."""

    status_code: int
    retry_after: str | None
    text: str


def post(url: str, headers: Mapping[str, str], body: bytes, deadline: Deadline) -> PostAnswer:
    """Send the body once. Raises NoAnswer, and nothing else, for all that the network can do."""
    try:
        parts = urlsplit(url)
        with _connection(parts, deadline) as connection:
            return _exchange(connection, parts, headers, body, deadline)
    except (FetchTimedOut, TimeoutError):
        raise NoAnswer(f"no answer within {deadline.seconds:g} seconds") from None
    except ssl.SSLCertVerificationError as error:
        raise NoAnswer(f"the certificate is not valid: {error.verify_message}") from error
    except socket.gaierror as error:
        raise NoAnswer("the host has no address") from error
    except ConnectionRefusedError as error:
        raise NoAnswer("the connection was refused") from error
    except OSError as error:
        raise NoAnswer(f"the connection broke off ({type(error).__name__})") from error
    # ValueError: http.client's own for a negative chunk size.
    except (AllowanceUsedUp, http.client.HTTPException, ValueError) as error:
        raise NoAnswer(f"no HTTP answer ({type(error).__name__})") from error


def _connection(url: SplitResult, deadline: Deadline) -> socket.socket:
    host = url.hostname or ""
    port = url.port or (443 if url.scheme == "https" else 80)
    last_error: OSError = socket.gaierror("no addresses")
    for family, kind, protocol, _, address in socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM
    ):
        connection = socket.socket(family, kind, protocol)
        try:
            connection.settimeout(min(CONNECT_SECONDS, deadline.remaining_seconds()))
            connection.connect(address)
            if url.scheme == "https":
                return tls_context().wrap_socket(connection, server_hostname=host)
        except BaseException as error:
            connection.close()
            if not isinstance(error, OSError) or isinstance(error, ssl.SSLError):
                raise
            last_error = error
        else:
            return connection
    raise last_error


def _exchange(
    connection: socket.socket,
    url: SplitResult,
    headers: Mapping[str, str],
    body: bytes,
    deadline: Deadline,
) -> PostAnswer:
    client = http.client.HTTPConnection(url.hostname or "", url.port)
    client.sock = BoundedSocket(connection, deadline, MAX_HEADER_BYTES)
    target = (url.path or "/") + (f"?{url.query}" if url.query else "")
    client.putrequest("POST", target, skip_host=True, skip_accept_encoding=True)
    # A default port does not belong into Host, user information neither.
    client.putheader("Host", url.netloc.rpartition("@")[2])
    for name, value in headers.items():
        client.putheader(name, value)
    client.putheader("Content-Length", str(len(body)))
    client.putheader("User-Agent", "image-recognition/1.0")
    client.putheader("Accept-Encoding", "identity")
    client.putheader("Connection", "close")
    client.endheaders(body)
    response = client.getresponse()
    return PostAnswer(
        response.status,
        response.headers.get("Retry-After"),
        _start_of_body(response) if response.status >= 400 else "",
    )


def _start_of_body(response: http.client.HTTPResponse) -> str:
    """Something that a person can read, or nothing; it must never spoil the answer."""
    text = b""
    with contextlib.suppress(OSError, FetchTimedOut, AllowanceUsedUp, http.client.HTTPException):
        text = response.read1(READ_BYTES)
    words = text.decode("utf-8", "replace").split()
    return "".join(character for character in " ".join(words) if character.isprintable())
