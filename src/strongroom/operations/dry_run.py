"""The rules of DryRunModifiers, which Decrypt and ReEncrypt take."""

from __future__ import annotations

from strongroom.aws import recipient_refusals, refusals
from strongroom.aws.generated.enums import DryRunModifierType
from strongroom.aws.generated.shapes import DecryptRequest, ReEncryptRequest


def is_ciphertext_ignored(request: DecryptRequest | ReEncryptRequest) -> bool:
    """Whether this is a dry run of the permissions alone."""
    return bool(request.dry_run) and DryRunModifierType.IGNORE_CIPHERTEXT in (request.dry_run_modifiers or ())


def check_ciphertext(request: DecryptRequest | ReEncryptRequest) -> None:
    """The ciphertext may be absent only where it is ignored, and there the key must be named.

    Source: Decrypt API reference. DryRunModifiers "only applies when DryRun is set to true". CiphertextBlob
    is "required in all cases except when DryRun is true and DryRunModifiers is set to IGNORE_CIPHERTEXT";
    KeyId (SourceKeyId) is required in just that case, whatever ciphertext is sent.
    """
    if request.dry_run_modifiers and not request.dry_run:
        raise recipient_refusals.dry_run_modifiers_without_dry_run()
    if not is_ciphertext_ignored(request):
        if request.ciphertext_blob is None:
            raise refusals.null_member("ciphertext_blob")
        return
    member = "key_id" if isinstance(request, DecryptRequest) else "source_key_id"
    if getattr(request, member) is None:
        raise refusals.null_member(member)
