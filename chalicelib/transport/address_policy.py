"""Which addresses a request may reach, as policies of ssrfguard.

ssrfguard's table holds the IANA special-purpose registries. The policy for public addresses is
stricter. It refuses everything that the registries list, including blocks that they call globally
reachable, because no image is served from an anycast relay. It also refuses every IPv6 address that
embeds an IPv4 address, even a public one.
"""

from dataclasses import replace
from functools import cache
from ipaddress import ip_network
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ssrfguard import AddressTable, Policy

# Not in IANA's registries: Azure's wire server and all IPv6 outside global unicast (2000::/3).
_OTHER_NON_PUBLIC = ("168.63.129.16/32", "::/3", "4000::/2", "8000::/1")


@cache
def public_addresses(port: int) -> "Policy":
    """A policy that allows public internet addresses only, at `port`."""
    return _policy(_non_public_addresses(), port)


@cache
def any_address(port: int) -> "Policy":
    """A policy that allows every address at `port`, for hosts that the stage's owner configures."""
    from ssrfguard import AddressTable

    return _policy(AddressTable(()), port)


def _policy(denied: "AddressTable", port: int) -> "Policy":
    from ssrfguard import Policy

    return Policy(denied_networks=denied, allowed_ports=frozenset({port}))


def _non_public_addresses() -> "AddressTable":
    from ssrfguard import DEFAULT_DENIED, AddressTable, Block, Reach

    iana = [replace(block, reach=Reach.DENIED) for block in DEFAULT_DENIED.blocks]
    others = [
        Block(ip_network(network), "not public", "", Reach.DENIED) for network in _OTHER_NON_PUBLIC
    ]
    return AddressTable((*iana, *others))
