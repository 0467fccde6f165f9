"""Create-, Describe-, Update-, Delete-, Connect- and DisconnectCustomKeyStore.

Connecting and disconnecting is done by a job (jobs/key_store_connections.py), after the answer.
"""

from __future__ import annotations

import secrets
from dataclasses import replace

from strongroom.aws import key_store_refusals, refusals
from strongroom.aws.generated.enums import ConnectionStateType, CustomKeyStoreType, XksProxyConnectivityType
from strongroom.aws.generated.shapes import (
    ConnectCustomKeyStoreRequest,
    ConnectCustomKeyStoreResponse,
    CreateCustomKeyStoreRequest,
    CreateCustomKeyStoreResponse,
    CustomKeyStoresListEntry,
    DeleteCustomKeyStoreRequest,
    DeleteCustomKeyStoreResponse,
    DescribeCustomKeyStoresRequest,
    DescribeCustomKeyStoresResponse,
    DisconnectCustomKeyStoreRequest,
    DisconnectCustomKeyStoreResponse,
    UpdateCustomKeyStoreRequest,
    UpdateCustomKeyStoreResponse,
    XksProxyConfigurationType,
)
from strongroom.operations.context import Call
from strongroom.operations.external_keys import on_behalf_of
from strongroom.operations.key_store_backend import KeyStoreBackend, KeyStoreError
from strongroom.operations.key_store_rules import (
    STORES_MAX,
    as_refusal,
    require_connectivity,
    require_members_of,
    uniqueness_of,
)
from strongroom.operations.operation import Operation, on_account, records
from strongroom.operations.pagination import cut_page, parse_marker, render_marker
from strongroom.resources.custom_key_store import CustomKeyStore
from strongroom.store.interface import ConcurrentChange, StillInUse

DESCRIBE_LIMIT_DEFAULT = 100

_NO_BACKEND = {
    CustomKeyStoreType.AWS_CLOUDHSM: "CloudHsmClusterNotFoundException",
    CustomKeyStoreType.EXTERNAL_KEY_STORE: "XksProxyUriUnreachableException",
}
"""No cluster is configured, no proxy can be reached: what is true where a type has no backend."""

_DISCONNECTED = ConnectionStateType.DISCONNECTED
_WHILE_CONNECTED = ("name", "xks_proxy_access_key_id", "xks_proxy_secret_token", "xks_proxy_uri_path")


def _store_type(request: CreateCustomKeyStoreRequest) -> CustomKeyStoreType:
    return request.custom_key_store_type or CustomKeyStoreType.AWS_CLOUDHSM


def check_create(request: CreateCustomKeyStoreRequest) -> None:
    """Which members go with the type; judged before anything is asked of a cluster or proxy."""
    require_members_of(request, _store_type(request))


def check_describe(request: DescribeCustomKeyStoresRequest) -> None:
    """One filter at most."""
    if request.custom_key_store_id is not None and request.custom_key_store_name is not None:
        raise key_store_refusals.id_and_name()


def check_update(request: UpdateCustomKeyStoreRequest) -> None:
    """There is something to change."""
    if all(
        getattr(request, name) is None for name in request.__struct_fields__ if name != "custom_key_store_id"
    ):
        raise key_store_refusals.nothing_to_update()


def _backend(call: Call, store_type: CustomKeyStoreType) -> KeyStoreBackend:
    backend = call.rooms.key_stores.get(store_type)
    if backend is None:
        raise key_store_refusals.rejected(_NO_BACKEND[store_type])
    return backend


async def _find(call: Call, custom_key_store_id: str) -> CustomKeyStore:
    store = await call.rooms.store.find_custom_key_store(call.account_id, call.region, custom_key_store_id)
    if store is None:
        raise refusals.custom_key_store_not_found(custom_key_store_id)
    return store


async def _wrap(call: Call, custom_key_store_id: str, secret: str | None) -> bytes | None:
    if secret is None:
        return None
    return await call.rooms.boundary.wrap_store_secret(
        call.account_id, call.region, custom_key_store_id, secret.encode()
    )


