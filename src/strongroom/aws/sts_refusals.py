"""What STS refuses, in its words.

Sources, as named below:
[model]  the documentation of the error in botocore's STS model
[API]    STS API reference, page of the operation
[IUG]    IAM User Guide, "Request temporary security credentials", "Pass session tags in AWS STS",
         "Monitor and control actions taken with assumed roles"
[root]   kubeflow/testing pull request 961, amzn/selling-partner-api-docs#2005 and others
[chain]  99designs/aws-vault#263, mmmorris1975/aws-runas#11, prowler-cloud/prowler#7721
[arn]    physera/onelogin-aws-cli#12
[gst]    aws/aws-sdk-net#1704
[iam]    cloudyr/aws.iam#15: IAM called with credentials of GetSessionToken
[oidc]   kubernetes-sigs/aws-load-balancer-controller#2315, mozilla-iam/mozilla-aws-cli#127
[aud]    guardian/cdk#1944, awslabs/amazon-eks-irsa-cfn#18
[claim]  gitlab-org/gitlab#342243
[key]    awslabs/aws-sdk-rust#827, aws/aws-sdk-php#1725; two blanks as there
[GH]     answers of AWS in other public issue trackers
[own]    no recorded sentence of AWS was found; ours, in AWS's manner
"""

from __future__ import annotations

from strongroom.aws.errors import ApiError

# ---------------------------------------------------------------- AssumeRole and its kin


def roles_not_by_root() -> ApiError:
    """The account's root has no business with roles."""
    return ApiError("AccessDenied", "Roles may not be assumed by root accounts.", 403)  # [root]


def not_authorized(principal_arn: str, action: str, role_arn: str) -> ApiError:
    """The trust policy or the caller's policies do not allow it, or there is no such role: which of them, no
    caller learns."""
    return ApiError(  # [GH, many]
        "AccessDenied",
        f"User: {principal_arn} is not authorized to perform: {action} on resource: {role_arn}",
        403,
    )


def web_identity_not_authorized(action: str) -> ApiError:
    """The same, said to who has a token and no name."""
    return ApiError("AccessDenied", f"Not authorized to perform {action}", 403)  # [GH, many]


def not_for_another() -> ApiError:
    """An integrated service asks for credentials of the caller for whom it makes a request."""
    return ApiError("AccessDenied", "Credentials are given to the caller alone.", 403)  # [own]


def role_arn_invalid() -> ApiError:
    """RoleArn is not the ARN of a role."""
    return ApiError("ValidationError", "Request ARN is invalid")  # [arn]


def duration_over_roles() -> ApiError:
    """DurationSeconds is more than the role's maximum."""
    return ApiError(  # [GH, many]
        "ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
    )


def duration_over_chained() -> ApiError:
    """DurationSeconds is more than an hour, and the caller has a session itself."""
    return ApiError(  # [chain]
        "ValidationError",
        "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.",
    )


def mfa_not_validated() -> ApiError:
    """SerialNumber or TokenCode: there are no MFA devices."""
    return ApiError(  # [GH]
        "AccessDenied",
        "MultiFactorAuthentication failed, unable to validate MFA code.  Please verify your MFA serial "
        "number is valid and associated with this user.",
        403,
    )


def provided_contexts() -> ApiError:
    """ProvidedContexts: there is no IAM Identity Center."""
    return ApiError("ValidationError", "ProvidedContexts are not available.")  # [own]


def provider_id() -> ApiError:
    """ProviderId: access tokens of OAuth 2.0 are not taken."""
    return ApiError(  # [own]
        "ValidationError", "ProviderId must not be specified for OpenID Connect ID tokens."
    )


# ---------------------------------------------------------------- session policies and tags


def session_policies_too_long(limit: int) -> ApiError:
    """Policy and PolicyArns together. The limit is [API]'s."""
    return ApiError(  # [own]
        "ValidationError", f"The session policies together must have length less than or equal to {limit}"
    )


def too_many_policy_arns(limit: int) -> ApiError:
    """PolicyArns has too many members. The limit is [API]'s."""
    return ApiError(  # [own]
        "ValidationError", f"The number of PolicyArns must be less than or equal to {limit}"
    )


def policy_arn_invalid(arn: str) -> ApiError:
    """A managed session policy that is not there, or of another account than the role's."""
    return ApiError("ValidationError", f"Policy {arn} does not exist or is not attachable.")  # [own]


def packed_policy_too_large(percent: int) -> ApiError:
    """Session policies and tags are too large, compressed."""
    return ApiError(  # [GH]
        "PackedPolicyTooLarge",
        f"Packed policy consumes {percent}% of allotted space, please use smaller policy.",
    )


