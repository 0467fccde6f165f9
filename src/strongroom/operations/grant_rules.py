"""What CreateGrant asks of a request: principals, operations, constraints."""

from __future__ import annotations

import re
from collections.abc import Mapping

from strongroom.aws import grant_refusals
from strongroom.aws.generated.enums import GrantOperation
from strongroom.aws.generated.shapes import CreateGrantRequest
from strongroom.operations.encryption_context import canonical_encryption_context
from strongroom.resources.grant import NO_CONSTRAINTS, GrantConstraints, GrantTerms
from strongroom.resources.grant_operations import SYMMETRIC_ENCRYPTION, grantable_operations
from strongroom.resources.identifiers import partition_of
from strongroom.resources.key import Key
from strongroom.resources.key_spec import KEY_SPECS, KeyType

CONSTRAINT_PAIRS_MAX = 8
CONSTRAINT_VALUE_CHARACTERS_MAX = 384
"""CreateGrant API reference, Constraints."""

_NAME = r"[\w+=,.@-]"
_PRINCIPAL = re.compile(
    rf"arn:(?P<partition>aws[a-z-]*):(?:"
    rf"iam::(?P<iam_account>[0-9]{{12}}):(?:root|(?:user|role)/(?:{_NAME}+/)*{_NAME}{{1,64}})|"
    rf"sts::(?P<sts_account>[0-9]{{12}}):"
    rf"(?:federated-user/{_NAME}{{2,64}}|assumed-role/{_NAME}{{1,64}}/{_NAME}{{2,64}}))",
    re.ASCII,
)
"""Accounts, IAM users, IAM roles, federated users, assumed role users (CreateGrant API reference)."""


def principal_account(principal: str, region: str | None = None) -> str:
    """The account of a principal's ARN, which must be of the Region's partition if one is given.

    Raises InvalidArnException. Whether the principal exists is not checked.
    """
    matched = _PRINCIPAL.fullmatch(principal)
    if matched is None or (region is not None and matched["partition"] != partition_of(region)):
        raise grant_refusals.invalid_principal(principal)
    return matched["iam_account"] or matched["sts_account"]


def check_create_grant(request: CreateGrantRequest) -> None:
    """What members of one request may go together; judged before the key is looked up."""
    source_arn = None if request.constraints is None else request.constraints.source_arn
    if (request.grantee_principal is None) == (request.grantee_service_principal is None):
        raise grant_refusals.one_grantee()
    if request.retiring_principal is not None and request.retiring_service_principal is not None:
        raise grant_refusals.one_retiring_principal()
    if request.grantee_service_principal is not None:
        if source_arn is None:
            raise grant_refusals.service_needs_source_arn()
        if request.retiring_principal is None and request.retiring_service_principal is None:
            raise grant_refusals.service_needs_retiring_principal()
    for principal in (request.grantee_principal, request.retiring_principal):
        if principal is not None:
            principal_account(principal)
    if not request.operations:
        raise grant_refusals.no_operations()
    if set(request.operations) == {GrantOperation.CREATE_GRANT}:
        raise grant_refusals.only_create_grant()
    _check_constraints(request)


def _check_constraints(request: CreateGrantRequest) -> None:
    constraints = request.constraints
    if constraints is None:
        return
    subset, equals = constraints.encryption_context_subset, constraints.encryption_context_equals
    if subset is not None and equals is not None:
        raise grant_refusals.more_than_one_constraint()
    context = subset if equals is None else equals
    if context is None:
        return
    _check_context(context)
    if not _CONTEXT_APPLIES & set(request.operations):
        raise grant_refusals.constraint_not_supported()


_CONTEXT_APPLIES = SYMMETRIC_ENCRYPTION | {GrantOperation.CREATE_GRANT}
"""Where one of these is, an encryption context constraint has something to constrain."""


def _check_context(context: Mapping[str, str]) -> None:
    if len(context) > CONSTRAINT_PAIRS_MAX:
        raise grant_refusals.too_many_constraint_pairs(CONSTRAINT_PAIRS_MAX)
    if any(len(value) > CONSTRAINT_VALUE_CHARACTERS_MAX for value in context.values()):
        raise grant_refusals.constraint_value_too_long(CONSTRAINT_VALUE_CHARACTERS_MAX)
    canonical_encryption_context(context)  # no constraint that no request could meet


def check_grant_fits(request: CreateGrantRequest, key: Key) -> None:
    """What the key says to the request. Raises ValidationException, InvalidArnException."""
    for principal in (request.grantee_principal, request.retiring_principal):
        if principal is not None:
            principal_account(principal, key.region)
    allowed = grantable_operations(key.key_spec, key.key_usage)
    unsupported = [operation for operation in ordered(request.operations) if operation not in allowed]
    if unsupported:
        raise grant_refusals.operations_not_supported(unsupported, key.arn)
    constraints = constraints_of(request)
    has_context = (
        constraints.encryption_context_equals is not None or constraints.encryption_context_subset is not None
    )
    if has_context and KEY_SPECS[key.key_spec].type is not KeyType.SYMMETRIC:
        raise grant_refusals.constraint_not_supported()


def ordered(operations: list[GrantOperation]) -> tuple[GrantOperation, ...]:
    """Each once, in the model's order, which is the order in which AWS lists them (ListGrants examples)."""
    return tuple(operation for operation in GrantOperation if operation in operations)


def constraints_of(request: CreateGrantRequest) -> GrantConstraints:
    """The constraints of the grant that is asked for."""
    given = request.constraints
    if given is None:
        return NO_CONSTRAINTS
    return GrantConstraints(
        encryption_context_subset=given.encryption_context_subset,
        encryption_context_equals=given.encryption_context_equals,
        source_arn=given.source_arn,
    )


def terms_of(request: CreateGrantRequest) -> GrantTerms:
    """What is to be granted: a grant that permits CreateGrant must not permit less."""
    return GrantTerms(frozenset(request.operations), constraints_of(request))
