"""SM2 ciphertexts and signatures from outside: whatever the bytes, one refusal, and the process lives on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.fuzz.test_fuzz_imported_material import mutated, read_reply
from tests.support.running_boundary import ACCOUNT, KEY_ID, REGION, RunningBoundary
from tests.support.sm2 import needs_sm2

from strongroom.boundary.messages import (
    Opcode,
    Status,
    render_count,
    render_fields,
    render_frame,
    render_number,
)

pytestmark = needs_sm2
FUZZ = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
K = KEY_ID.encode()
PLACE = (ACCOUNT.encode(), REGION.encode())


class Target:
    """A boundary with an SM2 key of each usage, and one sound input for each."""

    def __init__(self, boundary: RunningBoundary) -> None:
        self.stream = boundary.new_channel("good")
        domain_token = self.ask(Opcode.CREATE_DOMAIN_KEY, REGION.encode(), render_count(1))[1][16:]
        self.ask(Opcode.LOAD_DOMAIN_KEY, domain_token, render_number(1))
        self.signing, self.encryption, self.agreement = (
            self.ask(Opcode.GENERATE_KEY, *PLACE, K, b"SM2", usage, b"AWS_KMS")[1][32:]
            for usage in (b"SIGN_VERIFY", b"ENCRYPT_DECRYPT", b"KEY_AGREEMENT")
        )
        self.signature = self.ask(Opcode.SIGN, self.signing, K, b"x", b"RAW", b"SM2DSA")[1]
        self.ciphertext = self.ask(Opcode.ENCRYPT_ASYMMETRIC, self.encryption, K, b"plaintext", b"SM2PKE")[1]
        self.public_key = self.ask(Opcode.GET_PUBLIC_KEY, self.agreement, K)[1]

    def ask(self, opcode: int, *fields: bytes) -> tuple[int, bytes]:
        self.stream.sendall(render_frame(1, opcode, render_fields(*fields)))
        return read_reply(self.stream)

    def verify(self, signature: bytes) -> int:
        return self.ask(Opcode.VERIFY, self.signing, K, b"x", b"RAW", b"SM2DSA", signature)[0]

    def decrypt(self, ciphertext: bytes) -> tuple[int, bytes]:
        return self.ask(Opcode.DECRYPT_ASYMMETRIC, self.encryption, K, ciphertext, b"SM2PKE")

    def derive(self, public_key: bytes) -> int:
        return self.ask(Opcode.DERIVE_SHARED_SECRET, self.agreement, K, public_key)[0]


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    with RunningBoundary(tmp_path_factory.mktemp("fuzz-sm2") / "key") as boundary:
        yield Target(boundary)
        logged = boundary.stop().decode()
        assert "unexpected" not in logged, logged


@FUZZ
@given(st.data())
def test_mutated_ciphertexts_are_never_opened(target: Target, data: st.DataObject) -> None:
    tried = mutated(data, target.ciphertext)
    if tried != target.ciphertext:
        assert target.decrypt(tried) == (Status.CIPHERTEXT_REFUSED, b"")
    assert target.decrypt(target.ciphertext) == (Status.OK, b"plaintext")


@FUZZ
@given(st.data())
def test_mutated_signatures_are_never_taken(target: Target, data: st.DataObject) -> None:
    tried = mutated(data, target.signature)
    if tried != target.signature:
        assert target.verify(tried) == Status.SIGNATURE_REFUSED
    assert target.verify(target.signature) == Status.OK


@FUZZ
@given(st.data())
def test_mutated_public_keys_are_never_agreed_with(target: Target, data: st.DataObject) -> None:
    tried = mutated(data, target.public_key)
    if tried != target.public_key:
        assert target.derive(tried) == Status.PEER_KEY_REFUSED
    assert target.derive(target.public_key) == Status.OK


def tagged(tag: int, contents: bytes) -> bytes:
    size = len(contents)
    return (
        bytes([tag, size]) + contents
        if size < 128
        else bytes([tag, 0x82]) + size.to_bytes(2, "big") + contents
    )


@FUZZ
@given(
    st.lists(st.tuples(st.sampled_from([2, 3, 4, 5, 0x30]), st.binary(max_size=70)), max_size=6), st.binary()
)
def test_sequences_of_anything_are_refused(
    target: Target, values: list[tuple[int, bytes]], after: bytes
) -> None:
    tried = tagged(0x30, b"".join(tagged(*value) for value in values)) + after
    assert target.decrypt(tried) == (Status.CIPHERTEXT_REFUSED, b"")
    assert target.verify(tried) == Status.SIGNATURE_REFUSED
    assert target.derive(tried) == Status.PEER_KEY_REFUSED


@FUZZ
@given(st.binary(max_size=400))
def test_any_bytes_are_refused(target: Target, tried: bytes) -> None:
    assert target.decrypt(tried) == (Status.CIPHERTEXT_REFUSED, b"")
    assert target.verify(tried) == Status.SIGNATURE_REFUSED
    assert target.derive(tried) == Status.PEER_KEY_REFUSED
