"""Policies as IAM and STS take them: read, or refused in their words."""

from __future__ import annotations

from strongroom.authorization.policy_document import PolicyDocument, PolicyKind
from strongroom.authorization.policy_error import PolicyError, iam_refusal, trust_refusal
from strongroom.authorization.policy_parser import parse_document, require_newest_version


def parse_identity_policy(text: str) -> PolicyDocument:
    """An inline policy or a session policy. Raises ApiError MalformedPolicyDocument."""
    try:
        return parse_document(text, PolicyKind.IDENTITY)
    except PolicyError as error:
        raise iam_refusal(error) from None


def parse_managed_policy(text: str) -> PolicyDocument:
    """A version of a managed policy, which must say Version 2012-10-17. Raises ApiError
    MalformedPolicyDocument."""
    try:
        document = parse_document(text, PolicyKind.IDENTITY)
        require_newest_version(document)
    except PolicyError as error:
        raise iam_refusal(error) from None
    return document


def parse_trust_policy(text: str) -> PolicyDocument:
    """Who may assume a role. Raises ApiError MalformedPolicyDocument."""
    try:
        return parse_document(text, PolicyKind.TRUST)
    except PolicyError as error:
        raise trust_refusal(error) from None
