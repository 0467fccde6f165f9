"""The SQL of credentials, of the boundary's domain key tokens, and of settings."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, bindparam, insert, select, update

from strongroom.resources.identifiers import AccessKeyId
from strongroom.store.iam_interface import AccessKey
from strongroom.store.keys import insert_account_if_new
from strongroom.store.rows import parse_access_key, render_access_key, render_instant
from strongroom.store.schema import ACCESS_KEYS, DOMAIN_KEYS, SETTINGS

_ACCESS_KEY = select(ACCESS_KEYS).where(ACCESS_KEYS.c.access_key_id == bindparam("access_key_id"))
_TOKENS = (
    select(DOMAIN_KEYS.c.token)
    .where(DOMAIN_KEYS.c.region == bindparam("region"))
    .order_by(DOMAIN_KEYS.c.generation)
)


def select_access_key(connection: Connection, access_key_id: AccessKeyId) -> AccessKey | None:
    """The record, or None."""
    row = connection.execute(_ACCESS_KEY, {"access_key_id": access_key_id}).one_or_none()
    return None if row is None else parse_access_key(row)


def put_access_key(connection: Connection, access_key: AccessKey) -> None:
    """Insert or replace."""
    insert_account_if_new(connection, access_key.account_id, access_key.created_at)
    values = render_access_key(access_key)
    is_it = ACCESS_KEYS.c.access_key_id == access_key.access_key_id
    if connection.execute(update(ACCESS_KEYS).where(is_it), values).rowcount == 0:
        connection.execute(insert(ACCESS_KEYS), values)


def select_domain_key_tokens(connection: Connection, region: str) -> list[bytes]:
    """All of a Region, the active one last."""
    return list(connection.execute(_TOKENS, {"region": region}).scalars())


def select_domain_key_token(connection: Connection, domain_key_id: bytes) -> bytes | None:
    """The token of one domain key, or None."""
    found = select(DOMAIN_KEYS.c.token).where(DOMAIN_KEYS.c.domain_key_id == domain_key_id)
    return connection.execute(found).scalar_one_or_none()


def insert_first_domain_key_token(
    connection: Connection, region: str, domain_key_id: bytes, token: bytes, created_at: datetime
) -> bool:
    """False when the Region has one. Raises (from the database) AlreadyExists for a known id."""
    if select_domain_key_tokens(connection, region):
        return False
    first = {"region": region, "generation": 1, "domain_key_id": domain_key_id, "token": token}
    connection.execute(insert(DOMAIN_KEYS), first | {"created_at": render_instant(created_at)})
    return True


def select_setting(connection: Connection, name: str) -> str | None:
    """The setting's value, or None."""
    return connection.execute(select(SETTINGS.c.value).where(SETTINGS.c.name == name)).scalar_one_or_none()


def put_setting(connection: Connection, name: str, value: str) -> None:
    """Insert or replace."""
    values = {"name": name, "value": value}
    if connection.execute(update(SETTINGS).where(SETTINGS.c.name == name), values).rowcount == 0:
        connection.execute(insert(SETTINGS), values)
