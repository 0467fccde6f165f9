"""What IAM refuses, in its words.

Sources, as named below:
[model] the documentation of the error in botocore's IAM model
[cli]   answers of AWS in public issue trackers of the AWS CLI, Terraform and others, as each line says
[LS]    localstack/localstack, tests/aws/services/iam/*.snapshot.json, recorded from AWS in February 2026
[UP]    mozilla-services/userplex issue 17: an answer of AWS IAM to DeleteUser
[FC]    faiscadev/fakecloud pull request 1615, "matches other IAM list endpoints"
[TF]    github-aws-runners/terraform-aws-github-runner pull request 1346 and others, through Terraform
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


def user_name_needed() -> ApiError:
    """The caller is meant, and is a session of a role."""
    sentence = "Must specify userName when calling with non-User credentials"
    return ApiError("ValidationError", sentence)  # [LS]


def no_such_access_key(access_key_id: str) -> ApiError:
    """Not one of that user's."""
    return ApiError(
        "NoSuchEntity",
        f"The Access Key with id {access_key_id} cannot be found.",
        404,  # [LS]
    )


def access_key_not_of_account(caller: str, action: str, access_key_id: str) -> ApiError:
    """Not known, or another account's: the same answer, so that nobody learns which."""
    sentence = f"User: {caller} is not authorized to perform {action} on resource: access key {access_key_id}"
    return ApiError("AccessDenied", sentence, 403)  # [LS]


def no_such_login_profile(user_name: str) -> ApiError:
    """No user has a password."""
    return ApiError(
        "NoSuchEntity",
        f"Login Profile for User {user_name} cannot be found.",
        404,  # [LS]
    )


def status_not_settable() -> ApiError:
    """UpdateAccessKey with the status Expired."""
    return ApiError("InvalidInput", "An access key can be set to Active or Inactive only.")  # [own]


def access_keys_first() -> ApiError:
    """DeleteUser."""
    return ApiError("DeleteConflict", "Cannot delete entity, must delete access keys first.", 409)  # [cli]


def inline_policies_first() -> ApiError:
    """An entity with inline policies."""
    return ApiError("DeleteConflict", "Cannot delete entity, must delete policies first.", 409)  # [LS]


def attached_policies_first() -> ApiError:
    """An entity with managed policies."""
    return ApiError("DeleteConflict", "Cannot delete entity, must detach all policies first.", 409)  # [LS]


def memberships_first() -> ApiError:
    """A group with users, and a user in groups."""
    return ApiError(
        "DeleteConflict",
        "Cannot delete entity, must remove users from group first.",
        409,  # [UP]
    )


def no_such_boundary(arn: str) -> ApiError:
    """A permissions boundary that is no policy."""
    return ApiError(
        "NoSuchEntity",
        f"Scope ARN: {arn} does not exist or is not attachable.",
        404,  # [cli]
    )


def invalid_policy_arn(arn: str) -> ApiError:
    """A policy's ARN that is none."""
    return ApiError("ValidationError", f"ARN {arn} is not valid.")  # [own]


def duplicate_tag_keys() -> ApiError:
    """Twice the same key in one request; of users and roles, whatever the case of its letters."""
    sentence = "Duplicate tag keys found. Please note that Tag keys are case insensitive."
    return ApiError("InvalidInput", sentence)  # [TF]


def reserved_tag_keys() -> ApiError:
    """A tag key that begins with aws:, in any case."""
    return ApiError("InvalidInput", "Tag keys that begin with aws: are reserved.")  # [own]


def invalid_marker() -> ApiError:
    """A Marker that this listing did not give."""
    return ApiError("ValidationError", "Invalid Marker.")  # [FC]
