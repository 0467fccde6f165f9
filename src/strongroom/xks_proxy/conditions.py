"""The condition keys of a request that came through the proxy: what the caller's service says of it, and what
the key is. Everything else (the encryption context, tags of the principal) is not told, and so not there.

Source: External Key Store Proxy API Specification 1.0.3, requestMetadata, and the condition keys that
it refers to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from strongroom.authorization.principals import Caller
from strongroom.identity.principal import PrincipalType
from strongroom.operations.circumstances import render, render_instant, value_named
from strongroom.operations.context import Rooms
from strongroom.resources.identifiers import AliasName, parse_kms_arn
from strongroom.resources.key import Key
from strongroom.xks_proxy.authentication import Signer
from strongroom.xks_proxy.messages import RequestMetadata

Values: TypeAlias = tuple[str, ...] | None
_ALIASES: Final = "kms:resourcealiases"
_ALIASES_PAGE: Final = 100
_RESOURCE_TAG: Final = "aws:resourcetag/"
_TYPES: Final = {
    PrincipalType.ROOT: "Account",
    PrincipalType.IAM_USER: "User",
    PrincipalType.ASSUMED_ROLE: "AssumedRole",
}


class ForeignConditions:
    """Implements `authorization.ask.ConditionValues`. Concurrency: one request's own."""

    def __init__(
        self, rooms: Rooms, metadata: RequestMetadata, caller: Caller, signer: Signer, key: Key
    ) -> None:
        self._rooms = rooms
        self._metadata = metadata
        self._caller = caller
        self._signer = signer
        self._key = key
        self._now = rooms.clock.now()
        self._aliases: Values = None

    def needs_store(self, keys: frozenset[str]) -> bool:
        """Whether a policy asks for the key's aliases."""
        return _ALIASES in keys

    async def prepare(self, keys: frozenset[str]) -> None:
        """Look the key's aliases up, if a policy asks for them. Raises StoreUnavailable."""
        if _ALIASES not in keys:
            return
        names: list[str] = []
        after: AliasName | None = None
        key = self._key
        while True:
            page = await self._rooms.store.list_aliases(
                key.account_id, key.region, key.key_id, after, _ALIASES_PAGE
            )
            names += [alias.alias_name for alias in page]
            if len(page) < _ALIASES_PAGE:
                break
            after = AliasName(page[-1].alias_name)
        self._aliases = tuple(names) or None

    def values_of(self, key: str) -> Values:
        """As ConditionValues. Raises AmbiguousCondition."""
        if key.startswith(_RESOURCE_TAG):
            return value_named(self._key.tags.items(), key.removeprefix(_RESOURCE_TAG))
        look = _KEYS.get(key)
        return None if look is None else look(self)

    def via_service(self) -> Values:
        """kms:ViaService is a name with a Region; the proxy is told `ebs`, say."""
        service = self._metadata.kms_via_service
        if service is None:
            return None
        if "." in service:
            return (service,)
        arn = parse_kms_arn(self._metadata.kms_key_arn or "")
        return (f"{service}.{self._signer.region if arn is None else arn.region}.amazonaws.com",)

    def _service(self) -> Values:
        return render(self._caller.service or None)

    def _arn(self) -> Values:
        return None if self._caller.service else (self._caller.arn,)

    def _multi_region_key_type(self) -> Values:
        if not self._key.multi_region:
            return None
        return ("REPLICA",) if self._key.is_replica else ("PRIMARY",)


_KEYS: Final[Mapping[str, Callable[[ForeignConditions], Values]]] = {
    "aws:currenttime": lambda asked: render_instant(asked._now),
    "aws:epochtime": lambda asked: render(int(asked._now.timestamp())),
    "aws:principalaccount": lambda asked: render(asked._caller.account_id or None),
    "aws:principalarn": ForeignConditions._arn,
    "aws:principalisawsservice": lambda asked: render(bool(asked._caller.service)),
    "aws:principalservicename": ForeignConditions._service,
    "aws:principalservicenameslist": ForeignConditions._service,
    "aws:principaltype": lambda asked: render(_TYPES.get(asked._caller.type)),
    "aws:requestedregion": lambda asked: (asked._signer.region,),
    "aws:resourceaccount": lambda asked: (asked._key.account_id,),
    "aws:securetransport": lambda asked: ("true",),
    "aws:sourcevpc": lambda asked: render(asked._metadata.aws_source_vpc),
    "aws:sourcevpce": lambda asked: render(asked._metadata.aws_source_vpce),
    "aws:viaawsservice": lambda asked: render(asked._metadata.kms_via_service is not None),
    "kms:calleraccount": lambda asked: render(asked._caller.account_id or None),
    "kms:customermasterkeyspec": lambda asked: render(asked._key.key_spec.value),
    "kms:customermasterkeyusage": lambda asked: render(asked._key.key_usage.value),
    "kms:encryptionalgorithm": lambda asked: ("SYMMETRIC_DEFAULT",),
    "kms:keyorigin": lambda asked: render(asked._key.origin.value),
    "kms:keyspec": lambda asked: render(asked._key.key_spec.value),
    "kms:keyusage": lambda asked: render(asked._key.key_usage.value),
    "kms:multiregion": lambda asked: render(asked._key.multi_region),
    "kms:multiregionkeytype": ForeignConditions._multi_region_key_type,
    _ALIASES: lambda asked: asked._aliases,
    "kms:viaservice": ForeignConditions.via_service,
}
