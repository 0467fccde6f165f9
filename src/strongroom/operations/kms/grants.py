"""CreateGrant, ListGrants, ListRetirableGrants, RetireGrant, RevokeGrant."""

from __future__ import annotations

from collections.abc import Sequence

from strongroom.aws import grant_refusals, refusals
from strongroom.aws.generated.shapes import (
    CreateGrantRequest,
    CreateGrantResponse,
    GrantConstraints,
    GrantListEntry,
    ListGrantsRequest,
    ListGrantsResponse,
    ListRetirableGrantsRequest,
    RetireGrantRequest,
    RevokeGrantRequest,
)
from strongroom.identity.principal import PrincipalType
from strongroom.operations.context import Call
from strongroom.operations.grant_lookup import account_root_arn, require_grant_id
from strongroom.operations.grant_rules import (
    check_create_grant,
    check_grant_fits,
    constraints_of,
    ordered,
    principal_account,
)
from strongroom.operations.grant_tokens import make_grant_token
from strongroom.operations.operation import (
    GrantTarget,
    Operation,
    Rehearsed,
    on_account,
    on_key,
    records,
)
from strongroom.operations.pagination import cut_page, parse_marker, render_marker
from strongroom.operations.policy_principals import bind_principal, is_unbindable
from strongroom.resources.grant import NO_CONSTRAINTS, Grant, GrantFilter, GrantId, new_grant_id
from strongroom.resources.iam import UniqueId
from strongroom.resources.identifiers import key_arn
from strongroom.resources.key_state import ANY_STATE, GRANTABLE
from strongroom.store.interface import LimitReached

GRANTS_PER_KEY_MAX = 50_000
"""Developer Guide, "Resource quotas"."""
LIST_LIMIT_DEFAULT = 50
LIST_LIMIT_MAX = 100
"""ListGrants API reference: "between 1 and 100, inclusive ... it defaults to 50" and "might return fewer"."""
RETIRABLE_ACTION = "kms:ListRetirableGrants"


async def prepare_grant(call: Call, request: CreateGrantRequest) -> Grant:
    """The grant that is asked for, if the key can have it."""
    key = call.key
    check_grant_fits(request, key)
    grantee_id = await _bind(call, request.grantee_principal)
    retiring_id = await _bind(call, request.retiring_principal)
    if request.dry_run and await call.rooms.store.count_grants_of(key.region, key.key_id) >= (
        GRANTS_PER_KEY_MAX
    ):
        raise grant_refusals.too_many_grants(key.arn)
    return Grant(
        account_id=key.account_id,
        region=key.region,
        key_id=key.key_id,
        grant_id=new_grant_id(),
        name=request.name,
        grantee_principal=request.grantee_principal,
        grantee_service_principal=request.grantee_service_principal,
        retiring_principal=request.retiring_principal,
        retiring_service_principal=request.retiring_service_principal,
        issuing_account=account_root_arn(call.region, call.account_id),
        operations=ordered(request.operations),
        constraints=constraints_of(request),
        created_at=call.rooms.clock.now(),
        grantee_id=grantee_id,
        retiring_id=retiring_id,
    )


async def _bind(call: Call, principal: str | None) -> UniqueId | None:
    """Whom the ARN means now. Raises InvalidArnException for nobody, if the rules ask for principals."""
    if principal is None or is_unbindable(principal):
        return None
    unique_id = await bind_principal(call.rooms.store, principal)
    if unique_id is None and call.rooms.rules.require_policy_principals:
        raise grant_refusals.invalid_principal(principal)
    return unique_id


async def create_grant(call: Call, request: CreateGrantRequest, grant: Grant) -> CreateGrantResponse:
    """A name makes a repeated request find its first grant; its token is new every time."""
    boundary = call.rooms.boundary
    token = await make_grant_token(boundary, grant.reference)  # first: no grant without an answer
    try:
        stored = await call.rooms.store.insert_grant(
            grant, of_key_version=call.key.version, of_key_max=GRANTS_PER_KEY_MAX
        )
    except LimitReached:
        raise grant_refusals.too_many_grants(call.key.arn) from None
    if stored.grant_id != grant.grant_id:
        token = await make_grant_token(boundary, stored.reference)
    return CreateGrantResponse(grant_token=token, grant_id=stored.grant_id)


