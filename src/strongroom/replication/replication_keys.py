"""Each Region's replication key: the key pair that other Regions' boundaries seal key material to."""

from __future__ import annotations

import base64

from strongroom.boundary.interface import Boundary
from strongroom.resources.identifiers import Region
from strongroom.store.interface import Store


async def replication_key_token(store: Store, boundary: Boundary, region: Region) -> bytes:
    """The Region's replication key as a token that only the boundary opens; made on the first use.

    Concurrency: of several workers that make a Region's first one, the last to write is kept. What was
    sealed to another of them is only ever opened with that same one, by the request that sealed it.
    """
    name = f"replication_key/{region}"
    kept = await store.find_setting(name)
    if kept is None:
        token = await boundary.create_replication_key(region)
        await store.put_setting(name, base64.b64encode(token).decode("ascii"))
        kept = await store.find_setting(name)
        if kept is None:
            return token
    return base64.b64decode(kept, validate=True)
