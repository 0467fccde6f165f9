"""Many keys at once: for filling a database before it serves, as benches and restores do."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from pathlib import Path

from strongroom.resources.key import Key
from strongroom.store.engine import translated
from strongroom.store.keys import insert_keys
from strongroom.store.opening import open_database, prepare_database

_KEYS_AT_ONCE = 1_000


def bulk_insert_keys(path: Path, keys: Iterable[Key]) -> int:
    """Store new keys, as version 1, in one transaction; how many there were.

    All or none. The server may run meanwhile, but its writers wait until this is done.
    Raises: AlreadyExists, StoreUnavailable.
    """
    prepare_database(path)
    connection = open_database(path).open_writer()
    remaining = iter(keys)
    count = 0
    try:
        with translated(), connection.begin():
            while batch := list(islice(remaining, _KEYS_AT_ONCE)):
                insert_keys(connection, batch)
                count += len(batch)
    finally:
        connection.close()
    return count
