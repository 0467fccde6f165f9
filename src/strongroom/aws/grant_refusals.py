"""The sentences that refuse a request about grants; source tags as in refusals.py."""

from __future__ import annotations

from collections.abc import Iterable

from strongroom.aws import refusals
from strongroom.aws.errors import ApiError


def _validation(message: str) -> ApiError:
    return ApiError("ValidationException", message)


def one_grantee() -> ApiError:
    """CreateGrant takes exactly one of GranteePrincipal and GranteeServicePrincipal."""
    return _validation(  # [nv], rule in [M]
        "You must specify either GranteePrincipal or GranteeServicePrincipal, but not both."
    )


def one_grantee_filter() -> ApiError:
    """ListGrants takes at most one of GranteePrincipal and GranteeServicePrincipal."""
    return _validation(  # [nv], rule in [M]
        "You can specify either GranteePrincipal or GranteeServicePrincipal, but not both."
    )


def one_retiring_principal() -> ApiError:
    """CreateGrant takes at most one of RetiringPrincipal and RetiringServicePrincipal."""
    return _validation(  # [nv], rule in [M]
        "You can specify either RetiringPrincipal or RetiringServicePrincipal, but not both."
    )


def one_retiring_filter() -> ApiError:
    """ListRetirableGrants takes exactly one of RetiringPrincipal and RetiringServicePrincipal."""
    return _validation(  # [nv], rule in [M]
        "You must specify either RetiringPrincipal or RetiringServicePrincipal, but not both."
    )


def service_needs_source_arn() -> ApiError:
    """GranteeServicePrincipal without a SourceArn constraint."""
    return _validation(  # [nv], rule in [M]
        "When you specify a GranteeServicePrincipal, you must also specify a SourceArn grant constraint."
    )


def service_needs_retiring_principal() -> ApiError:
    """GranteeServicePrincipal and nobody who could retire the grant."""
    return _validation(  # [nv], rule in [M]
        "When you specify a GranteeServicePrincipal, you must specify either a RetiringPrincipal or a "
        "RetiringServicePrincipal."
    )


def only_for_services(member: str) -> ApiError:
    """A filter by service principal, from a caller that is no service."""
    return _validation(  # [nv], rule in [M]
        f"The {member} filter is only usable by callers in a service principal."
    )


def invalid_principal(principal: str) -> ApiError:
    """The text is not the ARN of an account, user, role, federated user or assumed role session."""
    return ApiError(  # [GH]
        "InvalidArnException", f"ARN does not refer to a valid principal: {principal}"
    )


def no_operations() -> ApiError:
    """CreateGrant with an empty list of operations."""
    return _validation("Operations must not be empty.")  # [nv]


def only_create_grant() -> ApiError:
    """A grant that permits nothing but to create grants."""
    return _validation(  # [GH ansible/ansible#31960]
        "Grants must not contain only the CreateGrant operation."
    )


def operations_not_supported(operations: Iterable[str], key_arn: str) -> ApiError:
    """CreateGrant with operations that do not exist for this kind of key."""
    return _validation(  # [nv], rule in [M]
        f"The grant operations [{', '.join(operations)}] are not supported for {key_arn}."
    )


def more_than_one_constraint() -> ApiError:
    """EncryptionContextSubset and EncryptionContextEquals in one grant."""
    return _validation("More than one constraint supplied")  # [GH aws/aws-sdk-java#328]


def too_many_constraint_pairs(pairs_max: int) -> ApiError:
    """More encryption context pairs in a constraint than there may be."""
    return _validation(  # [nv], rule in [M]
        f"A grant constraint can include up to {pairs_max} encryption context pairs."
    )


def constraint_value_too_long(characters_max: int) -> ApiError:
    """A value of a constraint's encryption context is too long."""
    return _validation(  # [nv], rule in [M]
        f"The encryption context value in a grant constraint cannot exceed {characters_max} characters."
    )


def constraint_not_supported() -> ApiError:
    """An encryption context constraint where no operation of the grant takes an encryption context."""
    return _validation(  # [nv], rule in [M]
        "Encryption context grant constraints are supported only on grant operations that include an "
        "EncryptionContext parameter."
    )


def too_many_grants(key_arn: str) -> ApiError:
    """The key has as many grants as the quota allows."""
    return refusals.limit_exceeded(f"The limit of grants has been reached for the KMS key {key_arn}.")  # [nv]


def invalid_grant_id() -> ApiError:
    """The text cannot be a grant id."""
    return ApiError(  # [M]
        "InvalidGrantIdException", "The request was rejected because the specified GrantId is not valid."
    )


def grant_not_found(grant_id: str) -> ApiError:
    """The key has no grant of that id, or no longer."""
    return ApiError("NotFoundException", f"Grant {grant_id} is not found.")  # [nv], code in [M]


def which_grant_to_retire() -> ApiError:
    """RetireGrant takes a grant token, or both a key and a grant id."""
    return _validation("Grant token OR (grant ID, key ID) must be specified")  # [2nd localstack]
