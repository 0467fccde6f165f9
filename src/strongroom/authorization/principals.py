"""Whom a statement is about: the names in Principal and NotPrincipal, and a caller compared with them.

Source: IAM User Guide, "AWS JSON policy elements: Principal" and "NotPrincipal".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from strongroom.authorization.policy_document import PrincipalElement, PrincipalKind
from strongroom.identity.principal import AuthenticatedPrincipal, PrincipalType

_SESSION = ":assumed-role/"


class PrincipalMatch(Enum):
    """By which of its names a statement is about a caller."""

    NONE = 0
    ACCOUNT = 1
    """The root's ARN, or the account's number: everyone in it whom the account lets."""
    ANYONE = 2
    FEDERATED = 3
    SERVICE = 4
    ROLE = 5
    USER = 6
    SESSION = 7
    """One session of a role."""


@dataclass(frozen=True, slots=True)
class Caller:
    """What the names in a policy are compared with. Texts that do not apply are empty, and match nothing."""

    type: PrincipalType
    account_id: str
    arn: str
    root_arn: str
    unique_id: str
    """Of the user, or of the role."""
    session_name: str
    service: str
    """`s3.amazonaws.com`."""
    federated_provider: str


def caller_of(principal: AuthenticatedPrincipal) -> Caller:
    """Take apart who calls."""
    service = principal.type is PrincipalType.AWS_SERVICE
    session = principal.session
    partition = principal.arn.split(":", 2)[1] if principal.arn.startswith("arn:") else "aws"
    named = principal.type is not PrincipalType.ROOT and not service
    return Caller(
        type=principal.type,
        account_id="" if service else principal.account_id,
        arn=principal.arn,
        root_arn="" if service else f"arn:{partition}:iam::{principal.account_id}:root",
        unique_id=principal.unique_id if named else "",
        session_name=(
            principal.arn.rpartition("/")[2] if principal.type is PrincipalType.ASSUMED_ROLE else ""
        ),
        service=principal.arn if service else "",
        federated_provider=(session.federated_provider or "") if session is not None else "",
    )


@dataclass(frozen=True, slots=True)
class CompiledPrincipal:
    """A Principal or NotPrincipal element: names by what they are compared with."""

    anyone: bool
    accounts: frozenset[str]
    """ARNs of roots, and account numbers."""
    entities: frozenset[str]
    """Unique ids of users and roles."""
    sessions: frozenset[tuple[str, str]]
    """A role's unique id, and a session's name."""
    services: frozenset[str]
    providers: frozenset[str]
    negated: bool

    def match(self, caller: Caller) -> PrincipalMatch:
        """The strongest of its names that fits."""
        if self.negated:
            return PrincipalMatch.NONE if self._names_wholly(caller) else PrincipalMatch.ANYONE
        return self._strongest(caller)

    def _strongest(self, caller: Caller) -> PrincipalMatch:
        if self.sessions and (caller.unique_id, caller.session_name) in self.sessions:
            return PrincipalMatch.SESSION
        if caller.unique_id and caller.unique_id in self.entities:
            return PrincipalMatch.USER if caller.type is PrincipalType.IAM_USER else PrincipalMatch.ROLE
        if caller.service and caller.service in self.services:
            return PrincipalMatch.SERVICE
        if caller.federated_provider and caller.federated_provider in self.providers:
            return PrincipalMatch.FEDERATED
        if self.anyone:
            return PrincipalMatch.ANYONE
        return PrincipalMatch.ACCOUNT if self._names_account(caller) else PrincipalMatch.NONE

    def _names_account(self, caller: Caller) -> bool:
        return bool(caller.account_id) and (
            caller.root_arn in self.accounts or caller.account_id in self.accounts
        )

    def _names_wholly(self, caller: Caller) -> bool:
        """Whether NotPrincipal leaves this caller out.

        A user must be listed with the account, a session with its role and the account: AWS looks at
        each of them, and denies for the one that is missing.
        Source: "NotPrincipal"; AWS Security Blog, "How to restrict Amazon S3 bucket access to a specific
        IAM role" ("the role ARN and the assumed-role user ARN").
        """
        if self.anyone:
            return True
        if caller.service:
            return caller.service in self.services
        if caller.federated_provider and not caller.unique_id:  # a web identity that has no role yet
            return caller.federated_provider in self.providers
        named = self._names_account(caller)
        if caller.type is not PrincipalType.ROOT:
            named = named and caller.unique_id in self.entities
        if caller.type is PrincipalType.ASSUMED_ROLE:
            named = named and (caller.unique_id, caller.session_name) in self.sessions
        return named


def compile_principal(element: PrincipalElement, bound: Mapping[str, str]) -> CompiledPrincipal:
    """Prepare the names. `bound`: see `statements.compile_policy`."""
    names = {kind: {name for one, name in element.names if one is kind} for kind in PrincipalKind}
    accounts: set[str] = set()
    entities: set[str] = set()
    sessions: set[tuple[str, str]] = set()
    for name in names[PrincipalKind.AWS]:
        if name.isdigit() or name.endswith(":root"):
            accounts.add(name)
        elif not name.startswith("arn:"):
            entities.add(name)  # a unique id, or the star, which is nobody's
        elif unique_id := bound.get(name):
            if _SESSION in name:
                sessions.add((unique_id, name.rpartition("/")[2]))
            else:
                entities.add(unique_id)
    return CompiledPrincipal(
        anyone="*" in names[PrincipalKind.AWS],
        accounts=frozenset(accounts),
        entities=frozenset(entities - {"*"}),
        sessions=frozenset(sessions),
        services=frozenset(names[PrincipalKind.SERVICE]),
        providers=frozenset(names[PrincipalKind.FEDERATED]),
        negated=element.negated,
    )
