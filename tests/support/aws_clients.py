"""Clients of boto3, many and cheap: making one anew reads AWS's models, which takes a tenth of a second."""

from __future__ import annotations

import threading
from typing import Any, Final

import boto3

_session: Final = boto3.session.Session()
_making: Final = threading.Lock()
"""Sessions make clients for one thread at a time; the clients are anybody's."""


def new_client(service: str, **options: Any) -> Any:
    """A client with a connection pool of its own, as `boto3.Session().client` makes it."""
    with _making:
        return _session.client(service, **options)
