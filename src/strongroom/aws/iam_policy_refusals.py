"""The sentences with which IAM and STS refuse a policy; source tags as in refusals.py, and

  [moto]  moto's tests/test_iam/test_iam_policies.py, whose sentences were taken from AWS
  [VGW]   versity/versitygw iamapi/policy and its tests (2026), written against IAM's answers

What they repeat of a policy is what the caller has just sent.
"""

from __future__ import annotations

from strongroom.aws.errors import ApiError


def _malformed(message: str) -> ApiError:
    return ApiError("MalformedPolicyDocument", message)


# ---------------------------------------------------------------- identity-based policies


def policy_syntax() -> ApiError:
    """Not JSON, or not the grammar of a policy."""
    return _malformed("Syntax errors in policy.")  # [GH, many] [moto] [VGW]


def policy_version_too_old() -> ApiError:
    """A managed policy whose Version is not 2012-10-17."""
    return _malformed("Policy document must be version 2012-10-17 or greater.")  # [GH] [moto]


def policy_failed_legacy_parsing() -> ApiError:
    """The grammar holds, and a value in it means nothing."""
    return _malformed("The policy failed legacy parsing")  # [GH, many] [moto] [VGW]


def policy_with_principal() -> ApiError:
    """An identity-based policy says nothing of principals."""
    return _malformed("Policy document should not specify a principal.")  # [GH, many] [VGW]


def policy_without_actions() -> ApiError:
    """A statement with neither Action nor NotAction."""
    return _malformed("Policy statement must contain actions.")  # [GH] [moto] [VGW]


def policy_without_resources() -> ApiError:
    """A statement with neither Resource nor NotResource."""
    return _malformed("Policy statement must contain resources.")  # [GH] [moto] [VGW]


def policy_sids_not_unique() -> ApiError:
    """Two statements with the same Sid."""
    return _malformed("Statement IDs (SID) in a single policy must be unique.")  # [GH] [moto] [VGW]


def policy_sid_form() -> ApiError:
    """A Sid with something else than letters and digits in it."""
    return _malformed(  # [GH, many]
        "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression "
        "[0-9A-Za-z]*"
    )


def policy_action_without_vendor() -> ApiError:
    """An action, or a condition key, without a colon."""
    return _malformed(  # [GH] [moto] [VGW]
        "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."
    )


def policy_action_with_colons() -> ApiError:
    """An action with more than one colon."""
    return _malformed("Actions/Condition can contain only one colon.")  # [GH] [moto]


def policy_vendor(vendor: str) -> ApiError:
    """What stands before an action's colon is no name of a service."""
    return _malformed(f"Vendor {vendor} is not valid")  # [GH] [moto] [VGW]


def policy_resource_form(resource: str) -> ApiError:
    """A resource that is no ARN."""
    return _malformed(f'Resource {resource} must be in ARN format or "*".')  # [GH] [moto] [VGW]


def policy_resource_vendor() -> ApiError:
    """An ARN that ends before the name of a service."""
    return _malformed("Resource vendor must be fully qualified and cannot contain regexes.")  # [GH] [moto]


def policy_partition(partition: str, resource: str) -> ApiError:
    """An ARN of a partition that does not exist; `resource` is widened to a whole ARN."""
    return _malformed(  # [GH] [moto] [VGW]
        f'Partition "{partition}" is not valid for resource "{resource}".'
    )


# ---------------------------------------------------------------- trust policies


def trust_policy_json() -> ApiError:
    """Not JSON."""
    return _malformed("This policy contains invalid Json")  # [GH, many] [VGW]


def trust_policy_syntax() -> ApiError:
    """JSON, and not the grammar of a policy."""
    return _malformed("Syntax error in policy.")  # [VGW]


def trust_policy_version() -> ApiError:
    """A Version that does not exist."""
    return _malformed("The policy must contain a valid version string")  # [GH] [VGW]


def trust_policy_sids_not_unique() -> ApiError:
    """Two statements with the same Sid."""
    return _malformed("The Statement Ids in the policy are not unique")  # [VGW]


def trust_policy_without(element: str) -> ApiError:
    """A statement without Effect, Principal or Action."""
    return _malformed(f"Missing required field {element}")  # [GH] [VGW]


def trust_policy_principal_form() -> ApiError:
    """A Principal that is a bare string; a trust policy takes none, not even the star."""
    return _malformed("Principal must be a JSON object.")  # [VGW]; the refusal itself in aws/aws-cdk#5746


def trust_policy_principal(principal: str) -> ApiError:
    """A principal that is none, or that does not exist: `"AWS":"arn:aws:iam::111122223333:role/gone"`."""
    return _malformed(f"Invalid principal in policy: {principal}")  # [GH, many]


def trust_policy_with_not_principal() -> ApiError:
    """NotPrincipal is for policies of resources."""
    return _malformed("AssumeRole policy must not contain NotPrincipal field.")  # [VGW]


def trust_policy_with_resource() -> ApiError:
    """A trust policy speaks of its role, and so names no resource."""
    return _malformed("Has prohibited field Resource")  # [GH, many] [VGW]


def trust_policy_action() -> ApiError:
    """An action that is none of STS's."""
    return _malformed("AssumeRole policy may only specify STS AssumeRole actions.")  # [GH] [VGW]
