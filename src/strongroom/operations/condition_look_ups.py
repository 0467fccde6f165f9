"""The condition keys whose values stand in the store, looked up before a policy is read.

Sources: AWS KMS Developer Guide, "AWS KMS condition keys" (conditions-kms); IAM User Guide, "AWS global
condition context keys".
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeAlias

from strongroom.identity.principal import PrincipalType
from strongroom.operations.circumstances import Circumstances, Values, render, value_named
from strongroom.operations.last_usage import days_without_usage
from strongroom.resources.iam import Identity, iam_arn
from strongroom.resources.identifiers import AliasName, parse_kms_arn

LookUp: TypeAlias = Callable[[Circumstances], Awaitable[Values]]

_ALIASES_PAGE = 100
_RE_ENCRYPT = frozenset({"kms:ReEncryptFrom", "kms:ReEncryptTo"})
_UNUSED_DAYS = frozenset({"kms:DisableKey", "kms:ScheduleKeyDeletion"})


async def _resource_aliases(asked: Circumstances) -> Values:
    """All aliases of the key, `alias/name` each."""
    key = asked.key
    if key is None:
        return None
    names: list[str] = []
    after: AliasName | None = None
    while True:
        page = await asked.rooms.store.list_aliases(
            key.account_id, key.region, key.key_id, after, _ALIASES_PAGE
        )
        names += [alias.alias_name for alias in page]
        if len(page) < _ALIASES_PAGE:
            return tuple(names) or None
        after = AliasName(page[-1].alias_name)


async def _re_encrypt_on_same_key(asked: Circumstances) -> Values:
    """Whether the destination is the key of the original encryption.

    The source is judged before the destination is looked up, so its name is compared here.
    """
    if asked.action not in _RE_ENCRYPT or asked.key is None:
        return None
    source = asked.keys[0]
    if asked.action == "kms:ReEncryptTo":
        return render(asked.key.arn == source.arn)
    named: str = asked.request.destination_key_id
    account_id, region = asked.principal.resource_account_id, asked.authenticated.region
    if (arn := parse_kms_arn(named)) is not None:
        account_id, region, named = arn.account_id, arn.region, arn.resource.removeprefix("key/")
    if (account_id, region) != (source.account_id, source.region):
        return ("false",)
    if named.startswith("alias/"):
        alias = await asked.rooms.store.find_alias(account_id, region, AliasName(named))
        return render(alias is not None and alias.target_key_id == source.key_id)
    return render(named == source.key_id)


async def _trailing_days(asked: Circumstances) -> Values:
    """Whole days since the last use; where there was none, since the key was made or uses are tracked.

    Source: conditions-kms, kms:TrailingDaysWithoutKeyUsage (as quoted by others: rounded down).
    """
    if asked.action not in _UNUSED_DAYS or asked.key is None:
        return None
    return render(await days_without_usage(asked.rooms, asked.key, asked.now.timestamp()))


async def _identity(asked: Circumstances) -> Identity | None:
    principal = asked.principal
    if principal.type not in (PrincipalType.IAM_USER, PrincipalType.ASSUMED_ROLE):
        return None
    return await asked.rooms.store.find_identity(principal.account_id, principal.unique_id)


async def _principal_arn(asked: Circumstances) -> Values:
    """Of a session, its role's ARN with the role's path, which the session's ARN leaves out."""
    principal = asked.principal
    if principal.type in (PrincipalType.AWS_SERVICE, PrincipalType.WEB_IDENTITY_USER):
        return None
    if principal.type is not PrincipalType.ASSUMED_ROLE:
        return (principal.arn,)
    role = await _identity(asked)
    if role is None:
        return None
    partition = principal.arn.split(":", 2)[1]
    return (iam_arn(role.account_id, role.kind, role.path, role.name, partition),)


async def principal_tag(asked: Circumstances, lower_name: str) -> Values:
    """aws:PrincipalTag/<key>: a session's tag before that of the user or role. Their keys have no case."""
    session = asked.principal.session
    if session is not None and (value := value_named(session.tags.items(), lower_name)) is not None:
        return value
    identity = await _identity(asked)
    return None if identity is None else value_named(identity.tags.items(), lower_name)


LOOK_UPS: Final[Mapping[str, LookUp]] = {
    "aws:principalarn": _principal_arn,
    "kms:reencryptonsamekey": _re_encrypt_on_same_key,
    "kms:resourcealiases": _resource_aliases,
    "kms:trailingdayswithoutkeyusage": _trailing_days,
}
PREFIX_LOOK_UPS: Final[Mapping[str, Callable[[Circumstances, str], Awaitable[Values]]]] = {
    "aws:principaltag/": principal_tag,
}