def duplicate_tags() -> ApiError:
    """Two tags of one key, whatever the case of their letters."""
    return ApiError(  # [GH]
        "InvalidParameterValue",
        "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
    )


def reserved_tag() -> ApiError:
    """A tag that begins with aws:."""
    return ApiError("InvalidParameterValue", "Tag keys must not begin with aws:")  # [IUG] for the rule


def tag_is_inherited() -> ApiError:
    """A tag that the session has from the one that opens it, and that cannot be another."""
    return ApiError(  # [GH]
        "InvalidParameterValue",
        "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag "
        "key from the calling session.",
    )


def transitive_tag_without_value() -> ApiError:
    """A key in TransitiveTagKeys that is not in Tags."""
    return ApiError(  # [GH]
        "InvalidParameterValue", "The specified transitive tag key must be included in the requested tags."
    )


def too_many_session_tags(limit: int) -> ApiError:
    """With those that are inherited, or of a token. The limit is [IUG]'s."""
    return ApiError(  # [own]
        "ValidationError", f"The number of session tags must be less than or equal to {limit}"
    )


def source_identity_invalid() -> ApiError:
    """A source identity that begins with aws:, or one of a token that is not of its form."""
    return ApiError("ValidationError", "The source identity is not valid.")  # [own], the rule [API]


def source_identity_is_set() -> ApiError:
    """Another source identity than the session has in which it is asked."""
    return ApiError(  # [own], the rule [IUG]
        "AccessDenied", "The source identity of a session cannot be changed.", 403
    )


# ---------------------------------------------------------------- web identity tokens


def invalid_token() -> ApiError:
    """No JWT of the form that is taken."""
    return ApiError(  # [GH]
        "InvalidIdentityToken",
        "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)",
    )


def token_not_verified() -> ApiError:
    """The signature is not that of the issuer's key."""
    return ApiError(  # [model]
        "InvalidIdentityToken", "The web identity token that was passed could not be validated."
    )


def missing_claim(name: str) -> ApiError:
    """A claim that a token must have."""
    return ApiError("InvalidIdentityToken", f"Missing a required claim: {name}")  # [claim]


def no_provider(issuer: str) -> ApiError:
    """The role's account has no OIDC provider for the token's issuer."""
    return ApiError(  # [oidc]
        "InvalidIdentityToken", f"No OpenIDConnect provider found in your account for {issuer}"
    )


def no_verification_key() -> ApiError:
    """The issuer is not configured, or has no such key."""
    return ApiError(  # [key]
        "InvalidIdentityToken",
        "Couldn't retrieve verification key from your identity provider,  please reference "
        "AssumeRoleWithWebIdentity documentation for requirements",
    )


def incorrect_audience() -> ApiError:
    """The token is for none of the provider's client ids."""
    return ApiError("InvalidIdentityToken", "Incorrect token audience")  # [aud]


def token_expired(now: int, expires_at: str) -> ApiError:
    """The token is over. Units: epoch seconds."""
    return ApiError(  # [GH]
        "ExpiredTokenException",
        f"Token expired: current date/time {now} must be before the expiration date/time {expires_at}",
    )


def token_not_yet_valid(now: int, begins_at: str) -> ApiError:
    """The token is of a time to come. Units: epoch seconds."""
    return ApiError(  # [own]
        "InvalidIdentityToken",
        f"Token not yet valid: current date/time {now} must not be before {begins_at}",
    )


def keys_unreachable() -> ApiError:
    """The issuer's keys cannot be read now."""
    return ApiError(  # [model]
        "IDPCommunicationError",
        "The identity provider that was asked to verify the incoming identity token could not be reached.",
    )


# ---------------------------------------------------------------- credentials of GetSessionToken, access keys


def not_with_session_credentials(operation: str) -> ApiError:
    """What credentials of GetSessionToken cannot call in STS, and no session can."""
    return ApiError(  # [gst]
        "AccessDenied", f"Cannot call {operation} with session credentials", 403
    )


def no_iam_with_session_credentials() -> ApiError:
    """IAM is not called with credentials of GetSessionToken, unless MFA was used for them."""
    return ApiError(  # [iam]
        "InvalidClientTokenId", "The security token included in the request is invalid", 403
    )


def not_by_service(operation: str) -> ApiError:
    """Only users and roots have sessions of this kind."""
    return ApiError("AccessDenied", f"{operation} is for users only.", 403)  # [own]


def access_key_unknown() -> ApiError:
    """No account has such an access key."""
    return ApiError("ValidationError", "Unable to find account for that access key")  # [GH]
