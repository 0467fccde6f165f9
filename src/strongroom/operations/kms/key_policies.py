"""GetKeyPolicy, PutKeyPolicy, ListKeyPolicies. A KMS key has one policy, named default."""

from __future__ import annotations

from dataclasses import replace

from strongroom.aws import refusals
from strongroom.aws.generated.shapes import (
    GetKeyPolicyRequest,
    GetKeyPolicyResponse,
    ListKeyPoliciesRequest,
    ListKeyPoliciesResponse,
    PutKeyPolicyRequest,
)
from strongroom.operations.context import Call
from strongroom.operations.operation import Operation, on_key, records
from strongroom.operations.pagination import parse_marker
from strongroom.operations.policy_principals import judge_key_policy, render_key_policy
from strongroom.resources.key_state import ANY_STATE

POLICY_NAME = "default"


async def get_key_policy(call: Call, request: GetKeyPolicyRequest) -> GetKeyPolicyResponse:
    if request.policy_name not in (None, POLICY_NAME):
        raise refusals.no_such_policy_name()
    policy = await render_key_policy(call.rooms.store, call.key)
    return GetKeyPolicyResponse(policy=policy, policy_name=POLICY_NAME)


async def put_key_policy(call: Call, request: PutKeyPolicyRequest) -> None:
    if request.policy_name == "AWS_RAM":
        raise refusals.ram_policy()
    if request.policy_name not in (None, POLICY_NAME):
        raise refusals.no_such_policy_name()
    key = call.key
    principals = await judge_key_policy(
        call, request.policy, key.arn, bypass_lockout=bool(request.bypass_policy_lockout_safety_check)
    )
    await call.rooms.store.update_key(replace(key, policy=request.policy, policy_principals=principals))


async def list_key_policies(call: Call, request: ListKeyPoliciesRequest) -> ListKeyPoliciesResponse:
    await parse_marker(call, "ListKeyPolicies", request.marker, call.key.arn)
    return ListKeyPoliciesResponse(policy_names=[POLICY_NAME], truncated=False)


GET_KEY_POLICY = Operation(
    service="kms",
    name="GetKeyPolicy",
    input=GetKeyPolicyRequest,
    output=GetKeyPolicyResponse,
    check=None,
    access=on_key("kms:GetKeyPolicy"),
    states=ANY_STATE,
    usage=None,
    read_only=True,
    records=records("key_id", policy_name=POLICY_NAME),
    response_records=(),
    run=get_key_policy,
)

PUT_KEY_POLICY = Operation(
    service="kms",
    name="PutKeyPolicy",
    input=PutKeyPolicyRequest,
    output=None,
    check=None,
    access=on_key("kms:PutKeyPolicy"),
    states=ANY_STATE,
    usage=None,
    read_only=False,
    records=records("key_id", "policy", "bypass_policy_lockout_safety_check", policy_name=POLICY_NAME),
    response_records=(),
    run=put_key_policy,
)

LIST_KEY_POLICIES = Operation(
    service="kms",
    name="ListKeyPolicies",
    input=ListKeyPoliciesRequest,
    output=ListKeyPoliciesResponse,
    check=None,
    access=on_key("kms:ListKeyPolicies"),
    states=ANY_STATE,
    usage=None,
    read_only=True,
    records=records("key_id", "limit", "marker"),
    response_records=(),
    run=list_key_policies,
)

OPERATIONS = (GET_KEY_POLICY, PUT_KEY_POLICY, LIST_KEY_POLICIES)
