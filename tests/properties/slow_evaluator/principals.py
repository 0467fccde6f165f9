"""Whether a statement of a resource-based policy names the caller, and how.

Sources, all IAM User Guide: "Principal", "NotPrincipal", "Policy evaluation logic" (resource-based policies
and implicit denies: the table by kind of principal). KMS Developer Guide: "Default key policy" (the account
principal allows the account to use IAM policies).
"""

from __future__ import annotations

import re
from typing import Any

from tests.properties.slow_evaluator.conditions import NotUnderstood, as_list

SESSION_OR_USER = "the session or user itself"
"""Not limited by an implicit deny of a permissions boundary or a session policy."""
ROLE = "its role"
"""Limited by both."""
ACCOUNT = "its account"
"""Only lets the account's IAM policies decide."""
NOBODY = ""


def _of_account(principal: str) -> str | None:
    """The account that a root ARN or twelve digits name."""
    if re.fullmatch(r"\d{12}", principal):
        return principal
    root = re.fullmatch(r"arn:aws:iam::(\d{12}):root", principal)
    return root.group(1) if root else None


def _session_name(arn: str) -> str:
    return arn.rsplit("/", maxsplit=1)[-1]


def names_how(principal: str, caller: dict[str, Any], bindings: dict[str, str]) -> str:
    """How one entry of `{"AWS": ...}` names the caller."""
    if principal == "*":
        return SESSION_OR_USER
    if caller["type"] in {"service", "web"}:
        return NOBODY
    if account := _of_account(principal):
        same = ACCOUNT if caller["type"] != "root" else SESSION_OR_USER
        return same if account == caller["account"] else NOBODY
    return NOBODY if caller["type"] == "root" else _names_entity(principal, caller, bindings)


def _names_entity(principal: str, caller: dict[str, Any], bindings: dict[str, str]) -> str:
    """A name means whom it meant when the policy was put; a bare unique id means itself."""
    means = bindings.get(principal) if principal.startswith("arn:") else principal
    if means != caller["id"]:
        return NOBODY
    if caller["type"] == "user":
        return SESSION_OR_USER
    if ":assumed-role/" not in principal:
        return ROLE
    return SESSION_OR_USER if _session_name(principal) == _session_name(caller["arn"]) else NOBODY


def _entries(element: Any) -> list[tuple[str, str]]:
    """(kind, principal) of a Principal or NotPrincipal element."""
    if element == "*":
        return [("AWS", "*")]
    return [(kind, one) for kind, given in element.items() for one in as_list(given)]


def _all_ways(element: Any, caller: dict[str, Any], bindings: dict[str, str]) -> set[str]:
    own = {"service": ("Service", caller["arn"]), "web": ("Federated", caller.get("provider"))}
    ways = {SESSION_OR_USER} if own.get(caller["type"]) in _entries(element) else set()
    ways |= {names_how(one, caller, bindings) for kind, one in _entries(element) if kind == "AWS"}
    return ways - {NOBODY}


def who_is_named(statement: dict[str, Any], world: dict[str, Any]) -> set[str]:
    """The ways in which the statement applies to the caller; empty: it does not."""
    caller, bindings = world["caller"], world["key"]["bindings"]
    if "Principal" in statement:
        return _all_ways(statement["Principal"], caller, bindings)
    if statement["Effect"] != "Deny":
        raise NotUnderstood("NotPrincipal with Allow")
    excepted = _all_ways(statement["NotPrincipal"], caller, bindings)
    return set() if _is_excepted(excepted, world) else {SESSION_OR_USER}


def _is_excepted(excepted: set[str], world: dict[str, Any]) -> bool:
    """Whether a NotPrincipal leaves the caller out of the Deny.

    All that the caller is must be listed: account and user, or account, role and session. "The NotPrincipal
    element with a Deny effect will always deny any IAM principal that has a permissions boundary policy
    attached, regardless of the values specified" (NotPrincipal, Key points).
    """
    if world["identity"] is not None and world["identity"]["boundary"] is not None:
        return False
    needed = {
        "root": {SESSION_OR_USER},
        "service": {SESSION_OR_USER},
        "web": {SESSION_OR_USER},
        "user": {SESSION_OR_USER, ACCOUNT},
        "session": {SESSION_OR_USER, ROLE, ACCOUNT},
    }
    return needed[world["caller"]["type"]] <= excepted
