"""Who sends an AssumeRoleWithWebIdentity request: nobody has signed it, and its token says who it is.

Source: AssumeRoleWithWebIdentity in the STS API reference; IAM User Guide, "Create an OpenID Connect (OIDC)
identity provider in IAM".
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from strongroom.aws import sts_refusals
from strongroom.aws.errors import ApiError
from strongroom.aws.generated.sts_shapes import AssumeRoleWithWebIdentityRequest
from strongroom.federation.key_sets import KeySetUnavailable
from strongroom.federation.web_identity_token import (
    TokenProblem,
    TokenRefused,
    WebIdentity,
    read_token,
    verify_token,
)
from strongroom.identity.principal import (
    AuthenticatedPrincipal,
    AuthenticatedRequest,
    PrincipalType,
    Session,
)
from strongroom.operations.context import Rooms
from strongroom.operations.role_assumption import parse_role_arn
from strongroom.resources.iam import EntityKind, OidcProvider, iam_arn
from strongroom.resources.identifiers import AccessKeyId, AccountId, Region

_SCHEME: Final = "https://"
_REGIONS: Final = {"aws-cn": Region("cn-north-1"), "aws-us-gov": Region("us-gov-west-1")}
_REGION: Final = Region("us-east-1")
"""No signature says which Region is called: the record has that of AWS's global endpoint."""


async def authenticate_web_identity(
    rooms: Rooms, request: AssumeRoleWithWebIdentityRequest
) -> tuple[AuthenticatedRequest, WebIdentity]:
    """Who the token says the caller is, once its issuer's signature on it was found good.

    INVARIANT O9: the token's issuer is an OIDC provider of the role's account, has signed the token with a
    key that the operator has configured for it, and the token is for one of the provider's client ids.
    Raises: ApiError. StoreUnavailable passes through.
    """
    named = parse_role_arn(request.role_arn)
    now = rooms.clock.epoch_seconds()
    try:
        claimed = read_token(request.web_identity_token)
        provider = await _find_provider(rooms, named.account_id, claimed.issuer)
        keys = await rooms.oidc_keys.find(claimed.issuer)
        if keys is None:
            raise sts_refusals.no_verification_key()
        identity = verify_token(claimed, keys, now)
    except KeySetUnavailable:
        raise sts_refusals.keys_unreachable() from None
    except TokenRefused as refused:
        raise _refusal(refused, int(now)) from None
    identity = _require_audience(identity, provider)
    arn = iam_arn(provider.account_id, EntityKind.OIDC_PROVIDER, "/", provider.name, named.partition)
    issued_at = rooms.clock.now()
    audience = audience_of(identity)
    principal = AuthenticatedPrincipal(
        type=PrincipalType.WEB_IDENTITY_USER,
        account_id=AccountId(""),  # of no account, so that no account's trust reaches it
        arn=arn,
        principal_id=f"{arn}:{audience}:{identity.subject}",
        access_key_id=AccessKeyId(""),
        user_name=identity.subject,
        session=Session(issued_at, issued_at + timedelta(seconds=1), federated_provider=arn),
    )
    return AuthenticatedRequest(principal, _REGIONS.get(named.partition, _REGION), "sts"), identity


def audience_of(identity: WebIdentity) -> str:
    """For whom the token is, as STS answers it."""
    return identity.authorized_party or identity.audiences[0]


async def _find_provider(rooms: Rooms, account_id: AccountId, issuer: str) -> OidcProvider:
    name = issuer.removeprefix(_SCHEME)
    provider = None
    if name and name != issuer:
        provider = await rooms.store.find_entity(OidcProvider, account_id, name)
    if provider is None or provider.name != name:  # exactly: a URL's path has a case
        raise sts_refusals.no_provider(issuer)
    return provider


def _require_audience(identity: WebIdentity, provider: OidcProvider) -> WebIdentity:
    """The identity with those audiences only that the provider lists; an azp counts alone."""
    if identity.authorized_party is not None:
        if identity.authorized_party not in provider.client_ids:
            raise sts_refusals.incorrect_audience()
        return identity
    audiences = tuple(one for one in identity.audiences if one in provider.client_ids)
    if not audiences:
        raise sts_refusals.incorrect_audience()
    return identity.for_audiences(audiences)


def _refusal(refused: TokenRefused, now: int) -> ApiError:
    problem, detail = refused.problem, refused.detail
    if problem is TokenProblem.EXPIRED:
        return sts_refusals.token_expired(now, detail)
    if problem is TokenProblem.NOT_YET_VALID:
        return sts_refusals.token_not_yet_valid(now, detail)
    if problem is TokenProblem.MISSING_CLAIM:
        return sts_refusals.missing_claim(detail)
    if problem is TokenProblem.NO_KEY:
        return sts_refusals.no_verification_key()
    if problem is TokenProblem.SIGNATURE:
        return sts_refusals.token_not_verified()
    return sts_refusals.invalid_token()
