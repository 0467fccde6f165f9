"""The KMS key as the service knows it: everything but its key material."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

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
from strongroom.resources.identifiers import AccountId, KeyArn, KeyId, MaterialId, Region

PENDING_WINDOW_DAYS_DEFAULT = 30
"""PendingWindowInDays of ScheduleKeyDeletion, where the request has none."""


@dataclass(frozen=True, slots=True)
class KeyMaterial:
    """One key material of a KMS key, as an exported key token that only the boundary can open."""

    material_id: MaterialId
    exported_token: bytes | None
    """None: imported key material that was deleted or has expired, and can be imported again."""
    created_at: datetime
    state: KeyMaterialState = KeyMaterialState.CURRENT
    rotated_at: datetime | None = None
    """When it became current by a rotation; None for a key's first material."""
    rotation_type: RotationType | None = None
    """What made it current; None for a key's first material."""
    description: str | None = None
    """KeyMaterialDescription of the import."""
    expiration_model: ExpirationModelType | None = None
    """Only imported key material that is present has one."""
    expires_at: datetime | None = None
    """ValidTo of the import."""


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
    rotation_period_days: int | None = None
    """Days between automatic rotations; None: there are none."""
    next_rotation_at: datetime | None = None
    """When the next automatic rotation is due; only where there is a period."""
    rotation_started_at: datetime | None = None
    """When the rotation on demand began that is under way; None: none is."""
    primary_region: Region | None = None
    """Of a multi-Region key: the Region of its primary key. None: a single-Region key."""
    custom_key_store_id: str | None = None
    xks_key_id: str | None = None
    """The external key behind a key of an external key store."""
    policy_principals: Mapping[str, str] = field(default_factory=dict)
    """For each user, role and session ARN that the policy names, the unique id it meant when it was put.
    A name without one means nobody: an entity made later under the same name is another one."""

    @property
    def current_token(self) -> bytes:
        """The exported key token that is used now. KeyError when the key has no material."""
        token = None
        if self.current_material_id is not None:
            token = self.materials[self.current_material_id].exported_token
        if token is None:
            raise KeyError(self.key_id)
        return token

    @property
    def told_material_id(self) -> MaterialId | None:
        """The current key material as answers name it: a key of a custom key store has none to name."""
        is_outside = self.origin in (OriginType.EXTERNAL_KEY_STORE, OriginType.AWS_CLOUDHSM)
        return None if is_outside else self.current_material_id

    @property
    def is_replica(self) -> bool:
        """Whether this is a replica of a multi-Region primary key."""
        return self.primary_region is not None and self.primary_region != self.region


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
