"""What the operator's commands do with the credentials of the external key store proxy's callers."""

from __future__ import annotations

from collections.abc import Sequence

from strongroom.administration.messages import (
    DeleteProxyCredential,
    NewAccessKey,
    ProxyCredentialLine,
    ProxyCredentials,
)
from strongroom.operations.context import Rooms
from strongroom.operations.deletion_ledger import keep_deletions
from strongroom.resources.identifiers import AccessKeyId
from strongroom.resources.proxy_credential import (
    CREDENTIALS_MAX,
    ProxyCredential,
    new_proxy_access_key_id,
)
from strongroom.store.interface import ConcurrentChange, LimitReached

OWNER = "xks-proxy"


class CredentialRefused(Exception):
    """What was asked for cannot be; its text is one sentence for the operator."""


async def create_proxy_credential(rooms: Rooms) -> NewAccessKey:
    """Raises CredentialRefused."""
    access_key_id = new_proxy_access_key_id()
    secret, token = await rooms.boundary.create_proxy_secret(access_key_id)
    made = ProxyCredential(access_key_id, token, rooms.clock.now())
    try:
        await rooms.store.insert_proxy_credential(made, of_proxy_max=CREDENTIALS_MAX)
    except LimitReached:
        raise CredentialRefused(
            f"There are {CREDENTIALS_MAX} credentials already: delete the one that is used no more. "
            "Nothing was changed."
        ) from None
    return NewAccessKey(OWNER, access_key_id, secret)


async def list_proxy_credentials(rooms: Rooms) -> ProxyCredentials:
    return ProxyCredentials(_lines(await rooms.store.list_proxy_credentials()))


async def delete_proxy_credential(rooms: Rooms, command: DeleteProxyCredential) -> ProxyCredentials:
    """What is left. Raises CredentialRefused."""
    try:
        await rooms.store.delete_proxy_credential(AccessKeyId(command.access_key_id))
    except ConcurrentChange:
        raise CredentialRefused("There is no credential of this id. Nothing was changed.") from None
    await keep_deletions(rooms.deletion_ledger)
    return await list_proxy_credentials(rooms)


def _lines(credentials: Sequence[ProxyCredential]) -> list[ProxyCredentialLine]:
    return [ProxyCredentialLine(one.access_key_id, one.created_at.isoformat()) for one in credentials]
