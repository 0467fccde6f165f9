"""The calls about checkpoints of the audit trail, for the job runner alone; part of `BoundaryClient`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Any

from strongroom.boundary.messages import Opcode, parse_fields, parse_number
from strongroom.reply import Reply


class CheckpointCalls(ABC):
    """Signatures under what the job runner says of the audit trail."""

    @abstractmethod
    def _call(
        self,
        opcode: int,
        parse: Callable[[bytes], Any] | None,
        *fields: bytes,
        patience_seconds: float | None = None,
    ) -> Reply[Any]: ...

    def sign_audit_checkpoint(self, text: bytes) -> Awaitable[tuple[bytes, bytes]]:
        """The Ed25519 public key (32 bytes) and its signature (64) of a checkpoint's text.

        Raises BoundaryRefused for another text.
        """
        return self._call(Opcode.SIGN_AUDIT_CHECKPOINT, _parse_signed, text)

    def knows_audit_checkpoint(self, text: bytes, signature: bytes) -> Awaitable[bool]:
        """Whether a boundary with this root key has signed the text so."""
        return self._call(Opcode.KNOW_AUDIT_CHECKPOINT, _parse_known, text, signature)


def _parse_signed(body: bytes) -> tuple[bytes, bytes]:
    public_key, signature = parse_fields(body, 2)
    return public_key, signature


def _parse_known(body: bytes) -> bool:
    return parse_number(body) == 1
