"""Which addresses a request may reach, as policies of ssrfguard.

Its table (the IANA special-purpose registries) is made stricter here: everything that the
registries list is refused, also what they call reachable (no image is served from an anycast
relay), and so is every IPv4 address inside an IPv6 address, whatever that IPv4 address is.
"""

from dataclasses import replace
from functools import cache
from ipaddress import ip_network
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ssrfguard import AddressTable, Policy

# Not in IANA's registries: Azure's wire server, and all IPv6 outside global unicast (2000::/3).
_ALSO_NOT_PUBLIC = ("168.63.129.16/32", "::/3", "4000::/2", "8000::/1")


@cache
def public_addresses(port: int) -> "Policy":
    """Only addresses on the public internet, at one port."""
    return _policy(_not_public(), port)


@cache
def any_address(port: int) -> "Policy":
    """Every address, at one port: for hosts that the owner of the stage chose."""
    from ssrfguard import AddressTable

    return _policy(AddressTable(()), port)


def _policy(denied: "AddressTable", port: int) -> "Policy":
    from ssrfguard import Policy

    return Policy(denied_networks=denied, allowed_ports=frozenset({port}))


def _not_public() -> "AddressTable":
    from ssrfguard import DEFAULT_DENIED, AddressTable, Block, Reach

    registered = [replace(block, reach=Reach.DENIED) for block in DEFAULT_DENIED.blocks]
    added = [
        Block(ip_network(network), "not public", "", Reach.DENIED) for network in _ALSO_NOT_PUBLIC
    ]
    return AddressTable((*registered, *added))
