"""Why a text is no policy, before it is known in whose words that is said."""

from __future__ import annotations

from enum import Enum, auto

from strongroom.aws import iam_policy_refusals, refusals
from strongroom.aws.errors import ApiError


class Problem(Enum):
    """What is wrong, as far as KMS or IAM have a sentence of their own for it."""

    SYNTAX = auto()
    """The grammar is broken: JSON, elements, their types."""
    VERSION = auto()
    PRINCIPALS = auto()
    """A name that is not the form of a principal."""
    MISSING_PRINCIPAL = auto()
    PROHIBITED_PRINCIPAL = auto()
    PROHIBITED_RESOURCE = auto()
    MISSING_ACTION = auto()
    MISSING_RESOURCE = auto()
    SIDS = auto()
    ACTION_VENDOR = auto()
    ACTION_COLONS = auto()
    VENDOR = auto()
    RESOURCE = auto()
    PARTITION = auto()
    TRUST_ACTION = auto()
    CONDITION_KEY = auto()
    """A condition key that this kind of policy must not have."""
    LEGACY = auto()
    """The grammar holds and a value cannot be read."""


class PolicyError(Exception):
    """A text that is not a policy.

    Shape: `sentence` is what KMS says where it has no words of its own, and never repeats policy text
    at length; `given` is what IAM repeats of the policy, "" where it repeats nothing.
    """

    def __init__(self, sentence: str, problem: Problem = Problem.LEGACY, given: str = "") -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.problem = problem
        self.given = given


def kms_refusal(error: PolicyError) -> ApiError:
    """MalformedPolicyDocumentException, as CreateKey and PutKeyPolicy say it."""
    if error.problem is Problem.PRINCIPALS:
        return refusals.invalid_policy_principals()
    if error.problem is Problem.CONDITION_KEY:
        return refusals.policy_condition_keys_not_permitted(error.given)
    return refusals.malformed_policy(error.sentence)


def iam_refusal(error: PolicyError) -> ApiError:
    """MalformedPolicyDocument, as IAM says it."""
    return iam_policy_refusals.malformed_policy_document(error.sentence)
