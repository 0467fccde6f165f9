"""The policies of a simulation: those of a user, group or role, and those that the request brings.

Sources: IAM API reference, SimulatePrincipalPolicy, PolicyIdentifier. What a policy is called in a result:
Terraform's tests against AWS, as quoted in faiscadev/fakecloud#1904: a managed policy by its name, an inline
one `user_alice_PolicyName`, one of the request `PolicyInputList.1`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from strongroom.authorization.glob import compile_glob
from strongroom.authorization.policy_document import PolicyKind
from strongroom.authorization.policy_error import PolicyError, iam_refusal
from strongroom.authorization.simulation import SimulatedPolicy
from strongroom.aws import iam_entity_refusals, iam_refusals
from strongroom.aws.generated.iam_enums import PolicyIdentifierPolicyType
from strongroom.aws.generated.iam_shapes import PolicyIdentifier
from strongroom.operations.context import Call
from strongroom.operations.entities import arn_of
from strongroom.operations.managed_policy_lookup import name_in, shown_arn
from strongroom.resources.iam import Group, PolicySource, Role, User
from strongroom.resources.identifiers import partition_of

IDENTITY_SOURCE: Final = "IAM Policy"
"""What AWS calls the type of identity-based policies; its model has other names."""
RESOURCE_SOURCE: Final = "Resource Policy"
BOUNDARY_SOURCE: Final = "Permissions Boundary Policy"

_PRINCIPAL_ARN: Final = re.compile(
    r"arn:(?P<partition>aws[a-z-]*):iam::(?P<account>[0-9]{12}):(?P<kind>user|group|role)/(?:[!-~]+/)?(?P<name>[^/]+)",
    re.ASCII,
)
_KINDS: Final[dict[str, type[User] | type[Group] | type[Role]]] = {"user": User, "group": Group, "role": Role}
_INLINE: Final = re.compile(r"inline policy (?P<policy>\S+) of (?P<kind>user|group|role)/(?P<holder>\S+)")
_EXCLUDED_ARN: Final = re.compile(
    r"arn:aws[a-z-]*:iam::(?:[0-9]{12}|aws):policy/(?:[!-)+->@-~]+/)?(?P<name>[A-Za-z0-9_+=,.@?*-]+)",
    re.ASCII,
)

Holder: TypeAlias = User | Group | Role


@dataclass(frozen=True, slots=True)
class HeldPolicies:
    """What a user, group or role has."""

    arn: str
    unique_id: str
    policies: tuple[PolicySource, ...]
    boundary: PolicySource | None


def parse_principal_arn(call: Call, arn: str) -> re.Match[str]:
    """A user's, group's or role's ARN. Raises ApiError InvalidInput."""
    matched = _PRINCIPAL_ARN.fullmatch(arn)
    if matched is None or matched["partition"] != partition_of(call.region):
        raise iam_entity_refusals.wrong_arn(arn)
    return matched


async def find_holder(call: Call, arn: str) -> Holder | None:
    """The caller's account's user, group or role of exactly this ARN. Raises ApiError InvalidInput."""
    matched = parse_principal_arn(call, arn)
    if matched["account"] != call.account_id:
        return None
    kind = _KINDS[matched["kind"]]
    found = await call.rooms.store.find_entity(kind, call.account_id, matched["name"])
    return found if found is not None and arn_of(call, found) == arn else None


async def held_policies(call: Call, arn: str) -> HeldPolicies:
    """All policies in force for it; a user has its groups' as well. Raises ApiError NoSuchEntity."""
    holder = await find_holder(call, arn)
    if holder is None:
        matched = parse_principal_arn(call, arn)
        raise iam_refusals.no_such_entity(matched["kind"], matched["name"])
    if not isinstance(holder, Group):
        identity = await call.rooms.store.find_identity(call.account_id, holder.unique_id)
        if identity is None:  # deleted just now
            raise iam_refusals.no_such_entity(holder.kind.value, holder.name)
        return HeldPolicies(arn, holder.unique_id, identity.policies, identity.boundary)
    sources = [
        PolicySource(f"inline policy {name} of {holder.kind}/{holder.name}", text)
        for name, text in holder.inline_policies.items()
    ]
    for kept in holder.attached_policies:
        sources.append(PolicySource(kept, await call.rooms.store.find_policy_text(kept) or ""))
    return HeldPolicies(arn, holder.unique_id, tuple(sources), None)


