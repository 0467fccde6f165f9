"""What IAM refuses, in its words.

Sources, as named below:
[model] the documentation of the error in botocore's IAM model
[cli]   answers of AWS in public issue trackers of the AWS CLI, Terraform and others, as each line says
[own]   no recorded sentence of AWS was found; ours, in AWS's manner
"""

from __future__ import annotations

from strongroom.aws.errors import ApiError


def no_such_entity(kind: str, name: str) -> ApiError:
    """`kind` as IAM writes it: user, group, role."""
    return ApiError("NoSuchEntity", f"The {kind} with name {name} cannot be found.", 404)  # [cli]


def no_such_policy(arn: str) -> ApiError:
    """A managed policy that is not there. hashicorp/terraform-provider-aws#11801."""
    return ApiError("NoSuchEntity", f"Policy {arn} was not found.", 404)  # [cli]


def already_exists(kind: str, name: str) -> ApiError:
    """`kind` with a capital: User, Group, Role."""
    return ApiError("EntityAlreadyExists", f"{kind} with name {name} already exists.", 409)  # [cli]


def limit_exceeded(quota: str, limit: int) -> ApiError:
    """`quota` as IAM names it: UsersPerAccount, AccessKeysPerUser."""
    return ApiError("LimitExceeded", f"Cannot exceed quota for {quota}: {limit}", 409)  # [cli]
