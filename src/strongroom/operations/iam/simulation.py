"""SimulatePrincipalPolicy and SimulateCustomPolicy: what the evaluation that decides here would say."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias, cast

import msgspec
from msgspec.structs import replace

from strongroom.authorization.key_policy import named_principals
from strongroom.authorization.policy_document import PolicyKind
from strongroom.authorization.policy_error import PolicyError
from strongroom.authorization.policy_parser import parse_document
from strongroom.authorization.principals import Caller
from strongroom.authorization.simulation import (
    Finding,
    GivenValues,
    MatchedStatement,
    Outcome,
    SimulatedPolicy,
    Simulation,
)
from strongroom.aws import iam_entity_refusals
from strongroom.aws.generated import iam_shapes
from strongroom.aws.generated.iam_enums import PolicyEvaluationDecisionType, PolicySourceType
from strongroom.identity.principal import PrincipalType
from strongroom.operations.context import Call
from strongroom.operations.entity_pages import limit_of, make_page, read_marker
from strongroom.operations.iam_operation import iam_operation
from strongroom.operations.operation import EntityTarget, on_account, records
from strongroom.operations.policy_principals import bind_principal
from strongroom.operations.simulated_context import context_values
from strongroom.operations.simulated_policies import (
    BOUNDARY_SOURCE,
    IDENTITY_SOURCE,
    RESOURCE_SOURCE,
    find_holder,
    held_policies,
    parse_principal_arn,
    simulate_given,
    simulate_held,
    unreadable,
    without_excluded,
)
from strongroom.resources.iam import EntityKind
from strongroom.resources.identifiers import partition_of

COMPARISONS_MAX: Final = 20_000
"""Of statements with resources for one page, so that nobody else waits long. A page that would need more is
shorter ("IAM might return fewer results")."""
RESOURCES_MAX: Final = 1_000

_ANY_RESOURCE: Final = "*"
_ACTION: Final = re.compile(r"[A-Za-z0-9-]+:[A-Za-z0-9]+", re.ASCII)
_KEY_ARN: Final = re.compile(r"arn:[^:]+:kms:[^:]*:[^:]*:key/.+")
_KEY_TEMPLATE: Final = "arn:${Partition}:kms:${Region}:${Account}:key/${KeyId}"
_OWNER: Final = re.compile(r"(?:arn:aws[a-z-]*:iam::)?(?P<account>[0-9]{12})(?::root)?", re.ASCII)
_OUTCOMES: Final = {
    Outcome.ALLOWED: PolicyEvaluationDecisionType.ALLOWED,
    Outcome.IMPLICIT_DENY: PolicyEvaluationDecisionType.IMPLICIT_DENY,
    Outcome.EXPLICIT_DENY: PolicyEvaluationDecisionType.EXPLICIT_DENY,
}

Request: TypeAlias = iam_shapes.SimulatePrincipalPolicyRequest | iam_shapes.SimulateCustomPolicyRequest


async def simulate_principal_policy(
    call: Call, request: iam_shapes.SimulatePrincipalPolicyRequest
) -> iam_shapes.SimulatePolicyResponse:
    _require_simple(request)
    held = without_excluded(
        call, await held_policies(call, request.policy_source_arn), request.policy_exclusion_list
    )
    boundary = _given_boundary(request)
    if boundary is None and held.boundary is not None:
        boundary = simulate_held([held.boundary])[0]
        boundary.source_type = BOUNDARY_SOURCE
    identity = simulate_held(held.policies) + simulate_given("PolicyInputList", request.policy_input_list)
    caller = await _caller_of(call, request.caller_arn or request.policy_source_arn)
    return await _simulate(call, request, caller, identity, boundary, ())


async def simulate_custom_policy(
    call: Call, request: iam_shapes.SimulateCustomPolicyRequest
) -> iam_shapes.SimulatePolicyResponse:
    _require_simple(request)
    if request.resource_policy is not None and request.caller_arn is None:
        raise iam_entity_refusals.unsupported_simulation("a ResourcePolicy needs a CallerArn")
    organization = tuple(
        tuple(
            simulate_given(
                f"OrderedOrganizationPolicyInputList.{number}", level.service_control_policy_input_list
            )
        )
        for number, level in enumerate(request.ordered_organization_policy_input_list or (), 1)
    )
    identity = simulate_given("PolicyInputList", request.policy_input_list)
    caller = await _caller_of(call, request.caller_arn)
    return await _simulate(call, request, caller, identity, _given_boundary(request), organization)


def _require_simple(request: Request) -> None:
    """Raises ApiError InvalidInput."""
    if request.resource_handling_option is not None:
        raise iam_entity_refusals.unsupported_simulation("ResourceHandlingOption is for Amazon EC2")
    for action in request.action_names:
        if _ACTION.fullmatch(action) is None:
            raise iam_entity_refusals.unsupported_simulation(f"{action} is not the name of an action")
    if len(request.resource_arns or ()) > RESOURCES_MAX:
        raise iam_entity_refusals.unsupported_simulation(f"more than {RESOURCES_MAX} resources")


def _given_boundary(request: Request) -> SimulatedPolicy | None:
    member = "PermissionsBoundaryPolicyInputList"
    given = simulate_given(member, request.permissions_boundary_policy_input_list, BOUNDARY_SOURCE)
    if len(given) > 1:
        raise iam_entity_refusals.unsupported_simulation("more than one permissions boundary")
    return given[0] if given else None


async def _caller_of(call: Call, arn: str | None) -> Caller:
    """Whom a resource policy's Principal is compared with: whoever has that ARN, there or not."""
    account_id: str = call.account_id
    unique_id = ""
    kind = PrincipalType.IAM_USER
    if arn is not None:
        matched = parse_principal_arn(call, arn)
        account_id = matched["account"]
        holder = await find_holder(call, arn)
        unique_id = arn if holder is None else holder.unique_id
        if matched["kind"] == EntityKind.ROLE:
            kind = PrincipalType.ASSUMED_ROLE
    return Caller(
        type=kind,
        account_id=account_id,
        arn=arn or "",
        root_arn=f"arn:{partition_of(call.region)}:iam::{account_id}:root",
        unique_id=unique_id,
        session_name="",
        service="",
        federated_provider="",
    )


