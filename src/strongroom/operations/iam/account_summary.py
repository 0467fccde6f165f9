"""iam:GetAccountSummary: how much the account has of everything, and how much it may have."""

from __future__ import annotations

from typing import Final

from strongroom.aws.generated.iam_enums import summaryKeyType as Entry
from strongroom.aws.generated.iam_shapes import GetAccountSummaryRequest, GetAccountSummaryResponse
from strongroom.operations import iam_quotas as quotas
from strongroom.operations.context import Call
from strongroom.operations.operation import Operation, on_account
from strongroom.resources.iam import EntityKind, ManagedPolicy

_PAGE: Final = 500
_COUNTED: Final = {
    Entry.USERS: EntityKind.USER,
    Entry.GROUPS: EntityKind.GROUP,
    Entry.ROLES: EntityKind.ROLE,
    Entry.POLICIES: EntityKind.POLICY,
    Entry.PROVIDERS: EntityKind.OIDC_PROVIDER,
}
# What AWS answered for an account in February 2026: LocalStack's test_iam_account_summary.snapshot.json.
_FIXED: Final = {
    Entry.ACCESS_KEYS_PER_USER_QUOTA: quotas.ACCESS_KEYS_PER_USER,
    Entry.ASSUME_ROLE_POLICY_SIZE_QUOTA: quotas.TRUST_POLICY_CHARACTERS,
    Entry.ATTACHED_POLICIES_PER_GROUP_QUOTA: quotas.ATTACHED_POLICIES_PER_ENTITY,
    Entry.ATTACHED_POLICIES_PER_ROLE_QUOTA: quotas.ATTACHED_POLICIES_PER_ENTITY,
    Entry.ATTACHED_POLICIES_PER_USER_QUOTA: quotas.ATTACHED_POLICIES_PER_ENTITY,
    Entry.GLOBAL_ENDPOINT_TOKEN_VERSION: 1,
    Entry.GROUP_POLICY_SIZE_QUOTA: quotas.GROUP_POLICY_CHARACTERS,
    Entry.GROUPS_PER_USER_QUOTA: quotas.GROUPS_PER_USER,
    Entry.GROUPS_QUOTA: quotas.GROUPS_PER_ACCOUNT,
    Entry.POLICIES_QUOTA: quotas.POLICIES_PER_ACCOUNT,
    Entry.POLICY_SIZE_QUOTA: quotas.MANAGED_POLICY_CHARACTERS,
    Entry.ROLE_POLICY_SIZE_QUOTA: quotas.ROLE_POLICY_CHARACTERS,
    Entry.ROLES_QUOTA: quotas.ROLES_PER_ACCOUNT,
    Entry.USER_POLICY_SIZE_QUOTA: quotas.USER_POLICY_CHARACTERS,
    Entry.USERS_QUOTA: quotas.USERS_PER_ACCOUNT,
    Entry.VERSIONS_PER_POLICY_QUOTA: quotas.VERSIONS_PER_POLICY,
    # Not here at all: passwords, MFA devices, certificates, instance profiles. Their quotas are AWS's.
    Entry.ACCOUNT_MFA_ENABLED: 0,
    Entry.ACCOUNT_PASSWORD_PRESENT: 0,
    Entry.ACCOUNT_SIGNING_CERTIFICATES_PRESENT: 0,
    Entry.INSTANCE_PROFILES: 0,
    Entry.INSTANCE_PROFILES_QUOTA: 1000,
    Entry.MFA_DEVICES: 0,
    Entry.MFA_DEVICES_IN_USE: 0,
    Entry.POLICY_VERSIONS_IN_USE_QUOTA: 10_000,
    Entry.SERVER_CERTIFICATES: 0,
    Entry.SERVER_CERTIFICATES_QUOTA: 20,
    Entry.SIGNING_CERTIFICATES_PER_USER_QUOTA: 2,
}


async def get_account_summary(call: Call, request: GetAccountSummaryRequest) -> GetAccountSummaryResponse:
    store, account_id = call.rooms.store, call.account_id
    summary: dict[Entry, int] = dict(_FIXED)
    for entry, kind in _COUNTED.items():
        summary[entry] = await store.count_entities(account_id, kind)
    summary[Entry.POLICY_VERSIONS_IN_USE] = await _count_policy_versions(call)
    root_access_keys = await store.list_access_keys(account_id, account_id)
    summary[Entry.ACCOUNT_ACCESS_KEYS_PRESENT] = int(bool(root_access_keys))
    return GetAccountSummaryResponse(summary_map=summary)


async def _count_policy_versions(call: Call) -> int:
    """Of the account's own policies; AWS's are not counted against the account."""
    count, after = 0, None
    while True:
        page = await call.rooms.store.list_entities(ManagedPolicy, call.account_id, "/", after, _PAGE)
        count += sum(len(policy.versions) for policy in page)
        if len(page) < _PAGE:
            return count
        after = page[-1].name


GET_ACCOUNT_SUMMARY = Operation(
    service="iam",
    name="GetAccountSummary",
    input=GetAccountSummaryRequest,
    output=GetAccountSummaryResponse,
    check=None,
    access=on_account("iam:GetAccountSummary"),
    states=None,
    usage=None,
    read_only=True,
    records=(),
    response_records=(),
    run=get_account_summary,
)

OPERATIONS = (GET_ACCOUNT_SUMMARY,)
