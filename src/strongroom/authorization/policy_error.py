"""Why a text is no policy, and how KMS and IAM say it."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto

from strongroom.aws import iam_policy_refusals as iam
from strongroom.aws import refusals
from strongroom.aws.errors import ApiError


class Problem(Enum):
    """What is wrong, as far as KMS or IAM have words of their own for it."""

    JSON = auto()
    SYNTAX = auto()
    """An element that is missing, unknown, doubled or of the wrong type."""
    VERSION = auto()
    OLD_VERSION = auto()
    PRINCIPAL = auto()
    """A name that is not the form of a principal."""
    MISSING_PRINCIPAL = auto()
    EMPTY_PRINCIPAL = auto()
    BARE_PRINCIPAL = auto()
    PROHIBITED_PRINCIPAL = auto()
    PROHIBITED_RESOURCE = auto()
    MISSING_ACTION = auto()
    MISSING_RESOURCE = auto()
    SID_FORM = auto()
    SIDS_NOT_UNIQUE = auto()
    ACTION_VENDOR = auto()
    ACTION_COLONS = auto()
    VENDOR = auto()
    TRUST_ACTION = auto()
    RESOURCE_FORM = auto()
    RESOURCE_VENDOR = auto()
    PARTITION = auto()
    CONDITION_KEY = auto()
    """One that a key policy must not have."""
    VALUE = auto()
    """The grammar holds, and a value means nothing."""


class PolicyError(Exception):
    """A text that is not a policy.

    Shape: `sentence` is for KMS, where it has no words of its own, and repeats nothing of the policy;
    `given` is what AWS's own words repeat of it.
    """

    def __init__(self, sentence: str, problem: Problem = Problem.VALUE, given: tuple[str, ...] = ()) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.problem = problem
        self.given = given


def kms_refusal(error: PolicyError) -> ApiError:
    """MalformedPolicyDocumentException, as CreateKey and PutKeyPolicy say it."""
    if error.problem in (Problem.PRINCIPAL, Problem.EMPTY_PRINCIPAL):
        return refusals.invalid_policy_principals()
    if error.problem is Problem.CONDITION_KEY:
        return refusals.policy_condition_keys_not_permitted(*error.given)
    return refusals.malformed_policy(error.sentence)


def iam_refusal(error: PolicyError) -> ApiError:
    """MalformedPolicyDocument, as IAM and STS say it of an identity-based policy."""
    if error.problem in _IDENTITY_REPEATS:
        return _IDENTITY_REPEATS[error.problem](*error.given)
    return _IDENTITY.get(error.problem, iam.policy_failed_legacy_parsing)()


def trust_refusal(error: PolicyError) -> ApiError:
    """MalformedPolicyDocument, as IAM says it of a trust policy."""
    if error.problem is Problem.PRINCIPAL:
        return iam.trust_policy_principal(*error.given)
    if error.problem in _TRUST_WITHOUT:
        return iam.trust_policy_without(_TRUST_WITHOUT[error.problem])
    return _TRUST.get(error.problem, iam.trust_policy_syntax)()


_IDENTITY: dict[Problem, Callable[[], ApiError]] = {
    Problem.JSON: iam.policy_syntax,
    Problem.SYNTAX: iam.policy_syntax,
    Problem.VERSION: iam.policy_syntax,
    Problem.OLD_VERSION: iam.policy_version_too_old,
    Problem.PROHIBITED_PRINCIPAL: iam.policy_with_principal,
    Problem.MISSING_ACTION: iam.policy_without_actions,
    Problem.MISSING_RESOURCE: iam.policy_without_resources,
    Problem.SID_FORM: iam.policy_sid_form,
    Problem.SIDS_NOT_UNIQUE: iam.policy_sids_not_unique,
    Problem.ACTION_VENDOR: iam.policy_action_without_vendor,
    Problem.ACTION_COLONS: iam.policy_action_with_colons,
    Problem.RESOURCE_VENDOR: iam.policy_resource_vendor,
}
_IDENTITY_REPEATS: dict[Problem, Callable[..., ApiError]] = {
    Problem.VENDOR: iam.policy_vendor,
    Problem.RESOURCE_FORM: iam.policy_resource_form,
    Problem.PARTITION: iam.policy_partition,
}

_TRUST: dict[Problem, Callable[[], ApiError]] = {
    Problem.JSON: iam.trust_policy_json,
    Problem.VERSION: iam.trust_policy_version,
    Problem.BARE_PRINCIPAL: iam.trust_policy_principal_form,
    Problem.PROHIBITED_PRINCIPAL: iam.trust_policy_with_not_principal,
    Problem.PROHIBITED_RESOURCE: iam.trust_policy_with_resource,
    Problem.SIDS_NOT_UNIQUE: iam.trust_policy_sids_not_unique,
    Problem.TRUST_ACTION: iam.trust_policy_action,
    Problem.ACTION_COLONS: iam.trust_policy_action,
}
_TRUST_WITHOUT = {
    Problem.MISSING_PRINCIPAL: "Principal",
    Problem.EMPTY_PRINCIPAL: "Principal",
    Problem.MISSING_ACTION: "Action",
}
