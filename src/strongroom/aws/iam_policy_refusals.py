"""The sentences with which IAM refuses a policy; source tags as in refusals.py."""

from __future__ import annotations

from strongroom.aws.errors import ApiError


def malformed_policy_document(sentence: str) -> ApiError:
    """A text that is no policy."""
    return ApiError("MalformedPolicyDocument", sentence)  # [nv]
