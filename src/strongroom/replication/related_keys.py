"""The keys that are one multi-Region key: its primary and its replicas."""

from __future__ import annotations

from collections.abc import Sequence

from strongroom.resources.key import Key
from strongroom.store.interface import ConcurrentChange, Store


async def related_keys(store: Store, key: Key) -> Sequence[Key]:
    """All keys that share `key`'s id in its account, itself included; a single-Region key is alone."""
    if not key.multi_region:
        return (key,)
    return await store.list_related_keys(key.account_id, key.key_id)


async def replicas_of(store: Store, primary: Key) -> Sequence[Key]:
    """The replicas of a primary key, in whatever state; none of a single-Region key or a replica."""
    if primary.is_replica:
        return ()
    return [key for key in await related_keys(store, primary) if key.region != primary.region]


async def primary_of(store: Store, key: Key) -> Key:
    """The key that shared properties are read from (rotation, say): the primary, or `key` itself.

    Raises ConcurrentChange when the primary is another key by now.
    """
    if not key.is_replica or key.primary_region is None:
        return key
    primary = await store.find_key(key.primary_region, key.key_id)
    if primary is None or primary.is_replica or primary.account_id != key.account_id:
        raise ConcurrentChange("the primary key is another one by now")
    return primary
