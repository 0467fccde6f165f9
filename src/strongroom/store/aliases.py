"""The SQL of aliases."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, bindparam, delete, func, insert, select, update

from strongroom.resources.identifiers import AccountId, AliasName, KeyId, Region
from strongroom.resources.key import Alias
from strongroom.store.interface import ConcurrentChange, LimitReached
from strongroom.store.rows import parse_alias, render_alias
from strongroom.store.schema import ALIASES

_ALIAS = select(ALIASES).where(
    ALIASES.c.account_id == bindparam("account_id"),
    ALIASES.c.region == bindparam("region"),
    ALIASES.c.alias_name == bindparam("alias_name"),
)
_PAGE = (
    select(ALIASES)
    .where(
        ALIASES.c.account_id == bindparam("account_id"),
        ALIASES.c.region == bindparam("region"),
        ALIASES.c.alias_name > bindparam("after"),
    )
    .order_by(ALIASES.c.alias_name)
    .limit(bindparam("limit"))
)
_PAGE_OF_KEY = _PAGE.where(ALIASES.c.target_key_id == bindparam("key_id"))
_COUNT_OF_KEY = (
    select(func.count())
    .select_from(ALIASES)
    .where(ALIASES.c.region == bindparam("region"), ALIASES.c.target_key_id == bindparam("key_id"))
)


def select_alias(
    connection: Connection, account_id: AccountId, region: Region, name: AliasName
) -> Alias | None:
    """The record, or None."""
    identity = {"account_id": account_id, "region": region, "alias_name": name}
    row = connection.execute(_ALIAS, identity).one_or_none()
    return None if row is None else parse_alias(row)


def insert_alias(connection: Connection, alias: Alias, of_key_max: int | None = None) -> None:
    """Raises (from the database) AlreadyExists, or ConcurrentChange when the target key is gone."""
    _require_room(connection, alias, of_key_max)
    connection.execute(insert(ALIASES), render_alias(alias))


def update_alias(
    connection: Connection, alias: Alias, expected_target: KeyId | None = None, of_key_max: int | None = None
) -> KeyId:
    """Point an alias at another key; the key it named before. Raises ConcurrentChange, LimitReached."""
    before = _require_target(connection, alias.account_id, alias.region, alias.alias_name, expected_target)
    if before != alias.target_key_id:
        _require_room(connection, alias, of_key_max)
    is_it = _identity(alias.account_id, alias.region, alias.alias_name)
    connection.execute(update(ALIASES).where(is_it), render_alias(alias))
    return before


def delete_alias(
    connection: Connection,
    account_id: AccountId,
    region: Region,
    name: AliasName,
    expected_target: KeyId | None = None,
) -> KeyId:
    """Remove an alias; the key it named. Raises ConcurrentChange."""
    before = _require_target(connection, account_id, region, name, expected_target)
    connection.execute(delete(ALIASES).where(_identity(account_id, region, name)))
    return before


def select_aliases(
    connection: Connection,
    account_id: AccountId,
    region: Region,
    key_id: KeyId | None,
    *,
    after: AliasName | None,
    limit: int,
) -> list[Alias]:
    """One page, in ascending order of name."""
    page = {"account_id": account_id, "region": region, "after": after or "", "limit": limit}
    if key_id is None:
        rows = connection.execute(_PAGE, page)
    else:
        rows = connection.execute(_PAGE_OF_KEY, page | {"key_id": key_id})
    return [parse_alias(row) for row in rows]


def count_aliases_of(connection: Connection, region: Region, key_id: KeyId) -> int:
    """How many aliases name the key."""
    return connection.execute(_COUNT_OF_KEY, {"region": region, "key_id": key_id}).scalar_one()


def _identity(account_id: AccountId, region: Region, name: str) -> ColumnElement[bool]:
    return (
        (ALIASES.c.account_id == account_id) & (ALIASES.c.region == region) & (ALIASES.c.alias_name == name)
    )


def _require_target(
    connection: Connection, account_id: AccountId, region: Region, name: str, expected: KeyId | None
) -> KeyId:
    alias = select_alias(connection, account_id, region, AliasName(name))
    if alias is None:
        raise ConcurrentChange("the alias is gone")
    if expected is not None and alias.target_key_id != expected:
        raise ConcurrentChange("the alias names another key by now")
    return alias.target_key_id


def _require_room(connection: Connection, alias: Alias, of_key_max: int | None) -> None:
    if of_key_max is not None and (
        count_aliases_of(connection, alias.region, alias.target_key_id) >= of_key_max
    ):
        raise LimitReached("the key has as many aliases as it may have")
