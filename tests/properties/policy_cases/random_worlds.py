"""Worlds by chance, from small vocabularies: names, actions, keys and values meet often enough to matter."""

from __future__ import annotations

from typing import Any

from tests.properties.policy_cases.random_policies import PolicyMaker
from tests.properties.policy_cases.vocabulary import (
    ARNS,
    KINDS,
    OPERATIONS,
    ROLE_NAMES,
    SESSIONS,
    USERS,
)
from tests.properties.policy_cases.worlds import (
    KEY_ID,
    World,
    arns_named_in,
    grant,
    role_arn,
    root,
    root_arn,
    service,
    session,
    session_arn,
    standing_bindings,
    user,
    user_arn,
    world,
)


class WorldMaker(PolicyMaker):
    """Makes one world after another. The same seed makes the same ones."""

    def make(self) -> World:
        """A world. Something like half of them allow."""
        caller = self._caller()
        action, operation, crosses, has_context = self.pick(self.words.requests)
        document = self.key_policy(caller) if self.words.kind != "none" else {"Statement": []}
        context = self._pairs(0.8) if has_context else None
        made = world(
            caller,
            document,
            [self.identity_policy() for _ in range(self.pick([0, 1, 1, 2]))],
            boundary=self.boundary(),
            grants=self._grants(caller, operation),
            action=action,
            values=self._values(),
            context=context,
            bindings=self.bindings(document),
            cross_account=crosses,
            grant_operation=operation,
            child=self._child() if operation == "CreateGrant" else None,
            kind=self.words.kind,
            arn=self.words.arn,
        )
        return made | {"identity": None} if self.chance(0.02) else made

    def siblings(self, given: World) -> list[World]:
        """Worlds that differ from this one in a single thing, each in another."""
        changes: list[dict[str, Any]] = [
            {"request": given["request"] | {"values": self._values()}},
            {"grants": [self._grant(given["caller"]) for _ in range(2)]},
            {"key": given["key"] | {"bindings": {}}},
        ]
        if given["identity"] is not None:
            changes.append({"identity": None})
            changes.append({"identity": given["identity"] | {"boundary": self.boundary()}})
            changes.append({"identity": given["identity"] | {"policies": [self.identity_policy()]}})
        if given["caller"]["type"] == "session":
            fresh = {"policies": [self.identity_policy()], "managed": []}
            changes.append({"caller": given["caller"] | {"session": fresh}})
        return [given | change for change in changes]

    def unbound_in(self, given: World, statement: dict[str, Any]) -> list[str]:
        """The caller's own names in a new statement, where the policy did not have them before."""
        own = {given["caller"]["arn"], given["caller"].get("role_arn")}
        own -= {*arns_named_in(given["key"]["policy"])}
        return [arn for arn in arns_named_in({"Statement": [statement]}) if arn in own]

    def _caller(self) -> dict[str, Any]:
        life = 2 if self.chance(0.07) else 1
        kind = self.pick(["root", "user", "user", "user", "session", "session", "session", "service"])
        if kind == "root":
            return root(self.account())
        if kind == "user":
            return user(self.pick(USERS), self.account(), life)
        if kind == "service":
            return service(self.pick(["s3", "sns"]))
        policies, managed = [], []
        if self.chance(0.35):
            policies = [self.identity_policy() for _ in range(self.pick([0, 1]))]
            managed = [self.pick([self.identity_policy(), None]) for _ in range(self.pick([0, 1, 2]))]
        return session(self.pick(ROLE_NAMES), self.pick(SESSIONS), self.account(), policies=policies,
                       managed=managed, life=life)  # fmt: skip

    def _values(self) -> dict[str, list[str]]:
        values: dict[str, list[str]] = {}
        for kind, (_, keys, given, _) in KINDS.items():
            for key in keys:
                if self.chance(0.65):
                    many = self.pick([0, 1, 1, 2, 3]) if kind == "set" else 1
                    values[key.lower()] = [self.pick(given) for _ in range(many)]
        if self.chance(0.5):
            values["aws:principaltag/team"] = [self.pick(["blue", "red", "b*e", "*"])]
        if self.chance(0.5):
            values["aws:principaltag/key"] = [self.pick([KEY_ID, "*", "x"])]
        return values

    def _pairs(self, probability: float) -> dict[str, str]:
        return {
            self.pick([key, key, key.lower()]): self.pick(["IT", "it", "HR"])
            for key in ("Dept", "Purpose")
            if self.chance(probability)
        }

    def _grants(self, caller: dict[str, Any], operation: str | None) -> list[dict[str, Any]]:
        if self.words.kind == "retirement":
            return [self._with_who_retires(self._grant(caller), caller)]
        return [self._grant(caller) for _ in range(self.pick([0, 0, 1, 2]))] if operation else []

    def _with_who_retires(self, given: dict[str, Any], caller: dict[str, Any]) -> dict[str, Any]:
        given = given | {"issuer": self.account()}
        if self.chance(0.3):
            return given
        if caller["type"] == "service":
            return given | {"retiring_service": self.pick(["s3.amazonaws.com", "sns.amazonaws.com"])}
        if self.chance(0.3):
            return given | {"retiring": root_arn(self.account())}
        if self.chance(0.5) and caller["type"] != "root":
            arn = self.pick([caller["arn"], caller.get("role_arn", caller["arn"])])
            return given | {"retiring": arn, "retiring_id": caller["id"]}
        arn = self.pick(
            [user_arn(self.pick(USERS)), role_arn(self.pick(ROLE_NAMES)), session_arn("app", "s1")]
        )
        return given | {"retiring": arn, "retiring_id": standing_bindings(arn)[arn]}

    def _grant(self, caller: dict[str, Any]) -> dict[str, Any]:
        constraints: dict[str, Any] = {}
        if self.chance(0.3):
            constraints[self.pick(["subset", "equals"])] = self._pairs(0.6) or {"Dept": "IT"}
        if self.chance(0.2):
            constraints["source_arn"] = self.pick(ARNS)
        operations = [one for one in OPERATIONS if self.chance(0.6)] or ["Decrypt"]
        if caller["type"] == "service" or self.chance(0.1):
            return grant(
                None, *operations, service=self.pick(["s3.amazonaws.com", "sns.amazonaws.com"]), **constraints
            )
        if self.chance(0.6):
            arn = self.pick([caller["arn"], caller.get("role_arn", caller["arn"])])
            grantee_id = None if caller["type"] == "root" else caller["id"]
            if caller["type"] == "user" and self.chance(0.1):  # renamed since
                arn = user_arn("former", caller["account"])
            return grant(arn, *operations, grantee_id=grantee_id, **constraints)
        arn = self.pick(
            [user_arn(self.pick(USERS)), role_arn(self.pick(ROLE_NAMES)), session_arn("app", "s1")]
        )
        return grant(arn, *operations, grantee_id=standing_bindings(arn)[arn], **constraints)

    def _child(self) -> dict[str, Any]:
        constraints: dict[str, Any] = {}
        if self.chance(0.5):
            constraints[self.pick(["subset", "equals"])] = {"Dept": self.pick(["IT", "it"])}
        if self.chance(0.3):
            constraints["source_arn"] = self.pick(ARNS)
        return grant(None, *[one for one in OPERATIONS if self.chance(0.3)] or ["Decrypt"], **constraints)