async def create_custom_key_store(
    call: Call, request: CreateCustomKeyStoreRequest
) -> CreateCustomKeyStoreResponse:
    custom_key_store_id = f"cks-{secrets.token_hex(9)[:17]}"
    credential = request.xks_proxy_authentication_credential
    store = CustomKeyStore(
        account_id=call.account_id,
        region=call.region,
        custom_key_store_id=custom_key_store_id,
        name=request.custom_key_store_name,
        type=_store_type(request),
        connection_state=_DISCONNECTED,
        connection_error_code=None,
        created_at=call.rooms.clock.now(),
        version=1,
        cloud_hsm_cluster_id=request.cloud_hsm_cluster_id,
        trust_anchor_certificate=request.trust_anchor_certificate,
        xks_proxy_connectivity=request.xks_proxy_connectivity,
        xks_proxy_uri_endpoint=request.xks_proxy_uri_endpoint,
        xks_proxy_uri_path=request.xks_proxy_uri_path,
        xks_proxy_vpc_endpoint_service_name=request.xks_proxy_vpc_endpoint_service_name,
        xks_proxy_vpc_endpoint_service_owner=request.xks_proxy_vpc_endpoint_service_owner,
        xks_proxy_access_key_id=None if credential is None else credential.access_key_id,
    )
    require_connectivity(store)
    backend = _backend(call, store.type)
    unique = uniqueness_of(store, STORES_MAX)
    unique(await call.rooms.store.list_custom_key_stores(call.account_id, call.region, None, STORES_MAX))
    raw = None if credential is None else credential.raw_secret_access_key
    store = replace(
        store,
        key_store_password_token=await _wrap(call, custom_key_store_id, request.key_store_password),
        xks_proxy_secret_token=await _wrap(call, custom_key_store_id, raw),
    )
    try:
        await backend.check_configuration(store, None, on_behalf_of(call))
    except KeyStoreError as error:
        raise as_refusal(error) from None
    await call.rooms.store.insert_custom_key_store(store, unique)
    return CreateCustomKeyStoreResponse(custom_key_store_id=custom_key_store_id)


async def describe_custom_key_stores(
    call: Call, request: DescribeCustomKeyStoresRequest
) -> DescribeCustomKeyStoresResponse:
    store_id, name = request.custom_key_store_id, request.custom_key_store_name
    if store_id is not None:
        found = [await _find(call, store_id)]
        return DescribeCustomKeyStoresResponse(custom_key_stores=[_entry(found[0])], truncated=False)
    rooms = call.rooms
    if name is not None:
        every = await rooms.store.list_custom_key_stores(call.account_id, call.region, None, STORES_MAX)
        named = [_entry(store) for store in every if store.name == name]
        if not named:
            raise key_store_refusals.not_found_by_name(name)
        return DescribeCustomKeyStoresResponse(custom_key_stores=named, truncated=False)
    limit = request.limit or DESCRIBE_LIMIT_DEFAULT
    after = await parse_marker(call, "DescribeCustomKeyStores", request.marker)
    listed = await rooms.store.list_custom_key_stores(call.account_id, call.region, after, limit + 1)
    page, more = cut_page(listed, limit)
    return DescribeCustomKeyStoresResponse(
        custom_key_stores=[_entry(store) for store in page],
        next_marker=await render_marker(call, "DescribeCustomKeyStores", page[-1].custom_key_store_id)
        if more
        else None,
        truncated=more,
    )


def _entry(store: CustomKeyStore) -> CustomKeyStoresListEntry:
    """Secrets: the password and the proxy's secret access key are never told."""
    proxy = None
    if store.type is CustomKeyStoreType.EXTERNAL_KEY_STORE:
        proxy = XksProxyConfigurationType(
            connectivity=store.xks_proxy_connectivity,
            access_key_id=store.xks_proxy_access_key_id,
            uri_endpoint=store.xks_proxy_uri_endpoint,
            uri_path=store.xks_proxy_uri_path,
            vpc_endpoint_service_name=store.xks_proxy_vpc_endpoint_service_name,
            vpc_endpoint_service_owner=store.xks_proxy_vpc_endpoint_service_owner,
        )
    return CustomKeyStoresListEntry(
        custom_key_store_id=store.custom_key_store_id,
        custom_key_store_name=store.name,
        cloud_hsm_cluster_id=store.cloud_hsm_cluster_id,
        trust_anchor_certificate=store.trust_anchor_certificate,
        connection_state=store.connection_state,
        connection_error_code=store.connection_error_code,
        creation_date=store.created_at.timestamp(),
        custom_key_store_type=store.type,
        xks_proxy_configuration=proxy,
    )


