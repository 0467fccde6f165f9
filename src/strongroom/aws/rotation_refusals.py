"""What KMS says when a key's material cannot rotate. Source tags as in refusals.py."""

from __future__ import annotations

from strongroom.aws.errors import ApiError


def rotation_not_supported() -> ApiError:
    """A key whose kind does not rotate; sent without a message."""
    return ApiError("UnsupportedOperationException", None)  # [LS] [GH terraform-aws-kms#20]


def not_a_primary_key(key_arn: str) -> ApiError:
    """A replica of a multi-Region key: only its primary key rotates."""
    return ApiError(  # [LS] for ReplicateKey; here [nv], the rule is in [M]
        "UnsupportedOperationException", f"{key_arn} is not a multi-region primary key."
    )


def on_demand_rotations_used_up(key_arn: str) -> ApiError:
    """The key has had all rotations on demand that a key may have in its life."""
    return ApiError(  # [LS]
        "LimitExceededException",
        "The on-demand rotations limit has been reached for the given keyId. "
        f"No more on-demand rotations can be performed for this key: {key_arn}",
    )


def no_material_pending_rotation(key_arn: str) -> ApiError:
    """A key of imported material, and no new material was imported to rotate to."""
    return ApiError(  # [LS]
        "KMSInvalidStateException", f"No available key material pending rotation for the key: {key_arn}."
    )


def automatic_rotation_is_near() -> ApiError:
    """The automatic rotation is under way or due in a few minutes."""
    return ApiError(  # [M]
        "ConflictException",
        "The request was rejected because an automatic rotation of this key is currently in progress "
        "or scheduled to begin within the next 20 minutes.",
    )


def on_demand_rotation_under_way() -> ApiError:
    """The rotation on demand that was asked for before is not completed."""
    return ApiError(  # [nv]; code in [M]
        "ConflictException",
        "The request was rejected because an on-demand rotation of this key is currently in progress.",
    )