async def _bind(call: Call, name: str) -> str:
    """A name that nobody of the account has means itself: callers that do not exist can be simulated. Who
    exists in other accounts is not told."""
    is_own = name.split(":")[4:5] == [call.account_id]
    return (await bind_principal(call.rooms.store, name) if is_own else None) or name


async def _resource_policy(call: Call, text: str | None) -> SimulatedPolicy | None:
    if text is None:
        return None
    source_id = "ResourcePolicy"
    try:
        names = named_principals(parse_document(text, PolicyKind.KEY))
        bindings = {name: await _bind(call, name) for name in names}
        return SimulatedPolicy(source_id, RESOURCE_SOURCE, text, PolicyKind.KEY, bindings)
    except PolicyError as error:
        raise unreadable(source_id, error) from None


async def _simulate(
    call: Call,
    request: Request,
    caller: Caller,
    identity: Sequence[SimulatedPolicy],
    boundary: SimulatedPolicy | None,
    organization: tuple[tuple[SimulatedPolicy, ...], ...],
) -> iam_shapes.SimulatePolicyResponse:
    simulation = Simulation(
        caller=caller,
        identity=tuple(identity),
        boundary=boundary,
        resource_policy=await _resource_policy(call, request.resource_policy),
        organization=organization,
        values=GivenValues(context_values(request.context_entries)),
        identity_type=IDENTITY_SOURCE,
        resource_type=RESOURCE_SOURCE,
    )
    resources = list(dict.fromkeys(request.resource_arns or (_ANY_RESOURCE,)))
    digest = hashlib.sha256(msgspec.json.encode(replace(request, marker=None, max_items=None))).hexdigest()
    after = await read_marker(call, "SimulatePolicy", request.marker, digest)
    cost = max(1, simulation.statements * len(resources))
    if cost > COMPARISONS_MAX:
        raise iam_entity_refusals.unsupported_simulation("too many statements for so many resources")
    limit = min(limit_of(request.max_items), max(1, COMPARISONS_MAX // cost))
    numbers = range(0 if after is None else int(after) + 1, len(request.action_names))
    page = await make_page(call, "SimulatePolicy", numbers[: limit + 1], limit, str, digest)
    owner = _owner_of(request, caller)
    return iam_shapes.SimulatePolicyResponse(
        evaluation_results=[
            _evaluate(simulation, request.action_names[number], resources, owner) for number in page.items
        ],
        is_truncated=page.is_truncated,
        marker=page.marker,
    )


def _owner_of(request: Request, caller: Caller) -> str:
    """The account of resources whose ARN names none."""
    if request.resource_owner is None:
        return caller.account_id
    matched = _OWNER.fullmatch(request.resource_owner)
    if matched is None:
        raise iam_entity_refusals.wrong_arn(request.resource_owner)
    return matched["account"]


def _account_of(resource: str, owner: str) -> str:
    parts = resource.split(":", 5)
    named = parts[4] if len(parts) > 4 else ""
    return named if re.fullmatch(r"[0-9]{12}", named, re.ASCII) else owner


def _evaluate(
    simulation: Simulation, action: str, resources: Sequence[str], owner: str
) -> iam_shapes.EvaluationResult:
    """One action: what is said of all resources together is the most restrictive of what is said of each."""
    findings = {
        resource: simulation.decide(
            action, resource, _account_of(resource, owner), is_key=_KEY_ARN.fullmatch(resource) is not None
        )
        for resource in resources
    }
    of_all = max(finding.outcome for finding in findings.values())
    matched = dict.fromkeys(
        one for finding in findings.values() if finding.outcome is of_all for one in finding.matched
    )
    missing = dict.fromkeys(key for finding in findings.values() for key in finding.missing)
    result = iam_shapes.EvaluationResult(
        eval_action_name=action,
        eval_resource_name=_template_of(resources),
        eval_decision=_OUTCOMES[of_all],
        matched_statements=[_render_statement(one) for one in matched],
        missing_context_values=list(missing),
    )
    if simulation.boundary is not None:
        within = all(finding.within_boundary for finding in findings.values())
        result.permissions_boundary_decision_detail = iam_shapes.PermissionsBoundaryDecisionDetail(
            allowed_by_permissions_boundary=within
        )
    if simulation.organization:
        within = all(finding.within_organization for finding in findings.values())
        result.organizations_decision_detail = iam_shapes.OrganizationsDecisionDetail(
            allowed_by_organizations=within
        )
    if list(resources) != [_ANY_RESOURCE]:
        result.eval_decision_details = _most_restrictive([one.by_type for one in findings.values()])
        result.resource_specific_results = [
            _render_resource(resource, finding) for resource, finding in findings.items()
        ]
    return result


def _template_of(resources: Sequence[str]) -> str:
    """What kind of resource was simulated. Only that of KMS keys is known here."""
    return _KEY_TEMPLATE if all(_KEY_ARN.fullmatch(one) for one in resources) else _ANY_RESOURCE


def _most_restrictive(
    details: Sequence[Mapping[str, Outcome] | None],
) -> dict[str, PolicyEvaluationDecisionType]:
    found: dict[str, Outcome] = {}
    for detail in details:
        for name, outcome in (detail or {}).items():
            found[name] = max(outcome, found.get(name, outcome))
    return {name: _OUTCOMES[outcome] for name, outcome in found.items()}


def _render_resource(resource: str, finding: Finding) -> iam_shapes.ResourceSpecificResult:
    result = iam_shapes.ResourceSpecificResult(
        eval_resource_name=resource,
        eval_resource_decision=_OUTCOMES[finding.outcome],
        matched_statements=[_render_statement(one) for one in finding.matched],
        missing_context_values=list(finding.missing),
    )
    if finding.by_type is not None:
        result.eval_decision_details = _most_restrictive([finding.by_type])
    if finding.within_boundary is not None:
        result.permissions_boundary_decision_detail = iam_shapes.PermissionsBoundaryDecisionDetail(
            allowed_by_permissions_boundary=finding.within_boundary
        )
    return result


def _render_statement(matched: MatchedStatement) -> iam_shapes.Statement:
    return iam_shapes.Statement(
        source_policy_id=matched.policy.source_id,
        source_policy_type=cast(PolicySourceType, matched.policy.source_type),
        start_position=iam_shapes.Position(line=matched.start.line, column=matched.start.column),
        end_position=iam_shapes.Position(line=matched.end.line, column=matched.end.column),
    )


_MEMBERS: Final = (
    "policy_input_list",
    "permissions_boundary_policy_input_list",
    "action_names",
    "resource_arns",
    "resource_policy",
    "resource_owner",
    "caller_arn",
    "context_entries",
    "resource_handling_option",
    "max_items",
    "marker",
)


def _recorded(*more: str) -> Any:
    return records(*more, *_MEMBERS)


OPERATIONS = (
    iam_operation(
        "SimulatePrincipalPolicy",
        access=(EntityTarget("iam:SimulatePrincipalPolicy", EntityKind.USER, "policy_source_arn"),),
        read_only=True,
        records=_recorded("policy_source_arn", "policy_exclusion_list"),
        response_records=(),
        run=simulate_principal_policy,
    ),
    iam_operation(
        "SimulateCustomPolicy",
        access=on_account("iam:SimulateCustomPolicy"),
        read_only=True,
        records=_recorded("ordered_organization_policy_input_list"),
        response_records=(),
        run=simulate_custom_policy,
    ),
)
