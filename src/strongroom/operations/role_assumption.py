"""What a caller asks for who wants to become a role's session: which role, under which tags and name.

Source: AssumeRole in the STS API reference; IAM User Guide, "Pass session tags in AWS STS" ("Chaining roles
with session tags") and "Monitor and control actions taken with assumed roles" ("Role chaining and
cross-account requirements" of the source identity).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from strongroom.authorization.letters import lower_ascii
from strongroom.aws import sts_refusals
from strongroom.aws.generated.sts_shapes import AssumeRoleRequest
from strongroom.federation.web_identity_token import WebIdentity
from strongroom.identity.principal import AuthenticatedPrincipal, PrincipalType, Session
from strongroom.resources.iam import Role, iam_arn
from strongroom.resources.identifiers import AccountId, Region, partition_of
from strongroom.store.interface import Store

TAG_SESSION: Final = "sts:TagSession"
SET_SOURCE_IDENTITY: Final = "sts:SetSourceIdentity"
TAGS_MAX: Final = 50
_TAG_KEY: Final = re.compile(r"[\w \xA0\u2000-\u200A\u3000.:/=+\-@]{1,128}")
_TAG_VALUE: Final = re.compile(r"[\w \xA0\u2000-\u200A\u3000.:/=+\-@]{0,256}")
_SOURCE_IDENTITY: Final = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)
_ROLE_ARN: Final = re.compile(
    r"arn:(?P<partition>aws(?:-[a-z]+)*):iam::(?P<account>[0-9]{12}):role"
    r"(?P<path>/(?:[!-~]+/)?)(?P<name>[\w+=,.@-]{1,64})",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class RoleName:
    """A RoleArn taken apart."""

    arn: str
    partition: str
    account_id: AccountId
    path: str
    name: str


@dataclass(frozen=True, slots=True)
class Assumption:
    """One wish to become a role's session. `role` is what its ARN means now; None where there is none."""

    role_arn: str
    role: Role | None
    tags: Mapping[str, str] = field(default_factory=dict)
    """All that the session will have, inherited ones among them."""
    transitive_tag_keys: tuple[str, ...] = ()
    source_identity: str | None = None
    """Asked for, or that of the caller's own session."""
    claims: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The condition keys of a web identity, in lower case: `<issuer>:sub`."""

    def condition_values(self) -> dict[str, tuple[str, ...] | None]:
        """The condition keys whose names are not fixed: those of the token, and iam:ResourceTag/."""
        tags = {} if self.role is None else self.role.tags
        of_role = {f"iam:resourcetag/{lower_ascii(key)}": (value,) for key, value in tags.items()}
        return {**self.claims, **of_role}

    def actions(self, action: str) -> tuple[str, ...]:
        """All that must be allowed."""
        more = ((TAG_SESSION, bool(self.tags)), (SET_SOURCE_IDENTITY, self.source_identity is not None))
        return (action, *(name for name, is_needed in more if is_needed))


def parse_role_arn(arn: str) -> RoleName:
    """Raises ApiError ValidationError."""
    matched = _ROLE_ARN.fullmatch(arn)
    if matched is None:
        raise sts_refusals.role_arn_invalid()
    return RoleName(
        arn, matched["partition"], AccountId(matched["account"]), matched["path"], matched["name"]
    )


async def find_role(store: Store, named: RoleName, region: Region) -> Role | None:
    """The role, if the ARN is exactly its own."""
    if named.partition != partition_of(region):
        return None
    role = await store.find_entity(Role, named.account_id, named.name)
    if (
        role is None
        or iam_arn(role.account_id, role.kind, role.path, role.name, named.partition) != named.arn
    ):
        return None
    return role


async def resolve_assumption(
    store: Store,
    request: Any,
    principal: AuthenticatedPrincipal,
    region: Region,
    identity: WebIdentity | None,
) -> Assumption:
    """What a request asks for; nothing is allowed yet.

    `identity` is that of AssumeRoleWithWebIdentity: its token says what AssumeRole's parameters say.
    Raises: ApiError, for what is wrong with the request itself.
    """
    role = await find_role(store, parse_role_arn(request.role_arn), region)
    if identity is not None:
        return _by_web_identity(request.role_arn, role, principal, identity)
    if principal.forwarding is not None:
        raise sts_refusals.not_for_another()
    if principal.type is PrincipalType.ROOT:
        raise sts_refusals.roles_not_by_root()
    assert isinstance(request, AssumeRoleRequest)  # noqa: S101
    tags = [(tag.key, tag.value) for tag in request.tags or ()]
    return Assumption(
        request.role_arn,
        role,
        *_chain_tags(tags, request.transitive_tag_keys or (), principal.session),
        _chain_source_identity(request.source_identity, principal.session),
    )


def _by_web_identity(
    role_arn: str, role: Role | None, principal: AuthenticatedPrincipal, identity: WebIdentity
) -> Assumption:
    for key, value in identity.tags.items():
        if _TAG_KEY.fullmatch(key) is None or _TAG_VALUE.fullmatch(value) is None:
            raise sts_refusals.token_not_verified()
    if identity.source_identity is not None and _SOURCE_IDENTITY.fullmatch(identity.source_identity) is None:
        raise sts_refusals.source_identity_invalid()
    tags = list(identity.tags.items())
    return Assumption(
        role_arn,
        role,
        *_chain_tags(tags, identity.transitive_tag_keys, None),
        _chain_source_identity(identity.source_identity, None),
        claims_of(principal, identity),
    )


def claims_of(principal: AuthenticatedPrincipal, identity: WebIdentity) -> dict[str, tuple[str, ...]]:
    """The condition keys that a token gives, by the issuer without its scheme.

    Where the token names an authorized party (azp), that is `aud`, and what it calls aud is `oaud`.
    Source: IAM User Guide, "IAM and AWS STS condition context keys" ("Available keys for AWS OIDC
    federation").
    """
    host = lower_ascii(identity.issuer.removeprefix("https://"))
    party = identity.authorized_party
    found = {
        "sub": (identity.subject,),
        "aud": identity.audiences if party is None else (party,),
        "oaud": () if party is None else identity.audiences,
        "amr": identity.authentication_methods,
        "email": () if identity.email is None else (identity.email,),
    }
    return {f"{host}:{name}": values for name, values in found.items() if values}


def _chain_tags(
    tags: list[tuple[str, str]], transitive: Iterable[str], session: Session | None
) -> tuple[dict[str, str], tuple[str, ...]]:
    """The new session's tags and which of them are transitive. Keys have no case."""
    inherited: dict[str, str] = {}
    if session is not None:
        kept = {key.lower() for key in session.transitive_tag_keys}
        inherited = {key: value for key, value in session.tags.items() if key.lower() in kept}
    given = {key.lower() for key, _ in tags}
    if len(given) != len(tags):
        raise sts_refusals.duplicate_tags()
    if any(key.startswith("aws:") for key in given):
        raise sts_refusals.reserved_tag()
    wanted = {key.lower() for key in transitive}
    inherited_keys = {key.lower() for key in inherited}
    if (given | wanted) & inherited_keys:
        raise sts_refusals.tag_is_inherited()
    if not wanted <= given:
        raise sts_refusals.transitive_tag_without_value()
    if len(tags) + len(inherited) > TAGS_MAX:
        raise sts_refusals.too_many_session_tags(TAGS_MAX)
    # INVARIANT O8: what a session has inherited, its heirs have unchanged.
    return inherited | dict(tags), (*inherited, *(key for key, _ in tags if key.lower() in wanted))


def _chain_source_identity(wanted: str | None, session: Session | None) -> str | None:
    if wanted is not None and wanted.lower().startswith("aws:"):
        raise sts_refusals.source_identity_invalid()
    inherited = None if session is None else session.source_identity
    if inherited is not None and wanted not in (None, inherited):
        raise sts_refusals.source_identity_is_set()
    return wanted if inherited is None else inherited
