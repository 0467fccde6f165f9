"""The SQL of domain keys over time, and of every exported key token that the database holds.

A new kind of row that holds a token needs a place (resources/domain_key.py).
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from sqlalchemy import (
    Column,
    Connection,
    LargeBinary,
    Row,
    Table,
    Update,
    and_,
    bindparam,
    delete,
    exists,
    func,
    insert,
    literal,
    select,
    tuple_,
    update,
)

from strongroom.resources.domain_key import (
    GLOBAL_REGION,
    IDLE_SINCE_SETTING,
    DomainKeyRecord,
    HeldToken,
    TokenPlace,
)
from strongroom.store.iam_store import access_key_identity
from strongroom.store.proxy_credentials import proxy_credential_identity
from strongroom.store.rows import parse_instant, render_instant
from strongroom.store.schema import (
    ACCESS_KEYS,
    CUSTOM_KEY_STORES,
    DOMAIN_KEYS,
    KEY_MATERIALS,
    KEYS,
    PROXY_CREDENTIALS,
    SETTINGS,
)

WRAPPING_KEY_ID_AT: Final = 3
DOMAIN_KEY_ID_BYTES: Final = 16
"""Where a token says what wraps it, counted from 1 (docs/formats/exported-key-token.md)."""
_REPLICATION_KEY: Final = "replication_key/"


@dataclass(frozen=True, slots=True)
class _Place:
    table: Table
    column: str
    key: tuple[str, ...]
    is_regional: bool
    identity: str
    """A form, with the row's key."""

    @property
    def columns(self) -> list[Column[object]]:
        return [self.table.c[name] for name in self.key]


_STORE_KEY = ("account_id", "region", "custom_key_store_id")
_PLACES: Final = {
    TokenPlace.KEY_MATERIAL: _Place(
        KEY_MATERIALS, "exported_token", ("region", "key_id", "material_id"), True, "key/{0}/{1}"
    ),
    TokenPlace.KEY_STORE_PASSWORD: _Place(
        CUSTOM_KEY_STORES, "key_store_password_token", _STORE_KEY, True, "custom-key-store/{0}/{1}/{2}"
    ),
    TokenPlace.KEY_STORE_PROXY_SECRET: _Place(
        CUSTOM_KEY_STORES, "xks_proxy_secret_token", _STORE_KEY, True, "custom-key-store/{0}/{1}/{2}"
    ),
    TokenPlace.ACCESS_KEY: _Place(
        ACCESS_KEYS, "secret_token", ("access_key_id",), False, access_key_identity("{0}")
    ),
    TokenPlace.PROXY_CREDENTIAL: _Place(
        PROXY_CREDENTIALS, "secret_token", ("access_key_id",), False, proxy_credential_identity("{0}")
    ),
}
"""All but TokenPlace.REPLICATION_KEY, which is a setting."""


def select_active_domain_keys(connection: Connection) -> list[DomainKeyRecord]:
    """The one that wraps of each Region."""
    newest = (
        select(DOMAIN_KEYS.c.region, func.max(DOMAIN_KEYS.c.generation).label("generation"))
        .group_by(DOMAIN_KEYS.c.region)
        .subquery()
    )
    of_newest = and_(DOMAIN_KEYS.c.region == newest.c.region, DOMAIN_KEYS.c.generation == newest.c.generation)
    found = connection.execute(select(DOMAIN_KEYS).join(newest, of_newest).order_by(DOMAIN_KEYS.c.region))
    return [_record(row) for row in found]


def select_domain_keys(connection: Connection, region: str) -> list[DomainKeyRecord]:
    """All of a Region, the active one last."""
    of_region = select(DOMAIN_KEYS).where(DOMAIN_KEYS.c.region == region)
    return [_record(row) for row in connection.execute(of_region.order_by(DOMAIN_KEYS.c.generation))]


def insert_domain_key(connection: Connection, record: DomainKeyRecord, token: bytes, *, after: int) -> bool:
    """False (and nothing written) unless generation `after` is the Region's newest."""
    newest = select(func.max(DOMAIN_KEYS.c.generation)).where(DOMAIN_KEYS.c.region == record.region)
    if connection.execute(newest).scalar_one() != after:
        return False
    row = {
        "region": record.region,
        "generation": record.generation,
        "domain_key_id": record.domain_key_id,
        "token": token,
        "created_at": render_instant(record.created_at),
    }
    connection.execute(insert(DOMAIN_KEYS), row)
    return True


def is_named(connection: Connection, domain_key_id: bytes) -> bool:
    """Whether any token, of whatever Region, says that this domain key wraps it."""
    for where in _PLACES.values():
        token = where.table.c[where.column]
        named = func.substr(token, WRAPPING_KEY_ID_AT, len(domain_key_id), type_=LargeBinary())
        if connection.execute(select(literal(1)).where(named == domain_key_id).limit(1)).first() is not None:
            return True
    begin, end = _REPLICATION_KEY, _REPLICATION_KEY[:-1] + "0"
    of_replication = select(SETTINGS.c.value).where(SETTINGS.c.name >= begin, SETTINGS.c.name < end)
    values = connection.execute(of_replication).scalars()
    return any(wrapping_key_id(base64.b64decode(value)) == domain_key_id for value in values)


