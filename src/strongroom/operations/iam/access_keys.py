"""Access keys of IAM users and of the account's root.

Without a name the caller's own are meant, the root's among them. Secrets: the boundary makes the secret and
keeps none of it; the answer of CreateAccessKey is the only place where it ever is.
"""

from __future__ import annotations

from typing import Any

from strongroom.aws import iam_entity_refusals, iam_refusals
from strongroom.aws.generated import iam_shapes as shapes
from strongroom.aws.generated.iam_enums import statusType as Status
from strongroom.identity.principal import PrincipalType
from strongroom.operations.context import Call
from strongroom.operations.deletion_ledger import keep_deletions
from strongroom.operations.entities import arn_of, named_or_calling_user
from strongroom.operations.entity_pages import page_of
from strongroom.operations.iam_quotas import ACCESS_KEYS_PER_USER
from strongroom.operations.operation import AccessKeyTarget, EntityTarget, Operation, records
from strongroom.resources.iam import EntityKind, IdPrefix, User, new_unique_id
from strongroom.resources.identifiers import AccessKeyId
from strongroom.store.iam_interface import AccessKey
from strongroom.store.interface import LimitReached

_ABSENT: Any = None
"""A root has no name, though the model requires one."""
_NOT_USED = "N/A"


async def create_access_key(
    call: Call, request: shapes.CreateAccessKeyRequest
) -> shapes.CreateAccessKeyResponse:
    user = await named_or_calling_user(call, request.user_name)
    access_key_id = AccessKeyId(new_unique_id(IdPrefix.ACCESS_KEY))
    secret, token = await call.rooms.boundary.create_access_key_secret(access_key_id, call.account_id)
    access_key = AccessKey(
        access_key_id=access_key_id,
        account_id=call.account_id,
        principal_arn=call.principal.arn if user is None else arn_of(call, user),
        principal_id=_principal_id(call, user),
        principal_type=PrincipalType.ROOT if user is None else PrincipalType.IAM_USER,
        secret_token=token,
        active=True,
        created_at=call.rooms.clock.now(),
    )
    try:
        await call.rooms.store.insert_access_key(access_key, of_principal_max=ACCESS_KEYS_PER_USER)
    except LimitReached:
        raise iam_entity_refusals.quota_exceeded("AccessKeysPerUser", ACCESS_KEYS_PER_USER) from None
    return shapes.CreateAccessKeyResponse(
        access_key=shapes.AccessKey(
            user_name=_ABSENT if user is None else user.name,
            access_key_id=access_key_id,
            status=Status.ACTIVE,
            secret_access_key=secret,
            create_date=access_key.created_at.timestamp(),
        )
    )


def check_update_access_key(request: shapes.UpdateAccessKeyRequest) -> None:
    """Raises InvalidInput: keys are Expired by themselves, and here none is."""
    if request.status is Status.EXPIRED:
        raise iam_refusals.status_not_settable()


async def update_access_key(call: Call, request: shapes.UpdateAccessKeyRequest) -> None:
    access_key = await _require_access_key(call, request.user_name, request.access_key_id)
    await call.rooms.store.set_access_key_active(access_key.access_key_id, request.status is Status.ACTIVE)
    await keep_deletions(call.rooms.deletion_ledger)


async def delete_access_key(call: Call, request: shapes.DeleteAccessKeyRequest) -> None:
    access_key = await _require_access_key(call, request.user_name, request.access_key_id)
    await call.rooms.store.delete_access_key(access_key.access_key_id)
    await keep_deletions(call.rooms.deletion_ledger)


async def list_access_keys(
    call: Call, request: shapes.ListAccessKeysRequest
) -> shapes.ListAccessKeysResponse:
    user = await named_or_calling_user(call, request.user_name)
    principal_id = _principal_id(call, user)
    access_keys = await call.rooms.store.list_access_keys(call.account_id, principal_id)
    page = await page_of(
        call,
        "ListAccessKeys",
        request.marker,
        request.max_items,
        access_keys,
        lambda access_key: access_key.access_key_id,
        principal_id,
    )
    return shapes.ListAccessKeysResponse(
        access_key_metadata=[
            shapes.AccessKeyMetadata(
                user_name=None if user is None else user.name,
                access_key_id=access_key.access_key_id,
                status=Status.ACTIVE if access_key.active else Status.INACTIVE,
                create_date=access_key.created_at.timestamp(),
            )
            for access_key in page.items
        ],
        is_truncated=page.is_truncated,
        marker=page.marker,
    )


