"""The engine's answer for a world: the world's dicts as the records that the engine takes."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from tests.properties.policy_cases.worlds import KEY_ID, REGION, World
from tests.properties.slow_evaluator.verdict import (
    ALLOWED,
    BOUNDARY,
    EXPLICIT,
    GONE,
    IDENTITY,
    IMPLICIT,
    NOT_ACROSS,
    RESOURCE,
    SESSION,
    UNREADABLE,
    Verdict,
)
from tests.support.policy_facts import FactsInMemory, GivenValues

from strongroom.authorization.ask import Ask
from strongroom.authorization.authorizer import Authorizer
from strongroom.authorization.decision import Decision, Reason
from strongroom.authorization.explanation import Explanation
from strongroom.aws.generated.enums import (
    GrantOperation,
    KeyManagerType,
    KeySpec,
    KeyState,
    KeyUsageType,
    OriginType,
)
from strongroom.identity.principal import AuthenticatedPrincipal, PrincipalType, Session
from strongroom.resources.grant import Grant, GrantConstraints, GrantId, GrantTerms
from strongroom.resources.iam import EntityKind, Identity, PolicySource
from strongroom.resources.identifiers import AccessKeyId, AccountId, KeyArn, KeyId, Region
from strongroom.resources.key import Key

_NOW = datetime(2026, 5, 1, tzinfo=UTC)
_TYPES = {
    "root": PrincipalType.ROOT,
    "user": PrincipalType.IAM_USER,
    "session": PrincipalType.ASSUMED_ROLE,
    "service": PrincipalType.AWS_SERVICE,
    "web": PrincipalType.ASSUMED_ROLE,
}
_VERDICTS = {
    Reason.DENIED_BY_KEY_POLICY: (EXPLICIT, RESOURCE),
    Reason.DENIED_BY_IDENTITY_POLICY: (EXPLICIT, IDENTITY),
    Reason.DENIED_BY_BOUNDARY: (EXPLICIT, BOUNDARY),
    Reason.DENIED_BY_SESSION_POLICY: (EXPLICIT, SESSION),
    Reason.NO_KEY_POLICY_ALLOWS: (IMPLICIT, RESOURCE),
    Reason.NO_IDENTITY_POLICY_ALLOWS: (IMPLICIT, IDENTITY),
    Reason.NO_BOUNDARY_ALLOWS: (IMPLICIT, BOUNDARY),
    Reason.NO_SESSION_POLICY_ALLOWS: (IMPLICIT, SESSION),
    Reason.DENIED_BY_TRUST_POLICY: (EXPLICIT, RESOURCE),
    Reason.NO_TRUST_POLICY_ALLOWS: (IMPLICIT, RESOURCE),
    Reason.NOT_ACROSS_ACCOUNTS: (NOT_ACROSS, None),
    Reason.TRUST_POLICY_UNREADABLE: (UNREADABLE, None),
    Reason.KEY_POLICY_UNREADABLE: (UNREADABLE, None),
    Reason.CALLER_GONE: (GONE, None),
    Reason.CALLER_POLICY_UNREADABLE: (UNREADABLE, None),
}


def verdict_of(decision: Decision) -> Verdict:
    """A decision in the words of the slow evaluator."""
    if decision.allowed:
        return Verdict(ALLOWED)
    outcome, named = _VERDICTS[decision.reason]
    return Verdict(outcome, frozenset({named} if named else ()))


def _principal(world: World, facts: FactsInMemory) -> AuthenticatedPrincipal:
    caller = world["caller"]
    session = None
    if caller["type"] == "web":
        session = Session(_NOW, _NOW.replace(year=2027), federated_provider=caller["provider"])
    if caller["type"] == "session":
        arns = tuple(
            f"arn:aws:iam::aws:policy/session-{n}" for n, _ in enumerate(caller["session"]["managed"])
        )
        texts = zip(arns, caller["session"]["managed"], strict=True)
        facts.policies.update({arn: json.dumps(one) for arn, one in texts if one is not None})
        session = Session(
            issued_at=_NOW,
            expires_at=_NOW.replace(year=2027),
            policies=tuple(json.dumps(one) for one in caller["session"]["policies"]),
            policy_arns=arns,
            session_name=caller["arn"].split("/")[-1],
        )
    return AuthenticatedPrincipal(
        type=_TYPES[caller["type"]],
        account_id=AccountId(caller["account"]),
        arn=caller["arn"],
        principal_id=caller["id"],
        access_key_id=AccessKeyId("AKIAEXAMPLE"),
        unique_id=caller["id"],
        session=session,
    )


def _identity(world: World) -> Identity:
    caller, given = world["caller"], world["identity"]
    _, *path, name = caller.get("role_arn", caller["arn"]).split(":", 5)[5].split("/")
    boundary = None
    if given["boundary"] is not None:
        text = "" if given["boundary"] == "gone" else json.dumps(given["boundary"])
        boundary = PolicySource("arn:aws:iam::aws:policy/boundary", text)
    return Identity(
        account_id=AccountId(caller["account"]),
        kind=EntityKind.USER if caller["type"] == "user" else EntityKind.ROLE,
        name=name,
        path="/" + "".join(f"{part}/" for part in path),
        unique_id=caller["id"],
        tags={},
        policies=tuple(
            PolicySource(f"inline policy {n}", json.dumps(one)) for n, one in enumerate(given["policies"])
        ),
        boundary=boundary,
    )


def _constraints(given: dict[str, Any]) -> GrantConstraints:
    return GrantConstraints(given["subset"], given["equals"], given["source_arn"])


def _terms(child: dict[str, Any]) -> GrantTerms:
    operations = frozenset(GrantOperation(one) for one in child["operations"])
    return GrantTerms(operations, _constraints(child))


def _grant(number: int, given: dict[str, Any], world: World) -> Grant:
    return Grant(
        account_id=AccountId(world["key"]["account"]),
        region=Region(REGION),
        key_id=KeyId(KEY_ID),
        grant_id=GrantId(f"{number:064x}"),
        name=None,
        grantee_principal=given["grantee"],
        grantee_service_principal=given["service"],
        retiring_principal=given["retiring"],
        retiring_service_principal=given["retiring_service"],
        issuing_account=f"arn:aws:iam::{given['issuer']}:root",
        operations=tuple(GrantOperation(one) for one in given["operations"]),
        constraints=_constraints(given),
        created_at=_NOW,
        grantee_id=given["grantee_id"],
        retiring_id=given["retiring_id"],
    )


def _key(world: World) -> Key:
    key = world["key"]
    return Key(
        account_id=AccountId(key["account"]),
        region=Region(REGION),
        key_id=KeyId(KEY_ID),
        arn=KeyArn(key["arn"]),
        description="",
        key_spec=KeySpec.SYMMETRIC_DEFAULT,
        key_usage=KeyUsageType.ENCRYPT_DECRYPT,
        key_state=KeyState.ENABLED,
        key_manager=KeyManagerType.CUSTOMER,
        origin=OriginType.AWS_KMS,
        multi_region=False,
        policy=key.get("text", json.dumps(key["policy"])),
        created_at=_NOW,
        deletion_at=None,
        pending_window_days=None,
        current_material_id=None,
        materials={},
        tags={},
        version=1,
        policy_principals=key["bindings"],
    )


class Prepared:
    """A world as the engine sees it; may be asked about several times."""

    def __init__(self, world: World) -> None:
        self.facts = FactsInMemory()
        self._world = world
        self._principal = _principal(world, self.facts)
        if world["identity"] is not None:
            self.facts.identities[world["caller"]["id"]] = _identity(world)
        self._grants = [_grant(number, one, world) for number, one in enumerate(world["grants"])]
        self.facts.grant(*self._grants)
        self._key = _key(world)
        self._values = {key: tuple(values) for key, values in world["request"]["values"].items()}

    def _ask(self) -> Ask:
        request = self._world["request"]
        operation = request["grant_operation"]
        return Ask(
            principal=self._principal,
            action=request["action"],
            resource_arn=self._key.arn,
            resource_account_id=self._key.account_id,
            values=GivenValues(self._values),
            key=self._key if self._world["key"]["kind"] in {"key", "retirement"} else None,
            cross_account=request["cross_account"],
            grant_operation=None if operation is None else GrantOperation(operation),
            encryption_context=request["context"],
            child_grant=None if request["child"] is None else _terms(request["child"]),
        )

    async def answer_of(self, authorizer: Authorizer) -> Verdict:
        """What this engine says of the world."""
        match self._world["key"]["kind"]:
            case "trust":
                decision = await authorizer.authorize_trust(
                    self._ask(), self._key.policy, self._key.policy_principals
                )
            case "retirement":
                decision = await authorizer.authorize_retirement(self._ask(), self._grants[0])
            case "none":
                decision = await authorizer.authorize_resource(self._ask())
            case _:
                decision = await authorizer.authorize_key(self._ask())
        return verdict_of(decision)

    async def explained_by(self, authorizer: Authorizer) -> Explanation:
        """What this engine says of a world with a key, and why."""
        return await authorizer.explain_key(self._ask())


async def answer_of(world: World) -> Verdict:
    """What an engine that remembers nothing says."""
    prepared = Prepared(world)
    return await prepared.answer_of(Authorizer(prepared.facts))
