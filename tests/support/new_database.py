"""New databases, copied: migrations take longer than most tests do, and they run once in a test process."""

from __future__ import annotations

import functools
import os
from pathlib import Path
from tempfile import TemporaryDirectory

from strongroom.store.opening import prepare_database


def new_database(path: Path) -> Path:
    """The same path, with the database that the migrations make, if there is none."""
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(path, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.write(_empty_database())
    return path


@functools.cache
def _empty_database() -> bytes:
    with TemporaryDirectory() as directory:
        path = Path(directory) / "strongroom.db"
        prepare_database(path, ballast_bytes=0)
        assert not path.with_name("strongroom.db-wal").exists()
        return path.read_bytes()
