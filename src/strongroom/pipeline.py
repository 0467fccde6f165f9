"""The road that every request takes, and nothing else:

    authenticate -> decode -> validate -> request quota -> resolve the key -> authorize
    -> check the key usage and state -> dry run -> run -> record

Each step works from what the operation declares (operations/operation.py), so no operation can
forget one. INVARIANTS of the road, guarded by tests/operations/test_road.py:

    T1  no operation runs before its caller is authenticated and every one of its targets is allowed; who
        asks is said by a signature, of AssumeRoleWithWebIdentity alone by the token in it
    T2  refusals come in the order of the steps above
    T3  every answer, refused ones included, has exactly one record, accepted before the answer leaves
        (what else a request did in another Region has one of its own)
    T4  an error that is not an ApiError becomes KMSInternalException, and no text of it leaves
    T5  the caller does not choose the partition in which IAM's ARNs are spelled (iam_partitions.py)
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from strongroom.audit.cloudtrail import (
    Envelope,
    render_envelope,
    render_event,
    render_service_event,
    render_user_identity,
)
from strongroom.audit.interface import AuditTrail, AuditUnavailable
from strongroom.authorization.denial_record import record_denial
from strongroom.aws import refusals, signature_refusals
from strongroom.aws.errors import ApiError
from strongroom.identity.http_request import HttpRequest
from strongroom.identity.principal import AuthenticatedPrincipal, AuthenticatedRequest
from strongroom.identity.user_identity import user_identity_of
from strongroom.operations.admission import Admission
from strongroom.operations.aws_managed_keys import describe_creation, is_to_be_made, make_managed_key
from strongroom.operations.context import Call, RelatedEvent, Rooms
from strongroom.operations.dry_run import is_ciphertext_ignored
from strongroom.operations.entity_arns import entity_arn_of
from strongroom.operations.error_translation import in_words_of, translate
from strongroom.operations.grant_lookup import resolve_grant
from strongroom.operations.grant_tokens import read_grant_tokens
from strongroom.operations.key_availability import as_judged
from strongroom.operations.key_lookup import (
    require_primary,
    resolve_further_key,
    resolve_key_target,
)
from strongroom.operations.key_states import require_states, require_usage
from strongroom.operations.operation import (
    AccessKeyTarget,
    AccountTarget,
    AliasedKeyTarget,
    AliasTarget,
    EntityTarget,
    GrantTarget,
    KeyTarget,
    MovedEntityTarget,
    NewKeyTarget,
    Operation,
    Rehearsed,
    RelatedKeyTarget,
    RoleTarget,
    Target,
)
from strongroom.operations.permissions import Permissions
from strongroom.operations.plan import Plan, record_material, record_request, record_response
from strongroom.operations.recipients import read_recipient, record_recipient
from strongroom.operations.request_quotas import RequestQuotas
from strongroom.operations.resource_arns import resource_arn_of
from strongroom.operations.role_assumption import resolve_assumption
from strongroom.operations.trip import Trip
from strongroom.operations.turns import Turns
from strongroom.operations.web_identities import authenticate_web_identity
from strongroom.request_ids import RequestIds
from strongroom.resources.grant import Grant
from strongroom.resources.identifiers import Region, global_region_of
from strongroom.resources.key import Key
from strongroom.resources.key_state import USABLE_FOR_CRYPTOGRAPHY, StateRule
from strongroom.store.interface import ConcurrentChange

logger = logging.getLogger("strongroom.pipeline")

TRIES_MAX = 100
"""How often a request takes the road again because another changed its key meanwhile."""

KEPT_ENVELOPES_MAX = 2048
KEPT_USER_AGENT_BYTES_MAX = 512
"""Callers choose their user agents: what is kept of them is bounded."""

_UNKNOWN_CALLER = render_user_identity(type="Unknown")


@dataclass(slots=True)
class Answer:
    """What goes back over HTTP."""

    status: int
    content_type: bytes
    body: bytes
    request_id: str


class Codec(Protocol):
    """One wire protocol of AWS: bytes to shapes and back. Implemented in wire/."""

    content_type: bytes

    def decode(self, operation: Operation, body: bytes) -> msgspec.Struct:
        """Raises ApiError: SerializationException, or ValidationException naming every error."""
        ...

    def encode(self, operation: Operation, response: msgspec.Struct | None, request_id: str) -> bytes: ...

    def encode_error(self, error: ApiError, request_id: str) -> bytes: ...


class Authenticator(Protocol):
    """Proves who is calling. Raises ApiError."""

    async def authenticate(self, request: HttpRequest) -> AuthenticatedRequest: ...


class Pipeline:
    """The road, built once by bootstrap. Concurrency: one event loop."""

    def __init__(
        self,
        *,
        authenticator: Authenticator,
        rooms: Rooms,
        audit: AuditTrail,
        request_ids: RequestIds,
        operations: Iterable[Operation],
        not_built: Iterable[tuple[str, str]],
        regions: frozenset[Region] | None,
        request_quotas: RequestQuotas | None = None,
    ) -> None:
        self._authenticator = authenticator
        self._rooms = rooms
        self._audit = audit
        self._ids = request_ids
        self._plans = {(operation.service, operation.name): Plan(operation) for operation in operations}
        self._admission = Admission(not_built, regions, rooms.rules)
        self._request_quotas = request_quotas
        self._turns = Turns()
        self._envelopes: dict[tuple[Plan, str, str, bytes], tuple[AuthenticatedRequest, Envelope]] = {}

    async def answer(self, http: HttpRequest, codec: Codec, service: str, name: str) -> Answer:
        """Take one request down the road and back. Never raises an Exception (T4)."""
        trip = Trip(http, name, self._plans.get((service, name)), self._ids.next())
        body = b""
        self._audit.expected += 1
        try:
            plan = await self._travel(trip, codec, service)
            body = codec.encode(plan.operation, trip.response, trip.request_id)
        except Exception as raised:
            is_about_signature = trip.authenticated is None and (trip.plan is None or trip.plan.is_signed)
            trip.error = in_words_of(service, translate(raised), not is_about_signature)
        finally:
            self._audit.expected -= 1
        try:
            recorded = self._record(trip, service)
            if recorded is not None:
                await recorded
        except AuditUnavailable:  # INVARIANT T3: no record, no answer
            trip.error = in_words_of(service, refusals.internal(), True)
        if trip.error is not None:
            return Answer(
                trip.error.status,
                codec.content_type,
                codec.encode_error(trip.error, trip.request_id),
                trip.request_id,
            )
        if trip.plan is not None and trip.plan.tracked_as is not None:
            for key in trip.keys:
                self._rooms.usage_notes.note(
                    key, trip.plan.tracked_as, trip.recorded_at, trip.event_id, trip.request_id
                )
        return Answer(200, codec.content_type, body, trip.request_id)

    async def _travel(self, trip: Trip, codec: Codec, service: str) -> Plan:
        plan = trip.plan
        if plan is not None and not plan.is_signed:
            return await self._travel_unsigned(trip, plan, codec)
        authenticated = await self._authenticator.authenticate(trip.http)
        trip.authenticated = authenticated
        plan = self._admission.require_plan(plan, service, trip.name, authenticated)
        request: Any = codec.decode(plan.operation, trip.http.body)
        trip.request = request
        self._admit(trip, plan, authenticated, request)
        if plan.takes_grant_tokens and request.grant_tokens:
            trip.grants = await read_grant_tokens(
                self._rooms.boundary, request.grant_tokens, authenticated.region
            )
        if not plan.takes_turns:
            trip.response = await self._run(trip, plan, authenticated, request)
            return plan
        await self._turns.take()
        try:
            for tries in range(TRIES_MAX):
                try:
                    trip.response = await self._run(trip, plan, authenticated, request)
                except ConcurrentChange:  # by another worker: within this one, changes take turns
                    await self._turns.pause(tries)
                    continue
                return plan
        finally:
            self._turns.give()
        raise refusals.internal()

    async def _travel_unsigned(self, trip: Trip, plan: Plan, codec: Codec) -> Plan:
        """The road of AssumeRoleWithWebIdentity: the caller is who the token in the request says, whatever
        else the request may carry in the way of credentials. In a body: URLs end up in logs."""
        if not trip.http.body:
            raise signature_refusals.missing_authentication_token()
        request: Any = codec.decode(plan.operation, trip.http.body)
        trip.request = request
        if plan.operation.check is not None:
            plan.operation.check(request)
        authenticated, trip.web_identity = await authenticate_web_identity(self._rooms, request)
        trip.authenticated = authenticated
        trip.response = await self._run(trip, plan, authenticated, request)
        return plan

    def _admit(self, trip: Trip, plan: Plan, authenticated: AuthenticatedRequest, request: Any) -> None:
        """What is judged by the request alone, before any key is looked up."""
        operation = plan.operation
        if operation.check is not None:
            operation.check(request)
        if self._request_quotas is not None and operation.service == "kms":
            account_id = authenticated.principal.resource_account_id
            self._request_quotas.require_room(trip.name, request, account_id, authenticated.region)
        if plan.takes_recipient and request.recipient is not None:
            trip.recipient = read_recipient(self._rooms, request.recipient)
        if not operation.read_only and not self._audit.is_accepting():
            raise refusals.internal()  # nothing is changed that could not be recorded

    async def _run(
        self, trip: Trip, plan: Plan, authenticated: AuthenticatedRequest, request: Any
    ) -> msgspec.Struct | None:
        rooms = self._rooms
        principal = authenticated.principal
        region = authenticated.region
        operation = plan.operation
        keys: list[Key] = []
        grant: Grant | None = None
        permissions = Permissions(rooms, trip.http, authenticated, request, trip.recipient)
        trip.permissions = permissions
        for target in operation.access:  # each is resolved and allowed before the next is looked up
            if isinstance(target, KeyTarget):
                if principal.forwarding is not None:
                    await self._make_managed_key(target, request, principal, region)
                key = await resolve_key_target(rooms.store, target, request, principal, region)
                keys.append(key)
                trip.keys = tuple(keys)  # a refusal's record names the key, too
                await permissions.require_key(target, key, trip.keys)  # INVARIANT T1
                if target.is_primary:
                    require_primary(key)
            else:
                grant = await self._allow_further(trip, target, request, authenticated, permissions, keys)
        call_keys = trip.keys
        if operation.usage is not None:  # AWS judges the usage before the state
            require_usage(operation, operation.usage, call_keys)
        if operation.states is not None:
            for key in call_keys:
                if key.custom_key_store_id is not None:
                    await self._judge_states_in_stores(plan, operation.states, call_keys)
                    break
            else:  # nearly always
                require_states(operation.states, plan, call_keys, rooms.clock)
        call = Call(
            principal,
            region,
            call_keys,
            rooms,
            trip.grants,
            grant,
            trip.recipient,
            operation=operation.name,
            request_id=trip.request_id,
            assumption=trip.assumption,
            web_identity=trip.web_identity,
            values=permissions.values,
        )
        if plan.takes_dry_run and request.dry_run:
            await self._rehearse(plan, call, request)
            raise refusals.dry_run_succeeded()
        response = await operation.run(call, request)
        trip.related_events = call.related_events
        return response

    async def _make_managed_key(
        self, target: KeyTarget, request: Any, principal: AuthenticatedPrincipal, region: Region
    ) -> None:
        """The first request for a service's AWS managed key in an account makes it."""
        rooms, forwarding = self._rooms, principal.forwarding
        if forwarding is None or not await is_to_be_made(rooms, target, request, principal, region):
            return
        if not self._audit.is_accepting():
            raise refusals.internal()  # nothing is changed that could not be recorded
        key = await make_managed_key(rooms, principal, region)
        if key is not None:
            record = render_service_event(
                event_time=rooms.clock.epoch_seconds(),
                event_source="kms.amazonaws.com",
                event_name="CreateKey",
                region=region,
                service_event_details=describe_creation(key, forwarding.service_principal),
                resources=[(key.arn, key.account_id)],
                recipient_account_id=key.account_id,
                event_id=self._ids.next(),
            )
            await self._audit.durably(record)

    async def _allow_further(
        self,
        trip: Trip,
        target: Target,
        request: Any,
        authenticated: AuthenticatedRequest,
        permissions: Permissions,
        keys: list[Key],
    ) -> Grant | None:
        """Resolve and authorize a target that is not a key named by the request; the grant it is, if one."""
        rooms, principal, region = self._rooms, authenticated.principal, authenticated.region
        if isinstance(target, AliasedKeyTarget | RelatedKeyTarget):
            account_id = principal.resource_account_id
            key = await resolve_further_key(rooms.store, target, request, account_id, region, keys)
            keys.append(key)
            trip.keys = tuple(keys)
            await permissions.require_further_key(target, key, trip.keys)
        elif isinstance(target, GrantTarget):
            key, grant = await resolve_grant(rooms, target, request, principal, region)
            keys.append(key)
            trip.keys = tuple(keys)
            await permissions.require_retirement(target, key, grant, trip.keys)
            return grant
        elif isinstance(target, RoleTarget):
            assumption = await resolve_assumption(rooms.store, request, principal, region, trip.web_identity)
            await permissions.require_assumption(target, assumption)  # INVARIANT T1
            trip.assumption = assumption
        elif isinstance(target, EntityTarget | MovedEntityTarget | AccessKeyTarget):
            entity_arn = await entity_arn_of(rooms.store, target, request, principal, region)
            if entity_arn is not None:
                await permissions.require_by_identity(target.action, entity_arn, trip.keys)
        elif isinstance(target, AliasTarget | AccountTarget | NewKeyTarget):
            resource = resource_arn_of(target, request, principal.resource_account_id, region)
            if resource is not None:
                await permissions.require_by_identity(target.action, resource, trip.keys)
        return None

    async def _judge_states_in_stores(self, plan: Plan, rule: StateRule, keys: tuple[Key, ...]) -> None:
        """The states of keys of which some are in a custom key store, and the quotas of those stores."""
        require_states(rule, plan, await as_judged(self._rooms.store, keys), self._rooms.clock)
        if self._request_quotas is not None and rule is USABLE_FOR_CRYPTOGRAPHY:
            self._request_quotas.require_room_in_stores(keys)

    async def _rehearse(self, plan: Plan, call: Call, request: Any) -> None:
        """What a dry run still checks: a read-only operation runs and its result is thrown away; of a
        change, the part that changes nothing."""
        if plan.takes_dry_run_modifiers and is_ciphertext_ignored(request):
            return
        if plan.operation.read_only:
            await plan.operation.run(call, request)
        elif isinstance(plan.operation.run, Rehearsed):
            await plan.operation.run.prepare(call, request)

    def _record(self, trip: Trip, service: str) -> Awaitable[None] | None:
        """Hand over the record; what comes back, if anything, is to be waited for."""
        trip.event_id = self._ids.next()
        trip.recorded_at = self._rooms.clock.epoch_seconds()
        plan, error, response = trip.plan, trip.error, trip.response
        parameters = None if plan is None or trip.request is None else record_request(plan, trip.request)
        event = render_event(
            self._envelope(trip, service),
            trip.recorded_at,
            None if error is None else error.code,
            None if error is None else error.message,
            parameters,
            None if plan is None or response is None else record_response(plan, response),
            _additional_data(trip, parameters),
            trip.request_id,
            trip.event_id,
        )
        if error is None:
            for related in trip.related_events:  # ahead of the event that the answer waits for
                self._audit.soon(self._render_related(trip, related))
        # A change is acknowledged only when its record is on disk, whatever the setting says of reads.
        if self._audit.durable or (plan is not None and not plan.operation.read_only):
            return self._audit.durably(event)
        self._audit.soon(event)
        return None

    def _render_related(self, trip: Trip, related: RelatedEvent) -> bytes:
        return render_event(
            self._render_envelope(trip, "kms", related),
            self._rooms.clock.epoch_seconds(),
            None,
            None,
            related.request_parameters,
            related.response_elements,
            None,
            trip.request_id,
            self._ids.next(),
        )

    def _envelope(self, trip: Trip, service: str) -> Envelope:
        """What of the record is the same for the same caller, operation and key; kept for the next one."""
        authenticated, plan, keys, http = trip.authenticated, trip.plan, trip.keys, trip.http
        if authenticated is None or plan is None or len(keys) != 1:
            return self._render_envelope(trip, service)
        key = keys[0]
        user_agent = http.fields.get(b"user-agent", b"")
        known = self._envelopes.get((plan, key.arn, http.source_ip, user_agent))
        if known is not None and known[0] is authenticated:
            return known[1]
        envelope = self._render_envelope(trip, service)
        if len(user_agent) <= KEPT_USER_AGENT_BYTES_MAX:
            if len(self._envelopes) >= KEPT_ENVELOPES_MAX:
                self._envelopes.clear()
            self._envelopes[plan, key.arn, http.source_ip, user_agent] = (authenticated, envelope)
        return envelope

    def _render_envelope(self, trip: Trip, service: str, related: RelatedEvent | None = None) -> Envelope:
        plan, authenticated, http = trip.plan, trip.authenticated, trip.http
        region = "" if authenticated is None else authenticated.region
        if related is not None:
            region = related.region
        elif service == "iam" and region:
            region = global_region_of(region)
        return render_envelope(
            user_identity=_UNKNOWN_CALLER
            if authenticated is None
            else render_user_identity(**user_identity_of(authenticated.principal)),
            event_source=f"{service}.amazonaws.com",
            event_name=trip.name if related is None else related.name,
            region=region,
            source_ip=http.source_ip,
            user_agent=http.fields.get(b"user-agent", b"").decode("latin-1"),
            read_only=plan is None or plan.operation.read_only,
            resources=_resources(trip) if related is None else related.resources,
            recipient_account_id=_recipient_account_id(trip),
            tls_details=None,
        )


def _resources(trip: Trip) -> list[tuple[str, str]]:
    """What the request was about: keys, or the role that was assumed."""
    if trip.assumption is not None and trip.assumption.role is not None:
        return [(trip.assumption.role_arn, trip.assumption.role.account_id)]
    return [(key.arn, key.account_id) for key in trip.keys]


def _recipient_account_id(trip: Trip) -> str:
    """The caller's account; a service and a web identity have none, so that of the key or role, or of a
    service's own keys."""
    if trip.authenticated is None:
        return ""
    principal = trip.authenticated.principal
    found = (account for _, account in _resources(trip))
    return principal.account_id or next(found, principal.own_account_id)


def _additional_data(
    trip: Trip, request_parameters: Mapping[str, object] | None
) -> Mapping[str, object] | None:
    """The material that was used, or why it was denied; and the recipient, recorded in refusals as well."""
    data = None
    if trip.plan is not None and trip.response is not None:
        data = record_material(trip.plan, trip.response, trip.keys)
    elif trip.permissions is not None and trip.permissions.denied is not None:
        data = {"authorization": record_denial(trip.permissions.denied, request_parameters)}
    if trip.recipient is None:
        return data
    return {**(data or {}), "recipient": record_recipient(trip.recipient)}
