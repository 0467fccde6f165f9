"""What IAM refuses about roles, policies, attachments, providers, tags and pages, in its words.

Sources, as named below:
[LS]   localstack/localstack, tests/aws/services/iam/*.snapshot.json: answers of AWS recorded in February 2026
[GH]   answers of AWS in public issue trackers, as each line says
[doc]  the API's own documentation
[own]  no recorded sentence of AWS was found; ours, in AWS's manner
"""

from __future__ import annotations

from strongroom.aws.errors import ApiError

# ---------------------------------------------------------------- names and ARNs


def malformed_arn(text: str) -> ApiError:
    """A policy's ARN that does not look like an ARN at all."""
    return ApiError("ValidationError", f"ARN {text} is not valid.")  # [LS]


def wrong_arn(text: str) -> ApiError:
    """An ARN, and not of what is asked for."""
    return ApiError("InvalidInput", f"ARN {text} is not valid.")  # [LS]


def policy_not_attachable(arn: str) -> ApiError:
    """Attach, ListEntitiesForPolicy: no such managed policy."""
    return ApiError("NoSuchEntity", f"Policy {arn} does not exist or is not attachable.", 404)  # [LS]


def policy_version_not_there(arn: str, version_id: str) -> ApiError:
    """No such version, or no such policy."""
    return ApiError(  # [LS]
        "NoSuchEntity", f"Policy {arn} version {version_id} does not exist or is not attachable.", 404
    )


def boundary_not_attachable(arn: str) -> ApiError:
    """A permissions boundary that is no managed policy."""
    return ApiError("NoSuchEntity", f"Scope ARN: {arn} does not exist or is not attachable.", 404)  # [LS]


def no_such_inline_policy(kind: str, name: str) -> ApiError:
    """`kind` as IAM writes it: user, group, role."""
    return ApiError("NoSuchEntity", f"The {kind} policy with name {name} cannot be found.", 404)  # [LS]


def no_such_boundary(kind: str, name: str) -> ApiError:
    """Delete*PermissionsBoundary of an entity that has none."""
    return ApiError(  # [own]
        "NoSuchEntity", f"The {kind} with name {name} does not have a permissions boundary.", 404
    )


def provider_not_found(arn: str) -> ApiError:
    """GetOpenIDConnectProvider and all that change one."""
    return ApiError("NoSuchEntity", f"OpenIDConnect Provider not found for arn {arn}", 404)  # [LS]


def provider_not_there_to_delete(arn: str) -> ApiError:
    """DeleteOpenIDConnectProvider; its documentation calls it idempotent."""
    return ApiError("NoSuchEntity", f"OpenId connect Provider {arn} cannot be found.", 404)  # [LS]


# ---------------------------------------------------------------- what is there already


def policy_already_exists(name: str) -> ApiError:
    """Policies' names are unique whatever their paths."""
    return ApiError(  # [LS]
        "EntityAlreadyExists", f"A policy called {name} already exists. Duplicate names are not allowed.", 409
    )


def provider_already_exists(url: str) -> ApiError:
    """One provider for each URL."""
    return ApiError("EntityAlreadyExists", f"Provider with url {url} already exists.", 409)  # [LS]


# ---------------------------------------------------------------- deletes


def _conflict(message: str) -> ApiError:
    return ApiError("DeleteConflict", message, 409)


def must_detach_policies() -> ApiError:
    """A role with managed policies attached."""
    return _conflict("Cannot delete entity, must detach all policies first.")  # [LS]


def must_delete_policies() -> ApiError:
    """A role with inline policies."""
    return _conflict("Cannot delete entity, must delete policies first.")  # [LS]


def policy_in_use() -> ApiError:
    """Attached to something, or somebody's permissions boundary. rebuy-de/aws-nuke#294."""
    return _conflict("Cannot delete a policy attached to entities.")  # [GH]


def policy_has_versions() -> ApiError:
    """More than the default version. rebuy-de/aws-nuke#1."""
    return _conflict(  # [GH]
        "This policy has more than one version. Before you delete a policy, you must delete the policy's "
        "versions. The default version is deleted with the policy."
    )


def default_version() -> ApiError:
    """DeletePolicyVersion of the version in force."""
    return _conflict("Cannot delete the default version of a policy.")  # [LS]


# ---------------------------------------------------------------- limits


def quota_exceeded(quota: str, limit: int) -> ApiError:
    """`quota` as IAM names it. ministryofjustice/cloud-platform-environments#14118, #14473: PoliciesPerRole,
    PolicySize; hashicorp/terraform-provider-aws, many: ACLSizePerRole."""
    return ApiError("LimitExceeded", f"Cannot exceed quota for {quota}: {limit}", 409)  # [GH, many]


def inline_policies_too_long(limit: int, kind: str, name: str) -> ApiError:
    """All inline policies of an entity together. aws/aws-cdk#12403, aws/copilot-cli#5917."""
    return ApiError(  # [GH, many]
        "LimitExceeded", f"Maximum policy size of {limit} bytes exceeded for {kind} {name}", 409
    )


def too_many_versions() -> ApiError:
    """A sixth version."""
    return ApiError(  # [LS]
        "LimitExceeded",
        "A managed policy can have up to 5 versions. Before you create a new version, you must delete an "
        "existing version.",
        409,
    )


def too_many_tags() -> ApiError:
    """More than 50 tags after the request."""
    return ApiError("LimitExceeded", "The number of tags has reached the maximum limit.", 409)  # [LS]


def too_many_thumbprints() -> ApiError:
    """More than five; the sentence is AWS's."""
    return ApiError("InvalidInput", "Thumbprint list must contain fewer than 5 entries.")  # [LS]


# ---------------------------------------------------------------- tags, URLs, pages


def duplicate_tag_keys(*, in_any_case: bool) -> ApiError:
    """`in_any_case`: of users and roles the case of tag keys does not count, of all else it does."""
    more = " Please note that Tag keys are case insensitive." if in_any_case else ""
    return ApiError("InvalidInput", f"Duplicate tag keys found.{more}")  # [LS]


def reserved_tag_keys() -> ApiError:
    """Keys that begin with aws: in any case. The rule: IAM User Guide, "Tagging IAM resources"."""
    return ApiError("InvalidInput", "Tag keys must not begin with aws:, which is reserved.")  # [own]


def invalid_provider_url() -> ApiError:
    """No https, a port, a query, or no host."""
    return ApiError("ValidationError", "Invalid Open ID Connect Provider URL")  # [LS]


def invalid_marker() -> ApiError:
    """A Marker that was not given here, or for another listing. getmoto/moto, test_iam.py."""
    return ApiError("ValidationError", "Invalid Marker.")  # [2nd moto]


def aws_managed(action: str, arn: str, caller_arn: str) -> ApiError:
    """A change of a policy that is AWS's, whatever the caller's own policies say."""
    return ApiError(  # [own]
        "AccessDenied",
        f"User: {caller_arn} is not authorized to perform: {action} on resource: policy {arn}",
        403,
    )


def unsupported_simulation(what: str) -> ApiError:
    """What the simulator does not take."""
    return ApiError("InvalidInput", f"Invalid input: {what}")  # [own]
