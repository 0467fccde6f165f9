"""KeyMetadata: what CreateKey and DescribeKey say of a key."""

from __future__ import annotations

from collections.abc import Sequence

from strongroom.aws.generated.enums import (
    KeyState,
    KeyUsageType,
    MultiRegionKeyType,
)
from strongroom.aws.generated.shapes import (
    KeyMetadata,
    MultiRegionConfiguration,
    MultiRegionKey,
    XksKeyConfigurationType,
)
from strongroom.operations.key_availability import as_available, store_of_key
from strongroom.replication.related_keys import related_keys
from strongroom.resources.custom_key_store import CustomKeyStore
from strongroom.resources.identifiers import Region, key_arn
from strongroom.resources.key import Key
from strongroom.resources.key_spec import KEY_SPECS, KeyType, customer_master_key_spec
from strongroom.store.interface import Store


async def load_key_metadata(store: Store, key: Key) -> KeyMetadata:
    """The metadata of a stored key, with the primary and replicas of a multi-Region key."""
    custom_key_store = await store_of_key(store, key)
    return render_key_metadata(
        as_available(key, custom_key_store), await related_keys(store, key), custom_key_store
    )


def render_key_metadata(
    key: Key, related: Sequence[Key] = (), custom_key_store: CustomKeyStore | None = None
) -> KeyMetadata:
    """The members that AWS sends for a key of this kind and state, and no others.

    `related` are all keys of a multi-Region key, itself included; a new primary has none.
    """
    pending = key.key_state is KeyState.PENDING_DELETION
    row = KEY_SPECS[key.key_spec]
    current = None if key.current_material_id is None else key.materials.get(key.current_material_id)
    usage = key.key_usage
    return KeyMetadata(
        aws_account_id=key.account_id,
        key_id=key.key_id,
        arn=key.arn,
        creation_date=key.created_at.timestamp(),
        enabled=key.key_state is KeyState.ENABLED,
        description=key.description,
        key_usage=key.key_usage,
        key_state=key.key_state,
        deletion_date=key.deletion_at.timestamp() if pending and key.deletion_at is not None else None,
        origin=key.origin,
        key_manager=key.key_manager,
        customer_master_key_spec=customer_master_key_spec(key.key_spec),
        key_spec=key.key_spec,
        encryption_algorithms=list(row.encryption_algorithms)
        if usage is KeyUsageType.ENCRYPT_DECRYPT
        else None,
        signing_algorithms=list(row.signing_algorithms) if usage is KeyUsageType.SIGN_VERIFY else None,
        mac_algorithms=list(row.mac_algorithms) if usage is KeyUsageType.GENERATE_VERIFY_MAC else None,
        key_agreement_algorithms=list(row.key_agreement_algorithms)
        if usage is KeyUsageType.KEY_AGREEMENT
        else None,
        encapsulation_algorithms=list(row.encapsulation_algorithms)
        if usage is KeyUsageType.ENCAPSULATE_DECAPSULATE
        else None,
        multi_region=key.multi_region,
        multi_region_configuration=_multi_region_configuration(key, related),
        pending_deletion_window_in_days=key.pending_window_days
        if key.key_state is KeyState.PENDING_REPLICA_DELETION
        else None,
        custom_key_store_id=key.custom_key_store_id,
        cloud_hsm_cluster_id=None if custom_key_store is None else custom_key_store.cloud_hsm_cluster_id,
        xks_key_configuration=None if key.xks_key_id is None else XksKeyConfigurationType(id=key.xks_key_id),
        expiration_model=None if current is None else current.expiration_model,
        valid_to=None if current is None or current.expires_at is None else current.expires_at.timestamp(),
        # Only symmetric encryption keys name their material [LS].
        # A replica that is being created does not yet [LS].
        current_key_material_id=key.told_material_id
        if row.type is KeyType.SYMMETRIC and key.key_state is not KeyState.CREATING
        else None,
    )


def _multi_region_configuration(key: Key, related: Sequence[Key]) -> MultiRegionConfiguration | None:
    """Present for every multi-Region key, with ReplicaKeys [] for a primary without replicas [LS]."""
    if not key.multi_region or key.primary_region is None:
        return None
    regions = {each.region for each in related} | {key.region}
    return MultiRegionConfiguration(
        multi_region_key_type=MultiRegionKeyType.REPLICA if key.is_replica else MultiRegionKeyType.PRIMARY,
        primary_key=_multi_region_key(key, key.primary_region),
        replica_keys=[
            _multi_region_key(key, region) for region in sorted(regions) if region != key.primary_region
        ],
    )


def _multi_region_key(key: Key, region: Region) -> MultiRegionKey:
    return MultiRegionKey(arn=key_arn(region, key.account_id, key.key_id), region=region)
