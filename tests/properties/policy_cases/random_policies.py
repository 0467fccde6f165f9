"""Policies by chance, about a caller more often than not."""

from __future__ import annotations

import random
from typing import Any

from tests.properties.policy_cases.vocabulary import (
    KEYS,
    KINDS,
    ROLE_NAMES,
    SESSIONS,
    USERS,
    Vocabulary,
)
from tests.properties.policy_cases.worlds import (
    OTHER,
    OWNER,
    VERSION,
    Policy,
    arns_named_in,
    aws,
    role_arn,
    root_arn,
    session_arn,
    standing_bindings,
    unique_id,
    user_arn,
)
from tests.properties.slow_evaluator.conditions import as_list


class PolicyMaker:
    """Makes policies by chance. The same seed makes the same ones."""

    def __init__(self, seed: object, words: Vocabulary = KEYS) -> None:
        self._random = random.Random(str(seed))
        self.words = words

    def chance(self, probability: float) -> bool:
        """True as often as that."""
        return self._random.random() < probability

    def pick(self, options: list[Any]) -> Any:
        """One of them."""
        return self._random.choice(options)

    def account(self) -> str:
        """The owner's, mostly."""
        return OWNER if self.chance(0.8) else OTHER

    def key_policy(self, caller: dict[str, Any]) -> Policy:
        """A key policy that speaks of the caller more often than not."""
        statements = [self.key_statement(caller) for _ in range(self.pick([1, 2, 2, 3]))]
        return self._document(statements)

    def key_statement(self, caller: dict[str, Any], effect: str | None = None) -> dict[str, Any]:
        """One statement of a key policy."""
        statement = self._statement(effect or ("Deny" if self.chance(0.2) else "Allow"))
        if self.words.kind == "trust":
            return self._trust_statement(statement) | {"Principal": self._principal(caller)}
        if statement["Effect"] == "Deny" and self.chance(0.2):
            return statement | {"NotPrincipal": self._whole_caller(caller)}
        return statement | {"Principal": self._principal(caller)}

    def _trust_statement(self, statement: dict[str, Any]) -> dict[str, Any]:
        """Trust policies have no Resource, and no actions but those of STS; NotPrincipal they have not either."""
        element = "Action" if "Action" in statement else "NotAction"
        actions = [one for one in as_list(statement[element]) if one.lower().startswith("sts:")]
        without = {name: value for name, value in statement.items() if "Resource" not in name}
        return without | {element: actions or self.words.actions[0]}

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

    def boundary(self) -> Policy | str | None:
        """A permissions boundary, one that is gone, or mostly none."""
        if self.chance(0.7):
            return None
        return "gone" if self.chance(0.1) else self.identity_policy()

    def _statement(self, effect: str) -> dict[str, Any]:
        statement: dict[str, Any] = {"Effect": effect}
        inverted = self.chance(0.08)
        actions = self.words.actions if inverted else [self.words.actions[0], *self.words.actions]
        statement["NotAction" if inverted else "Action"] = self._some(actions)
        statement["NotResource" if self.chance(0.08) else "Resource"] = self._some(self.words.resources)
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

    def _whole_caller(self, caller: dict[str, Any]) -> Any:
        """All that a caller is, or that someone else is: AWS says only of these what NotPrincipal leaves out."""
        if self.chance(0.3):
            name, account = self.pick(USERS), self.account()
            return aws(user_arn(name, account), root_arn(account))
        if caller["type"] == "service":
            return {"Service": caller["arn"]}
        parts = [caller["arn"], root_arn(caller["account"]), caller.get("role_arn")]
        return aws(*dict.fromkeys(part for part in parts if part))

    def _principal(self, caller: dict[str, Any]) -> Any:
        if self.chance(0.12):
            return aws("*") if self.words.kind == "trust" else self.pick(["*", aws("*")])
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
        account = self.account()
        return str(self.pick([
            root_arn(account), account, user_arn(self.pick(USERS), account), role_arn(self.pick(ROLE_NAMES), account),
            session_arn(self.pick(ROLE_NAMES), self.pick(SESSIONS), account),
            unique_id("user", self.pick(["alice", "bob"]), account), unique_id("role", "app", account),
        ]))  # fmt: skip

    def bindings(self, document: Policy) -> dict[str, str]:
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
