"""Every rule about key states, as tables: what a state refuses, and where an operation leads.

Source: AWS KMS Developer Guide, "Key states of AWS KMS keys", table "Key states and AWS KMS API
operations"; the bracketed numbers are that table's notes. Operations that are newer than the table
follow the rule of their family. The cells that the table leaves open are decided here:

* "[2] or [3]" (a key that is pending deletion): the guide allows DisabledException or
  KMSInvalidStateException. We answer [3], KMSInvalidStateException "<key ARN> is pending deletion.",
  which is what the API reference's KMSInvalidStateException describes.
* "[11]" for custom key stores is in the table although this house cannot reach that state yet; a state
  that nothing refuses would be an open door later.
* "N/A" (a state that the key's type could not reach when the table was written) refuses like the
  rest of the row's family, since asymmetric and HMAC keys can now wait for imported material too.
* "[6]", "[7]", "[9]" are not about the state but about the key's origin and type: the operation says them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from strongroom.aws import refusals
from strongroom.aws.errors import ApiError
from strongroom.aws.generated.enums import KeyState


class StateRefusal(StrEnum):
    """Why a key state refuses an operation; `strongroom.aws.refusals` has the sentence of each."""

    DISABLED = "disabled"  # note 1
    PENDING_DELETION = "pending deletion"  # note 3
    NOT_PENDING_DELETION = "not pending deletion"  # note 4
    PENDING_IMPORT = "pending import"  # note 5
    UNAVAILABLE = "unavailable"  # note 11
    CREATING = "creating"  # note 14
    UPDATING = "updating"  # note 15


@dataclass(frozen=True, slots=True)
class StateRule:
    """One row of the table: the states that refuse, and why; every other state is allowed.

    Invariant: `refusals` cannot be changed.
    """

    name: str
    refusals: Mapping[KeyState, StateRefusal]

    def __post_init__(self) -> None:
        object.__setattr__(self, "refusals", MappingProxyType(dict(self.refusals)))


def refusal_for(rule: StateRule, state: KeyState) -> StateRefusal | None:
    """Why a key in `state` refuses the operations of `rule`; None when it does not."""
    return rule.refusals.get(state)


_SENTENCES: Mapping[StateRefusal, Callable[[str], ApiError]] = MappingProxyType(
    {
        StateRefusal.DISABLED: refusals.disabled,
        StateRefusal.PENDING_DELETION: refusals.pending_deletion,
        StateRefusal.NOT_PENDING_DELETION: refusals.not_pending_deletion,
        StateRefusal.PENDING_IMPORT: refusals.pending_import,
        StateRefusal.UNAVAILABLE: refusals.unavailable,
        StateRefusal.CREATING: refusals.creating,
        StateRefusal.UPDATING: refusals.updating,
    }
)


def require_state(rule: StateRule, state: KeyState, key_arn: str) -> None:
    """Raises AWS's error when a key in `state` refuses the operations of `rule`."""
    refusal = rule.refusals.get(state)
    if refusal is not None:
        raise _SENTENCES[refusal](key_arn)


_PENDING_DELETION = {
    KeyState.PENDING_DELETION: StateRefusal.PENDING_DELETION,
    KeyState.PENDING_REPLICA_DELETION: StateRefusal.PENDING_DELETION,
}
_DISABLED = {KeyState.DISABLED: StateRefusal.DISABLED}
_PENDING_IMPORT = {KeyState.PENDING_IMPORT: StateRefusal.PENDING_IMPORT}
_UNAVAILABLE = {KeyState.UNAVAILABLE: StateRefusal.UNAVAILABLE}
_CREATING = {KeyState.CREATING: StateRefusal.CREATING}
_UPDATING = {KeyState.UPDATING: StateRefusal.UPDATING}

DESCRIBABLE = StateRule("describable", {})
"""DescribeKey: every state can be described."""

ANY_STATE = StateRule("any state", {})
"""DeleteAlias, GetKeyLastUsage, GetKeyPolicy, GetKeyRotationStatus, ListAliases, ListGrants,
ListKeyPolicies, ListKeyRotations, ListResourceTags, PutKeyPolicy, RetireGrant, RevokeGrant; and of
UpdateAlias the key that the alias leaves (note 10)."""

USABLE_FOR_CRYPTOGRAPHY = StateRule(
    "usable for cryptography",
    _DISABLED | _PENDING_DELETION | _PENDING_IMPORT | _UNAVAILABLE | _CREATING,
)
"""Decrypt, Encrypt, GenerateDataKey*, ReEncrypt, GenerateMac, VerifyMac, Sign, Verify, GetPublicKey,
DeriveSharedSecret, Encapsulate, Decapsulate. A key that is Updating works on."""

GRANTABLE = StateRule("grantable", _DISABLED | _PENDING_DELETION | _PENDING_IMPORT | _CREATING)
"""CreateGrant."""

CHANGEABLE = StateRule("changeable", _PENDING_DELETION)
"""TagResource, UntagResource, UpdateKeyDescription."""

CREATE_ALIAS = StateRule("create alias", _PENDING_DELETION)
"""CreateAlias."""

UPDATE_ALIAS = StateRule("update alias", _PENDING_DELETION)
"""UpdateAlias, for the key that the alias moves to; the key that it leaves may be in ANY_STATE (note 10)."""

ENABLE_OR_DISABLE = StateRule(
    "enable or disable", _PENDING_DELETION | _PENDING_IMPORT | _CREATING | _UPDATING
)
"""EnableKey, DisableKey. On an Unavailable key they succeed and change nothing yet (note 12)."""

SCHEDULE_DELETION = StateRule("schedule deletion", _PENDING_DELETION | _UPDATING)
"""ScheduleKeyDeletion."""

