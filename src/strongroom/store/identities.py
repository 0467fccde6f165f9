"""The SQL of accounts, credentials, the boundary's domain key tokens, and settings."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, exists, func, insert, select, update

from strongroom.resources.deletion import Deletion, DeletionKind
from strongroom.resources.identifiers import SERVICE_ACCOUNT_PREFIX, AccessKeyId, AccountId
from strongroom.store.deletion_notes import note_deletion
from strongroom.store.iam_interface import AccessKey, AccessKeyUse, Account
from strongroom.store.interface import AlreadyExists, ConcurrentChange, LimitReached
from strongroom.store.keys import insert_account_if_new
from strongroom.store.rows import AnyRow, parse_access_key, parse_instant, render_access_key, render_instant
from strongroom.store.schema import (
    ACCESS_KEY_USES,
    ACCESS_KEYS,
    ACCOUNTS,
    DOMAIN_KEYS,
    IAM_ENTITIES,
    SETTINGS,
)

_ACCESS_KEY = select(ACCESS_KEYS).where(ACCESS_KEYS.c.access_key_id == bindparam("access_key_id"))
_TOKENS = (
    select(DOMAIN_KEYS.c.token)
    .where(DOMAIN_KEYS.c.region == bindparam("region"))
    .order_by(DOMAIN_KEYS.c.generation)
)

_OF_A_USER = "IAMUser"
_HAS_KEY = exists().where(ACCESS_KEYS.c.access_key_id == bindparam("of_access_key_id"))


def insert_account(connection: Connection, account: Account) -> None:
    """A new account. An account that keys made known before gets its name. Raises AlreadyExists."""
    known = select_account(connection, account.account_id)
    if known is None:
        values = {"account_id": account.account_id, "created_at": render_instant(account.created_at)}
        connection.execute(insert(ACCOUNTS), values | {"name": account.name})
    elif known.name is not None:
        raise AlreadyExists("the account is there")
    else:
        is_it = ACCOUNTS.c.account_id == account.account_id
        connection.execute(update(ACCOUNTS).where(is_it).values(name=account.name))


def select_account(connection: Connection, account_id: AccountId) -> Account | None:
    """The record, or None."""
    found = select(ACCOUNTS).where(ACCOUNTS.c.account_id == account_id)
    row = connection.execute(found).one_or_none()
    return (
        None if row is None else Account(AccountId(row.account_id), row.name, parse_instant(row.created_at))
    )


def select_accounts(connection: Connection, after: AccountId | None, limit: int) -> list[Account]:
    """One page, in ascending order of id, without those of services."""
    rows = connection.execute(
        select(ACCOUNTS)
        .where(
            ACCOUNTS.c.account_id > (after or ""),
            ~ACCOUNTS.c.account_id.startswith(SERVICE_ACCOUNT_PREFIX),
        )
        .order_by(ACCOUNTS.c.account_id)
        .limit(limit)
    ).all()
    return [_parse_account(row) for row in rows]


def _parse_account(row: AnyRow) -> Account:
    return Account(AccountId(row.account_id), row.name, parse_instant(row.created_at))


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
    if not access_key.active:
        note_deletion(connection, Deletion(DeletionKind.ACTIVE_ACCESS_KEY, access_key.access_key_id))


def insert_access_key(connection: Connection, access_key: AccessKey, of_principal_max: int) -> None:
    """A new one. Raises LimitReached, ConcurrentChange; from the database AlreadyExists."""
    if access_key.principal_type == _OF_A_USER:
        is_it = IAM_ENTITIES.c.unique_id == access_key.principal_id
        if connection.execute(select(IAM_ENTITIES.c.unique_id).where(is_it)).first() is None:
            raise ConcurrentChange("the user is gone")
    is_its = (ACCESS_KEYS.c.account_id == access_key.account_id) & (
        ACCESS_KEYS.c.principal_id == access_key.principal_id
    )
    count = connection.execute(select(func.count()).select_from(ACCESS_KEYS).where(is_its)).scalar_one()
    if count >= of_principal_max:
        raise LimitReached("the principal has as many access keys as it may have")
    insert_account_if_new(connection, access_key.account_id, access_key.created_at)
    connection.execute(insert(ACCESS_KEYS), render_access_key(access_key))


def set_access_key_active(connection: Connection, access_key_id: AccessKeyId, active: bool) -> None:
    """Raises ConcurrentChange when it is gone."""
    is_it = ACCESS_KEYS.c.access_key_id == access_key_id
    if connection.execute(update(ACCESS_KEYS).where(is_it).values(active=active)).rowcount != 1:
        raise ConcurrentChange("the access key is gone")
    if not active:
        note_deletion(connection, Deletion(DeletionKind.ACTIVE_ACCESS_KEY, access_key_id))


def select_access_keys(connection: Connection, account_id: AccountId, principal_id: str) -> list[AccessKey]:
    """All of one principal, in ascending order of id."""
    is_its = (ACCESS_KEYS.c.account_id == account_id) & (ACCESS_KEYS.c.principal_id == principal_id)
    found = select(ACCESS_KEYS).where(is_its).order_by(ACCESS_KEYS.c.access_key_id)
    return [parse_access_key(row) for row in connection.execute(found).all()]


def delete_access_key(connection: Connection, access_key_id: AccessKeyId) -> None:
    """Remove it with its last use. Raises ConcurrentChange when it is gone."""
    for table in (ACCESS_KEY_USES, ACCESS_KEYS):
        gone = connection.execute(delete(table).where(table.c.access_key_id == access_key_id))
    if gone.rowcount != 1:
        raise ConcurrentChange("the access key is gone")
    note_deletion(connection, Deletion(DeletionKind.ACCESS_KEY, access_key_id))


def select_access_key_use(connection: Connection, access_key_id: AccessKeyId) -> AccessKeyUse | None:
    """The record, or None."""
    found = select(ACCESS_KEY_USES).where(ACCESS_KEY_USES.c.access_key_id == access_key_id)
    row = connection.execute(found).one_or_none()
    if row is None:
        return None
    return AccessKeyUse(AccessKeyId(row.access_key_id), parse_instant(row.used_at), row.region, row.service)


def keep_access_key_uses(connection: Connection, uses: Sequence[AccessKeyUse]) -> None:
    """Keep each where it is the latest of its key. Of keys that are deleted, nothing."""
    for use in uses:
        if not connection.execute(select(_HAS_KEY), {"of_access_key_id": use.access_key_id}).scalar_one():
            continue
        known = select_access_key_use(connection, use.access_key_id)
        values = {"used_at": render_instant(use.used_at), "region": use.region, "service": use.service}
        if known is None:
            connection.execute(insert(ACCESS_KEY_USES), {"access_key_id": use.access_key_id} | values)
        elif known.used_at <= use.used_at:  # another worker may have seen a later use
            is_it = ACCESS_KEY_USES.c.access_key_id == use.access_key_id
            connection.execute(update(ACCESS_KEY_USES).where(is_it).values(values))


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
