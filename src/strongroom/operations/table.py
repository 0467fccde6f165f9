"""All operations there are. What AWS's model has and this table has not, answers as not built."""

from __future__ import annotations

from strongroom.aws.generated.constraints import OPERATIONS as KMS_MODEL
from strongroom.aws.query_services import IAM, STS
from strongroom.operations.iam import (
    access_keys,
    account_summary,
    attachments,
    entity_tagging,
    group_members,
    groups,
    inline_policies,
    managed_policies,
    oidc_providers,
    policy_usage,
    policy_versions,
    roles,
    simulation,
    user_leftovers,
    user_tags,
    users,
)
from strongroom.operations.kms import (
    aliases,
    custom_key_stores,
    data_key_pairs,
    data_keys,
    encryption,
    grants,
    imported_material,
    key_agreement,
    key_creation,
    key_deletion,
    key_encapsulation,
    key_lifecycle,
    key_policies,
    key_usage,
    macs,
    multi_region,
    public_keys,
    rotation,
    signing,
    tags,
)
from strongroom.operations.operation import Operation
from strongroom.operations.sts import caller_identity

KMS_OPERATIONS: dict[str, Operation] = {
    operation.name: operation
    for family in (
        encryption,
        data_keys,
        key_creation,
        key_lifecycle,
        key_deletion,
        aliases,
        tags,
        key_policies,
        signing,
        public_keys,
        data_key_pairs,
        rotation,
        grants,
        key_usage,
        imported_material,
        macs,
        key_agreement,
        key_encapsulation,
        multi_region,
        custom_key_stores,
    )
    for operation in family.OPERATIONS
}

IAM_OPERATIONS: dict[str, Operation] = {
    operation.name: operation
    for family in (
        users,
        user_tags,
        groups,
        group_members,
        access_keys,
        user_leftovers,
        account_summary,
        roles,
        entity_tagging,
        inline_policies,
        managed_policies,
        policy_versions,
        attachments,
        policy_usage,
        oidc_providers,
        simulation,
    )
    for operation in family.OPERATIONS
}

STS_OPERATIONS: dict[str, Operation] = {
    operation.name: operation for family in (caller_identity,) for operation in family.OPERATIONS
}

ALL_OPERATIONS: tuple[Operation, ...] = (
    *KMS_OPERATIONS.values(),
    *IAM_OPERATIONS.values(),
    *STS_OPERATIONS.values(),
)

NOT_BUILT: frozenset[str] = frozenset(KMS_MODEL) - KMS_OPERATIONS.keys()
"""Operations of AWS KMS that answer UnsupportedOperationException; docs/divergences.md lists them."""

IAM_NOT_BUILT: frozenset[str] = IAM.all_operations - IAM_OPERATIONS.keys()
STS_NOT_BUILT: frozenset[str] = STS.all_operations - STS_OPERATIONS.keys()
"""Operations of IAM and STS that answer InvalidAction; docs/divergences.md lists them."""
