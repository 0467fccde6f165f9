"""Numbers, dates, addresses and bytes, as condition operators read them: exactly, or not at all.

Source: IAM User Guide, "IAM JSON policy elements: Condition operators".
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from calendar import timegm
from datetime import UTC, datetime
from decimal import Decimal
from typing import TypeAlias

from strongroom.authorization.letters import lower_ascii

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

NUMBER_CHARACTERS_MAX = 100

_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?", re.ASCII)

# The W3C's profile of ISO 8601 (NOTE-datetime), which the User Guide names. Without a time zone: UTC.
_DATE = re.compile(
    r"(?P<year>[0-9]{4})(-(?P<month>[0-9]{2})(-(?P<day>[0-9]{2})"
    r"(T(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2})(:(?P<second>[0-9]{2})(?P<fraction>\.[0-9]{1,9})?)?"
    r"(?P<zone>Z|[+-][0-9]{2}:[0-9]{2})?)?)?)?",
    re.ASCII,
)

_ADDRESS = re.compile(r"[0-9A-Fa-f:.]{2,45}", re.ASCII)
_NETWORK = re.compile(r"(?P<address>[0-9A-Fa-f:.]{2,45})(/(?P<prefix>[0-9]{1,3}))?", re.ASCII)
_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")


def read_number(text: str) -> Decimal | None:
    """A decimal number, or None."""
    if len(text) > NUMBER_CHARACTERS_MAX or _NUMBER.fullmatch(text) is None:
        return None
    return Decimal(text)


def read_date(text: str) -> Decimal | None:
    """Seconds since 1970 of an ISO 8601 date, or of a number that says them; None for everything else.

    Four digits are a year, as in ISO 8601.
    """
    found = _DATE.fullmatch(text)
    if found is None:
        return read_number(text)
    parts = found.groupdict()
    year, month, day = (int(parts[name] or 1) for name in ("year", "month", "day"))
    hour, minute, second = (int(parts[name] or 0) for name in ("hour", "minute", "second"))
    try:
        moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None
    seconds = timegm(moment.timetuple())
    zone = parts["zone"]
    if zone is not None and zone != "Z":
        hours, minutes = int(zone[1:3]), int(zone[4:6])
        if hours > 23 or minutes > 59:
            return None
        ahead = hours * 3600 + minutes * 60
        seconds += ahead if zone[0] == "-" else -ahead
    return seconds + Decimal(parts["fraction"] or 0)


def read_boolean(text: str) -> bool | None:
    """`true` or `false`, in any case of letters, or None."""
    return {"true": True, "false": False}.get(lower_ascii(text))


def read_binary(text: str) -> bytes | None:
    """The bytes behind base64, or None."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def read_address(text: str) -> Address | None:
    """An IPv4 or IPv6 address; an IPv4 address mapped into IPv6 is the IPv4 address."""
    if _ADDRESS.fullmatch(text) is None:
        return None
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def read_network(text: str) -> Network | None:
    """An address range in CIDR notation, or one address; None for everything else."""
    if _NETWORK.fullmatch(text) is None:
        return None
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None
    if isinstance(network, ipaddress.IPv6Network) and network.subnet_of(_MAPPED):
        mapped = network.network_address.ipv4_mapped
        return ipaddress.ip_network(f"{mapped}/{network.prefixlen - 96}")
    return network