def source_id_of(label: str) -> str:
    """What results call a policy that somebody has."""
    inline = _INLINE.fullmatch(label)
    return name_in(label) if inline is None else f"{inline['kind']}_{inline['holder']}_{inline['policy']}"


def simulate_held(sources: Sequence[PolicySource]) -> list[SimulatedPolicy]:
    """The policies that somebody has."""
    return [
        SimulatedPolicy(
            source_id_of(source.label), IDENTITY_SOURCE, source.text, PolicyKind.IDENTITY, is_input=False
        )
        for source in sources
    ]


def simulate_given(
    member: str, texts: Sequence[str] | None, source_type: str = IDENTITY_SOURCE
) -> list[SimulatedPolicy]:
    """Policies of the request. Raises ApiError InvalidInput."""
    found = []
    for number, text in enumerate(texts or (), 1):
        source_id = f"{member}.{number}"
        try:
            found.append(SimulatedPolicy(source_id, source_type, text, PolicyKind.IDENTITY))
        except PolicyError as error:
            raise unreadable(source_id, error) from None
    return found


def unreadable(source_id: str, error: PolicyError) -> Exception:
    """ApiError InvalidInput for a policy of the request."""
    return iam_entity_refusals.unsupported_simulation(f"{source_id}: {iam_refusal(error).message}")


def without_excluded(
    call: Call, held: HeldPolicies, excluded: Sequence[PolicyIdentifier] | None
) -> HeldPolicies:
    """PolicyExclusionList: as if those policies were gone. Raises ApiError InvalidInput."""
    policies, boundary = list(held.policies), held.boundary
    for identifier in excluded or ():
        given = [identifier.policy_type, identifier.policy_arn, identifier.inline_policy_identifier]
        if sum(one is not None for one in given) != 1:
            raise iam_entity_refusals.unsupported_simulation(
                "a policy identifier must have exactly one member"
            )
        if identifier.policy_arn is not None:
            _require_pattern(identifier.policy_arn)
        if identifier.policy_type is PolicyIdentifierPolicyType.PERMISSION_BOUNDARY:
            boundary = None
        policies = [source for source in policies if not _is_meant(call, identifier, source.label)]
    return HeldPolicies(held.arn, held.unique_id, tuple(policies), boundary)


def _require_pattern(pattern: str) -> None:
    """A policy's ARN with wildcards in its name only, and at most one star. Raises ApiError InvalidInput."""
    matched = _EXCLUDED_ARN.fullmatch(pattern)
    if matched is None or matched["name"].count("*") > 1:
        raise iam_entity_refusals.wrong_arn(pattern)


def _is_meant(call: Call, identifier: PolicyIdentifier, label: str) -> bool:
    inline = _INLINE.fullmatch(label)
    if (wanted := identifier.inline_policy_identifier) is not None:
        return inline is not None and (
            (inline["policy"], inline["kind"], inline["holder"])
            == (wanted.policy_name, wanted.attachment_type, wanted.attachment_name)
        )
    if (pattern := identifier.policy_arn) is not None:
        return inline is None and compile_glob(pattern).matches(shown_arn(call, label))
    match identifier.policy_type:
        case PolicyIdentifierPolicyType.INLINE:
            return inline is not None
        case PolicyIdentifierPolicyType.AWS_MANAGED:
            return inline is None and label.startswith("arn:aws:iam::aws:")
        case PolicyIdentifierPolicyType.USER_MANAGED:
            return inline is None and not label.startswith("arn:aws:iam::aws:")
        case _:
            return False