async def update_custom_key_store(
    call: Call, request: UpdateCustomKeyStoreRequest
) -> UpdateCustomKeyStoreResponse:
    before = await _find(call, request.custom_key_store_id)
    require_members_of(request, before.type)
    after = await _updated(call, before, request)
    only_name = after == replace(before, name=after.name)
    if not only_name:
        _require_changeable(before, after)
        require_connectivity(after)
        backend = _backend(call, before.type)
        try:
            await backend.check_configuration(after, before, on_behalf_of(call))
        except KeyStoreError as error:
            raise as_refusal(error) from None
    try:
        await call.rooms.store.update_custom_key_store(after, uniqueness_of(after, None))
    except ConcurrentChange:
        raise refusals.internal() from None  # may be tried again
    return UpdateCustomKeyStoreResponse()


def _require_changeable(before: CustomKeyStore, after: CustomKeyStore) -> None:
    """Raises ApiError CustomKeyStoreInvalidStateException.

    Source: UpdateCustomKeyStore, XksProxyAuthenticationCredential and XksProxyUriPath ("You can change this
    value when the external key store is connected or disconnected"); all else needs it disconnected.
    """
    state = before.connection_state
    kept = {member: getattr(after, member) for member in _WHILE_CONNECTED}
    may_be_connected = after == replace(before, **kept)
    if state is _DISCONNECTED or (may_be_connected and state is ConnectionStateType.CONNECTED):
        return
    raise key_store_refusals.invalid_store_state(before.custom_key_store_id, state)


async def _updated(
    call: Call, before: CustomKeyStore, request: UpdateCustomKeyStoreRequest
) -> CustomKeyStore:
    credential = request.xks_proxy_authentication_credential
    changes: dict[str, object] = {
        "name": request.new_custom_key_store_name,
        "cloud_hsm_cluster_id": request.cloud_hsm_cluster_id,
        "key_store_password_token": await _wrap(call, before.custom_key_store_id, request.key_store_password),
        "xks_proxy_connectivity": request.xks_proxy_connectivity,
        "xks_proxy_uri_endpoint": request.xks_proxy_uri_endpoint,
        "xks_proxy_uri_path": request.xks_proxy_uri_path,
        "xks_proxy_vpc_endpoint_service_name": request.xks_proxy_vpc_endpoint_service_name,
        "xks_proxy_vpc_endpoint_service_owner": request.xks_proxy_vpc_endpoint_service_owner,
    }
    if credential is not None:
        changes["xks_proxy_access_key_id"] = credential.access_key_id
        changes["xks_proxy_secret_token"] = await _wrap(
            call, before.custom_key_store_id, credential.raw_secret_access_key
        )
    changed = {name: value for name, value in changes.items() if value is not None}
    if request.xks_proxy_connectivity is XksProxyConnectivityType.PUBLIC_ENDPOINT:
        # "specify a null or empty string for the XksProxyVpcEndpointServiceName value"
        changed.setdefault("xks_proxy_vpc_endpoint_service_name", None)
        changed.setdefault("xks_proxy_vpc_endpoint_service_owner", None)
    return replace(before, **changed)  # type: ignore[arg-type]


async def delete_custom_key_store(
    call: Call, request: DeleteCustomKeyStoreRequest
) -> DeleteCustomKeyStoreResponse:
    store = await _find(call, request.custom_key_store_id)
    if store.connection_state is not _DISCONNECTED:
        raise key_store_refusals.invalid_store_state(store.custom_key_store_id, store.connection_state)
    try:
        await call.rooms.store.delete_custom_key_store(store)
    except StillInUse:
        raise key_store_refusals.rejected("CustomKeyStoreHasCMKsException") from None
    except ConcurrentChange:
        raise refusals.internal() from None  # may be tried again
    return DeleteCustomKeyStoreResponse()


async def connect_custom_key_store(
    call: Call, request: ConnectCustomKeyStoreRequest
) -> ConnectCustomKeyStoreResponse:
    """Answers at once; a job connects. A store that is connected, or about to be, stays so."""
    store = await _find(call, request.custom_key_store_id)
    if store.connection_state in (ConnectionStateType.DISCONNECTING, ConnectionStateType.FAILED):
        raise key_store_refusals.invalid_store_state(store.custom_key_store_id, store.connection_state)
    if store.connection_state is _DISCONNECTED:
        try:
            await _backend(call, store.type).check_connection(store)
        except KeyStoreError as error:
            raise as_refusal(error) from None
        await _put_state(call, store, ConnectionStateType.CONNECTING)
    return ConnectCustomKeyStoreResponse()