async def get_access_key_last_used(
    call: Call, request: shapes.GetAccessKeyLastUsedRequest
) -> shapes.GetAccessKeyLastUsedResponse:
    store = call.rooms.store
    access_key_id = AccessKeyId(request.access_key_id)
    await call.rooms.access_key_uses.flush(store)
    access_key = await store.find_access_key(access_key_id)
    user = None if access_key is None else await store.find_entity_by_id(User, access_key.principal_id)
    use = await store.find_access_key_use(access_key_id)
    last_used = shapes.AccessKeyLastUsed(service_name=_NOT_USED, region=_NOT_USED)
    if use is not None:
        last_used = shapes.AccessKeyLastUsed(
            last_used_date=use.used_at.timestamp(), service_name=use.service, region=use.region
        )
    return shapes.GetAccessKeyLastUsedResponse(
        user_name=None if user is None else user.name, access_key_last_used=last_used
    )


def _principal_id(call: Call, user: User | None) -> str:
    return call.account_id if user is None else user.unique_id


async def _require_access_key(call: Call, user_name: str | None, access_key_id: str) -> AccessKey:
    """One of that user's or the root's. Raises NoSuchEntity, for another's as for one that is not there."""
    user = await named_or_calling_user(call, user_name)
    access_key = await call.rooms.store.find_access_key(AccessKeyId(access_key_id))
    if access_key is None or (access_key.account_id, access_key.principal_id) != (
        call.account_id,
        _principal_id(call, user),
    ):
        raise iam_refusals.no_such_access_key(access_key_id)
    return access_key


def _of_user(action: str) -> tuple[EntityTarget, ...]:
    return (EntityTarget(action, EntityKind.USER, "user_name", is_caller_if_absent=True),)


CREATE_ACCESS_KEY = Operation(
    service="iam",
    name="CreateAccessKey",
    input=shapes.CreateAccessKeyRequest,
    output=shapes.CreateAccessKeyResponse,
    check=None,
    access=_of_user("iam:CreateAccessKey"),
    states=None,
    usage=None,
    read_only=False,
    records=records("user_name"),
    response_records=("access_key",),
    run=create_access_key,
)

UPDATE_ACCESS_KEY = Operation(
    service="iam",
    name="UpdateAccessKey",
    input=shapes.UpdateAccessKeyRequest,
    output=None,
    check=check_update_access_key,
    access=_of_user("iam:UpdateAccessKey"),
    states=None,
    usage=None,
    read_only=False,
    records=records("user_name", "access_key_id", "status"),
    response_records=(),
    run=update_access_key,
)

DELETE_ACCESS_KEY = Operation(
    service="iam",
    name="DeleteAccessKey",
    input=shapes.DeleteAccessKeyRequest,
    output=None,
    check=None,
    access=_of_user("iam:DeleteAccessKey"),
    states=None,
    usage=None,
    read_only=False,
    records=records("user_name", "access_key_id"),
    response_records=(),
    run=delete_access_key,
)

LIST_ACCESS_KEYS = Operation(
    service="iam",
    name="ListAccessKeys",
    input=shapes.ListAccessKeysRequest,
    output=shapes.ListAccessKeysResponse,
    check=None,
    access=_of_user("iam:ListAccessKeys"),
    states=None,
    usage=None,
    read_only=True,
    records=records("user_name", "max_items"),
    response_records=(),
    run=list_access_keys,
)

GET_ACCESS_KEY_LAST_USED = Operation(
    service="iam",
    name="GetAccessKeyLastUsed",
    input=shapes.GetAccessKeyLastUsedRequest,
    output=shapes.GetAccessKeyLastUsedResponse,
    check=None,
    access=(AccessKeyTarget("iam:GetAccessKeyLastUsed", "access_key_id"),),
    states=None,
    usage=None,
    read_only=True,
    records=records("access_key_id"),
    response_records=(),
    run=get_access_key_last_used,
)

OPERATIONS = (
    CREATE_ACCESS_KEY,
    UPDATE_ACCESS_KEY,
    DELETE_ACCESS_KEY,
    LIST_ACCESS_KEYS,
    GET_ACCESS_KEY_LAST_USED,
)
