"""Attestation documents with bytes changed, taken out, put in, or cut off: none is taken, nothing escapes."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime

import cbor2
import pytest
from tests.support.attestation import Enclave, new_enclave

from strongroom.attestation.cbor import CborRefused, parse_cbor
from strongroom.attestation.verification import AttestationRefused, AttestationVerifier

MUTATIONS = 3000
NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def enclave() -> Enclave:
    return new_enclave()


def is_taken(verifier: AttestationVerifier, document: bytes) -> bool:
    """Any exception but the one fails the test."""
    try:
        verifier.verify(document, NOW)
    except AttestationRefused:
        return False
    return True


def replace_byte(chance: random.Random, whole: bytes) -> bytes:
    at = chance.randrange(len(whole))
    return whole[:at] + bytes((whole[at] ^ chance.randrange(1, 256),)) + whole[at + 1 :]


def insert_bytes(chance: random.Random, whole: bytes) -> bytes:
    at = chance.randrange(len(whole) + 1)
    return whole[:at] + chance.randbytes(chance.randrange(1, 9)) + whole[at:]


def take_bytes(chance: random.Random, whole: bytes) -> bytes:
    at = chance.randrange(len(whole))
    return whole[:at] + whole[at + chance.randrange(1, 9) :]


def cut(chance: random.Random, whole: bytes) -> bytes:
    return whole[: chance.randrange(len(whole))]


def repeat(chance: random.Random, whole: bytes) -> bytes:
    start = chance.randrange(len(whole))
    piece = whole[start : start + chance.randrange(1, 64)]
    return whole[:start] + piece + whole[start:]


WAYS: tuple[Callable[[random.Random, bytes], bytes], ...] = (
    replace_byte,
    replace_byte,
    insert_bytes,
    take_bytes,
    cut,
    repeat,
)


def test_mutated_document_is_never_taken(enclave: Enclave) -> None:
    verifier = AttestationVerifier({"TEST": enclave.root.pem})
    document = enclave.document(NOW, tagged=True)
    assert is_taken(verifier, document)
    chance = random.Random(20260101)
    untagged = document[1:]  # without its tag a document is the same document
    for _ in range(MUTATIONS):
        mutated = chance.choice(WAYS)(chance, document)
        if mutated not in (document, untagged):
            assert not is_taken(verifier, mutated), mutated.hex()


def test_payload_mutated_and_signed_by_the_enclave_raises_nothing_else(enclave: Enclave) -> None:
    """Deeper than the signature: what a hypervisor gone mad signs reaches every parser beneath."""
    verifier = AttestationVerifier({"TEST": enclave.root.pem})
    payload = cbor2.dumps(enclave.claims(NOW))
    chance = random.Random(20260102)
    taken = sum(is_taken(verifier, enclave.sign(chance.choice(WAYS)(chance, payload))) for _ in range(1000))
    assert taken < 900  # some registers and names may be anything; the rest was refused


def test_certificate_mutated_raises_nothing_else(enclave: Enclave) -> None:
    verifier = AttestationVerifier({"TEST": enclave.root.pem})
    chance = random.Random(20260103)
    bundle = [authority.der for authority in (enclave.root, *enclave.between)]
    for _ in range(600):
        position = chance.randrange(len(bundle) + 1)
        chosen = [*bundle, enclave.leaf.der]
        chosen[position] = chance.choice(WAYS)(chance, chosen[position])
        if chosen == [*bundle, enclave.leaf.der]:
            continue
        document = enclave.document(NOW, cabundle=chosen[:-1], certificate=chosen[-1])
        assert not is_taken(verifier, document), chosen[position].hex()


def test_random_bytes_are_read_as_the_other_reader_reads_them_or_refused() -> None:
    """What our CBOR reader takes, cbor2 takes for the same."""
    chance = random.Random(20260104)
    taken = 0
    for _ in range(20_000):
        encoded = chance.randbytes(chance.randrange(1, 12))
        try:
            ours = parse_cbor(encoded)
        except CborRefused:
            continue
        taken += 1
        assert cbor2.loads(encoded) == ours
    assert taken > 100
