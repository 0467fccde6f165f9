"""The key state tables against AWS's own table, row by row."""

from __future__ import annotations

import pytest

from strongroom.aws.errors import ApiError
from strongroom.aws.generated.enums import KeyState
from strongroom.resources import key_state
from strongroom.resources.key_state import (
    RULE_OF_CHANGE,
    TRANSITIONS,
    StateChange,
    StateRefusal,
    StateRule,
    refusal_for,
    require_state,
    state_after,
    state_when_done,
)

KEY_ARN = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"

COLUMNS = (
    KeyState.ENABLED,
    KeyState.DISABLED,
    KeyState.PENDING_DELETION,
    KeyState.PENDING_IMPORT,
    KeyState.UNAVAILABLE,
    KeyState.CREATING,
    KeyState.UPDATING,
)
NOTES = {
    "1": StateRefusal.DISABLED,
    "3": StateRefusal.PENDING_DELETION,
    "4": StateRefusal.NOT_PENDING_DELETION,
    "5": StateRefusal.PENDING_IMPORT,
    "11": StateRefusal.UNAVAILABLE,
    "14": StateRefusal.CREATING,
    "15": StateRefusal.UPDATING,
    "-": None,
}

# One line per row of the Developer Guide's table "Key states and AWS KMS API operations", in the order
# of COLUMNS; numbers are its notes, - is OK. Where it leaves a choice ("[2] or [3]") or says N/A, the
# choice that resources/key_state.py explains.
TABLE = {
    "CancelKeyDeletion": (key_state.CANCEL_DELETION, "4 4 - 4 4 4 4"),
    "CreateAlias": (key_state.CREATE_ALIAS, "- - 3 - - - -"),
    "CreateGrant": (key_state.GRANTABLE, "- 1 3 5 - 14 -"),
    "Decrypt, Encrypt, GenerateDataKey": (key_state.USABLE_FOR_CRYPTOGRAPHY, "- 1 3 5 11 14 -"),
    "DeleteAlias, GetKeyPolicy, PutKeyPolicy": (key_state.ANY_STATE, "- - - - - - -"),
    "DeleteImportedKeyMaterial": (key_state.DELETE_IMPORTED_MATERIAL, "- - - - - 14 15"),
    "DescribeKey": (key_state.DESCRIBABLE, "- - - - - - -"),
    "DisableKey, EnableKey": (key_state.ENABLE_OR_DISABLE, "- - 3 5 - 14 15"),
    "DisableKeyRotation, EnableKeyRotation": (key_state.CHANGE_ROTATION, "- 1 3 - 11 14 -"),
    "GetParametersForImport": (key_state.GET_IMPORT_PARAMETERS, "- - 3 - - 14 15"),
    "ImportKeyMaterial": (key_state.IMPORT_MATERIAL, "- - 3 - - 14 -"),
    "ReplicateKey": (key_state.REPLICATE, "- 1 3 5 - 14 15"),
    "RotateKeyOnDemand": (key_state.ROTATE, "- 1 3 5 11 14 15"),
    "ScheduleKeyDeletion": (key_state.SCHEDULE_DELETION, "- - 3 - - - 15"),
    "TagResource, UpdateKeyDescription": (key_state.CHANGEABLE, "- - 3 - - - -"),
    "UpdateAlias": (key_state.UPDATE_ALIAS, "- - 3 - - - -"),
    "UpdatePrimaryRegion": (key_state.UPDATE_PRIMARY_REGION, "- 1 3 5 - 14 -"),
}


@pytest.mark.parametrize(("rule", "row"), TABLE.values(), ids=TABLE)
def test_state_rule_every_state_answers_as_the_table_of_aws(rule: StateRule, row: str) -> None:
    """INVARIANT R1. Source: KMS Developer Guide, Key states of AWS KMS keys."""
    assert [refusal_for(rule, state) for state in COLUMNS] == [NOTES[note] for note in row.split()]


@pytest.mark.parametrize("rule", [rule for rule, _ in TABLE.values()], ids=TABLE)
def test_state_rule_pending_replica_deletion_answers_as_pending_deletion(rule: StateRule) -> None:
    """Source: they share one column of the table."""
    assert refusal_for(rule, KeyState.PENDING_REPLICA_DELETION) == refusal_for(
        rule, KeyState.PENDING_DELETION
    )


def test_state_rules_are_all_in_the_table_and_named_apart() -> None:
    rules = [value for value in vars(key_state).values() if isinstance(value, StateRule)]
    assert {rule.name for rule in rules} == {rule.name for rule, _ in TABLE.values()}
    assert len(rules) == len({rule.name for rule in rules})


def test_state_rule_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        key_state.ANY_STATE.refusals[KeyState.DISABLED] = StateRefusal.DISABLED  # type: ignore[index]


