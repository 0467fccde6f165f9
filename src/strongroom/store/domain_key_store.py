"""The part of the store over SQL that lets domain keys follow one another; `sql_store.SqlStore` has it."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from strongroom.resources.domain_key import DomainKeyRecord, HeldToken, TokenPlace
from strongroom.store import held_tokens
from strongroom.store.interface import AlreadyExists
from strongroom.store.reader import Reader
from strongroom.store.writer import Changed, Writer


class DomainKeyStore:
    """Domain keys over time, and the tokens under them. See interface.Store."""

    _reader: Reader
    _writer: Writer

    async def list_active_domain_keys(self) -> Sequence[DomainKeyRecord]:
        """The one that wraps of each Region."""
        return self._reader.read(held_tokens.select_active_domain_keys)

    async def list_domain_keys(self, region: str) -> Sequence[DomainKeyRecord]:
        """All of a Region, the active one last."""
        return self._reader.read(lambda c: held_tokens.select_domain_keys(c, region))

    async def insert_next_domain_key(self, record: DomainKeyRecord, token: bytes) -> bool:
        """False (and nothing written) when another one has become the Region's newest meanwhile."""

        def work(connection: Connection, changed: Changed) -> bool:
            return held_tokens.insert_domain_key(connection, record, token, after=record.generation - 1)

        try:
            return await self._writer.add(work)
        except AlreadyExists:
            return False

    async def is_domain_key_named(self, domain_key_id: bytes) -> bool:
        """Whether any token says that this domain key wraps it. Not in the loop's thread: it reads all."""
        return await self._writer.read(lambda c: held_tokens.is_named(c, domain_key_id))

    async def delete_domain_key(self, domain_key_id: bytes) -> bool:
        """Remove a retired domain key, and leave no copy of its token.

        False, and nothing removed, for one that wraps or that a token names: judged in the same transaction.
        """
        return await self._writer.change(
            lambda c, _: held_tokens.delete_domain_key(c, domain_key_id), erase=True
        )

    async def list_held_tokens(
        self, region: str, place: TokenPlace, after: tuple[str, ...] | None, limit: int
    ) -> Sequence[HeldToken]:
        """The exported key tokens of a Region in one place, after a row."""
        return await self._writer.read(
            lambda c: held_tokens.select_held_tokens(c, region, place, after, limit)
        )

    async def replace_held_tokens(self, replacing: Sequence[tuple[HeldToken, bytes]]) -> int:
        """Put re-wrapped tokens in the place of those they were made from; returns how many were.

        A row that has gone or was changed meanwhile is left as it is.
        """

        def work(connection: Connection, changed: Changed) -> int:
            changed.extend({held.identity for held, _ in replacing})
            return held_tokens.replace_held_tokens(connection, replacing)

        return await self._writer.change(work)
