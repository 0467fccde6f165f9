"""What the road needs of the audit trail."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Protocol


class AuditUnavailable(Exception):
    """The record cannot be written, so the request must fail."""


class AuditTrail(Protocol):
    """Takes one rendered record (a JSON object, no newline) for each request.

    INVARIANT A1: no answer leaves before its record was accepted here; a record that cannot be
    accepted raises AuditUnavailable.
    """

    durable: bool
    """True: every answer waits for `durably`. False: read-only requests use `soon`."""

    expected: int
    """How many requests are on the road whose record is still to come: the road counts them, and records
    that are waited for may wait a moment for those."""

    def is_accepting(self) -> bool:
        """Whether a record handed over now would be taken; asked before anything is changed."""
        ...

    def soon(self, record: bytes) -> None:
        """Hand the record over; it is in the chain within 5 ms. Raises AuditUnavailable at once
        while the trail is known not to accept records."""
        ...

    def durably(self, record: bytes) -> Awaitable[None]:
        """Complete when the record is in the chain and on disk. Raises AuditUnavailable."""
        ...
