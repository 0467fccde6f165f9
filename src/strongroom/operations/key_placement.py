"""CreateKey and GenerateRandom in a custom key store.

Source: API reference, CreateKey: CustomKeyStoreId, Origin, XksKeyId.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Final

from strongroom.aws import key_store_refusals, proxy_refusals, refusals
from strongroom.aws.generated.enums import ConnectionStateType, CustomKeyStoreType, KeySpec, OriginType
from strongroom.aws.generated.shapes import CreateKeyRequest
from strongroom.operations.context import Call
from strongroom.operations.external_keys import on_behalf_of
from strongroom.operations.key_store_backend import KeyStoreBackend, KeyStoreError
from strongroom.operations.key_store_rules import as_refusal
from strongroom.operations.refused_logins import note_refused_login
from strongroom.resources.custom_key_store import CustomKeyStore
from strongroom.resources.key import Key
from strongroom.store.interface import AlreadyExists, ConcurrentChange

logger = logging.getLogger("strongroom.operations")

_ORIGIN_IN: Final[Mapping[CustomKeyStoreType, OriginType]] = {
    CustomKeyStoreType.AWS_CLOUDHSM: OriginType.AWS_CLOUDHSM,
    CustomKeyStoreType.EXTERNAL_KEY_STORE: OriginType.EXTERNAL_KEY_STORE,
}


def check_place(request: CreateKeyRequest, spec: KeySpec) -> None:
    """What members of CreateKey go together with a custom key store, before it is looked up."""
    origin = request.origin
    if request.xks_key_id is not None and origin is not OriginType.EXTERNAL_KEY_STORE:
        raise refusals.xks_key_id_needs_external_key_store()
    if request.custom_key_store_id is None:
        if origin in _ORIGIN_IN.values():
            raise key_store_refusals.origin_needs_store(str(origin))
        return
    if spec is not KeySpec.SYMMETRIC_DEFAULT:
        raise key_store_refusals.not_in_custom_key_store(f"KeySpec {spec}")
    if request.multi_region:
        raise key_store_refusals.not_in_custom_key_store("MultiRegion")
    if origin is OriginType.EXTERNAL_KEY_STORE and request.xks_key_id is None:
        raise key_store_refusals.xks_key_id_required()


async def find_place(call: Call, request: CreateKeyRequest) -> CustomKeyStore | None:
    """The custom key store that a new key goes to, connected and of the key's origin; None for none."""
    if request.custom_key_store_id is None:
        return None
    store, _ = await _find_connected(call, request.custom_key_store_id)
    if request.origin is not _ORIGIN_IN[store.type]:
        raise key_store_refusals.store_needs_origin(_ORIGIN_IN[store.type])
    return store


async def create_in_store(call: Call, key: Key, store: CustomKeyStore) -> None:
    """Have the key made there, and keep its record. Raises LimitReached."""
    backend = call.rooms.key_stores[store.type]
    try:
        await backend.create_key(store, key.key_id, key.xks_key_id, on_behalf_of(call))
    except KeyStoreError as error:
        await note_refused_login(call.rooms.store, store, error)
        raise as_refusal(error, proxy_refusals.of_new_key) from None
    try:
        await call.rooms.store.insert_key_in(key, store, of_account_max=call.rooms.rules.keys_max)
    except Exception as error:
        await _undo(backend, store, key)
        if isinstance(error, AlreadyExists):
            raise key_store_refusals.rejected("XksKeyAlreadyInUseException") from None
        if isinstance(error, ConcurrentChange):  # disconnected meanwhile, or renamed: may be tried again
            raise refusals.internal() from None
        raise


async def random_of_store(call: Call, custom_key_store_id: str, number_of_bytes: int) -> bytes:
    """GenerateRandom in the cluster of a custom key store."""
    store, backend = await _find_connected(call, custom_key_store_id)
    if store.type is not CustomKeyStoreType.AWS_CLOUDHSM:
        # "External key store IDs are not valid for this parameter" (GenerateRandom, CustomKeyStoreId)
        raise refusals.unsupported_operation(None)
    try:
        return await backend.generate_random(store, number_of_bytes)
    except KeyStoreError as error:
        await note_refused_login(call.rooms.store, store, error)
        raise as_refusal(error) from None


async def _find_connected(call: Call, custom_key_store_id: str) -> tuple[CustomKeyStore, KeyStoreBackend]:
    store = await call.rooms.store.find_custom_key_store(call.account_id, call.region, custom_key_store_id)
    if store is None:
        raise refusals.custom_key_store_not_found(custom_key_store_id)
    backend = call.rooms.key_stores.get(store.type)
    if store.connection_state is not ConnectionStateType.CONNECTED or backend is None:
        raise key_store_refusals.invalid_store_state(custom_key_store_id, store.connection_state)
    return store, backend


async def _undo(backend: KeyStoreBackend, store: CustomKeyStore, key: Key) -> None:
    try:
        await backend.delete_key(store, key.key_id, key.xks_key_id)
    except KeyStoreError as error:
        logger.warning("a key without a record stays in a custom key store: %s", type(error).__name__)
