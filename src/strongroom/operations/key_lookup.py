"""From what a caller wrote to the KMS key it means: key id, key ARN, alias name, alias ARN.

Sentences and their order: the recorded answers of AWS (aws/refusals.py names each source).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from strongroom.aws import multi_region_refusals, refusals
from strongroom.boundary.ciphertext_format import parse_header
from strongroom.identity.principal import AuthenticatedPrincipal
from strongroom.operations.operation import AliasedKeyTarget, KeyTarget, RelatedKeyTarget
from strongroom.resources.identifiers import (
    AccountId,
    AliasName,
    KeyId,
    Region,
    alias_arn,
    is_key_id,
    key_arn,
    parse_kms_arn,
    partition_of,
)
from strongroom.resources.key import Key
from strongroom.store.interface import Store

ALIAS_PREFIX = "alias/"
KEY_ID_CHARACTERS = 36


async def resolve_key_target(
    store: Store, target: KeyTarget, request: Any, principal: AuthenticatedPrincipal, region: Region
) -> Key:
    """The key that a request names by its member, or by its ciphertext's header."""
    named: str | None = getattr(request, target.member)
    if named is not None:
        if len(named) == KEY_ID_CHARACTERS:  # nearly always a bare key id of the caller's own account
            key = await store.find_key(region, KeyId(named))
            if key is not None and key.account_id == principal.account_id:
                return key
        return await find_named_key(store, named, principal, region, target.aliases, target.action)
    if target.ciphertext is None:
        raise refusals.null_member(target.member)
    blob: bytes | None = getattr(request, target.ciphertext)
    if blob is None:
        raise refusals.null_member(target.ciphertext)
    try:
        header = parse_header(blob)
    except ValueError:
        raise refusals.invalid_ciphertext() from None
    key = await store.find_key(region, KeyId(header.key_id))
    if key is None:
        # The key may exist elsewhere or nowhere; a caller learns neither.
        raise refusals.ciphertext_key_inaccessible()
    return key


async def resolve_aliased_key(
    store: Store, target: AliasedKeyTarget, request: Any, account_id: AccountId, region: Region
) -> Key:
    """The key that an alias of the caller's account points to now."""
    name = AliasName(getattr(request, target.member))
    alias = await store.find_alias(account_id, region, name)
    key = None if alias is None else await store.find_key(region, alias.target_key_id)
    if key is None:
        raise refusals.alias_not_found(alias_arn(region, account_id, name))
    return key


def require_primary(key: Key) -> None:
    """Raises UnsupportedOperationException for a replica and for a single-Region key."""
    if not key.multi_region or key.is_replica:
        raise multi_region_refusals.not_a_primary_key(key.arn)


async def resolve_further_key(
    store: Store,
    target: AliasedKeyTarget | RelatedKeyTarget,
    request: Any,
    account_id: AccountId,
    region: Region,
    before: Sequence[Key],
) -> Key:
    """A key that the request does not name itself; `before` are the keys it named."""
    if isinstance(target, RelatedKeyTarget):
        return await resolve_related_key(store, target, request, before[0])
    return await resolve_aliased_key(store, target, request, account_id, region)


async def resolve_related_key(store: Store, target: RelatedKeyTarget, request: Any, primary: Key) -> Key:
    """The replica in the Region that the request names."""
    region = Region(getattr(request, target.member))
    if region == primary.region:
        raise multi_region_refusals.is_primary_region(primary.arn)
    key = await store.find_key(region, primary.key_id)
    if key is None or key.account_id != primary.account_id:
        raise refusals.key_not_found(key_arn(region, primary.account_id, primary.key_id))
    return key


async def find_named_key(
    store: Store, named: str, principal: AuthenticatedPrincipal, region: Region, aliases: bool, action: str
) -> Key:
    """Find a key by any of the spellings that the operation takes.

    A caller of another account gets the same refusal for a key that does not exist as for one it
    may not use (the safe reading; docs/divergences.md).
    """
    account_id = principal.resource_account_id
    resource = named
    if named.startswith("arn:"):
        arn = parse_kms_arn(named)
        if arn is None:
            raise refusals.invalid_key_id(named)
        if arn.region != region or arn.partition != partition_of(region):
            raise refusals.invalid_arn(arn.region)
        account_id = arn.account_id
        resource = arn.resource
        if resource.startswith("key/"):
            resource = resource[4:]
            if not is_key_id(resource):
                raise refusals.invalid_key_id_in_arn(resource)
        elif not resource.startswith(ALIAS_PREFIX):
            raise refusals.invalid_key_id(named)
    if resource.startswith(ALIAS_PREFIX):
        if not aliases:
            raise refusals.alias_not_supported()
        return await _find_key_by_alias(store, AliasName(resource), account_id, principal, region, action)
    if not is_key_id(resource):
        raise refusals.invalid_key_id(named)
    key = await store.find_key(region, KeyId(resource))
    if key is None or key.account_id != account_id:
        if account_id != principal.resource_account_id:
            raise refusals.access_denied_by_resource(
                principal.arn, action, key_arn(region, account_id, resource)
            )
        raise refusals.key_not_found(key_arn(region, account_id, resource))
    return key


async def _find_key_by_alias(
    store: Store,
    name: AliasName,
    account_id: AccountId,
    principal: AuthenticatedPrincipal,
    region: Region,
    action: str,
) -> Key:
    alias = await store.find_alias(account_id, region, name)
    key = None if alias is None else await store.find_key(region, alias.target_key_id)
    if key is None:
        arn = alias_arn(region, account_id, name)
        if account_id != principal.resource_account_id:
            raise refusals.access_denied_by_resource(principal.arn, action, arn)
        raise refusals.alias_not_found(arn)
    return key