def check_list_grants(request: ListGrantsRequest) -> None:
    """The filters, judged before the key is looked up."""
    if request.grantee_principal is not None and request.grantee_service_principal is not None:
        raise grant_refusals.one_grantee_filter()
    if request.grant_id is not None:
        require_grant_id(request.grant_id)
    if request.grantee_principal is not None:
        principal_account(request.grantee_principal)


async def list_grants(call: Call, request: ListGrantsRequest) -> ListGrantsResponse:
    if request.grantee_service_principal is not None and (
        call.principal.type is not PrincipalType.AWS_SERVICE
    ):
        raise grant_refusals.only_for_services("GranteeServicePrincipal")
    key = call.key
    of = (key.arn, request.grant_id, request.grantee_principal, request.grantee_service_principal)
    after = await parse_marker(call, "ListGrants", request.marker, *of)
    chosen = GrantFilter(
        None if request.grant_id is None else GrantId(request.grant_id),
        request.grantee_principal,
        request.grantee_service_principal,
    )
    limit = page_limit(request.limit)
    found = await call.rooms.store.list_grants(
        key.region, key.key_id, chosen, None if after is None else GrantId(after), limit + 1
    )
    return await render_page(call, "ListGrants", found, limit, *of)


def check_list_retirable_grants(request: ListRetirableGrantsRequest) -> None:
    """Exactly one retiring principal."""
    if (request.retiring_principal is None) == (request.retiring_service_principal is None):
        raise grant_refusals.one_retiring_filter()
    if request.retiring_principal is not None:
        principal_account(request.retiring_principal)


async def list_retirable_grants(call: Call, request: ListRetirableGrantsRequest) -> ListGrantsResponse:
    """Of keys of all accounts, but only for principals of the caller's own."""
    retiring = request.retiring_principal
    if retiring is None:
        raise grant_refusals.only_for_services("RetiringServicePrincipal")  # not built for them either
    if principal_account(retiring, call.region) != call.account_id:
        raise refusals.access_denied_by_identity(call.principal.arn, RETIRABLE_ACTION, retiring)
    after = await parse_marker(call, "ListRetirableGrants", request.marker, retiring)
    limit = page_limit(request.limit)
    found = await call.rooms.store.list_retirable_grants(
        call.region, retiring, None if after is None else GrantId(after), limit + 1
    )
    return await render_page(call, "ListRetirableGrants", found, limit, retiring)


def page_limit(limit: int | None) -> int:
    """How many grants a page holds."""
    return LIST_LIMIT_DEFAULT if limit is None else min(limit, LIST_LIMIT_MAX)


async def render_page(
    call: Call, listing: str, found: Sequence[Grant], limit: int, *of: str | None
) -> ListGrantsResponse:
    """One page of a listing, of what was read with one more than it holds."""
    page, more = cut_page(found, limit)
    return ListGrantsResponse(
        grants=[render_grant(grant) for grant in page],
        next_marker=await render_marker(call, listing, page[-1].grant_id, *of) if more else None,
        truncated=more,
    )


def render_grant(grant: Grant) -> GrantListEntry:
    """A grant as the listings show it. One without a name has an empty one (ListGrants examples)."""
    constraints = None
    if grant.constraints != NO_CONSTRAINTS:
        subset = grant.constraints.encryption_context_subset
        equals = grant.constraints.encryption_context_equals
        constraints = GrantConstraints(
            encryption_context_subset=None if subset is None else dict(subset),
            encryption_context_equals=None if equals is None else dict(equals),
            source_arn=grant.constraints.source_arn,
        )
    return GrantListEntry(
        key_id=key_arn(grant.region, grant.account_id, grant.key_id),
        grant_id=grant.grant_id,
        name=grant.name or "",
        creation_date=grant.created_at.timestamp(),
        grantee_principal=grant.grantee_principal,
        retiring_principal=grant.retiring_principal,
        issuing_account=grant.issuing_account,
        operations=list(grant.operations),
        constraints=constraints,
        grantee_service_principal=grant.grantee_service_principal,
        retiring_service_principal=grant.retiring_service_principal,
    )


