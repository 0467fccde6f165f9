"""Rows to records and back. Nothing else knows how a record is laid out in columns."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from types import MappingProxyType
from typing import Any, TypeAlias

from sqlalchemy import Row

from strongroom.aws.generated.enums import (
    ExpirationModelType,
    KeyManagerType,
    KeyMaterialState,
    KeySpec,
    KeyState,
    KeyUsageType,
    OriginType,
    RotationType,
)
from strongroom.resources.identifiers import (
    AccessKeyId,
    AccountId,
    AliasName,
    KeyArn,
    KeyId,
    MaterialId,
    Region,
)
from strongroom.resources.key import Alias, Key, KeyMaterial
from strongroom.store.iam_interface import AccessKey

AnyRow: TypeAlias = Row[*tuple[Any, ...]]
Values: TypeAlias = dict[str, object]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def render_instant(instant: datetime) -> int:
    """Whole microseconds since the epoch. Raises ValueError for an instant without a zone."""
    if instant.tzinfo is None:
        raise ValueError("an instant without a zone cannot be stored")
    return (instant - _EPOCH) // _MICROSECOND


def parse_instant(microseconds: int) -> datetime:
    """The aware UTC instant."""
    return _EPOCH + timedelta(microseconds=microseconds)


def render_optional_instant(instant: datetime | None) -> int | None:
    """None for None."""
    return None if instant is None else render_instant(instant)


def parse_optional_instant(microseconds: int | None) -> datetime | None:
    """None for None."""
    return None if microseconds is None else parse_instant(microseconds)


def render_key(key: Key) -> Values:
    """The columns of `keys`."""
    return {
        "region": key.region,
        "key_id": key.key_id,
        "account_id": key.account_id,
        "arn": key.arn,
        "description": key.description,
        "key_spec": key.key_spec.value,
        "key_usage": key.key_usage.value,
        "key_state": key.key_state.value,
        "key_manager": key.key_manager.value,
        "origin": key.origin.value,
        "multi_region": key.multi_region,
        "policy": key.policy,
        "created_at": render_instant(key.created_at),
        "deletion_at": render_optional_instant(key.deletion_at),
        "pending_window_days": key.pending_window_days,
        "current_material_id": key.current_material_id,
        "version": key.version,
        "rotation_period_days": key.rotation_period_days,
        "next_rotation_at": render_optional_instant(key.next_rotation_at),
        "rotation_started_at": render_optional_instant(key.rotation_started_at),
        "primary_region": key.primary_region,
        "custom_key_store_id": key.custom_key_store_id,
        "xks_key_id": key.xks_key_id,
        "policy_principals": json.dumps(dict(key.policy_principals)) if key.policy_principals else None,
    }


def render_materials(key: Key) -> list[Values]:
    """The rows of `key_materials`, in the record's order."""
    return [
        {
            "region": key.region,
            "key_id": key.key_id,
            "material_id": material.material_id,
            "account_id": key.account_id,
            "position": position,
            "exported_token": material.exported_token,
            "created_at": render_instant(material.created_at),
            "state": material.state.value,
            "rotated_at": render_optional_instant(material.rotated_at),
            "rotation_type": material.rotation_type,
            "description": material.description,
            "expiration_model": material.expiration_model,
            "expires_at": render_optional_instant(material.expires_at),
        }
        for position, material in enumerate(key.materials.values())
    ]


def render_tags(key: Key) -> list[Values]:
    """The rows of `key_tags`, in the record's order."""
    return [
        {
            "region": key.region,
            "key_id": key.key_id,
            "tag_key": tag_key,
            "account_id": key.account_id,
            "position": position,
            "tag_value": tag_value,
        }
        for position, (tag_key, tag_value) in enumerate(key.tags.items())
    ]


def render_ledger_entry(key: Key, destroyed_at: datetime) -> Values:
    """The columns of `destroyed_keys`."""
    return {
        "region": key.region,
        "key_id": key.key_id,
        "account_id": key.account_id,
        "destroyed_at": render_instant(destroyed_at),
    }


