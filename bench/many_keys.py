"""Fills a data directory with many keys, for measuring that their number costs nothing."""

from __future__ import annotations

from pathlib import Path

from tests.support.server import ACCOUNT, REGION
from tests.support.store_records import new_key

from strongroom.authorization.key_policy import default_key_policy
from strongroom.preparation import DATABASE_FILE
from strongroom.resources.identifiers import AccountId, Region
from strongroom.store.bulk import bulk_insert_keys


def fill(data_dir: Path, count: int) -> list[str]:
    """Store `count` keys whose tokens nobody can open (they are described and listed only)."""
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    account_id = AccountId(ACCOUNT)
    policy = default_key_policy(account_id, "aws")
    keys = [new_key(account_id=account_id, region=Region(REGION), policy=policy) for _ in range(count)]
    bulk_insert_keys(data_dir / DATABASE_FILE, keys)
    return [key.key_id for key in keys]
