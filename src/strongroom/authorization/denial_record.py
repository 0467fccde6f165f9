"""Why a request was denied, as its audit record says it: for the operator, never for the caller.

Bounded, because callers choose most of the values: too long ones are cut, too many left out, and the record
says so. What may be sensitive is left out by an allow-list of condition keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256

from strongroom.authorization.ask import Ask
from strongroom.authorization.decision import Decision, StatementReference

STATEMENTS_MAX = 20
POLICIES_MAX = 40
CONDITION_KEYS_MAX = 60
VALUES_MAX = 10
VALUE_CHARACTERS_MAX = 256
CHARACTERS_MAX = 8192
"""Of all condition values together."""

ENCRYPTION_CONTEXT = "kms:encryptioncontext:"
_SHOWN = frozenset(
    """
    aws:calledvia aws:calledviafirst aws:calledvialast aws:currenttime aws:epochtime aws:federatedprovider
    aws:multifactorauthpresent aws:principalaccount aws:principalarn aws:principalisawsservice
    aws:principalservicename aws:principalservicenameslist aws:principaltype aws:requestedregion
    aws:resourceaccount aws:securetransport aws:sourceaccount aws:sourcearn aws:sourceidentity aws:sourceip
    aws:tagkeys aws:tokenissuetime aws:useragent aws:userid aws:username aws:viaawsservice
    kms:bypasspolicylockoutsafetycheck kms:calleraccount kms:customermasterkeyspec kms:customermasterkeyusage
    kms:datakeypairspec kms:encapsulationalgorithm kms:encryptionalgorithm kms:encryptioncontextkeys
    kms:expirationmodel kms:grantconstraintsourcearn kms:grantconstrainttype kms:grantisforawsresource
    kms:grantoperations kms:granteeprincipal kms:granteeserviceprincipal kms:keyagreementalgorithm
    kms:keyorigin kms:keyspec kms:keyusage kms:macalgorithm kms:messagetype kms:multiregion
    kms:multiregionkeytype kms:primaryregion kms:reencryptonsamekey kms:replicaregion kms:requestalias
    kms:resourcealiases kms:retiringprincipal kms:retiringserviceprincipal kms:rotationperiodindays
    kms:schedulekeydeletionpendingwindowindays kms:signingalgorithm kms:trailingdayswithoutkeyusage
    kms:validto kms:viaservice kms:wrappingalgorithm kms:wrappingkeyspec
    iam:passedtoservice iam:permissionsboundary iam:policyarn sts:rolesessionname sts:transitivetagkeys
    """.split()  # noqa: SIM905  (66 names: a list of them would be three pages)
)
_SHOWN_PREFIXES = ("aws:principaltag/", "aws:resourcetag/", "aws:requesttag/", "kms:recipientattestation:")

Values = Mapping[str, tuple[str, ...] | None]


@dataclass(frozen=True, slots=True)
class Considered:
    """What a decision was made from."""

    policies: tuple[tuple[str, str], ...]
    """Label and text of each policy, the resource's own first."""
    values: Values
    """The request's values of the condition keys that the policies look at."""


@dataclass(frozen=True, slots=True)
class Denied:
    """A denial, with all that its record needs."""

    ask: Ask
    decision: Decision
    considered: Considered


@lru_cache(maxsize=256)  # the same policies deny again; a text knows its own hash
def digest_of(policy_text: str) -> str:
    """SHA-256 of a policy's text, in hexadecimal."""
    return sha256(policy_text.encode("utf-8", "surrogatepass")).hexdigest()


def record_denial(denied: Denied, request_parameters: Mapping[str, object] | None) -> dict[str, object]:
    """`additionalEventData.authorization`.

    `request_parameters` are what the record shows of the request: a value of its encryption context is in
    `conditions` only if it stands there. A condition key without a value has null.
    """
    ask = denied.ask
    context_values = _context_values(request_parameters)
    return record_decision(ask.action, ask.resource_arn, denied.decision, denied.considered, context_values)


def record_decision(
    action: str,
    resource_arn: str,
    decision: Decision,
    considered: Considered,
    context_values: frozenset[str] = frozenset(),
) -> dict[str, object]:
    """The same of any denial. `context_values`: what may be shown of an encryption context."""
    conditions, is_cut = _show_values(considered.values, context_values)
    statements = [_show_statement(one) for one in decision.statements[:STATEMENTS_MAX]]
    policies = considered.policies
    shown: dict[str, object] = {
        "action": action,
        "resource": resource_arn,
        "reason": decision.reason.name,
        "statements": statements,
        "conditions": conditions,
        "policies": {label: digest_of(text) for label, text in policies[:POLICIES_MAX]},
    }
    if is_cut or len(statements) < len(decision.statements) or len(policies) > POLICIES_MAX:
        shown["truncated"] = True
    return shown


def _show_statement(reference: StatementReference) -> dict[str, object]:
    shown: dict[str, object] = {"policy": reference.policy, "index": reference.index}
    if reference.sid:
        shown["sid"] = reference.sid
    return shown


def _show_values(values: Values, context_values: frozenset[str]) -> tuple[dict[str, object], bool]:
    shown: dict[str, object] = {}
    room, is_cut = CHARACTERS_MAX, len(values) > CONDITION_KEYS_MAX
    for key in sorted(values)[:CONDITION_KEYS_MAX]:
        found = values[key]
        if found is None:
            shown[key] = None
            continue
        if key.startswith(ENCRYPTION_CONTEXT):
            found = tuple(one for one in found if one in context_values)
            if not found:
                continue
        elif key not in _SHOWN and not key.startswith(_SHOWN_PREFIXES):
            continue
        cut = [one[:VALUE_CHARACTERS_MAX] for one in found[:VALUES_MAX]]
        room -= sum(map(len, cut))
        if room < 0:
            return shown, True
        is_cut = is_cut or tuple(cut) != found
        shown[key] = cut
    return shown, is_cut


def _context_values(parameters: Mapping[str, object] | None) -> frozenset[str]:
    """The values of every encryption context that the record shows."""
    found: set[str] = set()
    for name, value in (parameters or {}).items():
        if not isinstance(value, Mapping):
            continue
        if name.lower().endswith("encryptioncontext"):
            found |= {one for one in value.values() if isinstance(one, str)}
        else:
            for inner in value.values():  # the constraints of a grant
                if isinstance(inner, Mapping):
                    found |= {one for one in inner.values() if isinstance(one, str)}
    return frozenset(found)
