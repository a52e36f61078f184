"""One HTTP request with `requests`, to a checked address and within a deadline.

`requests` and urllib3 implement HTTP. This module adds the limits that they lack:

- Addresses: ssrfguard resolves a name once, checks every address, and connects to an address that
  it checked. Every request opens its own connection.
- Time: a watchdog shuts the connection down at the deadline. DNS has no timeout of its own, so it
  runs in a thread that is abandoned at the deadline. Connecting has a timeout.
- Size: bytes are counted below the HTTP parser.
- Environment: proxies, netrc, cookies and certificates of the environment are ignored, and
  redirects are not followed.
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

_LIBRARY_ERRORS = (
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    http.client.HTTPException,
    OSError,
    ValueError,  # from http.client, for a negative chunk size
    zlib.error,  # from a caller that decompresses the body
)

# At WARNING, urllib3 logs URLs with their queries, which may contain signatures.
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
    """Send one request; read the response's body from its `raw` inside the block.

    The connection receives at most 2 * `max_body_bytes` plus MAX_HEADER_BYTES of body, which leaves
    room for the framing of any legitimate chunked response. `body` is sent as it is.

    Raises a subclass of TransportError for every network failure, here and at the end of the block.
    After the deadline it is always DeadlinePassed.
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
            # A requests.Session would read a redirect's whole body and the environment's settings.
            with adapter.send(
                request.prepare(), stream=True, timeout=deadline.remaining_seconds()
            ) as response:
                yield response
        except _LIBRARY_ERRORS as error:
            deadline.remaining_seconds()
            raise _transport_error(error) from error


class _GuardedAdapter(SafeAdapter):
    """ssrfguard's adapter with connections that end by the deadline and count their bytes."""

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
        """Verify with `tls_context` alone; requests would load its CA file per connection."""
        conn.cert_reqs = "CERT_REQUIRED"

    def _guarded(self, scheme: str, pool: Any) -> Any:
        """A pool class whose connections come from `_connect`, as ssrfguard does it."""
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
            addresses = resolve(target, policy=self.policy, resolver=self._resolve)
            # One address that never responds must leave time for the others.
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
                raise errors.Unreachable("the host cannot be resolved at the moment") from error
            raise errors.HostUnknown("the host has no address") from error
        except OSError as error:
            raise errors.Unreachable(_reason(error)) from error
        connected.settimeout(self._deadline.remaining_seconds())
        return connected

    def _resolve(self, *arguments: Any) -> list[Any]:
        """`socket.getaddrinfo` within the deadline; the address families alternate."""
        outcomes: queue.SimpleQueue[Any] = queue.SimpleQueue()

        def resolve_host() -> None:
            try:
                outcomes.put(socket.getaddrinfo(*arguments))
            except Exception as error:
                outcomes.put(error)

        threading.Thread(target=resolve_host, daemon=True, name="resolve host").start()
        try:
            outcome = outcomes.get(timeout=self._deadline.remaining_seconds())
        except queue.Empty:
            outcome = errors.DeadlinePassed("the host was not resolved in time")
        if isinstance(outcome, Exception):
            raise outcome
        families: dict[int, list[Any]] = {}
        for address in outcome:
            families.setdefault(address[0], []).append(address)
        rounds = zip_longest(*families.values())
        return [address for each in rounds for address in each if address is not None]


@cache
def tls_context() -> ssl.SSLContext:
    """A context that trusts Mozilla's certificate authorities, the same on every machine."""
    return ssl.create_default_context(cafile=certifi.where())


def _reason(error: OSError) -> str:
    """Why no address accepted a connection, without naming the addresses."""
    # ssrfguard raises one error for all attempts; the operating system's error is its cause.
    cause = error.__cause__ if isinstance(error.__cause__, OSError) else error
    if isinstance(cause, ConnectionRefusedError):
        return "the connection was refused"
    return f"no connection ({errno.errorcode.get(cause.errno or 0, type(cause).__name__)})"


def _transport_error(error: BaseException) -> errors.TransportError:
    """The TransportError for an error of a library, from the errors that it wraps."""
    cause: BaseException | None = error
    while cause is not None:
        root = cause
        match cause:
            case ssl.SSLCertVerificationError():
                return errors.InvalidResponse(f"an invalid certificate: {cause.verify_message}")
            case http.client.LineTooLong():
                return errors.TooManyHeaderBytes("a header that is too long")
            # http.client has no specific class for this.
            case http.client.HTTPException(args=("got more than 100 headers",)):
                return errors.TooManyHeaderBytes("more than 100 headers")
        cause = cause.__cause__ or cause.__context__
    return errors.InvalidResponse(f"no valid HTTP response ({type(root).__name__})")
