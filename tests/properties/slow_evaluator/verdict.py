"""Allowed or not, and by which kind of policy, for one request on one KMS key.

Sources: IAM User Guide, "Policy evaluation logic", "Cross-account policy evaluation logic", "Troubleshoot
access denied error messages" (of several policy types that deny, one is named); KMS Developer Guide,
"Troubleshooting AWS KMS permissions", "Key policies", "Default key policy", "Allowing users in other
accounts to use a KMS key", "Grants in AWS KMS".

A world is a plain dict; `tests/properties/policy_cases/worlds.py` makes them and says what is in one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.properties.slow_evaluator.conditions import NotUnderstood, as_list
from tests.properties.slow_evaluator.grants import (
    a_grant_permits,
    an_account_may_retire_it,
    the_grant_lets_the_caller_retire_it,
)
from tests.properties.slow_evaluator.principals import ACCOUNT, ROLE, SESSION_OR_USER, who_is_named
from tests.properties.slow_evaluator.statements import applicable, says

RESOURCE, IDENTITY, BOUNDARY, SESSION = "resource", "identity", "boundary", "session"
ALLOWED, EXPLICIT, IMPLICIT, NOT_ACROSS, UNREADABLE, GONE = (
    "allowed",
    "explicit deny",
    "no allow",
    "not across accounts",
    "unreadable",
    "caller gone",
)


@dataclass(frozen=True)
class Verdict:
    """What must come out. `types`: of an explicit deny, which types deny; of a missing allow, which miss.
    AWS names one of them, and does not say which."""

    outcome: str
    types: frozenset[str] = frozenset()

    @property
    def allowed(self) -> bool:
        """Whether the request may go on."""
        return self.outcome == ALLOWED


IAM_POLICIES_ONLY = ("aws:resourcetag/", "kms:resourcealiases")
"""Condition keys that no key policy has. Sources: KMS Developer Guide, "Controlling access to tags" and
kms:ResourceAliases: "IAM policies only"."""


def _refuse_what_no_key_policy_has(document: dict[str, Any]) -> None:
    for statement in as_list(document["Statement"]):
        for keys in statement.get("Condition", {}).values():
            if any(key.lower().startswith(IAM_POLICIES_ONLY) for key in keys):
                raise NotUnderstood(str(keys))


def _refuse_what_no_trust_policy_has(document: dict[str, Any]) -> None:
    """Source: IAM User Guide, "How to use trust policies with IAM roles"; "NotPrincipal"."""
    for statement in as_list(document["Statement"]):
        if {"Resource", "NotResource", "NotPrincipal"} & statement.keys():
            raise NotUnderstood(str(statement))


def _key_policy_says(world: dict[str, Any]) -> dict[str, set[str]]:
    """The ways in which the caller is named, by effect."""
    if world["key"]["kind"] in {"key", "retirement"}:
        _refuse_what_no_key_policy_has(world["key"]["policy"])
    if world["key"]["kind"] == "trust":
        _refuse_what_no_trust_policy_has(world["key"]["policy"])
    ways: dict[str, set[str]] = {"Allow": set(), "Deny": set()}
    for statement in applicable(world["key"]["policy"], world):
        ways[statement["Effect"]] |= who_is_named(statement, world)
    return ways


def _identity_side(world: dict[str, Any]) -> dict[str, set[str] | None]:
    """What each type of policy on the caller's side says; None where there is no policy of that type."""
    identity, session = world["identity"], world["caller"].get("session")
    said: dict[str, set[str] | None] = {IDENTITY: set(), BOUNDARY: None, SESSION: None}
    if identity is not None:
        said[IDENTITY] = says(identity["policies"], world)
        if identity["boundary"] is not None:
            said[BOUNDARY] = set() if identity["boundary"] == "gone" else says([identity["boundary"]], world)
    if session is not None and session["policies"] + session["managed"]:
        said[SESSION] = says(session["policies"] + session["managed"], world)
    return said