def check_retire_grant(request: RetireGrantRequest) -> None:
    """A grant token alone, or a key and a grant id."""
    by_id = (request.key_id is not None, request.grant_id is not None)
    if by_id != ((False, False) if request.grant_token is not None else (True, True)):
        raise grant_refusals.which_grant_to_retire()
    if request.grant_id is not None:
        require_grant_id(request.grant_id)


async def prepare_retirement(call: Call, request: RetireGrantRequest) -> Grant:
    """The road has found the grant and asked it."""
    assert call.grant is not None  # noqa: S101
    return call.grant


def check_revoke_grant(request: RevokeGrantRequest) -> None:
    """The form of the grant id."""
    require_grant_id(request.grant_id)


async def prepare_revocation(call: Call, request: RevokeGrantRequest) -> Grant:
    """The key's grant of that id."""
    key = call.key
    grant = await call.rooms.store.find_grant(key.region, key.key_id, GrantId(request.grant_id))
    if grant is None:
        raise grant_refusals.grant_not_found(request.grant_id)
    return grant


async def remove_grant(call: Call, request: object, grant: Grant) -> None:
    """In force on every worker when it returns; a grant that is gone by now sends the request round again."""
    await call.rooms.store.delete_grant(grant.region, grant.key_id, grant.grant_id)


CREATE_GRANT = Operation(
    service="kms",
    name="CreateGrant",
    input=CreateGrantRequest,
    output=CreateGrantResponse,
    check=check_create_grant,
    access=on_key("kms:CreateGrant", cross_account=True),
    states=GRANTABLE,
    usage=None,
    read_only=False,
    records=records(
        "key_id",
        "dry_run",
        "grantee_principal",
        "retiring_principal",
        "operations",
        "constraints",
        "name",
        "grantee_service_principal",
        "retiring_service_principal",
    ),
    response_records=("grant_id",),
    run=Rehearsed(prepare_grant, create_grant),
)

LIST_GRANTS = Operation(
    service="kms",
    name="ListGrants",
    input=ListGrantsRequest,
    output=ListGrantsResponse,
    check=check_list_grants,
    access=on_key("kms:ListGrants", cross_account=True),
    states=ANY_STATE,
    usage=None,
    read_only=True,
    records=records(
        "limit", "marker", "key_id", "grant_id", "grantee_principal", "grantee_service_principal"
    ),
    response_records=(),
    run=list_grants,
)

LIST_RETIRABLE_GRANTS = Operation(
    service="kms",
    name="ListRetirableGrants",
    input=ListRetirableGrantsRequest,
    output=ListGrantsResponse,
    check=check_list_retirable_grants,
    access=on_account(RETIRABLE_ACTION),
    states=None,
    usage=None,
    read_only=True,
    records=records("limit", "marker", "retiring_principal", "retiring_service_principal"),
    response_records=(),
    run=list_retirable_grants,
)

RETIRE_GRANT = Operation(
    service="kms",
    name="RetireGrant",
    input=RetireGrantRequest,
    output=None,
    check=check_retire_grant,
    access=(GrantTarget("kms:RetireGrant"),),
    states=ANY_STATE,
    usage=None,
    read_only=False,
    records=records("key_id", "grant_id", "dry_run"),
    response_records=(),
    run=Rehearsed(prepare_retirement, remove_grant),
)

REVOKE_GRANT = Operation(
    service="kms",
    name="RevokeGrant",
    input=RevokeGrantRequest,
    output=None,
    check=check_revoke_grant,
    access=on_key("kms:RevokeGrant", cross_account=True),
    states=ANY_STATE,
    usage=None,
    read_only=False,
    records=records("key_id", "grant_id", "dry_run"),
    response_records=(),
    run=Rehearsed(prepare_revocation, remove_grant),
)

OPERATIONS = (CREATE_GRANT, LIST_GRANTS, LIST_RETIRABLE_GRANTS, RETIRE_GRANT, REVOKE_GRANT)
