"""Requests whose answer is for a recipient: the plaintext is sealed here and no worker sees it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from strongroom.boundary.asymmetric_requests import SYMMETRIC_DEFAULT, AsymmetricModule, Handler
from strongroom.boundary.backing_keys import AgreementKey, AsymmetricEncryptionKey
from strongroom.boundary.messages import (
    FIELD_COUNTS,
    Opcode,
    parse_fields,
    parse_four_fields,
    parse_number,
    render_fields,
)
from strongroom.boundary.slow_work import Deferred


class RecipientModule(AsymmetricModule, Protocol):
    """What of a cryptographic module these requests need; see dispatch.CryptographicModule."""

    def require_recipient_key(self, public_key: bytes) -> None:
        """Raises BoundaryRefused unless answers can be sealed for the key."""
        ...

    def seal_for_recipient(self, public_key: bytes, plaintext: bytes) -> bytes: ...

    def generate_data_key(
        self, token: bytes, key_id: bytes, number_of_bytes: int, aad: bytes
    ) -> tuple[bytes, bytes]: ...

    def generate_random(self, number_of_bytes: int) -> bytes: ...


class RecipientRequests:
    """INVARIANT B11: none of these answers holds a plaintext. Concurrency: one thread."""

    def __init__(self, module: RecipientModule) -> None:
        self._module = module
        self.handlers: Mapping[int, Handler] = {
            Opcode.DECRYPT_FOR_RECIPIENT: self._decrypt,
            Opcode.GENERATE_DATA_KEY_FOR_RECIPIENT: self._generate_data_key,
            Opcode.GENERATE_RANDOM_FOR_RECIPIENT: self._generate_random,
            Opcode.GENERATE_DATA_KEY_PAIR_FOR_RECIPIENT: self._generate_data_key_pair,
            Opcode.DERIVE_SHARED_SECRET_FOR_RECIPIENT: self._derive_shared_secret,
        }

    def _decrypt(self, body: bytes) -> bytes:
        fields = parse_fields(body, FIELD_COUNTS[Opcode.DECRYPT_FOR_RECIPIENT])
        token, key_id, ciphertext, algorithm, aad, public_key = fields
        self._module.require_recipient_key(public_key)
        if algorithm == SYMMETRIC_DEFAULT:
            plaintext = self._module.decrypt(token, key_id, ciphertext, aad)
        else:
            key = self._module.key_of(AsymmetricEncryptionKey, token, key_id)
            plaintext = key.decrypt_asymmetric(ciphertext, algorithm.decode("ascii"))
        return self._module.seal_for_recipient(public_key, plaintext)

    def _derive_shared_secret(self, body: bytes) -> bytes:
        token, key_id, peer_public_key, public_key = parse_four_fields(body)
        self._module.require_recipient_key(public_key)
        secret = self._module.key_of(AgreementKey, token, key_id).derive_shared_secret(peer_public_key)
        return self._module.seal_for_recipient(public_key, secret)

    def _generate_data_key(self, body: bytes) -> bytes:
        fields = parse_fields(body, FIELD_COUNTS[Opcode.GENERATE_DATA_KEY_FOR_RECIPIENT])
        token, key_id, number, aad, public_key = fields
        self._module.require_recipient_key(public_key)
        data_key, blob = self._module.generate_data_key(token, key_id, parse_number(number), aad)
        return render_fields(self._module.seal_for_recipient(public_key, data_key), blob)

    def _generate_random(self, body: bytes) -> bytes:
        number, public_key = parse_fields(body, 2)
        self._module.require_recipient_key(public_key)
        random = self._module.generate_random(parse_number(number))
        return self._module.seal_for_recipient(public_key, random)

    def _generate_data_key_pair(self, body: bytes) -> bytes | Deferred:
        fields = parse_fields(body, FIELD_COUNTS[Opcode.GENERATE_DATA_KEY_PAIR_FOR_RECIPIENT])
        token, key_id, spec, aad, recipient = fields
        pair_spec = spec.decode("ascii")
        self._module.require_recipient_key(recipient)

        def finish(material: bytes) -> bytes:
            pair = self._module.export_data_key_pair(token, key_id, pair_spec, material, aad)
            public_key, private_key, blob = pair
            return render_fields(public_key, self._module.seal_for_recipient(recipient, private_key), blob)

        work = self._module.prepare_data_key_pair(token, key_id, pair_spec)
        return Deferred(work, finish) if self._module.is_slow(pair_spec) else finish(work())