CANCEL_DELETION = StateRule(
    "cancel deletion",
    {
        state: StateRefusal.NOT_PENDING_DELETION
        for state in KeyState
        if state not in (KeyState.PENDING_DELETION, KeyState.PENDING_REPLICA_DELETION)
    },
)
"""CancelKeyDeletion."""

CHANGE_ROTATION = StateRule("rotation may change", _DISABLED | _PENDING_DELETION | _UNAVAILABLE | _CREATING)
"""EnableKeyRotation, DisableKeyRotation. A key that is PendingImport is refused for its origin (note 6)."""

ROTATE = StateRule(
    "rotate", _DISABLED | _PENDING_DELETION | _PENDING_IMPORT | _UNAVAILABLE | _CREATING | _UPDATING
)
"""RotateKeyOnDemand (newer than the table; Disabled and PendingImport answers as AWS gives them)."""

GET_IMPORT_PARAMETERS = StateRule("import parameters", _PENDING_DELETION | _CREATING | _UPDATING)
"""GetParametersForImport."""

IMPORT_MATERIAL = StateRule("import material", _PENDING_DELETION | _CREATING)
"""ImportKeyMaterial."""

DELETE_IMPORTED_MATERIAL = StateRule("delete imported material", _CREATING | _UPDATING)
"""DeleteImportedKeyMaterial. No effect on a key that is PendingImport."""

REPLICATE = StateRule("replicate", _DISABLED | _PENDING_DELETION | _PENDING_IMPORT | _CREATING | _UPDATING)
"""ReplicateKey."""

UPDATE_PRIMARY_REGION = StateRule(
    "update primary Region", _DISABLED | _PENDING_DELETION | _PENDING_IMPORT | _CREATING
)
"""UpdatePrimaryRegion."""


class StateChange(StrEnum):
    """What can change a key's state: operations, and what comes of time."""

    ENABLE = "EnableKey"
    DISABLE = "DisableKey"
    SCHEDULE_DELETION = "ScheduleKeyDeletion"
    SCHEDULE_DELETION_WITH_REPLICAS = "ScheduleKeyDeletion of a primary key with replicas"
    CANCEL_DELETION = "CancelKeyDeletion"
    UPDATE_PRIMARY_REGION = "UpdatePrimaryRegion"


def _to(after: KeyState, *states: KeyState) -> dict[KeyState, KeyState]:
    return dict.fromkeys(states, after)


_BEFORE_DELETION = (
    KeyState.ENABLED,
    KeyState.DISABLED,
    KeyState.PENDING_IMPORT,
    KeyState.UNAVAILABLE,
    KeyState.CREATING,
)

# INVARIANT R2: a change whose rule allows a state has a row for that state here, and no other.
TRANSITIONS: Mapping[StateChange, Mapping[KeyState, KeyState]] = MappingProxyType(
    {
        StateChange.ENABLE: _to(KeyState.ENABLED, KeyState.ENABLED, KeyState.DISABLED)
        | _to(KeyState.UNAVAILABLE, KeyState.UNAVAILABLE),  # note 12
        StateChange.DISABLE: _to(KeyState.DISABLED, KeyState.ENABLED, KeyState.DISABLED)
        | _to(KeyState.UNAVAILABLE, KeyState.UNAVAILABLE),  # note 12
        StateChange.SCHEDULE_DELETION: _to(KeyState.PENDING_DELETION, *_BEFORE_DELETION),
        # "This status can continue indefinitely" (API reference)
        StateChange.SCHEDULE_DELETION_WITH_REPLICAS: _to(
            KeyState.PENDING_REPLICA_DELETION, *_BEFORE_DELETION
        ),
        StateChange.UPDATE_PRIMARY_REGION: _to(
            KeyState.UPDATING, KeyState.ENABLED, KeyState.UPDATING, KeyState.UNAVAILABLE
        ),
        # "If this operation succeeds, the key state of the KMS key is Disabled." (API reference)
        StateChange.CANCEL_DELETION: _to(
            KeyState.DISABLED, KeyState.PENDING_DELETION, KeyState.PENDING_REPLICA_DELETION
        ),
    }
)

RULE_OF_CHANGE: Mapping[StateChange, StateRule] = MappingProxyType(
    {
        StateChange.ENABLE: ENABLE_OR_DISABLE,
        StateChange.DISABLE: ENABLE_OR_DISABLE,
        StateChange.SCHEDULE_DELETION: SCHEDULE_DELETION,
        StateChange.SCHEDULE_DELETION_WITH_REPLICAS: SCHEDULE_DELETION,
        StateChange.UPDATE_PRIMARY_REGION: UPDATE_PRIMARY_REGION,
        StateChange.CANCEL_DELETION: CANCEL_DELETION,
    }
)


def state_after(change: StateChange, state: KeyState) -> KeyState:
    """The state that a key in `state` is in after `change`.

    Raises ValueError for a state that the change's rule refuses: check the rule first.
    """
    after = TRANSITIONS[change].get(state)
    if after is None:
        raise ValueError(f"{change} is not possible in the key state {state}")
    return after


def state_when_done(state: KeyState, *, awaits_import: bool) -> KeyState:
    """The state of a multi-Region key when what its present state waits for is done.

    A replica that was Creating is Enabled (PendingImport when its material must be imported), keys whose
    roles were Updating are Enabled again, and a primary key that waited for its last replica's end
    begins its own waiting period. Raises ValueError for a state that waits for nothing.
    """
    if state is KeyState.CREATING:
        return KeyState.PENDING_IMPORT if awaits_import else KeyState.ENABLED
    if state is KeyState.UPDATING:
        return KeyState.ENABLED
    if state is KeyState.PENDING_REPLICA_DELETION:
        return KeyState.PENDING_DELETION
    raise ValueError(f"{state} waits for nothing")
