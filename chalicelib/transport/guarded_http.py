"""One HTTP request with `requests`: to an address that was checked, and over by a deadline.

`requests` and urllib3 do the HTTP. What they leave open is closed here, for every phase at once:

- Addresses: ssrfguard resolves a name once, checks every answer and connects to the very address
  that it checked. Every request makes a connection of its own.
- Time: a watchdog ends every wait for the connection at the deadline. The look-up of a name, which
  has no time-out of its own, runs in a thread that is left behind; connecting has a time-out.
- Size: bytes are counted below the HTTP parser.
- Environment: no proxy, netrc, cookie or certificate of the environment takes part, and no redirect
  is followed.
"""

import errno
import http.client
import logging
import queue
import socket
import ssl
import threading
import zlib
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from functools import cache
from itertools import zip_longest
from typing import Any

import certifi
import requests
import urllib3
from ssrfguard import Policy, SSRFGuardError, connect, resolve
from ssrfguard.requests import SafeAdapter

from chalicelib.transport import errors
from chalicelib.transport.counted_response import MAX_HEADER_BYTES, CountedResponse
from chalicelib.transport.deadline import Deadline
from chalicelib.transport.watchdog import Watchdog

USER_AGENT = "image-recognition/1.0"

_RAISED_BY_LIBRARIES = (
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    http.client.HTTPException,
    OSError,
    ValueError,  # http.client's own, for a chunk of negative size
    zlib.error,  # of whoever decompresses a body
)

# At WARNING urllib3 logs URLs with their queries, which may hold signatures.
logging.getLogger("urllib3.connection").setLevel(logging.ERROR)


@contextmanager
def guarded_request(
    method: str,
    url: str,
    headers: Mapping[str, str],
    *,
    policy: Policy,
    deadline: Deadline,
    max_body_bytes: int,
    body: bytes | None = None,
) -> Iterator[requests.Response]:
    """Send one request; the response's body is to be read from its `raw` inside the block.

    Twice `max_body_bytes` are received at most, which leaves room for the framing of any honest
    chunked response. Raises a subclass of TransportError, here and at the end of the block, for all
    that a network can do; after the deadline it is always DeadlinePassed.
    """
    request = requests.Request(
        method,
        url,
        headers={"User-Agent": USER_AGENT, **headers, "Connection": "close"},
        data=body,
    )
    with (
        Watchdog(deadline) as watchdog,
        closing(_GuardedAdapter(policy, deadline, watchdog, max_body_bytes)) as adapter,
    ):
        try:
            # Without a session, which would read a redirect's whole body and the environment.
            with adapter.send(
                request.prepare(), stream=True, timeout=deadline.remaining_seconds()
            ) as response:
                yield response
        except _RAISED_BY_LIBRARIES as error:
            deadline.remaining_seconds()
            raise _transport_error(error) from error


class _GuardedAdapter(SafeAdapter):
    """ssrfguard's adapter, whose connections end by the deadline and are watched and counted."""

    def __init__(
        self, policy: Policy, deadline: Deadline, watchdog: Watchdog, max_body_bytes: int
    ) -> None:
        self._deadline = deadline
        self._watchdog = watchdog
        self._max_body_bytes = max_body_bytes
        super().__init__(policy=policy)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, ssl_context=tls_context(), **kwargs)
        self.poolmanager.pool_classes_by_scheme = {
            scheme: self._guarded(scheme, pool)
            for scheme, pool in self.poolmanager.pool_classes_by_scheme.items()
        }

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Verify with `tls_context` alone; requests would load its authorities per connection."""
        conn.cert_reqs = "CERT_REQUIRED"

    def _guarded(self, scheme: str, pool: Any) -> Any:
        """A pool class whose connections come from `_connect`: the seam that ssrfguard uses."""
        adapter = self

        class Response(CountedResponse):
            max_body_bytes = 2 * adapter._max_body_bytes + MAX_HEADER_BYTES
            deadline = adapter._deadline

        class Connection(pool.ConnectionCls):  # type: ignore[misc]
            response_class = Response

            def _new_conn(self) -> socket.socket:
                return adapter._watchdog.watch(adapter._connect(scheme, self))

        return type(pool.__name__, (pool,), {"ConnectionCls": Connection})

    def _connect(self, scheme: str, connection: Any) -> socket.socket:
        host = f"[{connection.host}]" if ":" in connection.host else connection.host
        try:
            target = self.policy.check_url(f"{scheme}://{host}:{connection.port}/")
            addresses = resolve(target, policy=self.policy, resolver=self._look_up)
            # One silent address must not use up the time of the others.
            timeout = self._deadline.remaining_seconds() / self.policy.max_connection_attempts
            connected = connect(
                addresses,
                policy=self.policy,
                timeout=timeout,
                socket_options=connection.socket_options,
            )
        except SSRFGuardError as error:
            raise errors.AddressRefused("the host's address is not allowed") from error
        except socket.gaierror as error:
            if error.errno == socket.EAI_AGAIN:
                raise errors.Unreachable("the host could not be looked up") from error
            raise errors.HostUnknown("the host has no address") from error
        except OSError as error:
            raise errors.Unreachable(_reason(error)) from error
        connected.settimeout(self._deadline.remaining_seconds())
        return connected

    def _look_up(self, *arguments: Any) -> list[Any]:
        """`socket.getaddrinfo`, until the deadline; the families take turns in its answer."""
        answers: queue.SimpleQueue[Any] = queue.SimpleQueue()

        def look_up() -> None:
            try:
                answers.put(socket.getaddrinfo(*arguments))
            except Exception as error:
                answers.put(error)

        threading.Thread(target=look_up, daemon=True, name="look up a host").start()
        try:
            answer = answers.get(timeout=self._deadline.remaining_seconds())
        except queue.Empty:
            answer = errors.DeadlinePassed("the host could not be looked up in time")
        if isinstance(answer, Exception):
            raise answer
        families: dict[int, list[Any]] = {}
        for each in answer:
            families.setdefault(each[0], []).append(each)
        turns = zip_longest(*families.values())
        return [each for turn in turns for each in turn if each is not None]


@cache
def tls_context() -> ssl.SSLContext:
    """The certificate authorities that are trusted: Mozilla's list, the same on every machine."""
    return ssl.create_default_context(cafile=certifi.where())


def _reason(error: OSError) -> str:
    """Why no address accepts a connection, without the addresses."""
    # ssrfguard sums up the attempts in an error of its own; the system's error is its cause.
    cause = error.__cause__ if isinstance(error.__cause__, OSError) else error
    if isinstance(cause, ConnectionRefusedError):
        return "the connection was refused"
    return f"no connection ({errno.errorcode.get(cause.errno or 0, type(cause).__name__)})"


def _transport_error(error: BaseException) -> errors.TransportError:
    """What an error of requests or urllib3 means: the errors that they wrap tell."""
    cause: BaseException | None = error
    while cause is not None:
        root = cause
        match cause:
            case ssl.SSLCertVerificationError():
                return errors.InvalidResponse(f"an invalid certificate: {cause.verify_message}")
            case http.client.LineTooLong():
                return errors.TooManyHeaderBytes("a header that is too long")
            # http.client has no class of its own for this.
            case http.client.HTTPException(args=("got more than 100 headers",)):
                return errors.TooManyHeaderBytes("more than 100 headers")
        cause = cause.__cause__ or cause.__context__
    return errors.InvalidResponse(f"no valid HTTP response ({type(root).__name__})")
