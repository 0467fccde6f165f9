"""`strongroom key`: who used a key, and a deletion that shows it first."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from strongroom.cli.printable import printable

if TYPE_CHECKING:
    from strongroom.administration.key_ledger import LedgerLine


class TrailUnreadable(Exception):
    """The audit trail could not be read."""

    exit_code = 255


class NotConfirmed(Exception):
    """The operator did not say yes."""

    exit_code = 1


def show_key_usage(data_directory: Path, key: str, days: int | None) -> int:
    """`strongroom key usage`. Raises: TrailUnreadable."""
    lines = _read_ledger(data_directory, key, days)
    span = "in the audit trail" if days is None else f"in the last {days} days"
    if not lines:
        print(f"No call named this key {span}.")
    for text in _render(lines):
        print(text)
    return 0


def schedule_key_deletion(
    data_directory: Path, key: str, pending_window_days: int, is_confirmed: bool
) -> int:
    """`strongroom key schedule-deletion`: the ledger, a question, then ScheduleKeyDeletion as the caller
    that the environment names. Raises: TrailUnreadable, NotConfirmed, CallerNotConfigured, CallRefused."""
    from strongroom.cli.kms_client import call_kms

    show_key_usage(data_directory, key, None)
    if not is_confirmed:
        if not sys.stdin.isatty():
            raise NotConfirmed("Nothing was scheduled: say --yes where nobody can be asked.")
        print(f"Schedule the deletion of {key} in {pending_window_days} days? [yes/no] ", end="", flush=True)
        if sys.stdin.readline().strip() != "yes":
            raise NotConfirmed("Nothing was scheduled.")
    answer = call_kms("ScheduleKeyDeletion", {"KeyId": key, "PendingWindowInDays": pending_window_days})
    at = datetime.fromtimestamp(answer["DeletionDate"], UTC) if "DeletionDate" in answer else None
    when = "when its last replica is gone" if at is None else f"on {at:%Y-%m-%d at %H:%M} UTC"
    print(f"{answer['KeyId']} is {answer['KeyState']}, to be deleted {when}.")
    print(f"Until then: aws kms cancel-key-deletion --key-id {key}")
    return 0


def _read_ledger(data_directory: Path, key: str, days: int | None) -> list[LedgerLine]:
    from strongroom.administration.key_ledger import build_ledger
    from strongroom.audit.reader import read_records

    since = None if days is None else datetime.now(UTC) - timedelta(days=days)
    try:
        return build_ledger(read_records(data_directory / "audit", key.encode()), key, since)
    except OSError as error:
        raise TrailUnreadable(
            f"Cannot read the audit trail in {data_directory / 'audit'}: {error.strerror}."
        ) from None


def _render(lines: list[LedgerLine]) -> list[str]:
    rows = [("LAST USE (UTC)", "OPERATION", "DONE", "REFUSED", "PRINCIPAL", "ENCRYPTION CONTEXT NAMES")]
    for line in lines:
        at = "" if line.last_time is None else f"{line.last_time:%Y-%m-%d %H:%M:%S}"
        names = ", ".join(line.use.context_keys) or "-"
        use, counts = line.use, (str(line.succeeded), str(line.refused))
        rows.append((at, printable(use.operation), *counts, printable(use.principal), printable(names)))
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    return [
        "  ".join([*(text.ljust(width) for text, width in zip(row, widths, strict=False)), row[5]]).rstrip()
        for row in rows
    ]
