"""From what RetireGrant names to the grant it means."""

from __future__ import annotations

from typing import Any

from strongroom.aws import grant_refusals, refusals
from strongroom.identity.principal import AuthenticatedPrincipal
from strongroom.operations.context import Rooms
from strongroom.operations.grant_tokens import read_grant_token
from strongroom.operations.key_lookup import find_named_key
from strongroom.operations.operation import GrantTarget
from strongroom.resources.grant import GRANT_ID, Grant, GrantId
from strongroom.resources.identifiers import Region, partition_of
from strongroom.resources.key import Key


def account_root_arn(region: str, account_id: str) -> str:
    """The ARN by which a grant names an account."""
    return f"arn:{partition_of(region)}:iam::{account_id}:root"


def require_grant_id(text: str) -> GrantId:
    """Raises InvalidGrantIdException unless `text` has the form of a grant id."""
    if GRANT_ID.fullmatch(text) is None:
        raise grant_refusals.invalid_grant_id()
    return GrantId(text)


async def resolve_grant(
    rooms: Rooms, target: GrantTarget, request: Any, principal: AuthenticatedPrincipal, region: Region
) -> tuple[Key, Grant]:
    """The grant named by its token, or by its id and key; and the key.

    A stranger gets the same refusal for a grant that does not exist as for one it may not retire.
    """
    if request.grant_token is not None:
        named = await read_grant_token(rooms.boundary, request.grant_token, region)
        found = await rooms.store.find_key(region, named.key_id)
        grant = await rooms.store.find_grant(region, named.key_id, named.grant_id)
        if found is None or grant is None or grant.account_id != named.account_id:
            raise grant_refusals.grant_not_found(named.grant_id)
        return found, grant
    key = await find_named_key(rooms.store, request.key_id, principal, region, False, target.action)
    grant = await rooms.store.find_grant(region, key.key_id, GrantId(request.grant_id))
    if grant is None:
        if key.account_id != principal.account_id:
            raise refusals.access_denied_by_resource(principal.arn, target.action, key.arn)
        raise grant_refusals.grant_not_found(request.grant_id)
    return key, grant
