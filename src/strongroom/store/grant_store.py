"""The part of the store that keeps grants; `SqlStore` is this and more."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import TypeAlias

from sqlalchemy import Connection

from strongroom.resources.grant import Grant, GrantFilter, GrantId
from strongroom.resources.identifiers import KeyId, Region
from strongroom.store import grants
from strongroom.store.reader import Reader
from strongroom.store.stamped_cache import StampedCache
from strongroom.store.writer import Changed, Writer

GRANT_LISTS_REMEMBERED_MAX = 4096
"""Lists of one key's grants to one principal, in each worker; a grant takes about 1 KiB."""

GRANTS_REMEMBERED_MAX = 20_000
"""Single grants, in each worker."""
READ_ONE_BY_ONE_MAX = 32
"""So many new grants are read one by one; beyond that, all in one go."""

KnownGrants: TypeAlias = OrderedDict[tuple[Region, KeyId, GrantId], Grant]
GrantLists: TypeAlias = StampedCache[tuple[Region, KeyId, str], tuple[Grant, ...]]


def grants_of_identity(region: str, key_id: str) -> str:
    """Stamped by every write to a key's grants."""
    return f"grants-of/{region}/{key_id}"


class GrantStore:
    """The grants of interface.Store.

    Concurrency and errors: those of SqlStore.
    """

    _reader: Reader
    _writer: Writer
    _grants_to: GrantLists
    _known_grants: KnownGrants

    async def find_grant(self, region: Region, key_id: KeyId, grant_id: GrantId) -> Grant | None:
        """The grant record, or None."""
        return self._reader.read(lambda c: grants.select_grant(c, region, key_id, grant_id))

    async def insert_grant(
        self, grant: Grant, *, of_key_version: int, of_key_max: int | None = None
    ) -> Grant:
        """The grant that there is now: an older one of that name and parameters, or this one.

        Raises ConcurrentChange when the key is not at that version; LimitReached.
        """

        def work(connection: Connection, changed: Changed) -> Grant:
            grants.require_key_version(connection, grant, of_key_version)
            same = grants.select_same_grant(connection, grant)
            if same is not None:
                return same
            changed.append(grants_of_identity(grant.region, grant.key_id))
            grants.insert_grant(connection, grant, of_key_max)
            return grant

        return await self._writer.add(work)

    async def delete_grant(self, region: Region, key_id: KeyId, grant_id: GrantId) -> None:
        """Raises ConcurrentChange when it is gone."""

        def work(connection: Connection, changed: Changed) -> None:
            changed.append(grants_of_identity(region, key_id))
            grants.delete_grant(connection, region, key_id, grant_id)

        await self._writer.change(work)

    async def list_grants(
        self, region: Region, key_id: KeyId, chosen: GrantFilter, after: GrantId | None, limit: int
    ) -> Sequence[Grant]:
        """A key's grants in ascending order of grant id."""
        return self._reader.read(
            lambda c: grants.select_grants(c, region, key_id, chosen, after=after, limit=limit)
        )

    async def list_retirable_grants(
        self, region: Region, retiring_principal: str, after: GrantId | None, limit: int
    ) -> Sequence[Grant]:
        """Grants that name the principal as their retiring one, of keys of all accounts."""
        return self._reader.read(
            lambda c: grants.select_retirable_grants(c, region, retiring_principal, after=after, limit=limit)
        )

    async def list_grants_to(self, region: Region, key_id: KeyId, grantee_principal: str) -> Sequence[Grant]:
        """All of a key's grants to one principal, remembered; also that there are none."""
        found = self._grants_to.get((region, key_id, grantee_principal))
        if found is None:
            noted = self._grants_to.note(grants_of_identity(region, key_id))
            found = self._reader.read(lambda c: self._read_grants_to(c, region, key_id, grantee_principal))
            self._grants_to.keep((region, key_id, grantee_principal), found, noted)
        return found

    def _read_grants_to(
        self, connection: Connection, region: Region, key_id: KeyId, grantee_principal: str
    ) -> tuple[Grant, ...]:
        """INVARIANT S7: a grant is never changed, so after a change only the ids are read again, and the
        rows of those that are new."""
        known = self._known_grants
        ids = grants.select_grant_ids_to(connection, region, key_id, grantee_principal)
        new = [grant_id for grant_id in ids if (region, key_id, grant_id) not in known]
        if len(new) > READ_ONE_BY_ONE_MAX:
            found = grants.select_grants_to(connection, region, key_id, grantee_principal)
        else:
            read = (grants.select_grant(connection, region, key_id, grant_id) for grant_id in new)
            fresh = {grant.grant_id: grant for grant in read if grant is not None}
            found = tuple(fresh.get(grant_id) or known[region, key_id, grant_id] for grant_id in ids)
        for grant in found if new else ():
            known[region, key_id, grant.grant_id] = grant
        while len(known) > GRANTS_REMEMBERED_MAX:
            known.popitem(last=False)
        return found

    async def count_grants_of(self, region: Region, key_id: KeyId) -> int:
        """How many grants the key has."""
        return self._reader.read(lambda c: grants.count_grants_of(c, region, key_id))
