"""Checkpoints of the trail: what the boundary has signed about it, and how that is written down.

A text of eight lines says which block the chain ended with; the boundary signs it (Ed25519) under a key that
nothing else is signed with. Texts and signatures stand in the trail itself, in records of the event
`SignAuditCheckpoint`, and the newest in a file beside the data. The form: docs/formats/audit.md.

Standard library only, and no cryptography: who checks a signature is `checkpoint_signatures`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from strongroom.audit.chain import GENESIS

EVENT_NAME: Final = "SignAuditCheckpoint"
CHECKPOINT_FILE: Final = "audit.checkpoint"
KEY_FILE: Final = "audit-key.pem"
"""Their names in the data directory."""
CHECKPOINT_BYTES_MAX: Final = 1024
PUBLIC_KEY_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64

TITLE: Final = b"strongroom audit checkpoint 1\n"
_NUMBER = rb"(0|[1-9][0-9]{0,18})"
_HASH = rb"([0-9a-f]{64})"
_TEXT = re.compile(
    TITLE + rb"number " + _NUMBER + rb"\ntime ([0-9TZ:.-]{24})\nblock " + _NUMBER + rb"\nrecords " + _NUMBER +
    rb"\nhash " + _HASH + rb"\nprevious-block " + _NUMBER + rb"\nprevious-hash " + _HASH + rb"\n"
)  # fmt: skip
_SIGNATURE_START = b"signature "
EVENT_MARK: Final = b'"eventName":"' + EVENT_NAME.encode() + b'"'
"""What stands in the line of every record of the event; in those of some callers' requests, too, perhaps."""
_SPKI_START = bytes.fromhex("302a300506032b6570032100")
"""What stands before an Ed25519 public key in its SubjectPublicKeyInfo (RFC 8410, section 4)."""


class CheckpointRefused(ValueError):
    """The bytes are no checkpoint of this form."""


class Checkpoint(NamedTuple):
    """That the chain had this block, and before it that of the checkpoint before."""

    number: int
    """From 1, without gaps."""
    time: str
    """By the server's clock, UTC, milliseconds."""
    block: int
    records: int
    """How many the chain has up to the end of the block."""
    hash: bytes
    previous_block: int
    """0 for the first checkpoint under a key."""
    previous_hash: bytes


class SignedCheckpoint(NamedTuple):
    """A text, and what claims to be the boundary's signature of it."""

    text: bytes
    signature: bytes


FIRST: Final = Checkpoint(0, "", 0, 0, GENESIS, 0, GENESIS)
"""What stands before the first one."""


def render_text(checkpoint: Checkpoint) -> bytes:
    """What is signed."""
    return TITLE + (
        f"number {checkpoint.number}\ntime {checkpoint.time}\nblock {checkpoint.block}\n"
        f"records {checkpoint.records}\nhash {checkpoint.hash.hex()}\n"
        f"previous-block {checkpoint.previous_block}\nprevious-hash {checkpoint.previous_hash.hex()}\n"
    ).encode("ascii")


def parse_text(text: bytes) -> Checkpoint:
    """The reverse. Raises CheckpointRefused."""
    match = _TEXT.fullmatch(text)
    if match is None:
        raise CheckpointRefused
    number, time, block, records, digest, previous_block, previous_hash = (
        part.decode("ascii") for part in match.groups()
    )
    if int(number) == 0:
        raise CheckpointRefused
    return Checkpoint(
        int(number),
        time,
        int(block),
        int(records),
        bytes.fromhex(digest),
        int(previous_block),
        bytes.fromhex(previous_hash),
    )


def render_file(signed: SignedCheckpoint) -> bytes:
    """The text, and one line more with the signature in base64."""
    return signed.text + _SIGNATURE_START + base64.b64encode(signed.signature) + b"\n"


def parse_file(content: bytes) -> SignedCheckpoint:
    """The reverse; nothing is authenticated. Raises CheckpointRefused."""
    if len(content) > CHECKPOINT_BYTES_MAX:
        raise CheckpointRefused
    text, mark, line = content.rpartition(_SIGNATURE_START)
    if not mark or not line.endswith(b"\n"):
        raise CheckpointRefused
    signed = SignedCheckpoint(text, _parse_signature(line[:-1]))
    parse_text(signed.text)
    return signed


def render_details(signed: SignedCheckpoint, key_id: str) -> dict[str, str]:
    """The `serviceEventDetails` of the record."""
    return {
        "checkpoint": signed.text.decode("ascii"),
        "signature": base64.b64encode(signed.signature).decode("ascii"),
        "keyId": key_id,
    }


def parse_record(record: Mapping[str, Any]) -> tuple[SignedCheckpoint, str] | None:
    """The checkpoint in a record, and the id of the key that it names; None for another record.

    Raises CheckpointRefused for a record of the event that holds none.
    """
    if record.get("eventName") != EVENT_NAME or record.get("eventType") != "AwsServiceEvent":
        return None
    try:
        return _parse_details(record["serviceEventDetails"])
    except (KeyError, TypeError, AttributeError, UnicodeEncodeError):
        raise CheckpointRefused from None


def _parse_details(details: Mapping[str, Any]) -> tuple[SignedCheckpoint, str]:
    text = details["checkpoint"].encode("ascii")
    parse_text(text)
    key_id = details["keyId"]
    if not isinstance(key_id, str):
        raise CheckpointRefused
    return SignedCheckpoint(text, _parse_signature(details["signature"].encode("ascii"))), key_id


def _parse_signature(encoded: bytes) -> bytes:
    try:
        signature = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        raise CheckpointRefused from None
    if len(signature) != SIGNATURE_BYTES or base64.b64encode(signature) != encoded:
        raise CheckpointRefused
    return signature


def key_id_of(public_key: bytes) -> str:
    """SHA-256 of the key's SubjectPublicKeyInfo, 64 hex digits. Shape: the 32 bytes of RFC 8032."""
    return hashlib.sha256(_SPKI_START + public_key).hexdigest()


def render_key_file(public_key: bytes) -> bytes:
    """The public key as PEM, which OpenSSL reads. Shape: the 32 bytes of RFC 8032."""
    encoded = base64.b64encode(_SPKI_START + public_key)
    return b"-----BEGIN PUBLIC KEY-----\n" + encoded + b"\n-----END PUBLIC KEY-----\n"