def _missing(said: dict[str, set[str] | None], types: tuple[str, ...]) -> frozenset[str]:
    found = {one: said[one] for one in types}
    return frozenset(one for one, effects in found.items() if effects is not None and "Allow" not in effects)


def _is_gone(world: dict[str, Any]) -> bool:
    """A user or role that was deleted: what its credentials ask for is refused, whatever still names it.

    Source: IAM User Guide, "Deleting roles or instance profiles" and "Remove or deactivate an IAM user".
    """
    return world["caller"]["type"] in {"user", "session"} and world["identity"] is None


def judge(world: dict[str, Any]) -> Verdict:
    """The whole decision, in AWS's order."""
    try:
        return _judge(world)
    except NotUnderstood:
        return Verdict(UNREADABLE)


def _judge(world: dict[str, Any]) -> Verdict:
    caller, key, request = world["caller"], world["key"], world["request"]
    if key["kind"] == "none":
        return _judge_by_identity_alone(world)
    key_policy, said = _key_policy_says(world), _identity_side(world)
    across = caller["type"] != "service" and caller["account"] != key["account"]
    if across and not request["cross_account"] and key["kind"] != "retirement":
        return Verdict(NOT_ACROSS)
    if refused := _refused(world, said, key_policy["Deny"]):
        return refused
    if key["kind"] == "retirement":
        return _judge_retirement(world, said)

    whole_side = _missing(said, (IDENTITY, BOUNDARY, SESSION))
    if caller["type"] in {"root", "service", "web"}:
        whole_side = frozenset()  # a root needs no identity-based policy, and the others have none
    missing = _missing_for(key_policy["Allow"], across, whole_side, _missing(said, (BOUNDARY, SESSION)))
    return Verdict(IMPLICIT, missing) if missing and not a_grant_permits(world) else Verdict(ALLOWED)


def _refused(
    world: dict[str, Any], said: dict[str, set[str] | None], denied_by_resource: set[str]
) -> Verdict | None:
    """An explicit deny, wherever it stands; or nobody to allow anything to."""
    denying = {one for one, effects in said.items() if effects is not None and "Deny" in effects}
    if denied_by_resource:
        denying.add(RESOURCE)
    if denying:
        return Verdict(EXPLICIT, frozenset(denying))
    return Verdict(GONE) if _is_gone(world) else None


def _judge_retirement(world: dict[str, Any], said: dict[str, set[str] | None]) -> Verdict:
    """Nothing denies. "The kms:RetireGrant permission is not effective in a key policy."""
    if the_grant_lets_the_caller_retire_it(world):
        return Verdict(ALLOWED)
    if not an_account_may_retire_it(world):
        return Verdict(IMPLICIT, frozenset({RESOURCE}))
    delegated = not _missing(said, (IDENTITY, BOUNDARY, SESSION))
    if world["caller"]["type"] == "root" or delegated:
        return Verdict(ALLOWED)
    return Verdict(IMPLICIT, frozenset({RESOURCE}))


def _judge_by_identity_alone(world: dict[str, Any]) -> Verdict:
    """Of what has no policy of its own: only its own account's callers, by their policies."""
    caller, said = world["caller"], _identity_side(world)
    if refused := _refused(world, said, set()):
        return refused
    if caller["account"] != world["key"]["account"]:
        return Verdict(IMPLICIT, frozenset({IDENTITY}))
    missing = _missing(said, (IDENTITY, BOUNDARY, SESSION))
    return Verdict(ALLOWED) if caller["type"] == "root" or not missing else Verdict(IMPLICIT, missing)


def _missing_for(
    ways: set[str], across: bool, whole_side: frozenset[str], limits: frozenset[str]
) -> frozenset[str]:
    """Which types of policy still lack an Allow; empty: none does."""
    if not ways:
        return frozenset({RESOURCE})
    if across:
        return whole_side
    if SESSION_OR_USER in ways:
        return frozenset()
    through = [whole_side] if ACCOUNT in ways else []
    if ROLE in ways:
        through.append(limits)
    return frozenset() if frozenset() in through else frozenset().union(*through)
