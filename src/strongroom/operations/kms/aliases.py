"""CreateAlias, UpdateAlias, DeleteAlias, ListAliases."""

from __future__ import annotations

from dataclasses import replace

from strongroom.aws import refusals
from strongroom.aws.generated.shapes import (
    AliasListEntry,
    CreateAliasRequest,
    DeleteAliasRequest,
    ListAliasesRequest,
    ListAliasesResponse,
    UpdateAliasRequest,
)
from strongroom.operations.context import Call
from strongroom.operations.key_lookup import ALIAS_PREFIX, find_named_key
from strongroom.operations.operation import (
    AliasedKeyTarget,
    AliasTarget,
    KeyTarget,
    Operation,
    on_account,
    records,
)
from strongroom.operations.pagination import cut_page, parse_marker, render_marker
from strongroom.resources.identifiers import AliasName, alias_arn
from strongroom.resources.key import Alias
from strongroom.resources.key_spec import KEY_SPECS
from strongroom.resources.key_state import ANY_STATE, CREATE_ALIAS, UPDATE_ALIAS
from strongroom.store.interface import AlreadyExists, LimitReached

RESERVED_PREFIX = "alias/aws/"
ALIASES_PER_KEY_MAX = 50
LIST_ALIASES_LIMIT_DEFAULT = 50
"""ListAliases API reference: "between 1 and 100 ... it defaults to 50"."""


def require_alias_name(name: str) -> AliasName:
    """A customer's alias begins with alias/ and not with alias/aws/."""
    if not name.startswith(ALIAS_PREFIX) or name == ALIAS_PREFIX:
        raise refusals.alias_prefix()
    if name.startswith(RESERVED_PREFIX):
        raise refusals.reserved_alias()
    return AliasName(name)


def check_alias_name(request: CreateAliasRequest | UpdateAliasRequest | DeleteAliasRequest) -> None:
    """Judged before the alias or the key is looked up."""
    require_alias_name(request.alias_name)


async def create_alias(call: Call, request: CreateAliasRequest) -> None:
    name = require_alias_name(request.alias_name)
    store, key = call.rooms.store, call.key
    now = call.rooms.clock.now()
    arn = alias_arn(call.region, call.account_id, name)
    try:
        await store.insert_alias(
            Alias(
                account_id=call.account_id,
                region=call.region,
                alias_name=name,
                arn=arn,
                target_key_id=key.key_id,
                created_at=now,
                updated_at=now,
            ),
            of_key_max=ALIASES_PER_KEY_MAX,
        )
    except AlreadyExists:
        raise refusals.alias_exists(arn) from None
    except LimitReached:
        raise refusals.too_many_aliases(key.arn) from None


async def update_alias(call: Call, request: UpdateAliasRequest) -> None:
    name = require_alias_name(request.alias_name)
    current, target = call.keys
    types = (KEY_SPECS[current.key_spec].type, KEY_SPECS[target.key_spec].type)
    if types[0] is not types[1] or current.key_usage is not target.key_usage:
        # UpdateAlias API reference: "The current and new KMS key must be the same type (both symmetric
        # or both asymmetric or both HMAC), and they must have the same key usage". Not the same spec.
        raise refusals.alias_target_of_another_kind()
    alias = await call.rooms.store.find_alias(call.account_id, call.region, name)
    if alias is None:
        raise refusals.alias_not_found(alias_arn(call.region, call.account_id, name))
    try:
        await call.rooms.store.update_alias(
            replace(alias, target_key_id=target.key_id, updated_at=call.rooms.clock.now()),
            expected_target=current.key_id,  # whose policy has allowed this
            of_key_max=ALIASES_PER_KEY_MAX,
        )
    except LimitReached:
        raise refusals.too_many_aliases(target.arn) from None


async def delete_alias(call: Call, request: DeleteAliasRequest) -> None:
    name = require_alias_name(request.alias_name)
    await call.rooms.store.delete_alias(call.account_id, call.region, name, expected_target=call.key.key_id)


async def list_aliases(call: Call, request: ListAliasesRequest) -> ListAliasesResponse:
    limit = request.limit or LIST_ALIASES_LIMIT_DEFAULT
    key_id = None
    if request.key_id is not None:
        key = await find_named_key(
            call.rooms.store, request.key_id, call.principal, call.region, False, "kms:ListAliases"
        )
        if key.account_id != call.account_id:
            raise refusals.access_denied_by_resource(call.principal.arn, "kms:ListAliases", key.arn)
        key_id = key.key_id
    after = await parse_marker(call, "ListAliases", request.marker, key_id)
    found = await call.rooms.store.list_aliases(
        call.account_id, call.region, key_id, None if after is None else AliasName(after), limit + 1
    )
    page, more = cut_page(found, limit)
    return ListAliasesResponse(
        aliases=[
            AliasListEntry(
                alias_name=alias.alias_name,
                alias_arn=alias.arn,
                target_key_id=alias.target_key_id,
                creation_date=alias.created_at.timestamp(),
                last_updated_date=alias.updated_at.timestamp(),
            )
            for alias in page
        ],
        next_marker=await render_marker(call, "ListAliases", page[-1].alias_name, key_id) if more else None,
        truncated=more,
    )


CREATE_ALIAS_OPERATION = Operation(
    service="kms",
    name="CreateAlias",
    input=CreateAliasRequest,
    output=None,
    check=check_alias_name,
    access=(
        AliasTarget("kms:CreateAlias", "alias_name"),
        KeyTarget("kms:CreateAlias", "target_key_id", False, None, cross_account=False),
    ),
    states=CREATE_ALIAS,
    usage=None,
    read_only=False,
    records=records("alias_name", "target_key_id"),
    response_records=(),
    run=create_alias,
)

UPDATE_ALIAS_OPERATION = Operation(
    service="kms",
    name="UpdateAlias",
    input=UpdateAliasRequest,
    output=None,
    check=check_alias_name,
    access=(
        AliasTarget("kms:UpdateAlias", "alias_name"),
        AliasedKeyTarget("kms:UpdateAlias", "alias_name"),
        KeyTarget("kms:UpdateAlias", "target_key_id", False, None, cross_account=False),
    ),
    states=UPDATE_ALIAS,
    usage=None,
    read_only=False,
    records=records("alias_name", "target_key_id"),
    response_records=(),
    run=update_alias,
)

DELETE_ALIAS_OPERATION = Operation(
    service="kms",
    name="DeleteAlias",
    input=DeleteAliasRequest,
    output=None,
    check=check_alias_name,
    access=(
        AliasTarget("kms:DeleteAlias", "alias_name"),
        AliasedKeyTarget("kms:DeleteAlias", "alias_name"),
    ),
    states=ANY_STATE,
    usage=None,
    read_only=False,
    records=records("alias_name"),
    response_records=(),
    run=delete_alias,
)

LIST_ALIASES_OPERATION = Operation(
    service="kms",
    name="ListAliases",
    input=ListAliasesRequest,
    output=ListAliasesResponse,
    check=None,
    access=on_account("kms:ListAliases"),
    states=None,
    usage=None,
    read_only=True,
    records=records("key_id", "limit", "marker"),
    response_records=(),
    run=list_aliases,
)

OPERATIONS = (
    CREATE_ALIAS_OPERATION,
    UPDATE_ALIAS_OPERATION,
    DELETE_ALIAS_OPERATION,
    LIST_ALIASES_OPERATION,
)
