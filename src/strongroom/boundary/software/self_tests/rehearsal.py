"""What no standard has an example of, done once from end to end with keys that are thrown away.

Our own formats: tokens, tickets, imports, replication messages, answers for a recipient. It is also the
warm-up: what Python or OpenSSL load late could not be opened any more once the process has given up files.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from cryptography.hazmat.primitives import keywrap
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, HashAlgorithm

from strongroom.boundary.dispatch import Dispatcher
from strongroom.boundary.interface import BoundaryError, KeyBinding
from strongroom.boundary.key_hierarchy import GLOBAL_REGION
from strongroom.boundary.messages import (
    MalformedFrame,
    Opcode,
    Status,
    render_fields,
    render_number,
)
from strongroom.boundary.software import imported_material
from strongroom.boundary.software.module import SoftwareModule
from strongroom.boundary.software.private_keys import parse_public_key
from strongroom.boundary.software.self_tests import rsa_examples
from strongroom.boundary.software.self_tests.askers import forget_published_keys, rsa_material
from strongroom.boundary.soundness import SelfTestFailed

_REGION: Final = "rehearsal"
_KEY_ID: Final = "00000000-0000-0000-0000-000000000000"
_SECRET: Final = b"rehearsal"
_BINDING: Final = KeyBinding("0" * 12, _REGION, _KEY_ID, "SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT")


class _Stage:
    """A module with a root key of its own, and a way to ask it as workers do."""

    def __init__(self) -> None:
        self.module = SoftwareModule(os.urandom(32), _SECRET)
        self.dispatcher = Dispatcher(self.module, {}, lambda line: None)
        for region in (_REGION, GLOBAL_REGION):
            _, token = self.module.create_domain_key(region)
            self.module.load_domain_key(token, activate=True)

    def answered(self, opcode: Opcode, *fields: bytes) -> bytes:
        """Raises ValueError unless the answer is OK."""
        status, body = self.dispatcher.answer(opcode, render_fields(*fields))
        if status != Status.OK:
            raise ValueError("refused")
        return body

    def require_refused(self, opcode: Opcode, *fields: bytes) -> None:
        """Raises ValueError if the answer is OK."""
        status, _ = self.dispatcher.answer(opcode, render_fields(*fields))
        if status == Status.OK:
            raise ValueError("not refused")


def rehearse() -> None:
    """Raises SelfTestFailed, whose sentence names what failed."""
    name = "the key hierarchy"
    try:
        stage = _Stage()
        for name, act in _ACTS.items():  # noqa: B007  the name is for the sentence below
            act(stage)
    except (BoundaryError, MalformedFrame, ValueError, AssertionError):
        raise SelfTestFailed(
            f"The self-test of {name} failed: the boundary serves nothing. The machine or a library is"
            " broken. Nothing was changed."
        ) from None
    finally:
        forget_published_keys()


def _altered(sealed: bytes) -> bytes:
    return sealed[:-1] + bytes([sealed[-1] ^ 1])


def _tokens(stage: _Stage) -> None:
    token = stage.module.generate_key(_BINDING).exported_token
    key = token, _KEY_ID.encode()
    blob = stage.answered(Opcode.ENCRYPT, *key, _SECRET, b"")
    if stage.answered(Opcode.DECRYPT, *key, blob, b"") != _SECRET:
        raise ValueError("another plaintext")
    stage.require_refused(Opcode.DECRYPT, *key, _altered(blob), b"")
    stage.require_refused(Opcode.DECRYPT, _altered(token), _KEY_ID.encode(), blob, b"")
    stage.answered(Opcode.GENERATE_DATA_KEY, *key, render_number(32), b"")
    pair = stage.answered(Opcode.GENERATE_DATA_KEY_PAIR, *key, b"ECC_NIST_P256", b"")
    if not pair:
        raise ValueError("no key pair")
    with contextlib.suppress(MalformedFrame):
        stage.dispatcher.answer(Opcode.GENERATE_RANDOM, b"")
    stage.answered(Opcode.STATUS)


def _secret_access_keys(stage: _Stage) -> None:
    token = stage.module.wrap_root_secret("REHEARSAL", "0" * 12)
    stage.module.derive_signing_key(token, "REHEARSAL", b"20200101", b"rehearsal", b"kms")
    stage.require_refused(
        Opcode.DERIVE_SIGNING_KEY, _altered(token), b"REHEARSAL", b"20200101", b"rehearsal", b"kms"
    )


def _keys_in_external_place(stage: _Stage) -> None:
    key = stage.module.generate_key(_BINDING).exported_token, _KEY_ID.encode()
    sealed = stage.answered(Opcode.XKS_ENCRYPT, *key, _SECRET, b"")
    if stage.answered(Opcode.XKS_DECRYPT, *key, sealed, b"") != _SECRET:
        raise ValueError("another plaintext")
    for refused in (_altered(sealed), b""):
        stage.require_refused(Opcode.XKS_DECRYPT, *key, refused, b"")
    _, token = stage.module.create_proxy_secret("REHEARSAL")
    stage.module.derive_proxy_signing_key(token, "REHEARSAL", b"20200101", b"rehearsal")


def _tickets(stage: _Stage) -> None:
    ticket = stage.module.make_ticket(b"rehearsal", b"", _SECRET)
    if stage.answered(Opcode.READ_TICKET, b"rehearsal", b"", ticket) != _SECRET:
        raise ValueError("another text")
    stage.require_refused(Opcode.READ_TICKET, b"rehearsal", b"", _altered(ticket))


def _imports(_stage: _Stage) -> None:
    wrapping_key = rsa_material(rsa_examples.RSA_2048_A)
    public_key = parse_public_key(RSAPublicKey, imported_material.public_half("RSA_2048", wrapping_key))
    hashes: Mapping[str, HashAlgorithm] = {"SHA_1": SHA1(), "SHA_256": SHA256()}  # noqa: S303  (OAEP's)
    material = bytes(range(32))
    for name, algorithm in hashes.items():
        inner = os.urandom(32)
        wrapped = public_key.encrypt(inner, OAEP(MGF1(algorithm), algorithm, None))
        wrapped += keywrap.aes_key_wrap_with_padding(inner, material)
        two_steps = f"RSA_AES_KEY_WRAP_{name}"
        if imported_material.unwrap_material(wrapping_key, two_steps, wrapped) != material:
            raise ValueError("another material")
        try:
            imported_material.unwrap_material(wrapping_key, two_steps, _altered(wrapped))
        except BoundaryError:
            continue
        raise ValueError("not refused")


def _replication(stage: _Stage) -> None:
    module = stage.module
    receiving = module.create_replication_key(GLOBAL_REGION)
    binding = replace(_BINDING, key_id="mrk-" + "0" * 32)
    key = module.generate_key(binding)
    message = module.export_for_region(key.exported_token, binding.key_id.encode(), receiving)
    replica = module.import_from_region(message, receiving, replace(binding, region=GLOBAL_REGION))
    if replica.material_id != key.material_id:
        raise ValueError("another material")


def _recipients(stage: _Stage) -> None:
    public_key = imported_material.public_half("RSA_2048", rsa_material(rsa_examples.RSA_2048_A))
    stage.answered(Opcode.GENERATE_RANDOM_FOR_RECIPIENT, render_number(32), public_key)
    stage.require_refused(Opcode.GENERATE_RANDOM_FOR_RECIPIENT, render_number(32), public_key[:-1])


def _peers(stage: _Stage) -> None:
    """A public key that is none is refused: by code that nothing else runs before a caller sends one."""
    binding = replace(_BINDING, key_spec="ECC_NIST_P256", key_usage="KEY_AGREEMENT")
    key = stage.module.generate_key(binding).exported_token, _KEY_ID.encode()
    public_key = stage.answered(Opcode.GET_PUBLIC_KEY, *key)
    stage.answered(Opcode.DERIVE_SHARED_SECRET, *key, public_key)
    for peer in (public_key[:-1], bytes(len(public_key))):
        stage.require_refused(Opcode.DERIVE_SHARED_SECRET, *key, peer)


_ACTS: Final[Mapping[str, Callable[[_Stage], None]]] = {
    "exported key tokens": _tokens,
    "the wrapping of secret access keys": _secret_access_keys,
    "keys in an external key's place": _keys_in_external_place,
    "tickets": _tickets,
    "RSA_AES_KEY_WRAP": _imports,
    "replication messages": _replication,
    "answers for a recipient": _recipients,
    "key agreement": _peers,
}
"""By what a failure names."""
