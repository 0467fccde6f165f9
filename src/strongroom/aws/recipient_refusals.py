"""What KMS says of attested requests (Recipient) and of dry runs with modifiers.

Source tags as in refusals.py.
"""

from __future__ import annotations

from strongroom.aws.errors import ApiError


def _validation(message: str) -> ApiError:
    return ApiError("ValidationException", message)


def no_attestation_roots() -> ApiError:
    """A Recipient is never overlooked: the answer would be in plaintext."""
    return _validation(
        "Recipient cannot be used: this server trusts no root of attestation documents."
    )  # [own]


def attestation_refused() -> ApiError:
    """The attestation document is malformed, out of date, of an unknown root, or without an RSA key."""
    return _validation("The attestation document in the request is not valid.")  # [nv]


def dry_run_modifiers_without_dry_run() -> ApiError:
    """A request that means to be a dry run, and is none, must not be carried out."""
    return _validation("DryRunModifiers can be specified only when DryRun is true.")  # [nv], rule in [M]
