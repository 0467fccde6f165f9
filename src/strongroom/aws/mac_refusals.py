"""Sentences that refuse a caller of GenerateMac, VerifyMac and DeriveSharedSecret; tags as in refusals.py."""

from __future__ import annotations

from strongroom.aws.errors import ApiError


def invalid_mac() -> ApiError:
    """The MAC is not the message's under this key; sent without a message."""
    return ApiError("KMSInvalidMacException", None)  # [LS]


def invalid_peer_public_key() -> ApiError:
    """PublicKey is no public key of the KMS key's curve; sent without a message."""
    return ApiError("ValidationException", None)  # [LS] for no key at all; for another curve [nv]
