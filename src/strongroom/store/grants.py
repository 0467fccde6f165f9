"""The SQL of grants, and how a grant is laid out in columns."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, bindparam, delete, func, insert, select

from strongroom.aws.generated.enums import GrantOperation
from strongroom.resources.grant import NO_CONSTRAINTS, Grant, GrantConstraints, GrantFilter, GrantId
from strongroom.resources.identifiers import AccountId, KeyId, Region
from strongroom.store.interface import ConcurrentChange, LimitReached
from strongroom.store.rows import AnyRow, Values, parse_instant, render_instant
from strongroom.store.schema import GRANTS, KEYS

_OF_KEY = (GRANTS.c.region == bindparam("region"), GRANTS.c.key_id == bindparam("key_id"))
_GRANT = select(GRANTS).where(*_OF_KEY, GRANTS.c.grant_id == bindparam("grant_id"))
_COUNT_OF_KEY = select(func.count()).select_from(GRANTS).where(*_OF_KEY)
_TO_GRANTEE = (
    select(GRANTS)
    .where(*_OF_KEY, GRANTS.c.grantee_principal == bindparam("grantee_principal"))
    .order_by(GRANTS.c.grant_id)
)
_IDS_TO_GRANTEE = _TO_GRANTEE.with_only_columns(GRANTS.c.grant_id)
_TO_SERVICE = (
    select(GRANTS)
    .where(*_OF_KEY, GRANTS.c.grantee_service_principal == bindparam("grantee_principal"))
    .order_by(GRANTS.c.grant_id)
)
_IDS_TO_SERVICE = _TO_SERVICE.with_only_columns(GRANTS.c.grant_id)
_TO_ID = (
    select(GRANTS)
    .where(*_OF_KEY, GRANTS.c.grantee_id == bindparam("grantee_principal"))
    .order_by(GRANTS.c.grant_id)
)
_IDS_TO_ID = _TO_ID.with_only_columns(GRANTS.c.grant_id)
_KEY_VERSION = select(KEYS.c.version).where(
    KEYS.c.region == bindparam("region"),
    KEYS.c.key_id == bindparam("key_id"),
    KEYS.c.account_id == bindparam("account_id"),
)
_PARAMETERS = (
    "grantee_principal",
    "grantee_service_principal",
    "retiring_principal",
    "retiring_service_principal",
    "issuing_account",
    "operations",
    "constraints",
    "grantee_id",
    "retiring_id",
)
"""What makes two grants of one key and name the same grant: CreateGrant's "identical parameters", and whom
they mean: a user made again under its name is not the one that an older grant is to."""
_SAME_GRANT = (
    select(GRANTS)
    .where(
        *_OF_KEY,
        GRANTS.c.name == bindparam("name"),
        *(GRANTS.c[name].is_not_distinct_from(bindparam(name)) for name in _PARAMETERS),
    )
    .order_by(GRANTS.c.grant_id)
    .limit(1)
)


def select_grant(connection: Connection, region: Region, key_id: KeyId, grant_id: GrantId) -> Grant | None:
    """The record, or None."""
    identity = {"region": region, "key_id": key_id, "grant_id": grant_id}
    row = connection.execute(_GRANT, identity).one_or_none()
    return None if row is None else parse_grant(row)


def select_same_grant(connection: Connection, grant: Grant) -> Grant | None:
    """The grant of that name and with the same parameters, if there is one."""
    if grant.name is None:
        return None
    row = connection.execute(_SAME_GRANT, render_grant(grant)).one_or_none()
    return None if row is None else parse_grant(row)


def insert_grant(connection: Connection, grant: Grant, of_key_max: int | None) -> None:
    """A new grant. Raises LimitReached; from the database AlreadyExists, ConcurrentChange."""
    if of_key_max is not None and count_grants_of(connection, grant.region, grant.key_id) >= of_key_max:
        raise LimitReached("the key has as many grants as it may have")
    connection.execute(insert(GRANTS), render_grant(grant))


def require_key_version(connection: Connection, grant: Grant, version: int) -> None:
    """Raises ConcurrentChange unless the grant's key is of that account and at that version."""
    identity = {"region": grant.region, "key_id": grant.key_id, "account_id": grant.account_id}
    if connection.execute(_KEY_VERSION, identity).scalar_one_or_none() != version:
        raise ConcurrentChange("the key was changed since it was read")


def delete_grant(connection: Connection, region: Region, key_id: KeyId, grant_id: GrantId) -> None:
    """Remove a grant. Raises ConcurrentChange when it is gone."""
    is_it = (GRANTS.c.region == region) & (GRANTS.c.key_id == key_id) & (GRANTS.c.grant_id == grant_id)
    if connection.execute(delete(GRANTS).where(is_it)).rowcount != 1:
        raise ConcurrentChange("the grant is gone")


def select_grants(
    connection: Connection,
    region: Region,
    key_id: KeyId,
    chosen: GrantFilter,
    *,
    after: GrantId | None,
    limit: int,
) -> list[Grant]:
    """One page of a key's grants, in ascending order of grant id."""
    wanted: list[ColumnElement[bool]] = [GRANTS.c.region == region, GRANTS.c.key_id == key_id]
    for column, value in (
        (GRANTS.c.grant_id, chosen.grant_id),
        (GRANTS.c.grantee_principal, chosen.grantee_principal),
        (GRANTS.c.grantee_service_principal, chosen.grantee_service_principal),
    ):
        if value is not None:
            wanted.append(column == value)
    return _page(connection, wanted, after, limit)


