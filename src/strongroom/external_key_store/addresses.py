"""Which addresses a proxy may have: whoever may create a custom key store names a host, and must not reach
the server's own network through it unless the operator allows it."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Sequence

ADDRESSES_MAX = 3
"""Tried one after the other; the time limit is one for all."""

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
"""All that IANA gives out of IPv6. Elsewhere are site-local addresses (fec0::/10), IPv4-compatible ones
(::/96) and local NAT64 prefixes (64:ff9b:1::/48), which `is_global` does not know as private."""


def is_public(address: str) -> bool:
    """Whether the Internet may route to it. Addresses that carry an IPv4 address count as that one."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:  # a scope id, say
        return False
    if isinstance(parsed, ipaddress.IPv6Address):
        inner = parsed.ipv4_mapped or parsed.sixtofour
        if parsed in _NAT64:
            inner = ipaddress.IPv4Address(int(parsed) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
        if parsed.teredo is not None or parsed not in _GLOBAL_UNICAST:
            return False
    return parsed.is_global and not parsed.is_multicast


async def resolve(host: str, port: int, *, private_allowed: bool) -> Sequence[str]:
    """The addresses to connect to, as numbers: nobody asks the DNS again. Empty if there is none.

    Raises: OSError.
    """
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = dict.fromkeys(str(address[0]) for *_, address in found)
    return [address for address in addresses if private_allowed or is_public(address)][:ADDRESSES_MAX]
