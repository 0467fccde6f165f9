"""The KMS key as the service knows it: everything but its key material."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from strongroom.aws.generated.enums import (
    KeyManagerType,
    KeySpec,
    KeyState,
    KeyUsageType,
    OriginType,
)
from strongroom.resources.identifiers import AccountId, KeyArn, KeyId, MaterialId, Region


@dataclass(frozen=True, slots=True)
class KeyMaterial:
    """One key material of a KMS key, as an exported key token that only the boundary can open."""

    material_id: MaterialId
    exported_token: bytes
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Key:
    """A KMS key's record. Frozen: a change is a new record with the next version.

    Invariant: `version` grows by one with every stored change; a writer that saw another version
    is refused by the store and takes the road again.
    """

    account_id: AccountId
    region: Region
    key_id: KeyId
    arn: KeyArn
    description: str
    key_spec: KeySpec
    key_usage: KeyUsageType
    key_state: KeyState
    key_manager: KeyManagerType
    origin: OriginType
    multi_region: bool
    policy: str
    """The key policy named `default`, as JSON text exactly as it was put."""
    created_at: datetime
    deletion_at: datetime | None
    """When the key is destroyed; only while it is pending deletion."""
    pending_window_days: int | None
    current_material_id: MaterialId | None
    materials: Mapping[MaterialId, KeyMaterial]
    tags: Mapping[str, str]
    version: int

    @property
    def current_token(self) -> bytes:
        """The exported key token that encrypts now. KeyError when the key has no material."""
        if self.current_material_id is None:
            raise KeyError(self.key_id)
        return self.materials[self.current_material_id].exported_token


@dataclass(frozen=True, slots=True)
class Alias:
    """A friendly name of a KMS key, unique in its account and Region."""

    account_id: AccountId
    region: Region
    alias_name: str
    arn: str
    target_key_id: KeyId
    created_at: datetime
    updated_at: datetime
