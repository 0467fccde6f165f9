"""What IAM refuses, in its words.

Sources, as named below:
[model] the documentation of the error in botocore's IAM model
[cli]   answers of AWS in public issue trackers of the AWS CLI, Terraform and others, as each line says
[own]   no recorded sentence of AWS was found; ours, in AWS's manner
"""

from __future__ import annotations

from strongroom.aws.errors import ApiError


def no_such_entity(kind: str, name: str) -> ApiError:
    """`kind` as IAM writes it: user, group, role. [cli] "The user with name x cannot be found."."""
    return ApiError("NoSuchEntity", f"The {kind} with name {name} cannot be found.", 404)


def no_such_policy(arn: str) -> ApiError:
    """[cli] hashicorp/terraform-provider-aws#11801: "Policy <arn> was not found."."""
    return ApiError("NoSuchEntity", f"Policy {arn} was not found.", 404)


def already_exists(kind: str, name: str) -> ApiError:
    """`kind` with a capital: User, Group, Role. [cli] "User with name x already exists."."""
    return ApiError("EntityAlreadyExists", f"{kind} with name {name} already exists.", 409)


def limit_exceeded(quota: str, limit: int) -> ApiError:
    """`quota` as IAM names it: UsersPerAccount, AccessKeysPerUser. [cli] "Cannot exceed quota for ...: 2"."""
    return ApiError("LimitExceeded", f"Cannot exceed quota for {quota}: {limit}", 409)


def delete_conflict(sentence: str) -> ApiError:
    """[cli] "Cannot delete entity, must detach all policies first." and the like."""
    return ApiError("DeleteConflict", sentence, 409)


def concurrent_modification() -> ApiError:
    """Another request changed the entity again and again meanwhile. [model]"""
    return ApiError("ConcurrentModification", "The request was rejected because of a concurrent change.", 409)


def validation(sentence: str) -> ApiError:
    """A value that the model takes and IAM does not."""
    return ApiError("ValidationError", sentence)


def invalid_input(sentence: str) -> ApiError:
    """[model] InvalidInputException."""
    return ApiError("InvalidInput", sentence)
