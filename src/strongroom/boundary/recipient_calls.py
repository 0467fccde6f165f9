"""The calls of a worker whose answer is for a recipient; `client.BoundaryClient` has them all."""

from __future__ import annotations

from collections.abc import Awaitable

from strongroom.boundary.asymmetric_calls import AsymmetricCalls
from strongroom.boundary.interface import BoundaryRefused, SealedDataKeyPair
from strongroom.boundary.messages import Opcode, parse_fields, render_number


class RecipientCalls(AsymmetricCalls):
    """What comes back in place of a plaintext is CMS that only `public_key`'s owner opens."""

    def decrypt_for_recipient(
        self, token: bytes, key_id: str, ciphertext: bytes, algorithm: str, aad: bytes, public_key: bytes
    ) -> Awaitable[bytes]:
        return self._call(
            Opcode.DECRYPT_FOR_RECIPIENT,
            None,
            token,
            key_id.encode(),
            ciphertext,
            algorithm.encode(),
            aad,
            public_key,
        )

    def derive_shared_secret_for_recipient(
        self, token: bytes, key_id: str, peer_public_key: bytes, public_key: bytes
    ) -> Awaitable[bytes]:
        return self._call(
            Opcode.DERIVE_SHARED_SECRET_FOR_RECIPIENT,
            None,
            token,
            key_id.encode(),
            peer_public_key,
            public_key,
        )

    def generate_data_key_for_recipient(
        self, token: bytes, key_id: str, number_of_bytes: int, aad: bytes, public_key: bytes
    ) -> Awaitable[tuple[bytes, bytes]]:
        return self._call(
            Opcode.GENERATE_DATA_KEY_FOR_RECIPIENT,
            _parse_sealed_and_blob,
            token,
            key_id.encode(),
            _render_count(number_of_bytes),
            aad,
            public_key,
        )

    def generate_random_for_recipient(self, number_of_bytes: int, public_key: bytes) -> Awaitable[bytes]:
        return self._call(
            Opcode.GENERATE_RANDOM_FOR_RECIPIENT, None, _render_count(number_of_bytes), public_key
        )

    def generate_data_key_pair_for_recipient(
        self, token: bytes, key_id: str, pair_spec: str, aad: bytes, public_key: bytes
    ) -> Awaitable[SealedDataKeyPair]:
        return self._call(
            Opcode.GENERATE_DATA_KEY_PAIR_FOR_RECIPIENT,
            _parse_sealed_pair,
            token,
            key_id.encode(),
            pair_spec.encode(),
            aad,
            public_key,
            patience_seconds=self.patience_for(pair_spec),
        )


def _parse_sealed_and_blob(body: bytes) -> tuple[bytes, bytes]:
    sealed, blob = parse_fields(body, 2)
    return sealed, blob


def _parse_sealed_pair(body: bytes) -> SealedDataKeyPair:
    return SealedDataKeyPair(*parse_fields(body, 3))


def _render_count(number_of_bytes: int) -> bytes:
    try:
        return render_number(number_of_bytes)
    except ValueError as error:
        raise BoundaryRefused(str(error)) from None
