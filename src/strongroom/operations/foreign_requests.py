"""Requests through the external key store proxy, as policies see them: what the caller's service says of one,
and what the key is. Everything else (the encryption context, tags of the principal) is not told: it may be
there or not (INVARIANT Z8 in authorization).

Source: External Key Store Proxy API Specification 1.0.3, requestMetadata, and the condition keys that it
refers to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final, NamedTuple, TypeAlias

from strongroom.authorization.principals import Caller
from strongroom.identity.principal import PrincipalType
from strongroom.operations.circumstances import render, render_instant
from strongroom.resources.identifiers import Region, parse_kms_arn
from strongroom.resources.key import Key

Values: TypeAlias = tuple[str, ...] | None
EVENT_SOURCE: Final = "kms-xks-proxy.amazonaws.com"
"""Of the records of such requests."""
ACTIONS: Final = {
    "GetKeyMetadata": "kms:DescribeKey",
    "Encrypt": "kms:Encrypt",
    "Decrypt": "kms:Decrypt",
}
"""What a key policy must allow, by the request's name in the records."""
_TYPES: Final = {
    PrincipalType.ROOT: "Account",
    PrincipalType.IAM_USER: "User",
    PrincipalType.ASSUMED_ROLE: "AssumedRole",
}


class ForeignRequest(NamedTuple):
    """What is told of one request, beside the principal and the key."""

    region: Region
    """From which the key management service calls: in the scope of its signature."""
    at: datetime
    kms_key_arn: str | None = None
    via_service: str | None = None
    source_vpc: str | None = None
    source_vpce: str | None = None


class ForeignConditions:
    """Implements `authorization.foreign_principals.ForeignValues`. Concurrency: one request's own."""

    def __init__(self, request: ForeignRequest, caller: Caller, key: Key) -> None:
        self._request = request
        self._caller = caller
        self._key = key

    def needs_store(self, keys: frozenset[str]) -> bool:
        """Never: key policies cannot ask for aliases and tags of the key."""
        return False

    async def prepare(self, keys: frozenset[str]) -> None:
        """Nothing to look up."""

    def values_of(self, key: str) -> Values:
        """As ConditionValues."""
        look = _KEYS.get(key)
        return None if look is None else look(self)

    def is_told(self, key: str) -> bool:
        """As ForeignValues."""
        if key in _OF_THE_ENDPOINT:
            return _KEYS[key](self) is not None or self._is_of_own_account()
        return key in _KEYS or key in _OF_OTHER_OPERATIONS or key.startswith("aws:requesttag/")

    def _is_of_own_account(self) -> bool:
        """Whether the KMS key is in the caller's account: otherwise nobody tells of its VPC."""
        arn = parse_kms_arn(self._request.kms_key_arn or "")
        return arn is None or arn.account_id == self._caller.account_id

    def via_service(self) -> Values:
        """kms:ViaService is a name with a Region; the proxy is told `ebs`, say."""
        service = self._request.via_service
        if service is None:
            return None
        if "." in service:
            return (service,)
        arn = parse_kms_arn(self._request.kms_key_arn or "")
        return (f"{service}.{self._request.region if arn is None else arn.region}.amazonaws.com",)

    def _service(self) -> Values:
        return render(self._caller.service or None)

    def _arn(self) -> Values:
        return None if self._caller.service else (self._caller.arn,)

    def _multi_region_key_type(self) -> Values:
        if not self._key.multi_region:
            return None
        return ("REPLICA",) if self._key.is_replica else ("PRIMARY",)


_KEYS: Final[Mapping[str, Callable[[ForeignConditions], Values]]] = {
    "aws:currenttime": lambda asked: render_instant(asked._request.at),
    "aws:epochtime": lambda asked: render(int(asked._request.at.timestamp())),
    "aws:principalaccount": lambda asked: render(asked._caller.account_id or None),
    "aws:principalarn": ForeignConditions._arn,
    "aws:principalisawsservice": lambda asked: render(bool(asked._caller.service)),
    "aws:principalservicename": ForeignConditions._service,
    "aws:principalservicenameslist": ForeignConditions._service,
    "aws:principaltype": lambda asked: render(_TYPES.get(asked._caller.type)),
    "aws:requestedregion": lambda asked: (asked._request.region,),
    "aws:resourceaccount": lambda asked: (asked._key.account_id,),
    "aws:securetransport": lambda asked: ("true",),
    "aws:sourcevpc": lambda asked: render(asked._request.source_vpc),
    "aws:sourcevpce": lambda asked: render(asked._request.source_vpce),
    "aws:viaawsservice": lambda asked: render(asked._request.via_service is not None),
    "kms:calleraccount": lambda asked: render(asked._caller.account_id or None),
    "kms:customermasterkeyspec": lambda asked: render(asked._key.key_spec.value),
    "kms:customermasterkeyusage": lambda asked: render(asked._key.key_usage.value),
    "kms:encryptionalgorithm": lambda asked: ("SYMMETRIC_DEFAULT",),
    "kms:keyorigin": lambda asked: render(asked._key.origin.value),
    "kms:keyspec": lambda asked: render(asked._key.key_spec.value),
    "kms:keyusage": lambda asked: render(asked._key.key_usage.value),
    "kms:multiregion": lambda asked: render(asked._key.multi_region),
    "kms:multiregionkeytype": ForeignConditions._multi_region_key_type,
    "kms:viaservice": ForeignConditions.via_service,
}

_OF_THE_ENDPOINT: Final = frozenset({"aws:sourcevpc", "aws:sourcevpce"})
"""Told "if and only if the KMS API request was made using a VPC endpoint, and the caller is the same as the
KMS key owner" (requestMetadata)."""

_OF_OTHER_OPERATIONS: Final = frozenset(
    """
    aws:tagkeys kms:bypasspolicylockoutsafetycheck kms:datakeypairspec kms:encapsulationalgorithm
    kms:expirationmodel kms:grantconstraintsourcearn kms:grantconstrainttype kms:grantisforawsresource
    kms:grantoperations kms:granteeprincipal kms:granteeserviceprincipal kms:keyagreementalgorithm
    kms:macalgorithm kms:messagetype kms:primaryregion kms:replicaregion kms:retiringprincipal
    kms:retiringserviceprincipal kms:rotationperiodindays kms:schedulekeydeletionpendingwindowindays
    kms:signingalgorithm kms:trailingdayswithoutkeyusage kms:validto kms:wrappingalgorithm kms:wrappingkeyspec
    """.split()  # noqa: SIM905  (as in authorization/denial_record.py)
)
"""Keys that no request to encrypt, to decrypt or to describe a key has, wherever it was made."""
