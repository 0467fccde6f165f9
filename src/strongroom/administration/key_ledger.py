"""Who used a KMS key, for what, how often and when last: read from the audit trail."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from strongroom.audit.reader import event_time


@dataclass(frozen=True, slots=True)
class Use:
    """What is counted together."""

    principal: str
    """The caller's ARN; of an assumed role the role's, whatever the session."""
    operation: str
    context_keys: tuple[str, ...]
    """The names in the encryption context, sorted. Their values are not part of a ledger."""


@dataclass(slots=True)
class LedgerLine:
    """How often, and when last."""

    use: Use
    succeeded: int = 0
    refused: int = 0
    last_time: datetime | None = None


def build_ledger(records: Iterable[dict[str, Any]], key_id: str, since: datetime | None) -> list[LedgerLine]:
    """One line for each principal, operation and set of context names, the latest used first.

    `key_id` is a key id or key ARN; records of other keys are left out.
    """
    lines: dict[Use, LedgerLine] = {}
    for record in records:
        if not _is_of_key(record, key_id):
            continue
        at = event_time(record)
        if since is not None and at < since:
            continue
        use = Use(principal_of(record), record["eventName"], _context_keys(record))
        line = lines.setdefault(use, LedgerLine(use))
        if "errorCode" in record:
            line.refused += 1
        else:
            line.succeeded += 1
        if line.last_time is None or at > line.last_time:
            line.last_time = at
    return sorted(lines.values(), key=lambda line: (line.last_time, line.use.operation), reverse=True)


def principal_of(record: dict[str, Any]) -> str:
    """Whose ledger line a record belongs to."""
    identity = record["userIdentity"]
    issuer = identity.get("sessionContext", {}).get("sessionIssuer", {})
    return str(
        issuer.get("arn")
        or identity.get("arn")
        or identity.get("userName")
        or identity.get("invokedBy")
        or identity.get("type")
    )


def _is_of_key(record: dict[str, Any], key_id: str) -> bool:
    for resource in record.get("resources") or ():
        arn = resource.get("ARN", "")
        if arn == key_id or arn.endswith(f":key/{key_id}"):
            return True
    return False


def _context_keys(record: dict[str, Any]) -> tuple[str, ...]:
    parameters = record.get("requestParameters") or {}
    found: set[str] = set()
    for name, value in parameters.items():
        if name.lower().endswith("encryptioncontext") and isinstance(value, dict):
            found |= set(value)
    return tuple(sorted(found))
