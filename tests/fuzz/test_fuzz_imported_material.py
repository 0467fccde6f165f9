"""Mutated import tokens and wrapped material, and mutated private keys behind a sound wrapping."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.key_imports import wrap
from tests.support.running_boundary import ACCOUNT, KEY_ID, REGION, RunningBoundary

from strongroom.boundary.messages import (
    HEAD,
    Opcode,
    Status,
    parse_fields,
    render_count,
    render_fields,
    render_frame,
    render_instant,
    render_number,
)
from strongroom.boundary.software.imported_material import canonical_material

PLACE = (ACCOUNT.encode(), REGION.encode(), KEY_ID.encode())
SYMMETRIC = (b"SYMMETRIC_DEFAULT", b"ENCRYPT_DECRYPT", b"EXTERNAL")
ENDS_AT = 2_000_000
FUZZ = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
PKCS8 = (Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
PRIVATE_KEYS = {
    "ECC_NIST_P256": ec.generate_private_key(ec.SECP256R1()).private_bytes(*PKCS8),
    "ECC_NIST_P521": ec.generate_private_key(ec.SECP521R1()).private_bytes(*PKCS8),
    "RSA_2048": rsa.generate_private_key(65537, 2048).private_bytes(*PKCS8),
}


class Target:
    """A boundary with one import token for each wrapping algorithm, and material wrapped for it."""

    def __init__(self, boundary: RunningBoundary) -> None:
        self.boundary = boundary
        self.stream = boundary.new_channel("good")
        domain_token = self.ask(Opcode.CREATE_DOMAIN_KEY, REGION.encode(), render_count(1))[1][16:]
        self.ask(Opcode.LOAD_DOMAIN_KEY, domain_token, render_number(1))
        self.imports: list[tuple[bytes, bytes]] = []
        self.public_keys: list[bytes] = []
        for algorithm in ("RSAES_OAEP_SHA_256", "RSA_AES_KEY_WRAP_SHA_1"):
            fields = (*PLACE, b"RSA_2048", algorithm.encode(), render_instant(ENDS_AT))
            status, body = self.ask(Opcode.GET_IMPORT_PARAMETERS, *fields)
            assert status == Status.OK
            public_key, token = parse_fields(body, 2)
            self.imports.append((token, wrap(public_key, algorithm, os.urandom(32))))
            self.public_keys.append(public_key)

    def ask(self, opcode: int, *fields: bytes) -> tuple[int, bytes]:
        self.stream.sendall(render_frame(1, opcode, render_fields(*fields)))
        return read_reply(self.stream)

    def import_material(self, token: bytes, encrypted: bytes, *, now: int = 0) -> int:
        return self.ask(
            Opcode.IMPORT_KEY_MATERIAL, token, render_instant(now), encrypted, *PLACE, *SYMMETRIC
        )[0]


def read_reply(stream: socket.socket) -> tuple[int, bytes]:
    data = b""
    while len(data) < HEAD.size or len(data) < 4 + HEAD.unpack_from(data)[0]:
        chunk = stream.recv(65536)
        if not chunk:
            raise EOFError
        data += chunk
    return HEAD.unpack_from(data)[2], data[HEAD.size :]


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    with RunningBoundary(tmp_path_factory.mktemp("fuzz-import") / "key") as boundary:
        yield Target(boundary)
        logged = boundary.stop().decode()
        assert "unexpected" not in logged, logged


def mutated(data: st.DataObject, original: bytes) -> bytes:
    position = data.draw(st.integers(0, len(original)), label="position")
    removed = data.draw(st.integers(0, 8), label="removed")
    inserted = data.draw(st.binary(max_size=8), label="inserted")
    return original[:position] + inserted + original[position + removed :]


@FUZZ
@given(st.data())
def test_mutated_tokens_and_wrapped_material_are_never_accepted(target: Target, data: st.DataObject) -> None:
    """INVARIANT B2: 0 accepted, whatever was changed."""
    token, encrypted = data.draw(st.sampled_from(target.imports), label="import")
    fields = [token, encrypted]
    index = data.draw(st.sampled_from([0, 1]), label="which")
    fields[index] = mutated(data, fields[index])
    status = target.import_material(*fields)
    if fields == [token, encrypted]:
        assert status == Status.OK
    elif index == 0:
        assert status in (Status.TOKEN_REFUSED, Status.DOMAIN_KEY_UNKNOWN)
    else:
        assert status == Status.CIPHERTEXT_REFUSED
    assert target.import_material(token, encrypted) == Status.OK


@FUZZ
@given(material=st.binary(max_size=150))
def test_random_material_behind_a_sound_wrapping_is_taken_only_at_32_bytes(
    target: Target, material: bytes
) -> None:
    encrypted = wrap(target.public_keys[0], "RSAES_OAEP_SHA_256", material)
    expected = Status.OK if len(material) == 32 else Status.MATERIAL_REFUSED
    assert target.import_material(target.imports[0][0], encrypted) == expected


@FUZZ
@given(now=st.integers(0, 2**64 - 1))
def test_any_instant_opens_a_token_only_before_its_end(target: Target, now: int) -> None:
    token, encrypted = target.imports[0]
    expected = Status.OK if now < ENDS_AT else Status.IMPORT_TOKEN_EXPIRED
    assert target.import_material(token, encrypted, now=now) == expected


@FUZZ
@given(st.data())
def test_mutated_private_keys_are_a_key_in_canonical_form_or_a_value_error(data: st.DataObject) -> None:
    spec = data.draw(st.sampled_from(sorted(PRIVATE_KEYS)), label="spec")
    original = data.draw(st.sampled_from(sorted(PRIVATE_KEYS.values())), label="key")
    try:
        canonical = canonical_material(spec, mutated(data, original))
    except ValueError:
        return
    assert canonical_material(spec, canonical) == canonical


@FUZZ
@given(st.sampled_from(["RSA_2048", "ECC_NIST_P384", "HMAC_256", "ML_KEM_768", ""]), st.binary(max_size=400))
def test_random_private_keys_raise_value_error_only(spec: str, material: bytes) -> None:
    try:
        assert canonical_material(spec, material) == material  # raw material
    except ValueError:
        return
    assert spec == "HMAC_256"
