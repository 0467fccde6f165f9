"""For whom an integrated service calls: the headers in which it says so, read strictly.

    X-Strongroom-Acting-For: <account id>/<user id>
    X-Strongroom-Acting-For-Session: <access key id>/<session token>
    X-Amz-Source-Arn, X-Amz-Source-Account: the resource on whose behalf it calls as itself

`user id` is what sts:GetCallerIdentity answers as UserId: the account id of a root, AIDA... of a user,
AROA...:session of an assumed role. A role's session cannot be named without its session token, or a
service would give its caller more than the session's policies do. Believes nothing: that the headers are
signed, and by a service, is for the authenticator to see.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from strongroom.aws import signature_refusals as refusals
from strongroom.identity.principal import PrincipalType
from strongroom.resources.iam import UniqueId
from strongroom.resources.identifiers import ACCOUNT_ID, AccessKeyId, AccountId

ACTING_FOR: Final = b"x-strongroom-acting-for"
ACTING_FOR_SESSION: Final = b"x-strongroom-acting-for-session"
SOURCE_ARN: Final = b"x-amz-source-arn"
SOURCE_ACCOUNT: Final = b"x-amz-source-account"
SIGNED_BY_SERVICES: Final = (ACTING_FOR, ACTING_FOR_SESSION, SOURCE_ARN, SOURCE_ACCOUNT)

_ACTING_FOR = re.compile(
    r"(?P<account>[0-9]{12})/(?:(?P<root>[0-9]{12})|(?P<user>AIDA[A-Z0-9]{1,124})"
    r"|(?P<role>AROA[A-Z0-9]{1,124}):(?P<session>[A-Za-z0-9_+=,.@-]{2,64}))",
    re.ASCII,
)
_SESSION = re.compile(rb"(ASIA[A-Z0-9]{1,124})/([A-Za-z0-9+/=]+)")
_SOURCE_ARN = re.compile(r"arn:[!-~]{1,2044}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Represented:
    """The caller for whom a service says that it calls."""

    kind: PrincipalType
    account_id: AccountId
    unique_id: UniqueId
    session_name: str | None
    session_access_key_id: AccessKeyId | None
    session_token: bytes | None


@dataclass(frozen=True, slots=True)
class Source:
    """What a service calls for, as aws:SourceArn and aws:SourceAccount."""

    arn: str | None
    account_id: AccountId | None


def parse_represented(headers: Mapping[bytes, bytes]) -> Represented | None:
    """The caller that the headers name, or None where they name none.

    Shape: header names in lower case. Raises: ApiError (IncompleteSignature) for any other form.
    """
    named, session = headers.get(ACTING_FOR), headers.get(ACTING_FOR_SESSION)
    if named is None:
        if session is not None:
            raise refusals.malformed_forwarding("X-Strongroom-Acting-For")
        return None
    found = _ACTING_FOR.fullmatch(named.decode("latin-1"))
    if found is None:
        raise refusals.malformed_forwarding("X-Strongroom-Acting-For")
    parts = found.groupdict()
    if parts["root"] is not None:
        kind, unique_id = PrincipalType.ROOT, parts["root"]
        if unique_id != parts["account"]:
            raise refusals.malformed_forwarding("X-Strongroom-Acting-For")
    elif parts["user"] is not None:
        kind, unique_id = PrincipalType.IAM_USER, parts["user"]
    else:
        kind, unique_id = PrincipalType.ASSUMED_ROLE, parts["role"]
    access_key_id = token = None
    if session is not None:
        told = _SESSION.fullmatch(session)
        if told is None:
            raise refusals.malformed_forwarding("X-Strongroom-Acting-For-Session")
        access_key_id, token = AccessKeyId(told[1].decode("ascii")), told[2]
    elif kind is PrincipalType.ASSUMED_ROLE:
        raise refusals.malformed_forwarding("X-Strongroom-Acting-For-Session")
    return Represented(kind, AccountId(parts["account"]), unique_id, parts["session"], access_key_id, token)


def parse_source(headers: Mapping[bytes, bytes]) -> Source:
    """The resource that a service says it calls for. Raises: ApiError (IncompleteSignature)."""
    arn, account_id = headers.get(SOURCE_ARN), headers.get(SOURCE_ACCOUNT)
    if arn is not None and _SOURCE_ARN.fullmatch(arn.decode("latin-1")) is None:
        raise refusals.malformed_forwarding("X-Amz-Source-Arn")
    if account_id is not None and ACCOUNT_ID.fullmatch(account_id.decode("latin-1")) is None:
        raise refusals.malformed_forwarding("X-Amz-Source-Account")
    return Source(
        None if arn is None else arn.decode("ascii"),
        None if account_id is None else AccountId(account_id.decode("ascii")),
    )
