"""The permissions of one request: each is a question of its own to the authorizer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from strongroom.attestation.verification import Recipient
from strongroom.authorization.ask import NO_VALUES, Ask, ConditionValues
from strongroom.authorization.authorizer import trust_policy_of
from strongroom.authorization.decision import Decision, denial, require_allowed
from strongroom.authorization.denial_record import Denied
from strongroom.aws import refusals, sts_refusals
from strongroom.aws.generated.enums import GrantOperation, KeyManagerType
from strongroom.identity.http_request import HttpRequest
from strongroom.identity.principal import AuthenticatedPrincipal, AuthenticatedRequest, PrincipalType
from strongroom.operations.condition_values import RequestConditions
from strongroom.operations.context import Rooms
from strongroom.operations.encryption_algorithms import SYMMETRIC_KEY
from strongroom.operations.grant_rules import terms_of
from strongroom.operations.operation import (
    AliasedKeyTarget,
    GrantTarget,
    KeyTarget,
    RelatedKeyTarget,
    RoleTarget,
)
from strongroom.operations.role_assumption import Assumption
from strongroom.resources.aws_managed_key import ON_AWS_MANAGED_KEYS, ON_AWS_OWNED_KEYS
from strongroom.resources.grant import Grant
from strongroom.resources.iam import Role
from strongroom.resources.key import Key

_CREATE_GRANT = GrantOperation.CREATE_GRANT
_CUSTOMER = KeyManagerType.CUSTOMER
_IN_ITS_OWN_ACCOUNT = frozenset(
    {
        "kms:CreateAlias",
        "kms:CreateKey",
        "kms:DeleteAlias",
        "kms:GenerateRandom",
        "kms:ListAliases",
        "kms:ListKeys",
        "kms:TagResource",
        "kms:UpdateAlias",
    }
)
_NO_ENCRYPTION_CONTEXT: Mapping[str, str] = MappingProxyType({})


class Permissions:
    """Asks for one request, and refuses in AWS's words. `keys` are the KMS keys that the road has resolved.

    Every method raises ApiError AccessDeniedException unless the action is allowed.
    """

    __slots__ = ("_authenticated", "_http", "_recipient", "_request", "_rooms", "denied", "values")

    def __init__(
        self,
        rooms: Rooms,
        http: HttpRequest,
        authenticated: AuthenticatedRequest,
        request: Any,
        recipient: Recipient | None,
    ) -> None:
        self._rooms = rooms
        self._http = http
        self._authenticated = authenticated
        self._request = request
        self._recipient = recipient
        self.values: ConditionValues = NO_VALUES
        """The condition keys of the last permission that was asked for."""
        self.denied: Denied | None = None
        """What the record of a denial says of it. The caller hears nothing of this."""

    def _find_values(
        self,
        action: str,
        keys: Sequence[Key],
        key: Key | None,
        grant: Grant | None = None,
        assumption: Assumption | None = None,
    ) -> ConditionValues:
        """The one place where it is decided what policies may ask of a request under conditions."""
        self.values = RequestConditions(
            self._rooms,
            self._http,
            self._authenticated,
            action,
            self._request,
            keys,
            key,
            recipient=self._recipient,
            grant=grant,
            assumption=assumption,
        )
        return self.values

    async def _note_denial(self, asked: Ask, decision: Decision, role: Role | None = None) -> None:
        resource = None
        if role is not None:
            resource = trust_policy_of(role.trust_policy, role.trust_principals)
        considered = await self._rooms.authorizer.list_considered(asked, resource)
        self.denied = Denied(asked, decision, considered)

    async def require_key(self, target: KeyTarget, key: Key, keys: Sequence[Key]) -> None:
        """The key that the request names by a member or by its ciphertext."""
        principal, request = self._authenticated.principal, self._request
        operation = target.grant_operation
        context = None
        if target.encryption_context is not None and key.key_spec is SYMMETRIC_KEY:
            context = getattr(request, target.encryption_context) or _NO_ENCRYPTION_CONTEXT
        asked = Ask(
            principal,
            target.action,
            key.arn,
            key.account_id,
            self._find_values(target.action, keys, key),
            key,
            target.cross_account,
            operation,
            context,
            terms_of(request) if operation is _CREATE_GRANT else None,
        )
        decision = await self._rooms.authorizer.authorize_key(asked)
        is_permitted_at_all = (
            key.key_manager is _CUSTOMER and principal.account_id != ""
        ) or may_be_asked_of(principal, target.action, key, cross_account=target.cross_account)
        if decision.allowed and is_permitted_at_all:
            return
        if not decision.allowed:
            await self._note_denial(asked, decision)
        named: str | None = getattr(request, target.member)
        if named is None:
            raise refusals.ciphertext_key_inaccessible()
        if key.account_id != principal.resource_account_id:
            # What a stranger hears is the same as for a key or alias that does not exist (key_lookup.py).
            raise refusals.access_denied_by_resource(principal.arn, target.action, named)
        if not is_permitted_at_all:
            raise refusals.access_denied_by_resource(principal.arn, target.action, key.arn)
        raise denial(decision, principal, target.action, key.arn)

    async def require_further_key(
        self, target: AliasedKeyTarget | RelatedKeyTarget, key: Key, keys: Sequence[Key]
    ) -> None:
        """A key that the request does not name itself."""
        principal, action = self._authenticated.principal, target.action
        values = self._find_values(action, keys, key)
        asked = Ask(principal, action, key.arn, key.account_id, values, key)
        decision = await self._rooms.authorizer.authorize_key(asked)
        if not decision.allowed:
            await self._note_denial(asked, decision)
        require_allowed(decision, principal, action, key.arn)
        if not may_be_asked_of(principal, action, key, cross_account=False):
            raise refusals.access_denied_by_resource(principal.arn, action, key.arn)

    async def require_retirement(
        self, target: GrantTarget, key: Key, grant: Grant, keys: Sequence[Key]
    ) -> None:
        """The grant itself says who may retire it."""
        principal, action = self._authenticated.principal, target.action
        values = self._find_values(action, keys, key, grant)
        asked = Ask(principal, action, key.arn, key.account_id, values, key, cross_account=True)
        decision = await self._rooms.authorizer.authorize_retirement(asked, grant)
        if not decision.allowed:
            await self._note_denial(asked, decision)
        if not decision.allowed and key.account_id != principal.account_id:
            # As for a grant that does not exist (grant_lookup.py).
            raise refusals.access_denied_by_resource(principal.arn, action, key.arn)
        require_allowed(decision, principal, action, key.arn)

    async def require_by_identity(self, action: str, resource_arn: str, keys: Sequence[Key]) -> None:
        """What has no policy of its own, in the caller's account: `*`, an alias, a new key, IAM."""
        principal = self._authenticated.principal
        if principal.own_account_id and action in _IN_ITS_OWN_ACCOUNT:
            return  # a service in its own collection of keys, where nobody else is to be asked
        values = self._find_values(action, keys, None)
        asked = Ask(principal, action, resource_arn, principal.account_id, values)
        decision = await self._rooms.authorizer.authorize_resource(asked)
        if not decision.allowed:
            await self._note_denial(asked, decision)
        require_allowed(decision, principal, action, resource_arn)

    async def require_assumption(self, target: RoleTarget, assumption: Assumption) -> None:
        """Every action that the session needs, by the role's trust policy and the caller's policies.

        A role that does not exist is refused as one that does not trust the caller.
        """
        principal, role = self._authenticated.principal, assumption.role
        for action in assumption.actions(target.action):
            if role is not None:
                asked = Ask(
                    principal,
                    action,
                    assumption.role_arn,
                    role.account_id,
                    self._find_values(action, (), None, assumption=assumption),
                    cross_account=True,
                )
                decision = await self._rooms.authorizer.authorize_trust(
                    asked, role.trust_policy, role.trust_principals
                )
                if decision.allowed:
                    continue
                await self._note_denial(asked, decision, role)
            if principal.type is PrincipalType.WEB_IDENTITY_USER:
                raise sts_refusals.web_identity_not_authorized(action)
            raise sts_refusals.not_authorized(principal.arn, action, assumption.role_arn)


def may_be_asked_of(principal: AuthenticatedPrincipal, action: str, key: Key, *, cross_account: bool) -> bool:
    """Whether a policy can allow it at all: to a key that is no customer's own (aws_managed_key.py), or to
    a service, which in customers' accounts is as a caller of another account."""
    if key.key_manager is _CUSTOMER:
        return cross_account or principal.account_id != ""
    is_owned = key.account_id == principal.own_account_id
    return action in (ON_AWS_OWNED_KEYS if is_owned else ON_AWS_MANAGED_KEYS)
