"""Keys of custom key stores: available only while their store is connected.

The stored key state is the one that the key has whenever it is available (key states table, note 12); that it
is Unavailable follows from its store, so that one change of the store changes all its keys at once. What
becomes of its key outside changes no state (Developer Guide, "Key states"): only its use fails.
"""

from __future__ import annotations

from dataclasses import replace

from strongroom.aws.generated.enums import ConnectionStateType, KeyState
from strongroom.resources.custom_key_store import CustomKeyStore
from strongroom.resources.key import Key
from strongroom.store.interface import Store

_FOLLOWS_THE_STORE = (KeyState.ENABLED, KeyState.DISABLED)
"""A key that is pending deletion stays so (note 13)."""


async def store_of_key(store: Store, key: Key) -> CustomKeyStore | None:
    """The custom key store that a key is in; None for a key that is in none."""
    if key.custom_key_store_id is None:
        return None
    return await store.find_custom_key_store(key.account_id, key.region, key.custom_key_store_id)


def as_available(key: Key, custom_key_store: CustomKeyStore | None) -> Key:
    """The key in the state that it has now. To judge and to describe, never to store."""
    if key.custom_key_store_id is None or key.key_state not in _FOLLOWS_THE_STORE:
        return key
    if custom_key_store is not None and custom_key_store.connection_state is ConnectionStateType.CONNECTED:
        return key
    return replace(key, key_state=KeyState.UNAVAILABLE)


async def as_judged(store: Store, keys: tuple[Key, ...]) -> tuple[Key, ...]:
    """The keys in the states that they have now."""
    for key in keys:
        if key.custom_key_store_id is not None:
            return tuple([as_available(one, await store_of_key(store, one)) for one in keys])
    return keys  # nearly always
