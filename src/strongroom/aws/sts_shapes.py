"""The shapes of AWS STS that Strongroom serves, written by hand from its API reference (2011-06-15)."""

from __future__ import annotations

import msgspec


class GetCallerIdentityRequest(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False):
    """Asks who the caller is; it has no members."""


class GetCallerIdentityResponse(
    msgspec.Struct,
    kw_only=True,
    omit_defaults=True,
    gc=False,
    rename={"arn": "Arn", "user_id": "UserId", "account": "Account"},
):
    """Who the caller is: the ARN, the unique id and the account of the credentials that signed."""

    arn: str | None = None
    user_id: str | None = None
    account: str | None = None