async def disconnect_custom_key_store(
    call: Call, request: DisconnectCustomKeyStoreRequest
) -> DisconnectCustomKeyStoreResponse:
    """The keys of the store are unavailable when this has answered; a job gives its sessions up."""
    store = await _find(call, request.custom_key_store_id)
    if store.connection_state in (ConnectionStateType.DISCONNECTING, _DISCONNECTED):
        raise key_store_refusals.invalid_store_state(store.custom_key_store_id, store.connection_state)
    await _put_state(call, store, ConnectionStateType.DISCONNECTING)
    return DisconnectCustomKeyStoreResponse()


async def _put_state(call: Call, store: CustomKeyStore, state: ConnectionStateType) -> None:
    try:
        await call.rooms.store.update_custom_key_store(
            replace(store, connection_state=state, connection_error_code=None)
        )
    except ConcurrentChange:
        raise refusals.internal() from None  # may be tried again


CREATE = Operation(
    service="kms",
    name="CreateCustomKeyStore",
    input=CreateCustomKeyStoreRequest,
    output=CreateCustomKeyStoreResponse,
    check=check_create,
    access=on_account("kms:CreateCustomKeyStore"),
    states=None,
    usage=None,
    read_only=False,
    records=records(
        "custom_key_store_name",
        "custom_key_store_type",
        "cloud_hsm_cluster_id",
        "xks_proxy_connectivity",
        "xks_proxy_uri_endpoint",
        "xks_proxy_uri_path",
        "xks_proxy_vpc_endpoint_service_name",
        "xks_proxy_vpc_endpoint_service_owner",
    ),
    response_records=("custom_key_store_id",),
    run=create_custom_key_store,
)

DESCRIBE = Operation(
    service="kms",
    name="DescribeCustomKeyStores",
    input=DescribeCustomKeyStoresRequest,
    output=DescribeCustomKeyStoresResponse,
    check=check_describe,
    access=on_account("kms:DescribeCustomKeyStores"),
    states=None,
    usage=None,
    read_only=True,
    records=records("custom_key_store_id", "custom_key_store_name", "limit", "marker"),
    response_records=(),
    run=describe_custom_key_stores,
)

UPDATE = Operation(
    service="kms",
    name="UpdateCustomKeyStore",
    input=UpdateCustomKeyStoreRequest,
    output=UpdateCustomKeyStoreResponse,
    check=check_update,
    access=on_account("kms:UpdateCustomKeyStore"),
    states=None,
    usage=None,
    read_only=False,
    records=records(
        "custom_key_store_id",
        "new_custom_key_store_name",
        "cloud_hsm_cluster_id",
        "xks_proxy_connectivity",
        "xks_proxy_uri_endpoint",
        "xks_proxy_uri_path",
        "xks_proxy_vpc_endpoint_service_name",
        "xks_proxy_vpc_endpoint_service_owner",
    ),
    response_records=(),
    run=update_custom_key_store,
)

DELETE = Operation(
    service="kms",
    name="DeleteCustomKeyStore",
    input=DeleteCustomKeyStoreRequest,
    output=DeleteCustomKeyStoreResponse,
    check=None,
    access=on_account("kms:DeleteCustomKeyStore"),
    states=None,
    usage=None,
    read_only=False,
    records=records("custom_key_store_id"),
    response_records=(),
    run=delete_custom_key_store,
)

CONNECT = Operation(
    service="kms",
    name="ConnectCustomKeyStore",
    input=ConnectCustomKeyStoreRequest,
    output=ConnectCustomKeyStoreResponse,
    check=None,
    access=on_account("kms:ConnectCustomKeyStore"),
    states=None,
    usage=None,
    read_only=False,
    records=records("custom_key_store_id"),
    response_records=(),
    run=connect_custom_key_store,
)

DISCONNECT = Operation(
    service="kms",
    name="DisconnectCustomKeyStore",
    input=DisconnectCustomKeyStoreRequest,
    output=DisconnectCustomKeyStoreResponse,
    check=None,
    access=on_account("kms:DisconnectCustomKeyStore"),
    states=None,
    usage=None,
    read_only=False,
    records=records("custom_key_store_id"),
    response_records=(),
    run=disconnect_custom_key_store,
)

OPERATIONS = (CREATE, DESCRIBE, UPDATE, DELETE, CONNECT, DISCONNECT)