@pytest.mark.parametrize(
    ("rule", "state", "code", "message"),
    [
        (key_state.USABLE_FOR_CRYPTOGRAPHY, KeyState.DISABLED, "DisabledException", "is disabled."),
        (
            key_state.USABLE_FOR_CRYPTOGRAPHY,
            KeyState.PENDING_DELETION,
            "KMSInvalidStateException",
            "is pending deletion.",
        ),
        (
            key_state.USABLE_FOR_CRYPTOGRAPHY,
            KeyState.PENDING_IMPORT,
            "KMSInvalidStateException",
            "is pending import.",
        ),
        (
            key_state.USABLE_FOR_CRYPTOGRAPHY,
            KeyState.UNAVAILABLE,
            "KMSInvalidStateException",
            "is unavailable.",
        ),
        (
            key_state.USABLE_FOR_CRYPTOGRAPHY,
            KeyState.CREATING,
            "KMSInvalidStateException",
            "is creating.",
        ),
        (key_state.SCHEDULE_DELETION, KeyState.UPDATING, "KMSInvalidStateException", "is updating."),
        (
            key_state.CANCEL_DELETION,
            KeyState.ENABLED,
            "KMSInvalidStateException",
            "is not pending deletion.",
        ),
    ],
)
def test_require_state_every_refusal_says_the_sentence_of_aws(
    rule: StateRule, state: KeyState, code: str, message: str
) -> None:
    with pytest.raises(ApiError) as caught:
        require_state(rule, state, KEY_ARN)
    assert (caught.value.code, caught.value.message) == (code, f"{KEY_ARN} {message}")


def test_require_state_allowed_state_passes() -> None:
    require_state(key_state.USABLE_FOR_CRYPTOGRAPHY, KeyState.ENABLED, KEY_ARN)
    require_state(key_state.USABLE_FOR_CRYPTOGRAPHY, KeyState.UPDATING, KEY_ARN)


@pytest.mark.parametrize("change", StateChange)
def test_transitions_begin_exactly_where_the_rule_allows(change: StateChange) -> None:
    """INVARIANT R2. A key that is Creating or Updating changes its state when that work is done."""
    allowed = {state for state in KeyState if refusal_for(RULE_OF_CHANGE[change], state) is None}
    assert set(TRANSITIONS[change]) == allowed


@pytest.mark.parametrize(
    ("change", "before", "after"),
    [
        (StateChange.DISABLE, KeyState.ENABLED, KeyState.DISABLED),
        (StateChange.DISABLE, KeyState.DISABLED, KeyState.DISABLED),
        (StateChange.DISABLE, KeyState.UNAVAILABLE, KeyState.UNAVAILABLE),
        (StateChange.ENABLE, KeyState.DISABLED, KeyState.ENABLED),
        (StateChange.ENABLE, KeyState.ENABLED, KeyState.ENABLED),
        (StateChange.SCHEDULE_DELETION, KeyState.ENABLED, KeyState.PENDING_DELETION),
        (StateChange.SCHEDULE_DELETION, KeyState.DISABLED, KeyState.PENDING_DELETION),
        (StateChange.SCHEDULE_DELETION, KeyState.PENDING_IMPORT, KeyState.PENDING_DELETION),
        (
            StateChange.SCHEDULE_DELETION_WITH_REPLICAS,
            KeyState.ENABLED,
            KeyState.PENDING_REPLICA_DELETION,
        ),
        (StateChange.UPDATE_PRIMARY_REGION, KeyState.ENABLED, KeyState.UPDATING),
        (StateChange.CANCEL_DELETION, KeyState.PENDING_DELETION, KeyState.DISABLED),
        (StateChange.CANCEL_DELETION, KeyState.PENDING_REPLICA_DELETION, KeyState.DISABLED),
    ],
    ids=str,
)
def test_state_after_known_change_leads_to_the_state_of_aws(
    change: StateChange, before: KeyState, after: KeyState
) -> None:
    """Source: API reference of each operation; CancelKeyDeletion leaves the key Disabled."""
    assert state_after(change, before) is after


@pytest.mark.parametrize("change", StateChange)
def test_state_after_refused_state_raises(change: StateChange) -> None:
    refused = [state for state in KeyState if refusal_for(RULE_OF_CHANGE[change], state) is not None]
    assert refused
    for state in refused:
        with pytest.raises(ValueError, match=change):
            state_after(change, state)


@pytest.mark.parametrize(
    ("before", "awaits_import", "after"),
    [
        (KeyState.CREATING, False, KeyState.ENABLED),
        (KeyState.CREATING, True, KeyState.PENDING_IMPORT),
        (KeyState.UPDATING, False, KeyState.ENABLED),
        (KeyState.UPDATING, True, KeyState.ENABLED),
        (KeyState.PENDING_REPLICA_DELETION, False, KeyState.PENDING_DELETION),
    ],
    ids=str,
)
def test_state_when_done_leads_to_the_state_of_aws(
    before: KeyState, awaits_import: bool, after: KeyState
) -> None:
    """Source: KMS Developer Guide, "Key states of AWS KMS keys"; ScheduleKeyDeletion."""
    assert state_when_done(before, awaits_import=awaits_import) is after


def test_state_when_done_of_a_state_that_waits_for_nothing_raises() -> None:
    passing = {KeyState.CREATING, KeyState.UPDATING, KeyState.PENDING_REPLICA_DELETION}
    for state in set(KeyState) - passing:
        with pytest.raises(ValueError, match="waits for nothing"):
            state_when_done(state, awaits_import=False)
