"""Keeps web pages away from the development controls.

A page in the developer's browser can reach a server on loopback: across origins, or, by rebinding its
own name to 127.0.0.1, as what the browser takes for the same origin. A browser says so in Origin
(on every POST) and Sec-Fetch-Site, and names the page's host in Host.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection

from strongroom.identity.http_request import HttpRequest


class BrowserRefusedError(Exception):
    """The request came from a web page, or may have; the message says which field told so."""


def require_no_browser(request: HttpRequest, host_names: Collection[str]) -> None:
    """Let a request pass only if no web page can have sent it.

    Host must be an IP address, a name without dots (a container's), a name under localhost, or one of
    `host_names`: all names that a stranger cannot point here. Raises: BrowserRefusedError.
    Invariant: H5.
    """
    fields = dict(request.headers)
    for name in (b"origin", b"sec-fetch-site", b"sec-fetch-mode"):
        if name in fields:
            raise BrowserRefusedError(f"Requests from web pages are refused (header field {name.decode()}).")
    host = _host_name(fields.get(b"host", b"").decode("latin-1"))
    if not (_is_address(host) or _is_local_name(host) or host in {name.lower() for name in host_names}):
        raise BrowserRefusedError("The name in the header field host is not known as this server's.")


_HOST = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+?)\.?)(?::[0-9]*)?")


def _host_name(host: str) -> str:
    """The Host field without its port, in lower case; an IPv6 address without its brackets; or nothing."""
    found = _HOST.fullmatch(host)
    return "" if found is None else (found[1] or found[2]).lower()


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_local_name(host: str) -> bool:
    return bool(host) and ("." not in host or host.endswith(".localhost"))
