"""The SQL of IAM's entities, and of what one refers to in another.

An entity is one row: what is looked up by stands in columns, all of it in `record`, as JSON. Who refers to
whom stands in rows of its own, written with the entity in one transaction.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

import msgspec
from sqlalchemy import Connection, and_, bindparam, delete, func, insert, select, update

from strongroom.resources.aws_managed_policies import AWS_MANAGED_POLICIES
from strongroom.resources.iam import (
    KINDS,
    Entity,
    EntityKind,
    Group,
    Identity,
    ManagedPolicy,
    PolicySource,
    Reference,
    Relation,
    Role,
    UniqueId,
    User,
    iam_arn,
    references_of,
)
from strongroom.resources.identifiers import AccountId
from strongroom.store.interface import ConcurrentChange, LimitReached, StillInUse
from strongroom.store.rows import AnyRow, Values
from strongroom.store.schema import ACCESS_KEYS, IAM_ENTITIES, IAM_REFERENCES

E = TypeVar("E", bound=Entity)

_COLUMNS = IAM_ENTITIES.c
_BY_NAME = select(IAM_ENTITIES).where(
    _COLUMNS.account_id == bindparam("account_id"),
    _COLUMNS.kind == bindparam("kind"),
    _COLUMNS.name_key == bindparam("name_key"),
)
_BY_ID = select(IAM_ENTITIES).where(_COLUMNS.unique_id == bindparam("unique_id"))
_REFERENCES_TO = (
    select(IAM_ENTITIES.c.kind, IAM_ENTITIES.c.record, IAM_REFERENCES.c.relation)
    .join(IAM_ENTITIES, IAM_ENTITIES.c.unique_id == IAM_REFERENCES.c.unique_id)
    .where(
        IAM_REFERENCES.c.account_id == bindparam("account_id"),
        IAM_REFERENCES.c.target == bindparam("target"),
    )
    .order_by(IAM_ENTITIES.c.kind, IAM_ENTITIES.c.name_key, IAM_REFERENCES.c.relation)
)
_TYPES = {kind: of for of, kind in KINDS.items()}
_LIKE_ESCAPE = "!"


def name_key(name: str) -> str:
    """The form in which names are compared: they are ASCII, and the case of letters does not count."""
    return name.lower()


def select_entity(connection: Connection, kind: type[E], account_id: AccountId, name: str) -> E | None:
    """The entity of that kind and name, or None."""
    by = {"account_id": account_id, "kind": KINDS[kind].value, "name_key": name_key(name)}
    row = connection.execute(_BY_NAME, by).one_or_none()
    return None if row is None else _parse(row, kind)


def select_entity_by_id(connection: Connection, kind: type[E], unique_id: UniqueId) -> E | None:
    """The entity of that kind and unique id, or None."""
    row = connection.execute(_BY_ID, {"unique_id": unique_id}).one_or_none()
    return None if row is None or row.kind != KINDS[kind].value else _parse(row, kind)


def select_entities(
    connection: Connection,
    kind: type[E],
    account_id: AccountId,
    path_prefix: str,
    after: str | None,
    limit: int,
) -> list[E]:
    """One page, in ascending order of the name in lower case."""
    wanted = [_COLUMNS.account_id == account_id, _COLUMNS.kind == KINDS[kind].value]
    if path_prefix not in ("", "/"):
        wanted.append(_COLUMNS.path.startswith(path_prefix, autoescape=True, escape=_LIKE_ESCAPE))
        # LIKE of some databases takes letters of either case for the same
        wanted.append(func.substr(_COLUMNS.path, 1, len(path_prefix)) == path_prefix)
    if after is not None:
        wanted.append(_COLUMNS.name_key > name_key(after))
    rows = connection.execute(
        select(IAM_ENTITIES).where(*wanted).order_by(_COLUMNS.name_key).limit(limit)
    ).all()
    return [_parse(row, kind) for row in rows]


def count_entities(connection: Connection, account_id: AccountId, kind: EntityKind) -> int:
    """How many the account has of a kind."""
    wanted = and_(_COLUMNS.account_id == account_id, _COLUMNS.kind == kind.value)
    return connection.execute(select(func.count()).select_from(IAM_ENTITIES).where(wanted)).scalar_one()


def insert_entity(connection: Connection, entity: Entity, of_account_max: int | None) -> None:
    """As version 1. Raises LimitReached, ConcurrentChange; from the database AlreadyExists."""
    if of_account_max is not None:
        count = count_entities(connection, entity.account_id, entity.kind)
        if count >= of_account_max:
            raise LimitReached("the account has as many of the kind as it may have")
    connection.execute(insert(IAM_ENTITIES), _render(entity) | {"version": 1})
    _insert_references(connection, entity, references_of(entity))


def update_entity(connection: Connection, entity: E) -> E:
    """Replace the record of `entity.version`. Raises ConcurrentChange; from the database AlreadyExists."""
    changed = msgspec.structs.replace(entity, version=entity.version + 1)
    is_it = and_(
        _COLUMNS.unique_id == entity.unique_id,
        _COLUMNS.account_id == entity.account_id,
        _COLUMNS.version == entity.version,
    )
    # INVARIANT S3: no row has that version, so another request was first, or the entity is gone.
    if connection.execute(update(IAM_ENTITIES).where(is_it), _render(changed)).rowcount != 1:
        raise ConcurrentChange("the entity was changed since it was read")
    of_it = IAM_REFERENCES.c.unique_id == entity.unique_id
    known = {
        (Relation(row.relation), row.target)
        for row in connection.execute(select(IAM_REFERENCES).where(of_it)).all()
    }
    wanted = references_of(changed)
    for relation, target in known.difference(wanted):
        is_gone = and_(of_it, IAM_REFERENCES.c.relation == relation, IAM_REFERENCES.c.target == target)
        connection.execute(delete(IAM_REFERENCES).where(is_gone))
    _insert_references(connection, changed, [one for one in wanted if one not in known])
    return changed


def delete_entity(connection: Connection, entity: Entity) -> None:
    """Raises StillInUse, ConcurrentChange."""
    for target in _names_of(entity):
        if select_references_to(connection, entity.account_id, target):
            raise StillInUse("another entity refers to it")
    if isinstance(entity, User):
        of_it = and_(
            ACCESS_KEYS.c.account_id == entity.account_id, ACCESS_KEYS.c.principal_id == entity.unique_id
        )
        if connection.execute(select(ACCESS_KEYS.c.access_key_id).where(of_it)).first() is not None:
            raise StillInUse("the user has access keys")
    connection.execute(delete(IAM_REFERENCES).where(IAM_REFERENCES.c.unique_id == entity.unique_id))
    is_it = and_(_COLUMNS.unique_id == entity.unique_id, _COLUMNS.version == entity.version)
    if connection.execute(delete(IAM_ENTITIES).where(is_it)).rowcount != 1:
        raise ConcurrentChange("the entity was changed since it was read")


def select_references_to(connection: Connection, account_id: AccountId, target: str) -> list[Reference]:
    """Who refers to a policy's ARN or a group's unique id."""
    rows = connection.execute(_REFERENCES_TO, {"account_id": account_id, "target": target}).all()
    found = []
    for row in rows:
        kind = EntityKind(row.kind)
        entity = msgspec.json.decode(row.record, type=_TYPES[kind])
        found.append(Reference(kind, entity.name, entity.unique_id, Relation(row.relation)))
    return found


def select_identity(connection: Connection, account_id: AccountId, unique_id: UniqueId) -> Identity | None:
    """A user or role with its policies in force, from one snapshot."""
    row = connection.execute(_BY_ID, {"unique_id": unique_id}).one_or_none()
    if row is None or row.account_id != account_id:
        return None
    principal: User | Role
    if row.kind == EntityKind.USER:
        principal = _parse(row, User)
    elif row.kind == EntityKind.ROLE:
        principal = _parse(row, Role)
    else:
        return None
    holders: list[User | Role | Group] = [principal]
    for group_id in principal.groups if isinstance(principal, User) else ():
        group = select_entity_by_id(connection, Group, group_id)
        if group is not None:
            holders.append(group)
    sources = [source for holder in holders for source in _policies_of(connection, holder)]
    boundary = None
    if (arn := principal.permissions_boundary) is not None:
        boundary = PolicySource(arn, select_policy_text(connection, arn) or "")
    return Identity(
        account_id=principal.account_id,
        kind=principal.kind,
        name=principal.name,
        path=principal.path,
        unique_id=principal.unique_id,
        tags=principal.tags,
        policies=tuple(dict.fromkeys(sources)),
        boundary=boundary,
    )


def select_policy_text(connection: Connection, arn: str) -> str | None:
    """The default version of a managed policy, AWS's or an account's."""
    if (text := AWS_MANAGED_POLICIES.get(arn)) is not None:
        return text
    policy = _select_policy(connection, arn)
    return None if policy is None else policy.default_text


def _select_policy(connection: Connection, arn: str) -> ManagedPolicy | None:
    account_id, _, resource = arn.removeprefix("arn:").partition(":iam::")[2].partition(":")
    name = resource.rpartition("/")[2]
    policy = select_entity(connection, ManagedPolicy, AccountId(account_id), name)
    return policy if policy is not None and arn in _names_of(policy) else None


def _policies_of(connection: Connection, holder: User | Role | Group) -> Iterable[PolicySource]:
    for name, text in holder.inline_policies.items():
        yield PolicySource(f"inline policy {name} of {holder.kind}/{holder.name}", text)
    for arn in holder.attached_policies:
        # An attached policy cannot be deleted, so its text is there; were it not, it would allow nothing.
        attached = select_policy_text(connection, arn)
        if attached is not None:
            yield PolicySource(arn, attached)


def _insert_references(
    connection: Connection, entity: Entity, references: list[tuple[Relation, str]]
) -> None:
    for relation, target in references:
        if not _exists(connection, entity.account_id, relation, target):
            raise ConcurrentChange("what the entity refers to is gone")
        connection.execute(
            insert(IAM_REFERENCES),
            {
                "unique_id": entity.unique_id,
                "relation": relation.value,
                "target": target,
                "account_id": entity.account_id,
            },
        )


def _exists(connection: Connection, account_id: AccountId, relation: Relation, target: str) -> bool:
    if relation is Relation.MEMBER:
        group = select_entity_by_id(connection, Group, target)
        return group is not None and group.account_id == account_id
    if target in AWS_MANAGED_POLICIES:
        return True
    policy = _select_policy(connection, target)
    return policy is not None and policy.account_id == account_id


def _names_of(entity: Entity) -> tuple[str, ...]:
    """By what others refer to it: a policy's ARN (of the one partition that references use), a unique id."""
    if isinstance(entity, ManagedPolicy):
        return (iam_arn(entity.account_id, entity.kind, entity.path, entity.name),)
    return (entity.unique_id,)


def _render(entity: Entity) -> Values:
    return {
        "account_id": entity.account_id,
        "kind": entity.kind.value,
        "name_key": name_key(entity.name),
        "unique_id": entity.unique_id,
        "path": entity.path,
        "record": msgspec.json.encode(entity).decode(),
        "version": entity.version,
    }


def _parse(row: AnyRow, kind: type[E]) -> E:
    """Raises ValueError for a row that is no record."""
    entity = msgspec.json.decode(row.record, type=kind)
    return msgspec.structs.replace(entity, version=row.version)
