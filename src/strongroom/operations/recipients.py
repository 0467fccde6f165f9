"""The Recipient of a request: read on the road, before any key is looked up, so that none forgets it."""

from __future__ import annotations

from collections.abc import Mapping

from strongroom.attestation.verification import AttestationRefused, Recipient
from strongroom.aws import recipient_refusals, refusals
from strongroom.aws.generated.shapes import RecipientInfo
from strongroom.operations.context import Rooms

_RECORDED_REGISTERS = (1, 2, 3, 4, 8)


def read_recipient(rooms: Rooms, info: RecipientInfo) -> Recipient:
    """Whom the attestation document of a request attests. Raises ApiError: ValidationException."""
    if info.key_encryption_algorithm is None:  # the model knows one value, and has refused any other
        raise refusals.null_member("recipient.keyEncryptionAlgorithm")
    if info.attestation_document is None:
        raise refusals.null_member("recipient.attestationDocument")
    if rooms.attestation.trusts_nobody:
        raise recipient_refusals.no_attestation_roots()
    try:
        return rooms.attestation.verify(info.attestation_document, rooms.clock.now())
    except AttestationRefused:
        raise recipient_refusals.attestation_refused() from None


def record_recipient(recipient: Recipient) -> Mapping[str, object]:
    """`additionalEventData.recipient`, and which configured root was believed.

    Source: AWS KMS Developer Guide, "Monitoring requests for Nitro enclaves" (ct-nitro-enclave).
    """
    registers = {
        f"attestationDocumentEnclavePCR{number}": recipient.registers[number].hex()
        for number in _RECORDED_REGISTERS
        if number in recipient.registers
    }
    shown: dict[str, object] = {"attestationDocumentModuleId": recipient.module_id}
    if 0 in recipient.registers:
        shown["attestationDocumentEnclaveImageDigest"] = recipient.registers[0].hex()
    return {**shown, **registers, "attestationRoot": recipient.root_label}
