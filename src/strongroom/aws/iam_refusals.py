"""What IAM refuses, in its words.

Sources, as named below:
[model] the documentation of the error in botocore's IAM model
[cli]   answers of AWS in public issue trackers of the AWS CLI, Terraform and others, as each line says
[LS]    localstack/localstack, tests/aws/services/iam/*.snapshot.json, recorded from AWS in February 2026
[UP]    mozilla-services/userplex issue 17: an answer of AWS IAM to DeleteUser
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


def memberships_first() -> ApiError:
    """A group with users, and a user in groups."""
    return ApiError(
        "DeleteConflict",
        "Cannot delete entity, must remove users from group first.",
        409,  # [UP]
    )