def wrapping_key_id(token: bytes) -> bytes:
    """What a token says that it is wrapped under."""
    return token[WRAPPING_KEY_ID_AT - 1 : WRAPPING_KEY_ID_AT - 1 + DOMAIN_KEY_ID_BYTES]


def delete_domain_key(connection: Connection, domain_key_id: bytes) -> bool:
    """False, and nothing removed, for one that wraps or that a token names."""
    is_it = DOMAIN_KEYS.c.domain_key_id == domain_key_id
    row = connection.execute(select(DOMAIN_KEYS).where(is_it)).one_or_none()
    if row is None:
        return False
    is_later = (DOMAIN_KEYS.c.region == row.region) & (DOMAIN_KEYS.c.generation > row.generation)
    has_successor = connection.execute(select(literal(1)).where(is_later).limit(1)).first() is not None
    if not has_successor or is_named(connection, domain_key_id):
        return False
    connection.execute(delete(DOMAIN_KEYS).where(is_it))
    idle_since = IDLE_SINCE_SETTING + domain_key_id.hex()
    connection.execute(delete(SETTINGS).where(SETTINGS.c.name == idle_since))
    return True


def select_held_tokens(
    connection: Connection, region: str, place: TokenPlace, after: tuple[str, ...] | None, limit: int
) -> list[HeldToken]:
    """The tokens of a Region (or of none: GLOBAL_REGION) in one place, in the order of their rows."""
    if place is TokenPlace.REPLICATION_KEY:
        return [] if after is not None else _select_replication_keys(connection, region)
    where = _PLACES[place]
    if where.is_regional is (region == GLOBAL_REGION):
        return []
    token = where.table.c[where.column]
    asked = select(*where.columns, token.label("token")).where(token.is_not(None))
    if where.is_regional:
        asked = asked.where(where.table.c.region == region)
    if where.table is KEY_MATERIALS:
        of_key = and_(KEYS.c.region == KEY_MATERIALS.c.region, KEYS.c.key_id == KEY_MATERIALS.c.key_id)
        asked = asked.add_columns(KEYS.c.origin).join(KEYS, of_key)
    if after is not None:
        asked = asked.where(tuple_(*where.columns) > after)
    rows = connection.execute(asked.order_by(*where.columns).limit(limit))
    found = []
    for row in rows:
        key = tuple(str(value) for value in row[: len(where.key)])
        origin = str(row.origin) if where.table is KEY_MATERIALS else ""
        found.append(HeldToken(place, key, row.token, origin, where.identity.format(*key)))
    return found


def replace_held_tokens(connection: Connection, replacing: Sequence[tuple[HeldToken, bytes]]) -> int:
    """How many were; a row that has gone, or has another token by now, is left as it is.

    A statement that is compiled once, for all tokens of a place: this runs beside callers, for every key.
    """
    replaced = 0
    for place in {held.place for held, _ in replacing}:
        of_place = [(held, token) for held, token in replacing if held.place is place]
        rows = [_parameters(held, token) for held, token in of_place]
        change, *after = _changes(place)
        replaced += connection.execute(change, rows).rowcount
        for statement in after:
            connection.execute(statement, rows)
    return replaced


def _parameters(held: HeldToken, token: bytes) -> dict[str, object]:
    values: dict[str, object] = {f"key_{at}": value for at, value in enumerate(held.row)}
    if held.place is TokenPlace.REPLICATION_KEY:
        return values | {"old": _in_text(held.token), "new": _in_text(token)}
    return values | {"old": held.token, "new": token}


@cache
def _changes(place: TokenPlace) -> Sequence[Update]:
    """What replaces a token, and what makes its record's version anew (INVARIANT S3): whoever has read
    the record with the older token must not put that back."""
    if place is TokenPlace.REPLICATION_KEY:
        table, column, columns = SETTINGS, SETTINGS.c.value, [SETTINGS.c.name]
    else:
        where = _PLACES[place]
        table, column, columns = where.table, where.table.c[where.column], where.columns
    is_row = and_(*(named == bindparam(f"key_{at}") for at, named in enumerate(columns)))
    change = update(table).where(is_row, column == bindparam("old"))
    if "version" in table.c:
        return (change.values({column: bindparam("new"), table.c.version: table.c.version + 1}),)
    change = change.values({column: bindparam("new")})
    if table is not KEY_MATERIALS:
        return (change,)
    # A material's row begins with its key's. No two tokens are alike: the new one is there if it came now.
    has_new = exists().where(is_row, column == bindparam("new"))
    is_key = and_(KEYS.c.region == bindparam("key_0"), KEYS.c.key_id == bindparam("key_1"))
    return change, update(KEYS).where(is_key, has_new).values(version=KEYS.c.version + 1)


def _select_replication_keys(connection: Connection, region: str) -> list[HeldToken]:
    name = _REPLICATION_KEY + region
    found = connection.execute(select(SETTINGS.c.value).where(SETTINGS.c.name == name)).scalars()
    return [
        HeldToken(
            TokenPlace.REPLICATION_KEY,
            (name,),
            base64.b64decode(value, validate=True),
            "",
            f"setting/{name}",
        )
        for value in found
    ]


def _in_text(token: bytes) -> str:
    return base64.b64encode(token).decode("ascii")


def _record(row: Row[Any]) -> DomainKeyRecord:
    return DomainKeyRecord(row.region, row.generation, row.domain_key_id, parse_instant(row.created_at))
