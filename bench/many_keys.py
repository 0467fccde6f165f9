"""Fills a data directory with many keys, for measuring that their number costs nothing."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path

from tests.support.server import ACCOUNT, REGION

from strongroom.authorization.key_policy import default_key_policy
from strongroom.aws.generated.enums import KeyManagerType, KeySpec, KeyState, KeyUsageType, OriginType
from strongroom.bootstrap import DATABASE_FILE
from strongroom.resources.identifiers import AccountId, MaterialId, Region, key_arn, new_key_id
from strongroom.resources.key import Key, KeyMaterial
from strongroom.store.bulk import bulk_insert_keys


def fill(data_dir: Path, count: int) -> list[str]:
    """Store `count` keys whose tokens nobody can open (they are described and listed only)."""
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    made_at = datetime.now(UTC)
    policy = default_key_policy(AccountId(ACCOUNT), "aws")
    keys = []
    for _ in range(count):
        key_id = new_key_id()
        material_id = MaterialId(hashlib.sha256(key_id.encode()).hexdigest())
        keys.append(
            Key(
                account_id=AccountId(ACCOUNT),
                region=Region(REGION),
                key_id=key_id,
                arn=key_arn(REGION, ACCOUNT, key_id),
                description="",
                key_spec=KeySpec.SYMMETRIC_DEFAULT,
                key_usage=KeyUsageType.ENCRYPT_DECRYPT,
                key_state=KeyState.ENABLED,
                key_manager=KeyManagerType.CUSTOMER,
                origin=OriginType.AWS_KMS,
                multi_region=False,
                policy=policy,
                created_at=made_at,
                deletion_at=None,
                pending_window_days=None,
                current_material_id=material_id,
                materials={material_id: KeyMaterial(material_id, bytes(150), made_at)},
                tags={},
                version=1,
            )
        )
    bulk_insert_keys(data_dir / DATABASE_FILE, keys)
    return [key.key_id for key in keys]
