"""Requests about checkpoints of the audit trail, for the job runner alone. Part of the dispatcher."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from strongroom.boundary.messages import Opcode, parse_fields, render_fields, render_number


class CheckpointSigning(Protocol):
    """The key that signs them."""

    public_key: bytes
    key_id: str
    """SHA-256 of its SubjectPublicKeyInfo, 64 hex digits."""

    def sign(self, text: bytes) -> bytes: ...

    def has_signed(self, text: bytes, signature: bytes) -> bool: ...


class CheckpointModule(Protocol):
    """What of a cryptographic module these requests need; see dispatch.CryptographicModule."""

    @property
    def checkpoints(self) -> CheckpointSigning:
        """The same key with every module: it is derived from the root key."""
        ...


class CheckpointRequests:
    """Concurrency: one thread."""

    def __init__(self, module: CheckpointModule) -> None:
        self._signing = module.checkpoints
        self.handlers: Mapping[int, Callable[[bytes], bytes]] = {
            Opcode.SIGN_AUDIT_CHECKPOINT: self._sign,
            Opcode.KNOW_AUDIT_CHECKPOINT: self._know,
        }

    def _sign(self, body: bytes) -> bytes:
        (text,) = parse_fields(body, 1)
        return render_fields(self._signing.public_key, self._signing.sign(text))

    def _know(self, body: bytes) -> bytes:
        text, signature = parse_fields(body, 2)
        return render_number(int(self._signing.has_signed(text, signature)))
