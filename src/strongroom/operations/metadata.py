"""KeyMetadata: what CreateKey and DescribeKey say of a key."""

from __future__ import annotations

from strongroom.aws.generated.enums import CustomerMasterKeySpec, KeyState
from strongroom.aws.generated.shapes import KeyMetadata
from strongroom.resources.key import Key
from strongroom.resources.key_spec import KEY_SPECS


def render_key_metadata(key: Key) -> KeyMetadata:
    """The members that AWS sends for a key of this kind and state, and no others."""
    pending = key.key_state is KeyState.PENDING_DELETION
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
        customer_master_key_spec=CustomerMasterKeySpec(key.key_spec.value),
        key_spec=key.key_spec,
        encryption_algorithms=list(KEY_SPECS[key.key_spec].encryption_algorithms) or None,
        multi_region=key.multi_region,
        current_key_material_id=key.current_material_id,
    )
