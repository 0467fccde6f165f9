"""Run by test_store_disk.py on a small file system of its own: argv is the directory to fill.

Prints one line per finding; the test compares them. Not a test by itself.
"""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import replace
from pathlib import Path

from tests.support.store_records import CREATED_AT, FixedClock, new_access_key, new_key

from strongroom.aws.generated.enums import KeyState
from strongroom.resources.key import Key
from strongroom.store.ballast import BALLAST_BYTES
from strongroom.store.interface import StoreUnavailable
from strongroom.store.opening import open_store
from strongroom.store.sql_store import SqlStore
from strongroom.store.stamps import Stamps, new_stamp_words


def report(what: str, finding: object) -> None:
    sys.stdout.write(f"{what}: {finding}\n")


def open_one(directory: Path) -> SqlStore:
    return open_store(
        directory / "strongroom.db",
        Stamps(new_stamp_words()),
        FixedClock(CREATED_AT),
    )


def is_refused(store: SqlStore, key: Key) -> bool:
    try:
        asyncio.run(store.insert_key(key))
    except StoreUnavailable:
        return True
    return False


def fill(directory: Path) -> Path:
    """Take what is left of the disk, to the last byte."""
    filler = directory / "filler"
    descriptor = os.open(filler, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for size in (65536, 512, 1):
        try:
            while True:
                os.write(descriptor, b"x" * size)
        except OSError:
            pass
    os.close(descriptor)
    return filler


def main(directory: Path) -> None:
    ballast = directory / "strongroom.db-ballast"
    store = open_one(directory)
    keys = []
    while not is_refused(store, key := new_key(policy="p" * 30_000)):
        keys.append(key)
    report("stored before the disk was full", len(keys) > 10)
    fill(directory)
    report("found", all(asyncio.run(store.find_key(k.region, k.key_id)) == k for k in keys))
    report("refused key found", asyncio.run(store.find_key(key.region, key.key_id)) is not None)
    disabled = [
        asyncio.run(store.update_key(replace(k, key_state=KeyState.DISABLED, description="no more")))
        for k in keys[:100]
    ]
    report("disabled", {k.key_state.value for k in disabled})
    asyncio.run(store.put_access_key(new_access_key(active=False)))
    fill(directory)
    report("ballast held after the changes", ballast.stat().st_size == BALLAST_BYTES)
    report("new key refused", is_refused(store, new_key(policy="p" * 100_000)))
    store.close()

    fill(directory)
    store = open_one(directory)
    report(
        "found after opening on a full disk",
        all(asyncio.run(store.find_key(k.region, k.key_id)) == k for k in disabled),
    )
    asyncio.run(store.destroy_key(disabled[0]))
    report("destroyed", asyncio.run(store.find_key(disabled[0].region, disabled[0].key_id)) is None)
    fill(directory)
    report("new key refused", is_refused(store, new_key(policy="p" * 100_000)))
    (directory / "filler").unlink()
    report("new key refused with space again", is_refused(store, new_key()))
    report("ballast held again", ballast.stat().st_size == BALLAST_BYTES)
    store.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