def select_retirable_grants(
    connection: Connection, region: Region, retiring_principal: str, *, after: GrantId | None, limit: int
) -> list[Grant]:
    """One page of the grants that a principal may retire, of keys of all accounts."""
    wanted = [GRANTS.c.region == region, GRANTS.c.retiring_principal == retiring_principal]
    return _page(connection, wanted, after, limit)


def select_grants_to(
    connection: Connection, region: Region, key_id: KeyId, grantee_principal: str
) -> tuple[Grant, ...]:
    """All grants of a key to one principal: an ARN, or the name of a service."""
    of = {"region": region, "key_id": key_id, "grantee_principal": grantee_principal}
    wanted, _ = _questions_of(grantee_principal)
    return tuple(parse_grant(row) for row in connection.execute(wanted, of))


def select_grant_ids_to(
    connection: Connection, region: Region, key_id: KeyId, grantee_principal: str
) -> list[GrantId]:
    """Their ids alone, from an index alone unless it is a service's, in the same order."""
    of = {"region": region, "key_id": key_id, "grantee_principal": grantee_principal}
    _, wanted = _questions_of(grantee_principal)
    return [GrantId(grant_id) for grant_id in connection.execute(wanted, of).scalars()]


def _questions_of(grantee: str) -> tuple[Select[Any], Select[Any]]:
    """For whole grants, and for their ids: by an ARN, a service's principal (with dots) or a unique id."""
    if grantee.startswith("arn:"):
        return _TO_GRANTEE, _IDS_TO_GRANTEE
    return (_TO_SERVICE, _IDS_TO_SERVICE) if "." in grantee else (_TO_ID, _IDS_TO_ID)


def count_grants_of(connection: Connection, region: Region, key_id: KeyId) -> int:
    """How many grants the key has."""
    return connection.execute(_COUNT_OF_KEY, {"region": region, "key_id": key_id}).scalar_one()


def _page(
    connection: Connection, wanted: list[ColumnElement[bool]], after: GrantId | None, limit: int
) -> list[Grant]:
    if after is not None:
        wanted = [*wanted, GRANTS.c.grant_id > after]
    rows = connection.execute(select(GRANTS).where(*wanted).order_by(GRANTS.c.grant_id).limit(limit))
    return [parse_grant(row) for row in rows]


def render_grant(grant: Grant) -> Values:
    """The columns of `grants`. Operations and constraints have one form each, so that rows compare."""
    return {
        "region": grant.region,
        "key_id": grant.key_id,
        "grant_id": grant.grant_id,
        "account_id": grant.account_id,
        "name": grant.name,
        "grantee_principal": grant.grantee_principal,
        "grantee_service_principal": grant.grantee_service_principal,
        "retiring_principal": grant.retiring_principal,
        "retiring_service_principal": grant.retiring_service_principal,
        "issuing_account": grant.issuing_account,
        "operations": json.dumps([operation.value for operation in grant.operations]),
        "constraints": render_constraints(grant.constraints),
        "created_at": render_instant(grant.created_at),
        "grantee_id": grant.grantee_id,
        "retiring_id": grant.retiring_id,
    }


def parse_grant(row: AnyRow) -> Grant:
    """The record of a row of `grants`. Its mappings are read-only: it is shared by requests."""
    # Texts repeat from grant to grant; only short ones are worth remembering.
    short = len(row.constraints) <= _REMEMBERED_CHARACTERS_MAX
    return Grant(
        account_id=AccountId(row.account_id),
        region=Region(row.region),
        key_id=KeyId(row.key_id),
        grant_id=GrantId(row.grant_id),
        name=row.name,
        grantee_principal=row.grantee_principal,
        grantee_service_principal=row.grantee_service_principal,
        retiring_principal=row.retiring_principal,
        retiring_service_principal=row.retiring_service_principal,
        issuing_account=row.issuing_account,
        operations=_parse_operations(row.operations),
        constraints=(_remembered_constraints if short else parse_constraints)(row.constraints),
        created_at=parse_instant(row.created_at),
        grantee_id=row.grantee_id,
        retiring_id=row.retiring_id,
    )


_REMEMBERED_CHARACTERS_MAX = 1024
_SUBSET, _EQUALS, _SOURCE_ARN = "EncryptionContextSubset", "EncryptionContextEquals", "SourceArn"


def render_constraints(constraints: GrantConstraints) -> str:
    """JSON of the constraints that there are, in one form."""
    given = {
        _SUBSET: _plain(constraints.encryption_context_subset),
        _EQUALS: _plain(constraints.encryption_context_equals),
        _SOURCE_ARN: constraints.source_arn,
    }
    return json.dumps({name: value for name, value in given.items() if value is not None}, sort_keys=True)


def parse_constraints(text: str) -> GrantConstraints:
    """The record of `render_constraints`. Raises ValueError."""
    given = json.loads(text)
    if not given:
        return NO_CONSTRAINTS
    subset, equals = given.get(_SUBSET), given.get(_EQUALS)
    return GrantConstraints(
        None if subset is None else MappingProxyType(subset),
        None if equals is None else MappingProxyType(equals),
        given.get(_SOURCE_ARN),
    )


_remembered_constraints = lru_cache(4096)(parse_constraints)


@lru_cache(4096)
def _parse_operations(text: str) -> tuple[GrantOperation, ...]:
    return tuple(GrantOperation(name) for name in json.loads(text))


def _plain(context: Mapping[str, str] | None) -> dict[str, str] | None:
    return None if context is None else dict(context)
