"""KeyMetadata: what CreateKey and DescribeKey say of a key."""

from __future__ import annotations

from strongroom.aws.generated.enums import CustomerMasterKeySpec, KeyState, KeyUsageType
from strongroom.aws.generated.shapes import KeyMetadata
from strongroom.resources.key import Key
from strongroom.resources.key_spec import KEY_SPECS, KeyType


def render_key_metadata(key: Key) -> KeyMetadata:
    """The members that AWS sends for a key of this kind and state, and no others."""
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
        customer_master_key_spec=CustomerMasterKeySpec(key.key_spec.value)
        if key.key_spec in CustomerMasterKeySpec.__members__  # the deprecated list has no newer specs
        else None,
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
        custom_key_store_id=key.custom_key_store_id,
        expiration_model=None if current is None else current.expiration_model,
        valid_to=None if current is None or current.expires_at is None else current.expires_at.timestamp(),
        # Only symmetric encryption keys name their material [LS].
        current_key_material_id=key.current_material_id if row.type is KeyType.SYMMETRIC else None,
    )
