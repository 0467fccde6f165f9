"""AWS managed keys are made where an integrated service first names its own alias for an account.

Source: KMS Developer Guide, "AWS managed keys": they are "created, managed, and used on your behalf by an AWS
service"; most services have the key made when a caller first chooses `aws/<service>`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from strongroom.aws.generated.enums import KeyManagerType, KeySpec, KeyState, KeyUsageType, OriginType
from strongroom.boundary.interface import KeyBinding
from strongroom.identity.principal import AuthenticatedPrincipal
from strongroom.operations.context import Rooms
from strongroom.operations.operation import KeyTarget
from strongroom.resources.aws_managed_key import (
    ROTATION_PERIOD_DAYS,
    managed_alias_of,
    managed_key_description,
    managed_key_policy,
)
from strongroom.resources.identifiers import MaterialId, Region, alias_arn, key_arn, new_key_id
from strongroom.resources.key import Alias, Key, KeyMaterial
from strongroom.store.interface import AlreadyExists


async def is_to_be_made(
    rooms: Rooms, target: KeyTarget, request: Any, principal: AuthenticatedPrincipal, region: Region
) -> bool:
    """Whether the request names the AWS managed key of the service through which it comes, in the caller's
    own account, and there is none yet."""
    forwarding = principal.forwarding
    if forwarding is None or not target.aliases:
        return False
    alias = managed_alias_of(forwarding.service)
    named = getattr(request, target.member)
    if named not in (alias, alias_arn(region, principal.account_id, alias)):
        return False
    return await rooms.store.find_alias(principal.account_id, region, alias) is None


async def make_managed_key(rooms: Rooms, principal: AuthenticatedPrincipal, region: Region) -> Key | None:
    """The AWS managed key of the service for the caller's account; None where another request made it first.

    Raises: BoundaryError, StoreUnavailable.
    """
    assert principal.forwarding is not None  # noqa: S101
    service, account_id = principal.forwarding.service, principal.account_id
    key_id, alias = new_key_id(), managed_alias_of(service)
    spec, usage = KeySpec.SYMMETRIC_DEFAULT, KeyUsageType.ENCRYPT_DECRYPT
    generated = await rooms.boundary.generate_key(KeyBinding(account_id, region, key_id, spec, usage))
    now = rooms.clock.now()
    material = KeyMaterial(MaterialId(generated.material_id), generated.exported_token, now)
    key = Key(
        account_id=account_id,
        region=region,
        key_id=key_id,
        arn=key_arn(region, account_id, key_id),
        description=managed_key_description(service),
        key_spec=spec,
        key_usage=usage,
        key_state=KeyState.ENABLED,
        key_manager=KeyManagerType.AWS,
        origin=OriginType.AWS_KMS,
        multi_region=False,
        policy=managed_key_policy(service, account_id, region),
        created_at=now,
        deletion_at=None,
        pending_window_days=None,
        current_material_id=material.material_id,
        materials={material.material_id: material},
        tags={},
        version=1,
        rotation_period_days=ROTATION_PERIOD_DAYS,
        next_rotation_at=now + timedelta(days=ROTATION_PERIOD_DAYS),
    )
    try:
        await rooms.store.insert_key_with_alias(
            key,
            Alias(
                account_id=account_id,
                region=region,
                alias_name=alias,
                arn=alias_arn(region, account_id, alias),
                target_key_id=key_id,
                created_at=now,
                updated_at=now,
            ),
        )
    except AlreadyExists:  # the material of the one that came second is thrown away, and was nobody's
        return None
    return key


def describe_creation(key: Key, service_principal: str) -> Mapping[str, object]:
    """What the record tells of it: the service did it by itself, whatever request gave occasion to it."""
    return {
        "keyId": key.key_id,
        "keyManager": key.key_manager,
        "keySpec": key.key_spec,
        "keyUsage": key.key_usage,
        "invokedBy": service_principal,
    }
