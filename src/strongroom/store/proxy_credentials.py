"""The part of the store over SQL that keeps the credentials of the external key store proxy's callers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from sqlalchemy import Connection, delete, func, insert, select

from strongroom.resources.deletion import Deletion, DeletionKind
from strongroom.resources.identifiers import AccessKeyId
from strongroom.resources.proxy_credential import ProxyCredential
from strongroom.store.deletion_notes import note_deletion
from strongroom.store.interface import ConcurrentChange, LimitReached
from strongroom.store.reader import Reader
from strongroom.store.rows import AnyRow, parse_instant, render_instant
from strongroom.store.schema import PROXY_CREDENTIALS
from strongroom.store.stamped_cache import StampedCache
from strongroom.store.writer import Changed, Writer

KnownProxyCredentials: TypeAlias = StampedCache[AccessKeyId, ProxyCredential]
PROXY_CREDENTIALS_REMEMBERED_MAX = 16


def proxy_credential_identity(access_key_id: str) -> str:
    return f"proxy-credential/{access_key_id}"


class ProxyCredentialStore:
    """Credentials of the proxy's callers. See interface.Store."""

    _reader: Reader
    _writer: Writer
    _proxy_credentials: KnownProxyCredentials

    async def find_proxy_credential(self, access_key_id: AccessKeyId) -> ProxyCredential | None:
        """The record, or None."""
        credential = self._proxy_credentials.get(access_key_id)
        if credential is None:
            noted = self._proxy_credentials.note(proxy_credential_identity(access_key_id))  # INVARIANT S2
            credential = self._reader.read(lambda c: _select(c, access_key_id))
            if credential is not None:
                self._proxy_credentials.keep(access_key_id, credential, noted)
        return credential

    async def list_proxy_credentials(self) -> Sequence[ProxyCredential]:
        """All of them, the oldest first."""
        by_age = select(PROXY_CREDENTIALS).order_by(
            PROXY_CREDENTIALS.c.created_at, PROXY_CREDENTIALS.c.access_key_id
        )
        return self._reader.read(lambda c: [_parse(row) for row in c.execute(by_age)])

    async def insert_proxy_credential(self, credential: ProxyCredential, *, of_proxy_max: int) -> None:
        """Raises AlreadyExists, LimitReached."""

        def work(connection: Connection, changed: Changed) -> None:
            changed.append(proxy_credential_identity(credential.access_key_id))
            count = select(func.count()).select_from(PROXY_CREDENTIALS)
            if connection.execute(count).scalar_one() >= of_proxy_max:
                raise LimitReached("the proxy has as many credentials as it may have")
            values = {
                "access_key_id": credential.access_key_id,
                "secret_token": credential.secret_token,
                "created_at": render_instant(credential.created_at),
            }
            connection.execute(insert(PROXY_CREDENTIALS), values)

        await self._writer.add(work)

    async def delete_proxy_credential(self, access_key_id: AccessKeyId) -> None:
        """Leaves no copy of its token. Raises ConcurrentChange when it is gone."""

        def work(connection: Connection, changed: Changed) -> None:
            changed.append(proxy_credential_identity(access_key_id))
            is_it = PROXY_CREDENTIALS.c.access_key_id == access_key_id
            if connection.execute(delete(PROXY_CREDENTIALS).where(is_it)).rowcount != 1:
                raise ConcurrentChange("the credential is gone")
            note_deletion(connection, Deletion(DeletionKind.PROXY_CREDENTIAL, access_key_id))

        await self._writer.change(work, erase=True)


def _select(connection: Connection, access_key_id: AccessKeyId) -> ProxyCredential | None:
    is_it = PROXY_CREDENTIALS.c.access_key_id == access_key_id
    row = connection.execute(select(PROXY_CREDENTIALS).where(is_it)).one_or_none()
    return None if row is None else _parse(row)


def _parse(row: AnyRow) -> ProxyCredential:
    return ProxyCredential(AccessKeyId(row.access_key_id), row.secret_token, parse_instant(row.created_at))