def parse_key(row: AnyRow, materials: Iterable[AnyRow], tags: Iterable[AnyRow]) -> Key:
    """The record of a row of `keys` and its rows of `key_materials` and `key_tags`.

    Concurrency: the record is shared by requests, so its mappings are read-only.
    """
    return Key(
        account_id=AccountId(row.account_id),
        region=Region(row.region),
        key_id=KeyId(row.key_id),
        arn=KeyArn(row.arn),
        description=row.description,
        key_spec=KeySpec(row.key_spec),
        key_usage=KeyUsageType(row.key_usage),
        key_state=KeyState(row.key_state),
        key_manager=KeyManagerType(row.key_manager),
        origin=OriginType(row.origin),
        multi_region=row.multi_region,
        policy=row.policy,
        created_at=parse_instant(row.created_at),
        deletion_at=parse_optional_instant(row.deletion_at),
        pending_window_days=row.pending_window_days,
        current_material_id=None if row.current_material_id is None else MaterialId(row.current_material_id),
        materials=MappingProxyType({m.material_id: parse_material(m) for m in materials}),
        tags=MappingProxyType({tag.tag_key: tag.tag_value for tag in tags}),
        version=row.version,
        rotation_period_days=row.rotation_period_days,
        next_rotation_at=parse_optional_instant(row.next_rotation_at),
        rotation_started_at=parse_optional_instant(row.rotation_started_at),
        primary_region=None if row.primary_region is None else Region(row.primary_region),
        custom_key_store_id=row.custom_key_store_id,
        xks_key_id=row.xks_key_id,
        policy_principals=_parse_principals(row.policy_principals),
    )


@lru_cache(1024)
def _parse_principals(text: str | None) -> Mapping[str, str]:
    return {} if text is None else json.loads(text)


def parse_material(row: AnyRow) -> KeyMaterial:
    """The record of a row of `key_materials`."""
    return KeyMaterial(
        material_id=MaterialId(row.material_id),
        exported_token=row.exported_token,
        created_at=parse_instant(row.created_at),
        state=KeyMaterialState(row.state),
        rotated_at=parse_optional_instant(row.rotated_at),
        rotation_type=None if row.rotation_type is None else RotationType(row.rotation_type),
        description=row.description,
        expiration_model=(
            None if row.expiration_model is None else ExpirationModelType(row.expiration_model)
        ),
        expires_at=parse_optional_instant(row.expires_at),
    )


def render_alias(alias: Alias) -> Values:
    """The columns of `aliases`."""
    return {
        "account_id": alias.account_id,
        "region": alias.region,
        "alias_name": alias.alias_name,
        "arn": alias.arn,
        "target_key_id": alias.target_key_id,
        "created_at": render_instant(alias.created_at),
        "updated_at": render_instant(alias.updated_at),
    }


def parse_alias(row: AnyRow) -> Alias:
    """The record of a row of `aliases`."""
    return Alias(
        account_id=AccountId(row.account_id),
        region=Region(row.region),
        alias_name=AliasName(row.alias_name),
        arn=row.arn,
        target_key_id=KeyId(row.target_key_id),
        created_at=parse_instant(row.created_at),
        updated_at=parse_instant(row.updated_at),
    )


def render_access_key(access_key: AccessKey) -> Values:
    """The columns of `access_keys`."""
    return {
        "access_key_id": access_key.access_key_id,
        "account_id": access_key.account_id,
        "principal_arn": access_key.principal_arn,
        "principal_id": access_key.principal_id,
        "principal_type": access_key.principal_type,
        "secret_token": access_key.secret_token,
        "active": access_key.active,
        "created_at": render_instant(access_key.created_at),
    }


def parse_access_key(row: AnyRow) -> AccessKey:
    """The record of a row of `access_keys`."""
    return AccessKey(
        access_key_id=AccessKeyId(row.access_key_id),
        account_id=AccountId(row.account_id),
        principal_arn=row.principal_arn,
        principal_id=row.principal_id,
        principal_type=row.principal_type,
        secret_token=row.secret_token,
        active=row.active,
        created_at=parse_instant(row.created_at),
    )
