"""OpenID Connect providers: their URLs, and the ARNs made of them."""

from __future__ import annotations

import re
from typing import Final

from strongroom.aws import iam_entity_refusals
from strongroom.operations.context import Call
from strongroom.resources.iam import EntityKind, OidcProvider
from strongroom.resources.identifiers import partition_of

SCHEME: Final = "https://"

_HOST = r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.)*[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_URL: Final = re.compile(rf"https://(?P<name>{_HOST}(?:/[A-Za-z0-9._~%!$&'()*+,;=:@/-]*)?)", re.ASCII)


def name_of_url(url: str) -> str:
    """The provider's name: its URL without the scheme.

    "The URL must begin with https:// ... path components are allowed but query parameters are not ... should
    not contain a port number" (CreateOpenIDConnectProvider). Raises ApiError ValidationError.
    """
    matched = _URL.fullmatch(url)
    if matched is None:
        raise iam_entity_refusals.invalid_provider_url()
    return matched["name"]


async def find_provider(call: Call, arn: str) -> OidcProvider | None:
    """The caller's account's provider of exactly this ARN. Raises ApiError InvalidInput."""
    prefix = f"arn:{partition_of(call.region)}:iam::{call.account_id}:{EntityKind.OIDC_PROVIDER}/"
    if not arn.startswith(prefix):
        if not re.fullmatch(r"arn:aws[a-z-]*:iam::[0-9]{12}:oidc-provider/.+", arn, re.ASCII):
            raise iam_entity_refusals.wrong_arn(arn)
        return None
    name = arn.removeprefix(prefix)
    provider = await call.rooms.store.find_entity(OidcProvider, call.account_id, name)
    return provider if provider is not None and provider.name == name else None


async def require_provider(call: Call, arn: str) -> OidcProvider:
    """Raises ApiError InvalidInput, NoSuchEntity."""
    provider = await find_provider(call, arn)
    if provider is None:
        raise iam_entity_refusals.provider_not_found(arn)
    return provider
