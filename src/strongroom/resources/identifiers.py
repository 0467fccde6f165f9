"""Names of things: ids, ARNs and their four spellings in a KeyId member."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from typing import Final, NewType

AccountId = NewType("AccountId", str)
"""12 decimal digits."""
Region = NewType("Region", str)
"""An AWS Region name such as eu-central-1."""
KeyId = NewType("KeyId", str)
"""A bare KMS key id: a UUID in lower case, or `mrk-` and 32 hex digits for a multi-Region key."""
KeyArn = NewType("KeyArn", str)
"""arn:aws:kms:<region>:<account>:key/<key id>."""
AliasName = NewType("AliasName", str)
"""`alias/` and the rest."""
MaterialId = NewType("MaterialId", str)
"""64 lower-case hex digits that name one key material of a KMS key."""
AccessKeyId = NewType("AccessKeyId", str)

ACCOUNT_ID = re.compile(r"[0-9]{12}", re.ASCII)
SERVICE_ACCOUNT_PREFIX = "000099"
"""Of the accounts that services' own keys are in; no customer's account has such an id."""
CUSTOMER_ACCOUNT_ID = re.compile(rf"(?!{SERVICE_ACCOUNT_PREFIX})[0-9]{{12}}", re.ASCII)
KEY_ID = re.compile(
    r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|mrk-[0-9a-f]{32}", re.ASCII
)  # capitals are well-formed on AWS, but no key has them
REGION = re.compile(r"[a-z]{2,4}(-[a-z]+)+-[0-9]{1,2}", re.ASCII)
GLOBAL_REGIONS: Final = {
    "aws-global": Region("us-east-1"),
    "aws-cn-global": Region("cn-north-1"),
    "aws-us-gov-global": Region("us-gov-west-1"),
}
"""What SDKs call the Region of a service without Regions, and the one that such a service is in.

Source: `endpoints.json` of the SDKs, `credentialScope` of iam.
"""


def is_service_account(account_id: str) -> bool:
    """Whether the account is one that a service's own keys are in: no customer has one."""
    return account_id.startswith(SERVICE_ACCOUNT_PREFIX)


def new_key_id() -> KeyId:
    """A fresh id for a single-Region KMS key."""
    return KeyId(str(uuid.uuid4()))


def new_multi_region_key_id() -> KeyId:
    """A fresh id for a multi-Region KMS key: the same in every Region that it is replicated to."""
    return KeyId(f"mrk-{uuid.uuid4().hex}")


def is_key_id(text: str) -> bool:
    """Whether `text` has the form of a bare key id (not whether such a key exists)."""
    return KEY_ID.fullmatch(text) is not None


def partition_of(region: str) -> str:
    """The ARN partition of a Region: aws, aws-cn or aws-us-gov."""
    if region.startswith("cn-"):
        return "aws-cn"
    if region.startswith("us-gov-"):
        return "aws-us-gov"
    return "aws"


def global_region_of(region: str) -> str:
    """Where a service without Regions, IAM, is said to be: aws:RequestedRegion, CloudTrail's awsRegion.

    Source: IAM User Guide, "AWS global condition context keys", aws:RequestedRegion.
    """
    return {"aws-cn": "cn-north-1", "aws-us-gov": "us-gov-west-1"}.get(partition_of(region), "us-east-1")


def key_arn(region: str, account_id: str, key_id: str) -> KeyArn:
    """The ARN of a KMS key."""
    return KeyArn(f"arn:{partition_of(region)}:kms:{region}:{account_id}:key/{key_id}")


def alias_arn(region: str, account_id: str, alias_name: str) -> str:
    """The ARN of an alias; `alias_name` starts with `alias/`."""
    return f"arn:{partition_of(region)}:kms:{region}:{account_id}:{alias_name}"


@dataclass(frozen=True, slots=True)
class KmsArn:
    """A parsed `arn:<partition>:kms:<region>:<account>:<resource>`."""

    partition: str
    region: Region
    account_id: AccountId
    resource: str
    """`key/<key id>` or `alias/<name>`."""


def parse_kms_arn(text: str) -> KmsArn | None:
    """Take an ARN of a KMS key or alias apart; None when `text` is not one."""
    parts = text.split(":", 5)
    if len(parts) != 6 or parts[0] != "arn" or parts[2] != "kms":
        return None
    _, partition, _, region, account_id, resource = parts
    if ACCOUNT_ID.fullmatch(account_id) is None or not region:
        return None
    return KmsArn(partition, Region(region), AccountId(account_id), resource)
