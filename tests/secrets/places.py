"""Where a secret could have got to on disk: files as they are, and what is inside those with an inside.

A backup is a tar of a database. Both are read with Python's own modules, so that nothing that the server
does to a value on its way in hides it: each cell of each table is looked at by itself, and once more decoded
where it is base64.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import sqlite3
import tarfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from tests.secrets.memory_scan import Needles, read_file

CELL_BYTES_MIN: Final = 16
"""Shorter ones hold no secret that is looked for."""


def cells_of(database: Path) -> Iterator[bytes]:
    """Every value of every table, with a gap after each. The file is opened as it is, and not changed."""
    with contextlib.closing(sqlite3.connect(f"file:{database}?immutable=1", uri=True)) as connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (table,) in tables:
            for row in connection.execute(f'SELECT * FROM "{table}"'):  # noqa: S608
                for value in row:
                    data = value.encode() if isinstance(value, str) else value
                    if isinstance(data, bytes) and len(data) >= CELL_BYTES_MIN:
                        yield from (data, b"", _decoded(data), b"")


def _decoded(data: bytes) -> bytes:
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        return b""


def find_in_backup(needles: Needles, backup: Path) -> Counter[str]:
    """In the file as it is, and in all that is inside."""
    found = needles.find_in(read_file(backup))
    with TemporaryDirectory() as unpacked:
        with tarfile.open(backup) as tar:
            tar.extractall(unpacked, filter="data")
        for hits in needles.find_in_files(Path(unpacked)).values():
            found += hits
        for database in Path(unpacked).rglob("*.db"):
            found += needles.find_in(cells_of(database))
    return found


def with_cell(backup: Path, value: bytes, target: Path) -> Path:
    """A copy of a backup in whose database a key's description is `value`: what a scan has to find."""
    with TemporaryDirectory() as unpacked:
        with tarfile.open(backup) as tar:
            names = tar.getnames()
            tar.extractall(unpacked, filter="data")
        path = Path(unpacked) / "strongroom.db"
        with contextlib.closing(sqlite3.connect(path)) as database, database:
            done = database.execute(
                "UPDATE keys SET description = ? WHERE rowid = (SELECT min(rowid) FROM keys)", (value,)
            )
            assert done.rowcount == 1
        with tarfile.open(target, "w") as tar:
            for name in names:
                tar.add(Path(unpacked) / name, name)
    return target


def planted_in(path: Path, value: bytes, target: Path) -> Path:
    """A copy of any file with `value` in its middle."""
    content = path.read_bytes()
    target.write_bytes(content[: len(content) // 2] + value + content[len(content) // 2 :])
    return target
