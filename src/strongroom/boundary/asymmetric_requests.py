"""Requests that concern key pairs: from a body to the module that does the work. Part of the dispatcher."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol, TypeAlias, TypeVar

from strongroom.boundary.backing_keys import AsymmetricEncryptionKey, AsymmetricKey, BackingKey, SigningKey
from strongroom.boundary.interface import PlaintextRefused
from strongroom.boundary.messages import (
    FIELD_COUNTS,
    Opcode,
    parse_fields,
    parse_four_fields,
    render_fields,
)
from strongroom.boundary.slow_work import Deferred

SYMMETRIC_DEFAULT = b"SYMMETRIC_DEFAULT"

Handler: TypeAlias = Callable[[bytes], bytes | Deferred]
K = TypeVar("K", bound=BackingKey)


class AsymmetricModule(Protocol):
    """What of a cryptographic module these requests need; see dispatch.CryptographicModule."""

    def is_slow(self, key_spec: str) -> bool:
        """Whether making a key pair of the spec takes so long that it must not be done in the loop."""
        ...

    def require_key_spec(self, key_spec: str) -> None:
        """Raises BoundaryRefused for a spec that the module has not."""
        ...

    def encrypt(self, token: bytes, key_id: bytes, plaintext: bytes, aad: bytes) -> bytes: ...

    def decrypt(self, token: bytes, key_id: bytes, blob: bytes, aad: bytes) -> bytes:
        """Raises CiphertextRefused."""
        ...

    def key_of(self, kind: type[K], token: bytes, key_id: bytes) -> K:
        """The backing key of a token, if it is of that kind (strongroom.boundary.backing_keys)."""
        ...

    def prepare_data_key_pair(self, token: bytes, key_id: bytes, pair_spec: str) -> Callable[[], bytes]:
        """What makes the material of a data key pair, in any thread."""
        ...

    def export_data_key_pair(
        self, token: bytes, key_id: bytes, pair_spec: str, material: bytes, aad: bytes
    ) -> tuple[bytes, bytes, bytes]:
        """Returns (public key, private key, the private key's ciphertext blob)."""
        ...


class AsymmetricRequests:
    """Public keys, signatures, asymmetric encryption, data key pairs. Concurrency: one thread."""

    def __init__(self, module: AsymmetricModule) -> None:
        self._module = module
        self.handlers: Mapping[int, Handler] = {
            Opcode.REQUIRE_KEY_SPEC: self._require_key_spec,
            Opcode.GET_PUBLIC_KEY: self._get_public_key,
            Opcode.SIGN: self._sign,
            Opcode.VERIFY: self._verify,
            Opcode.ENCRYPT_ASYMMETRIC: self._encrypt_asymmetric,
            Opcode.DECRYPT_ASYMMETRIC: self._decrypt_asymmetric,
            Opcode.RE_ENCRYPT_ASYMMETRIC: self._re_encrypt_asymmetric,
            Opcode.GENERATE_DATA_KEY_PAIR: self._generate_data_key_pair,
            Opcode.GENERATE_DATA_KEY_PAIR_WITHOUT_PLAINTEXT: self._generate_data_key_pair_without_plaintext,
        }

    def _require_key_spec(self, body: bytes) -> bytes:
        (key_spec,) = parse_fields(body, 1)
        self._module.require_key_spec(key_spec.decode("ascii"))
        return b""

    def _get_public_key(self, body: bytes) -> bytes:
        token, key_id = parse_fields(body, 2)
        return self._module.key_of(AsymmetricKey, token, key_id).public_key()

    def _sign(self, body: bytes) -> bytes:
        token, key_id, message, message_type, algorithm = parse_fields(body, 5)
        key = self._module.key_of(SigningKey, token, key_id)
        return key.sign(message, message_type.decode("ascii"), algorithm.decode("ascii"))

    def _verify(self, body: bytes) -> bytes:
        token, key_id, message, message_type, algorithm, signature = parse_fields(body, 6)
        key = self._module.key_of(SigningKey, token, key_id)
        key.verify(message, message_type.decode("ascii"), algorithm.decode("ascii"), signature)
        return b""

    def _encrypt_asymmetric(self, body: bytes) -> bytes:
        token, key_id, plaintext, algorithm = parse_four_fields(body)
        key = self._module.key_of(AsymmetricEncryptionKey, token, key_id)
        return key.encrypt_asymmetric(plaintext, algorithm.decode("ascii"))

    def _decrypt_asymmetric(self, body: bytes) -> bytes:
        token, key_id, ciphertext, algorithm = parse_four_fields(body)
        key = self._module.key_of(AsymmetricEncryptionKey, token, key_id)
        return key.decrypt_asymmetric(ciphertext, algorithm.decode("ascii"))

    def _re_encrypt_asymmetric(self, body: bytes) -> bytes:
        fields = parse_fields(body, FIELD_COUNTS[Opcode.RE_ENCRYPT_ASYMMETRIC])
        token, key_id, ciphertext, algorithm, aad = fields[:5]
        if algorithm == SYMMETRIC_DEFAULT:
            plaintext = self._module.decrypt(token, key_id, ciphertext, aad)
        else:
            source = self._module.key_of(AsymmetricEncryptionKey, token, key_id)
            plaintext = source.decrypt_asymmetric(ciphertext, algorithm.decode("ascii"))
        token, key_id, algorithm, aad = fields[5:]
        if algorithm != SYMMETRIC_DEFAULT:
            destination = self._module.key_of(AsymmetricEncryptionKey, token, key_id)
            return destination.encrypt_asymmetric(plaintext, algorithm.decode("ascii"))
        if not plaintext:  # an asymmetric ciphertext may hold nothing; a blob may not
            raise PlaintextRefused
        return self._module.encrypt(token, key_id, plaintext, aad)

    def _generate_data_key_pair(self, body: bytes) -> bytes | Deferred:
        return self._start_data_key_pair(body, lambda public, private, blob: (public, private, blob))

    def _generate_data_key_pair_without_plaintext(self, body: bytes) -> bytes | Deferred:
        return self._start_data_key_pair(body, lambda public, _, blob: (public, blob))

    def _start_data_key_pair(
        self, body: bytes, told: Callable[[bytes, bytes, bytes], tuple[bytes, ...]]
    ) -> bytes | Deferred:
        token, key_id, spec, aad = parse_four_fields(body)
        pair_spec = spec.decode("ascii")

        def finish(material: bytes) -> bytes:
            pair = self._module.export_data_key_pair(token, key_id, pair_spec, material, aad)
            return render_fields(*told(*pair))

        work = self._module.prepare_data_key_pair(token, key_id, pair_spec)
        return Deferred(work, finish) if self._module.is_slow(pair_spec) else finish(work())
