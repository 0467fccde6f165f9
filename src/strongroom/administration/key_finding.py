"""The KMS key that an operator means: by its ARN, or by its id in whatever Region it is."""

from __future__ import annotations

from strongroom.resources.identifiers import AccountId, KeyId, is_key_id, parse_kms_arn
from strongroom.resources.key import Key
from strongroom.store.interface import Store

_PAGE = 500


class NoSuchKey(Exception):
    """There is no such key, or there are several; the text says which."""


async def find_key(store: Store, named: str) -> Key:
    """Raises NoSuchKey."""
    arn = parse_kms_arn(named)
    if arn is not None and arn.resource.startswith("key/"):
        key = await store.find_key(arn.region, KeyId(arn.resource.removeprefix("key/")))
        if key is None or key.arn != named:
            raise NoSuchKey(f"There is no KMS key {named}.")
        return key
    if not is_key_id(named):
        raise NoSuchKey(f"{named!r} is neither the id nor the ARN of a KMS key.")
    found = [
        key
        for account_id in await list_account_ids(store)
        for key in await store.list_related_keys(account_id, KeyId(named))
    ]
    if not found:
        raise NoSuchKey(f"There is no KMS key {named}.")
    if len(found) > 1:
        arns = ", ".join(key.arn for key in found)
        raise NoSuchKey(f"There are several keys with this id; give the ARN of one: {arns}.")
    return found[0]


async def list_account_ids(store: Store) -> list[AccountId]:
    """All accounts of the server, in ascending order."""
    found: list[AccountId] = []
    while True:
        page = await store.list_accounts(found[-1] if found else None, _PAGE)
        found += [account.account_id for account in page]
        if len(page) < _PAGE:
            return found
