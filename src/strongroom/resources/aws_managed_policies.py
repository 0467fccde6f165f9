"""The AWS managed policies that there are here: those an operator of keys needs.

Source: AWS Managed Policy Reference Guide, the page of each policy.
"""

from __future__ import annotations

import json
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
"""Policy text by ARN; each has one version, v1."""
