"""The end of a restore, which a start calls too: what was decided is put in place, however often cut short.

A module of its own, so that a server at its start has no more of this room in its memory.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final

from strongroom.processes.errors import StartRefused

DATABASE: Final = "strongroom.db"
SEAL_RECORD: Final = "seal.record"
ANCHOR: Final = "domain-keys.anchor"
DRAFT: Final = "restore.draft"
READY: Final = "restore.ready"
PENDING_FILE: Final = "restore.pending"
GIVEN_LEDGER_FILE: Final = "restore.ledger"
_ORDER: Final = (GIVEN_LEDGER_FILE, PENDING_FILE, SEAL_RECORD, DATABASE)


def finish_swap(data_directory: Path) -> None:
    """Put a decided restore's files in place; nothing to do without one. Idempotent. Raises OSError."""
    ready = data_directory / READY
    if not ready.is_dir():
        return
    (data_directory / ANCHOR).unlink(missing_ok=True)  # it goes with the older database
    for name in _ORDER:
        if not (ready / name).exists():
            continue
        if name == DATABASE:
            for suffix in ("-wal", "-shm", "-journal"):  # of the older database
                (data_directory / f"{DATABASE}{suffix}").unlink(missing_ok=True)
            sync_directory(data_directory)
        os.replace(ready / name, data_directory / name)
        sync_directory(data_directory)
    shutil.rmtree(ready)
    sync_directory(data_directory)


def require_no_half_restore(data_directory: Path) -> None:
    """Finish a decided restore before a start; one that was cut short earlier leaves no server to start.

    Raises StartRefused.
    """
    try:
        if not (data_directory / READY).is_dir():
            return
    except OSError as error:
        raise StartRefused(f"Cannot use the data directory {data_directory}: {error.strerror}.") from None
    try:
        finish_swap(data_directory)
    except OSError as error:
        raise StartRefused(f"A restore into {data_directory} cannot be finished: {error.strerror}.") from None
    if (data_directory / DRAFT).exists() and not (data_directory / DATABASE).exists():
        raise StartRefused(
            f"A restore into {data_directory} was cut short: run strongroom restore again, or remove "
            f"{data_directory / DRAFT} to begin with an empty server."
        )


def sync_directory(path: Path) -> None:
    """What was renamed or removed in it is on disk when this returns. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
