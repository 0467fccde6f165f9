"""A recorded request asked again: every permission that it needed, decided by the policies of now.

The same resolving, the same questions and the same authorizer as on the road; the values of condition keys
are those of then where the record has them. Nothing is run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from strongroom.administration.recorded_request import NotRebuildable, RecordedRequest
from strongroom.attestation.verification import AttestationVerifier
from strongroom.authorization.ask import Ask, ConditionValues
from strongroom.authorization.authorizer import Authorizer, ResourcePolicy, trust_policy_of
from strongroom.authorization.decision import Decision
from strongroom.authorization.denial_record import (
    VALUE_CHARACTERS_MAX,
    VALUES_MAX,
    Considered,
)
from strongroom.authorization.explanation import Explanation
from strongroom.aws.errors import ApiError
from strongroom.boundary.interface import Boundary
from strongroom.clock import Clock
from strongroom.identity.principal import PrincipalType
from strongroom.operations.circumstances import Values
from strongroom.operations.condition_values import RequestConditions
from strongroom.operations.context import Rooms
from strongroom.operations.entity_arns import entity_arn_of
from strongroom.operations.grant_lookup import resolve_grant
from strongroom.operations.key_lookup import resolve_further_key, resolve_key_target
from strongroom.operations.operation import (
    AccountTarget,
    AliasedKeyTarget,
    AliasTarget,
    GrantTarget,
    IamTarget,
    KeyTarget,
    NewKeyTarget,
    RelatedKeyTarget,
    RoleTarget,
    Target,
)
from strongroom.operations.permissions import Permissions
from strongroom.operations.resource_arns import resource_arn_of
from strongroom.operations.role_assumption import Assumption, resolve_assumption
from strongroom.operations.rules import Rules
from strongroom.resources.grant import Grant
from strongroom.resources.identifiers import KeyId, parse_kms_arn
from strongroom.resources.key import Key
from strongroom.store.interface import Store


@dataclass(frozen=True, slots=True)
class AskedAgain:
    """One permission of a request, and what the policies of now say."""

    ask: Ask
    explanation: Explanation
    considered: Considered


@dataclass(frozen=True, slots=True)
class Replayed:
    """All permissions of a request up to the first that is denied."""

    permissions: tuple[AskedAgain, ...]
    stopped_by: str | None
    """Why the road would not have come to a decision: the key is gone, say. None: it would."""

    @property
    def allowed(self) -> bool:
        """Whether every permission is given."""
        return self.stopped_by is None and all(one.explanation.decision.allowed for one in self.permissions)


async def replay(
    store: Store,
    request: RecordedRequest,
    keys: Mapping[str, Key] | None = None,
    authorizer: Authorizer | None = None,
) -> Replayed:
    """Ask for everything that the request needed. `keys` by ARN stand in the place of the stored ones;
    an `authorizer` that is given again has read the policies already.

    Raises NotRebuildable, StoreUnavailable.
    """
    explaining = _Explaining(authorizer or Authorizer(store))
    rooms = rooms_to_look(store, explaining, _RecordedClock(request.at))
    walk = _Walk(rooms, request, keys or {})
    stopped_by = None
    try:
        for target in request.operation.access:
            await walk.ask_for(target)
    except ApiError as refused:
        if not explaining.asked or explaining.asked[-1].explanation.decision.allowed:
            stopped_by = refused.message or refused.code
    return Replayed(tuple(explaining.asked), stopped_by)


def rooms_to_look(store: Store, authorizer: Authorizer, clock: Clock) -> Rooms:
    """What deciding needs of the house, without a boundary: nothing that needs one is asked."""
    return Rooms(store, cast(Boundary, None), authorizer, clock, Rules(), AttestationVerifier({}))


class _RecordedClock:
    """The time of the request."""

    def __init__(self, at: datetime) -> None:
        self._at = at

    def epoch_seconds(self) -> float:
        return self._at.timestamp()

    def now(self) -> datetime:
        return self._at


class _Explaining(Authorizer):
    """An authorizer that keeps the explanation of everything it is asked."""

    __slots__ = ("_authorizer", "asked")

    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer
        self.asked: list[AskedAgain] = []

    async def authorize_key(self, ask: Ask) -> Decision:
        return await self._keep(ask, await self._authorizer.explain_key(ask))

    async def authorize_resource(self, ask: Ask) -> Decision:
        return await self._keep(ask, await self._authorizer.explain_resource(ask))

    async def authorize_retirement(self, ask: Ask, grant: Grant) -> Decision:
        laid_open = await self._authorizer.explain_key(ask)
        decision = await self._authorizer.authorize_retirement(ask, grant)
        named = ", ".join(
            one for one in (grant.retiring_principal, grant.retiring_service_principal) if one is not None
        )
        would = () if decision.allowed else (f"its retiring principal ({named or 'there is none'})",)
        return await self._keep(
            ask,
            Explanation(
                decision, ask.principal.arn, ask.action, ask.resource_arn, laid_open.policies, (), would
            ),
        )

    async def authorize_trust(
        self, ask: Ask, trust_policy: str, trust_principals: Mapping[str, str]
    ) -> Decision:
        explanation = await self._authorizer.explain_trust(ask, trust_policy, trust_principals)
        return await self._keep(ask, explanation, trust_policy_of(trust_policy, trust_principals))

    async def list_considered(self, ask: Ask, resource: ResourcePolicy | None = None) -> Considered:
        return await self._authorizer.list_considered(ask, resource)

    async def _keep(
        self, ask: Ask, explanation: Explanation, resource: ResourcePolicy | None = None
    ) -> Decision:
        self.asked.append(AskedAgain(ask, explanation, await self.list_considered(ask, resource)))
        return explanation.decision


class _Walk:
    """The road's way through an operation's targets, for a request that has only its record."""

    def __init__(self, rooms: Rooms, request: RecordedRequest, instead: Mapping[str, Key]) -> None:
        self._rooms = rooms
        self._request = request
        self._instead = instead
        self._permissions = _RecordedPermissions(rooms, request)
        self._keys: list[Key] = []

    async def ask_for(self, target: Target) -> None:
        """Raises ApiError when it is denied, or its resource is not there; NotRebuildable."""
        rooms, members = self._rooms, self._request.members
        principal, region = self._request.authenticated.principal, self._request.authenticated.region
        if isinstance(target, KeyTarget):
            key = await self._recorded_key()
            if key is None:
                if getattr(members, target.member) is None and target.ciphertext is not None:
                    raise NotRebuildable("The record names no KMS key.")
                key = await resolve_key_target(rooms.store, target, members, principal, region)
            await self._permissions.require_key(target, self._take(key), tuple(self._keys))
        elif isinstance(target, AliasedKeyTarget | RelatedKeyTarget):
            key = await self._recorded_key() or await resolve_further_key(
                rooms.store, target, members, principal.account_id, region, self._keys
            )
            await self._permissions.require_further_key(target, self._take(key), tuple(self._keys))
        elif isinstance(target, GrantTarget):
            if members.grant_id is None or members.key_id is None:
                raise NotRebuildable("The record does not name the grant: it was named by its token.")
            key, grant = await resolve_grant(rooms, target, members, principal, region)
            await self._permissions.require_retirement(target, self._take(key), grant, tuple(self._keys))
        elif isinstance(target, IamTarget):
            arn = await entity_arn_of(rooms.store, target, members, principal, region)
            if arn is not None:
                await self._permissions.require_by_identity(target.action, arn, tuple(self._keys))
        elif isinstance(target, RoleTarget):
            if principal.type is PrincipalType.WEB_IDENTITY_USER:
                raise NotRebuildable("The record does not have the web identity token.")
            assumption = await resolve_assumption(rooms.store, members, principal, region, None)
            await self._permissions.require_assumption(target, assumption)
        elif isinstance(target, AliasTarget | AccountTarget | NewKeyTarget):
            resource = resource_arn_of(target, members, principal.account_id, region)
            if resource is not None:
                await self._permissions.require_by_identity(target.action, resource, tuple(self._keys))

    def _take(self, key: Key) -> Key:
        key = self._instead.get(key.arn, key)
        self._keys.append(key)
        return key

    async def _recorded_key(self) -> Key | None:
        """The key that the road found then, whatever an alias means now."""
        arns = self._request.key_arns
        if len(self._keys) >= len(arns):
            return None
        arn = parse_kms_arn(arns[len(self._keys)])
        assert arn is not None  # noqa: S101
        key = await self._rooms.store.find_key(arn.region, KeyId(arn.resource.removeprefix("key/")))
        if key is None:
            raise NotRebuildable(f"The KMS key {arns[len(self._keys)]} is gone.")
        return key


class _RecordedPermissions(Permissions):
    """Permissions that are asked for under the condition values of then."""

    __slots__ = ("_recorded",)

    def __init__(self, rooms: Rooms, request: RecordedRequest) -> None:
        super().__init__(rooms, request.http, request.authenticated, request.members, None)
        self._recorded = (request.record.get("additionalEventData") or {}).get("authorization") or {}

    def _find_values(
        self,
        action: str,
        keys: Sequence[Key],
        key: Key | None,
        grant: Grant | None = None,
        assumption: Assumption | None = None,
    ) -> ConditionValues:
        conditions = self._recorded.get("conditions") or {} if self._recorded.get("action") == action else {}
        self.values = _RecordedConditions(
            self._rooms,
            self._http,
            self._authenticated,
            action,
            self._request,
            keys,
            key,
            grant=grant,
            assumption=assumption,
        )
        self.values.recorded = {
            name: None if values is None else tuple(values)
            for name, values in conditions.items()
            if _is_whole(values)
        }
        return self.values


def _is_whole(values: Any) -> bool:
    return values is None or (
        len(values) < VALUES_MAX and all(len(one) < VALUE_CHARACTERS_MAX for one in values)
    )


class _RecordedConditions(RequestConditions):
    """The condition keys of a request: as recorded, and the rest as the request would have them again."""

    __slots__ = ("recorded",)

    recorded: Mapping[str, Values]

    async def prepare(self, keys: frozenset[str]) -> None:
        await super().prepare(frozenset(key for key in keys if key not in self.recorded))

    def values_of(self, key: str) -> Values:
        return self.recorded[key] if key in self.recorded else super().values_of(key)
