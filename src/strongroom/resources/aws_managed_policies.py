"""The AWS managed policies that there are here: those an operator of keys needs.

Source: AWS Managed Policy Reference Guide, the page of each policy.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final


def _render(*statements: dict[str, object]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)}, indent=4)


_KEY_ADMINISTRATION = (
    "kms:CreateAlias",
    "kms:CreateKey",
    "kms:DeleteAlias",
    "kms:Describe*",
    "kms:GenerateRandom",
    "kms:Get*",
    "kms:List*",
    "kms:TagResource",
    "kms:UntagResource",
    "iam:ListGroups",
    "iam:ListRoles",
    "iam:ListUsers",
)

AWS_MANAGED_POLICIES: Final = {
    "arn:aws:iam::aws:policy/AdministratorAccess": _render(
        {"Effect": "Allow", "Action": "*", "Resource": "*"}
    ),
    "arn:aws:iam::aws:policy/AWSKeyManagementServicePowerUser": _render(
        {"Effect": "Allow", "Action": list(_KEY_ADMINISTRATION), "Resource": "*"}
    ),
}
"""Policy text by ARN."""


@dataclass(frozen=True, slots=True)
class AwsManagedPolicyFacts:
    """What AWS tells of a policy of its own beside its text. Only the version in force is kept here."""

    unique_id: str
    description: str
    version_id: str
    created_at: datetime
    updated_at: datetime


AWS_MANAGED_POLICY_FACTS: Final = {
    "arn:aws:iam::aws:policy/AdministratorAccess": AwsManagedPolicyFacts(
        unique_id="ANPAIWMBCKSKIEE64ZLYK",
        description="Provides full access to AWS services and resources.",
        version_id="v1",
        created_at=datetime(2015, 2, 6, 18, 39, tzinfo=UTC),
        updated_at=datetime(2015, 2, 6, 18, 39, tzinfo=UTC),
    ),
    "arn:aws:iam::aws:policy/AWSKeyManagementServicePowerUser": AwsManagedPolicyFacts(
        unique_id="ANPAJNPP7PPPPMJRV2SA4",
        description="Provides access to AWS Key Management Service (KMS).",
        version_id="v2",
        created_at=datetime(2015, 2, 6, 18, 40, tzinfo=UTC),
        updated_at=datetime(2017, 3, 7, 0, 55, tzinfo=UTC),
    ),
}
"""The facts of each of AWS_MANAGED_POLICIES; instants to the minute, as the guide has them."""
