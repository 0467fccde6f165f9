"""The calls of a worker that concern key pairs; `client.BoundaryClient` has them all."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Any, Final

from strongroom.boundary.interface import DataKeyPair, KeyInUse
from strongroom.boundary.messages import SLOW_KEY_SPECS, MalformedFrame, Opcode, parse_fields
from strongroom.reply import Reply

KEY_PAIR_SECONDS: Final = 50.0
"""How long the making of a key pair may take, waiting for its turn included: RSA keys are slow to make."""


class AsymmetricCalls(ABC):
    """Public keys, signatures, asymmetric encryption, data key pairs."""

    _key_pair_seconds: float

    @abstractmethod
    def _call(
        self,
        opcode: int,
        parse: Callable[[bytes], Any] | None,
        *fields: bytes,
        patience_seconds: float | None = None,
    ) -> Reply[Any]: ...

    def patience_for(self, key_spec: str) -> float | None:
        """The time limit of a call that makes a key of the spec; None for the limit of all calls."""
        return self._key_pair_seconds if key_spec in SLOW_KEY_SPECS else None

    def require_key_spec(self, key_spec: str) -> Awaitable[None]:
        return self._call(Opcode.REQUIRE_KEY_SPEC, parse_nothing, key_spec.encode())

    def get_public_key(self, token: bytes, key_id: str) -> Awaitable[bytes]:
        return self._call(Opcode.GET_PUBLIC_KEY, None, token, key_id.encode())

    def sign(
        self, token: bytes, key_id: str, message: bytes, message_type: str, algorithm: str
    ) -> Awaitable[bytes]:
        return self._call(
            Opcode.SIGN, None, token, key_id.encode(), message, message_type.encode(), algorithm.encode()
        )

    def verify(
        self, token: bytes, key_id: str, message: bytes, message_type: str, algorithm: str, signature: bytes
    ) -> Awaitable[None]:
        return self._call(
            Opcode.VERIFY,
            parse_nothing,
            token,
            key_id.encode(),
            message,
            message_type.encode(),
            algorithm.encode(),
            signature,
        )

    def encrypt_asymmetric(
        self, token: bytes, key_id: str, plaintext: bytes, algorithm: str
    ) -> Awaitable[bytes]:
        return self._call(
            Opcode.ENCRYPT_ASYMMETRIC, None, token, key_id.encode(), plaintext, algorithm.encode()
        )

    def decrypt_asymmetric(
        self, token: bytes, key_id: str, ciphertext: bytes, algorithm: str
    ) -> Awaitable[bytes]:
        return self._call(
            Opcode.DECRYPT_ASYMMETRIC, None, token, key_id.encode(), ciphertext, algorithm.encode()
        )

    def re_encrypt_asymmetric(
        self, source: KeyInUse, ciphertext: bytes, destination: KeyInUse
    ) -> Awaitable[bytes]:
        return self._call(
            Opcode.RE_ENCRYPT_ASYMMETRIC,
            None,
            source.token,
            source.key_id.encode(),
            ciphertext,
            source.algorithm.encode(),
            source.aad,
            destination.token,
            destination.key_id.encode(),
            destination.algorithm.encode(),
            destination.aad,
        )

    def generate_data_key_pair(
        self, token: bytes, key_id: str, pair_spec: str, aad: bytes
    ) -> Awaitable[DataKeyPair]:
        return self._call(
            Opcode.GENERATE_DATA_KEY_PAIR,
            _parse_data_key_pair,
            token,
            key_id.encode(),
            pair_spec.encode(),
            aad,
            patience_seconds=self.patience_for(pair_spec),
        )

    def generate_data_key_pair_without_plaintext(
        self, token: bytes, key_id: str, pair_spec: str, aad: bytes
    ) -> Awaitable[tuple[bytes, bytes]]:
        return self._call(
            Opcode.GENERATE_DATA_KEY_PAIR_WITHOUT_PLAINTEXT,
            _parse_two_fields,
            token,
            key_id.encode(),
            pair_spec.encode(),
            aad,
            patience_seconds=self.patience_for(pair_spec),
        )


def _parse_data_key_pair(body: bytes) -> DataKeyPair:
    return DataKeyPair(*parse_fields(body, 3))


def _parse_two_fields(body: bytes) -> tuple[bytes, bytes]:
    first, second = parse_fields(body, 2)
    return first, second


def parse_nothing(body: bytes) -> None:
    """Of a reply without a body."""
    if body:
        raise MalformedFrame
