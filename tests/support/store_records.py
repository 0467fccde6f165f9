"""Records to store, made from few words. For tests and benches of the store."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from strongroom.aws.generated.enums import (
    GrantOperation,
    KeyManagerType,
    KeySpec,
    KeyState,
    KeyUsageType,
    OriginType,
)
from strongroom.resources.grant import NO_CONSTRAINTS, Grant, GrantConstraints, new_grant_id
from strongroom.resources.identifiers import (
    AccessKeyId,
    AccountId,
    AliasName,
    KeyId,
    MaterialId,
    Region,
    alias_arn,
    key_arn,
)
from strongroom.resources.key import Alias, Key, KeyMaterial
from strongroom.store.iam_interface import AccessKey

ACCOUNT = AccountId("111122223333")
OTHER_ACCOUNT = AccountId("444455556666")
REGION = Region("eu-central-1")
OTHER_REGION = Region("us-east-1")
CREATED_AT = datetime(2025, 3, 1, 12, 30, 15, 123457, tzinfo=UTC)
POLICY = '{"Version":"2012-10-17","Statement":[]}'


class FixedClock:
    """A clock that stands."""

    def __init__(self, instant: datetime) -> None:
        self._instant = instant

    def now(self) -> datetime:
        return self._instant

    def epoch_seconds(self) -> float:
        return self._instant.timestamp()


def new_material(token: bytes = b"\x01exported key token\x00", number: int = 1) -> KeyMaterial:
    """A key material with a token of that content."""
    return KeyMaterial(MaterialId(f"{number:064x}"), token, CREATED_AT + timedelta(seconds=number))


def new_key(
    key_id: str | None = None,
    *,
    account_id: AccountId = ACCOUNT,
    region: Region = REGION,
    key_manager: KeyManagerType = KeyManagerType.CUSTOMER,
    deletion_at: datetime | None = None,
    tags: Mapping[str, str] | None = None,
    token: bytes = b"\x01exported key token\x00",
    policy: str = POLICY,
) -> Key:
    """A symmetric encryption key."""
    key_id = key_id or str(uuid.uuid4())
    material = new_material(token)
    return Key(
        account_id=account_id,
        region=region,
        key_id=KeyId(key_id),
        arn=key_arn(region, account_id, key_id),
        description="für die Rechnungen",
        key_spec=KeySpec.SYMMETRIC_DEFAULT,
        key_usage=KeyUsageType.ENCRYPT_DECRYPT,
        key_state=KeyState.ENABLED if deletion_at is None else KeyState.PENDING_DELETION,
        key_manager=key_manager,
        origin=OriginType.AWS_KMS,
        multi_region=False,
        policy=policy,
        created_at=CREATED_AT,
        deletion_at=deletion_at,
        pending_window_days=None if deletion_at is None else 7,
        current_material_id=material.material_id,
        materials={material.material_id: material},
        tags=tags if tags is not None else {"team": "billing", "Cost": ""},
        version=1,
    )


def new_keys(count: int) -> Iterator[Key]:
    """Many keys, with ids in ascending order."""
    return (new_key(f"{number:08x}-0000-4000-8000-000000000000") for number in range(count))


def new_alias(name: str, target: Key) -> Alias:
    """An alias of a key."""
    return Alias(
        account_id=target.account_id,
        region=target.region,
        alias_name=AliasName(name),
        arn=alias_arn(target.region, target.account_id, name),
        target_key_id=target.key_id,
        created_at=CREATED_AT,
        updated_at=CREATED_AT,
    )


def new_grant(
    target: Key,
    *,
    name: str | None = None,
    grantee: str | None = "arn:aws:iam::111122223333:user/grantee",
    retiring: str | None = None,
    operations: Sequence[GrantOperation] = (GrantOperation.DECRYPT, GrantOperation.ENCRYPT),
    constraints: GrantConstraints = NO_CONSTRAINTS,
) -> Grant:
    """A grant of a key."""
    return Grant(
        account_id=target.account_id,
        region=target.region,
        key_id=target.key_id,
        grant_id=new_grant_id(),
        name=name,
        grantee_principal=grantee,
        grantee_service_principal=None if grantee is not None else "s3.example.amazonaws.com",
        retiring_principal=retiring,
        retiring_service_principal=None,
        issuing_account=f"arn:aws:iam::{target.account_id}:root",
        operations=tuple(operations),
        constraints=constraints,
        created_at=CREATED_AT,
    )


def new_access_key(
    access_key_id: str = "AKIAIOSFODNN7EXAMPLE", *, active: bool = True, secret_token: bytes = b"\x02token"
) -> AccessKey:
    """A credential of the account's root."""
    return AccessKey(
        access_key_id=AccessKeyId(access_key_id),
        account_id=ACCOUNT,
        principal_arn=f"arn:aws:iam::{ACCOUNT}:root",
        principal_id=ACCOUNT,
        principal_type="Root",
        secret_token=secret_token,
        active=active,
        created_at=CREATED_AT,
    )
