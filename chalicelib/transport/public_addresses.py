"""Connections to public addresses only, checked at the moment of connecting.

ssrfguard resolves a name once, checks every answer and connects to the very address that it
checked. Its table (the IANA special-purpose registries) is made stricter here: whatever the
registries list is refused, also what they call reachable (an image is not served from an anycast
relay), also every IPv4 address inside an IPv6 one, whatever that address is.
"""

import errno
import queue
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING

from chalicelib.intake.fetching.image_urls import ImageUrl
from chalicelib.model.errors import (
    AddressNotPublic,
    HostNotFound,
    ImageServerUnreachable,
    UrlPortNotAllowed,
)
from chalicelib.transport.deadline import Deadline

if TYPE_CHECKING:
    from ssrfguard import Address, AddressTable, Policy

# Not in IANA's registries: Azure's wire server, and all IPv6 that is not global unicast (2000::/3).
_ALSO_NOT_PUBLIC = ("168.63.129.16/32", "::/3", "4000::/2", "8000::/1")

# Names that mean something else inside a network than outside (RFC 6761, 6762, 8375; ICANN's
# "internal"), and the metadata services that have a name of another kind. A name of one label
# is completed with the network's search domains, so it is refused as well.
_NAMES_OF_NETWORKS = (
    ".internal", ".local", ".localhost", ".home.arpa", ".in-addr.arpa", ".ip6.arpa",
    ".metadata.tencentyun.com", ".metadata.oraclecloud.com",
)  # fmt: skip

# A name may have any number of addresses; one and a spare of each family are enough.
_TRIED_OF_A_FAMILY = 2


def connect(
    url: ImageUrl, ports: frozenset[int], *, allowed: bool, deadline: Deadline
) -> socket.socket:
    """A TCP connection to the URL's host, whose address is public.

    `allowed` says that the URL's origin may be fetched wherever it is, at its own port.
    Raises UrlPortNotAllowed, AddressNotPublic, HostNotFound, ImageServerUnreachable or
    FetchTimedOut.
    """
    if not allowed:
        _check_port(url, ports)
        _check_name(url.host)
    policy = _policy(url.port, any_address=allowed)
    return _connect(_resolve(url, policy, deadline), url, policy, deadline)


def _check_port(url: ImageUrl, ports: frozenset[int]) -> None:
    if url.port not in ports:
        listed = " and ".join(str(port) for port in sorted(ports))
        raise UrlPortNotAllowed(
            f"The URL's port is {url.port}; images are fetched from {listed} only."
        )


def _check_name(host: str) -> None:
    if _literal_address(host):
        return
    if "." not in host or f".{host}".endswith(_NAMES_OF_NETWORKS):
        raise _not_public(host)


def _literal_address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _not_public(host: str) -> AddressNotPublic:
    # The addresses that a name resolves to stay unsaid: they would draw a map of our network.
    return AddressNotPublic(
        f"The URL's host {host!r} is not, or not only, a public address. Images are fetched from "
        "public servers only; upload the image instead."
    )


@cache
def _policy(port: int, *, any_address: bool) -> "Policy":
    from ssrfguard import AddressTable, Policy

    table = AddressTable(()) if any_address else _not_public_addresses()
    return Policy(denied_networks=table, allowed_ports=frozenset({port}))


def _not_public_addresses() -> "AddressTable":
    from ssrfguard import DEFAULT_DENIED, AddressTable, Block, Reach

    registered = [replace(block, reach=Reach.DENIED) for block in DEFAULT_DENIED.blocks]
    added = [
        Block(ip_network(network), "not public", "", Reach.DENIED) for network in _ALSO_NOT_PUBLIC
    ]
    return AddressTable((*registered, *added))


def _resolve(url: ImageUrl, policy: "Policy", deadline: Deadline) -> "tuple[Address, ...]":
    from ssrfguard import SSRFGuardError, Target, resolve

    target = Target(url.scheme, url.host, url.port, url.host, _literal_address(url.host))
    answers: queue.SimpleQueue[tuple[Address, ...] | Exception] = queue.SimpleQueue()

    def look_up_and_tell() -> None:
        try:
            answers.put(resolve(target, policy=policy))
        except Exception as error:
            answers.put(error)

    # The operating system's look-up has no time-out of its own. One that outlives the deadline is
    # left to end by itself, within the resolver's own limits.
    threading.Thread(target=look_up_and_tell, daemon=True, name="look up a host").start()
    try:
        answer = answers.get(timeout=deadline.remaining_seconds())
    except queue.Empty:
        raise deadline.passed() from None
    match answer:
        case SSRFGuardError():
            raise _not_public(url.host) from answer
        case socket.gaierror(errno=socket.EAI_AGAIN):
            raise ImageServerUnreachable(
                f"The name {url.host!r} could not be looked up just now. Try again later."
            ) from answer
        case OSError() | ValueError():
            raise HostNotFound(
                f"There is no host {url.host!r}. Check the URL's spelling."
            ) from answer
        case Exception():
            raise answer
    return answer


def _connect(
    addresses: "tuple[Address, ...]", url: ImageUrl, policy: "Policy", deadline: Deadline
) -> socket.socket:
    from ssrfguard import BlockedAddressError
    from ssrfguard import connect as connect_to_checked

    tried = list(_worth_trying(addresses))
    for number, address in enumerate(tried):
        # One address that is silent must not use up the time of the others.
        timeout = deadline.remaining_seconds() / (len(tried) - number)
        try:
            return connect_to_checked([address], policy=policy, timeout=timeout)
        except BlockedAddressError as error:
            raise _not_public(url.host) from error
        except OSError as error:
            failure = error
    if isinstance(failure, TimeoutError):  # the last attempt had all the time that was left
        raise deadline.passed() from failure
    raise ImageServerUnreachable(
        f"No connection to {url.authority} ({_name_of(failure)}). "
        "Check the URL, or try again later."
    ) from failure


def _worth_trying(addresses: "tuple[Address, ...]") -> "Iterator[Address]":
    of_a_family: Counter[int] = Counter()
    for address in addresses:
        of_a_family[address.family] += 1
        if of_a_family[address.family] <= _TRIED_OF_A_FAMILY:
            yield address


def _name_of(failure: OSError) -> str:
    # ssrfguard sums the attempts up in an error of its own; the system's error is its cause.
    cause = failure.__cause__ if isinstance(failure.__cause__, OSError) else failure
    return errno.errorcode.get(cause.errno or 0, type(cause).__name__)
