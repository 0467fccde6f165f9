"""Worlds by chance, from small vocabularies: names, actions, keys and values meet often enough to matter."""

from __future__ import annotations

import random
from typing import Any

from tests.properties.policy_cases.vocabulary import (
    ARNS,
    KEYS,
    KINDS,
    OPERATIONS,
    ROLE_NAMES,
    SESSIONS,
    USERS,
    Vocabulary,
)
from tests.properties.policy_cases.worlds import (
    KEY_ID,
    OTHER,
    OWNER,
    VERSION,
    Policy,
    World,
    arns_named_in,
    aws,
    grant,
    role_arn,
    root,
    root_arn,
    service,
    session,
    session_arn,
    standing_bindings,
    unique_id,
    user,
    user_arn,
    world,
)
from tests.properties.slow_evaluator.conditions import as_list


class WorldMaker:
    """Makes one world after another. The same seed makes the same ones."""

    def __init__(self, seed: object, words: Vocabulary = KEYS) -> None:
        self._random = random.Random(str(seed))
        self._words = words

    def chance(self, probability: float) -> bool:
        """True as often as that."""
        return self._random.random() < probability

    def pick(self, options: list[Any]) -> Any:
        """One of them."""
        return self._random.choice(options)

    def make(self) -> World:
        """A world. Something like half of them allow."""
        caller = self._caller()
        action, operation, crosses, has_context = self.pick(self._words.requests)
        document = self.key_policy(caller) if self._words.kind != "none" else {"Statement": []}
        context = self._pairs(0.8) if has_context else None
        made = world(
            caller,
            document,
            [self.identity_policy() for _ in range(self.pick([0, 1, 1, 2]))],
            boundary=self._boundary(),
            grants=self._grants(caller, operation),
            action=action,
            values=self._values(),
            context=context,
            bindings=self._bindings(document),
            cross_account=crosses,
            grant_operation=operation,
            child=self._child() if operation == "CreateGrant" else None,
            kind=self._words.kind,
            arn=self._words.arn,
        )
        return made | {"identity": None} if self.chance(0.02) else made

    def _grants(self, caller: dict[str, Any], operation: str | None) -> list[dict[str, Any]]:
        if self._words.kind == "retirement":
            return [self._with_who_retires(self._grant(caller), caller)]
        return [self._grant(caller) for _ in range(self.pick([0, 0, 1, 2]))] if operation else []

    def _with_who_retires(self, given: dict[str, Any], caller: dict[str, Any]) -> dict[str, Any]:
        given = given | {"issuer": self._account()}
        if self.chance(0.3):
            return given
        if caller["type"] == "service":
            return given | {"retiring_service": self.pick(["s3.amazonaws.com", "sns.amazonaws.com"])}
        if self.chance(0.3):
            return given | {"retiring": root_arn(self._account())}
        if self.chance(0.5) and caller["type"] != "root":
            arn = self.pick([caller["arn"], caller.get("role_arn", caller["arn"])])
            return given | {"retiring": arn, "retiring_id": caller["id"]}
        arn = self.pick(
            [user_arn(self.pick(USERS)), role_arn(self.pick(ROLE_NAMES)), session_arn("app", "s1")]
        )
        return given | {"retiring": arn, "retiring_id": standing_bindings(arn)[arn]}

    def siblings(self, given: World) -> list[World]:
        """Worlds that differ from this one in a single thing, each in another."""
        changes: list[dict[str, Any]] = [
            {"request": given["request"] | {"values": self._values()}},
            {"grants": [self._grant(given["caller"]) for _ in range(2)]},
            {"key": given["key"] | {"bindings": {}}},
        ]
        if given["identity"] is not None:
            changes.append({"identity": None})
            changes.append({"identity": given["identity"] | {"boundary": self._boundary()}})
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

    def _account(self) -> str:
        return OWNER if self.chance(0.8) else OTHER

    def _caller(self) -> dict[str, Any]:
        life = 2 if self.chance(0.07) else 1
        kind = self.pick(["root", "user", "user", "user", "session", "session", "session", "service"])
        if kind == "root":
            return root(self._account())
        if kind == "user":
            return user(self.pick(USERS), self._account(), life)
        if kind == "service":
            return service(self.pick(["s3", "sns"]))
        policies, managed = [], []
        if self.chance(0.35):
            policies = [self.identity_policy() for _ in range(self.pick([0, 1]))]
            managed = [self.pick([self.identity_policy(), None]) for _ in range(self.pick([0, 1, 2]))]
        return session(self.pick(ROLE_NAMES), self.pick(SESSIONS), self._account(), policies=policies,
                       managed=managed, life=life)  # fmt: skip

    # --- policies

    def key_policy(self, caller: dict[str, Any]) -> Policy:
        """A key policy that speaks of the caller more often than not."""
        statements = [self.key_statement(caller) for _ in range(self.pick([1, 2, 2, 3]))]
        return self._document(statements)

    def key_statement(self, caller: dict[str, Any], effect: str | None = None) -> dict[str, Any]:
        """One statement of a key policy."""
        statement = self._statement(effect or ("Deny" if self.chance(0.2) else "Allow"))
        if self._words.kind == "trust":
            return self._trust_statement(statement) | {"Principal": self._principal(caller)}
        if statement["Effect"] == "Deny" and self.chance(0.2):
            return statement | {"NotPrincipal": self._whole_caller(caller)}
        return statement | {"Principal": self._principal(caller)}

    def _trust_statement(self, statement: dict[str, Any]) -> dict[str, Any]:
        """Trust policies have no Resource, and no actions but those of STS; NotPrincipal they have not either."""
        element = "Action" if "Action" in statement else "NotAction"
        actions = [one for one in as_list(statement[element]) if one.lower().startswith("sts:")]
        without = {name: value for name, value in statement.items() if "Resource" not in name}
        return without | {element: actions or self._words.actions[0]}

    def identity_policy(self) -> Policy:
        """A policy of a user or role, a boundary, or a session policy."""
        return self._document([self.identity_statement() for _ in range(self.pick([1, 1, 2]))])

    def identity_statement(self, effect: str | None = None) -> dict[str, Any]:
        """One statement without a principal."""
        return self._statement(effect or ("Deny" if self.chance(0.15) else "Allow"))

    def _document(self, statements: list[dict[str, Any]]) -> Policy:
        version = self.pick([None, "2008-10-17"]) if self.chance(0.08) else VERSION
        document: Policy = {} if version is None else {"Version": version}
        return document | {
            "Statement": statements[0] if len(statements) == 1 and self.chance(0.2) else statements
        }

    def _boundary(self) -> Policy | str | None:
        if self.chance(0.7):
            return None
        return "gone" if self.chance(0.1) else self.identity_policy()

    def _statement(self, effect: str) -> dict[str, Any]:
        statement: dict[str, Any] = {"Effect": effect}
        inverted = self.chance(0.08)
        actions = self._words.actions if inverted else [self._words.actions[0], *self._words.actions]
        statement["NotAction" if inverted else "Action"] = self._some(actions)
        statement["NotResource" if self.chance(0.08) else "Resource"] = self._some(self._words.resources)
        if self.chance(0.4 if effect == "Allow" else 0.7):
            statement["Condition"] = self._condition()
        return statement

    def _some(self, options: list[Any]) -> Any:
        if self.chance(0.6):
            return self.pick(options)
        return [self.pick(options) for _ in range(self.pick([1, 2, 3]))]

    def _condition(self) -> dict[str, Any]:
        condition: dict[str, Any] = {}
        for _ in range(self.pick([1, 1, 1, 2])):
            kind = self.pick(list(KINDS))
            operators, keys, _, wanted = KINDS[kind]
            key = self.pick(keys)
            operator = self.pick(operators)
            if self.chance(0.12):
                condition.setdefault("Null", {})[key] = self.pick(["true", "false", True, False])
                continue
            if kind == "set" or self.chance(0.15):
                operator = self.pick(["ForAllValues:", "ForAnyValue:"]) + operator
            if self.chance(0.2):
                operator += "IfExists"
            under = condition.setdefault(operator, {})
            if key.lower() not in {name.lower() for name in under}:  # a key given twice is refused when put
                under[self._other_letters(key)] = self._some(wanted)
        return condition

    def _other_letters(self, key: str) -> str:
        return self.pick([key.upper(), key.lower()]) if self.chance(0.1) else key

    # --- who

    def _whole_caller(self, caller: dict[str, Any]) -> Any:
        """All that a caller is, or that someone else is: AWS says only of these what NotPrincipal leaves out."""
        if self.chance(0.3):
            name, account = self.pick(USERS), self._account()
            return aws(user_arn(name, account), root_arn(account))
        if caller["type"] == "service":
            return {"Service": caller["arn"]}
        parts = [caller["arn"], root_arn(caller["account"]), caller.get("role_arn")]
        return aws(*dict.fromkeys(part for part in parts if part))

    def _principal(self, caller: dict[str, Any]) -> Any:
        if self.chance(0.12):
            return aws("*") if self._words.kind == "trust" else self.pick(["*", aws("*")])
        if self.chance(0.2):
            return {"Service": self._some(["s3.amazonaws.com", "sns.amazonaws.com"])}
        if caller["type"] == "service" and self.chance(0.5):
            return {"Service": caller["arn"]}
        named = [self._aws_principal(caller) for _ in range(self.pick([1, 1, 2, 3]))]
        return aws(*dict.fromkeys(named))

    def _aws_principal(self, caller: dict[str, Any]) -> str:
        if caller["type"] != "service" and self.chance(0.6):
            own = [caller["arn"], root_arn(caller["account"]), caller["account"]]
            if caller["type"] != "root":
                own += [caller["id"], root_arn(caller["account"])]
            if caller["type"] == "session":
                own += [caller["role_arn"], caller["role_arn"]]
            return str(self.pick(own))
        account = self._account()
        return str(self.pick([
            root_arn(account), account, user_arn(self.pick(USERS), account), role_arn(self.pick(ROLE_NAMES), account),
            session_arn(self.pick(ROLE_NAMES), self.pick(SESSIONS), account),
            unique_id("user", self.pick(["alice", "bob"]), account), unique_id("role", "app", account),
        ]))  # fmt: skip

    def _bindings(self, document: Policy) -> dict[str, str]:
        """What the policy's names meant: mostly what they mean now, sometimes somebody or nobody else."""
        found = standing_bindings(*arns_named_in(document))
        for arn in list(found):
            if self.chance(0.05):
                del found[arn]
            elif self.chance(0.05):
                found[arn] = unique_id(
                    "role" if ":assumed-role/" in arn or ":role/" in arn else "user", "gone"
                )
        return found

    # --- what the request has

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
