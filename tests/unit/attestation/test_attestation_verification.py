"""Documents that must be taken, and everything about them that must be refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import cbor2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.support.attestation import MODULE_ID, PROTECTED, Enclave, certify, new_enclave

from strongroom.attestation.verification import AttestationRefused, AttestationVerifier

NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture(scope="module")
def enclave() -> Enclave:
    return new_enclave()


@pytest.fixture(scope="module")
def verifier(enclave: Enclave) -> AttestationVerifier:
    return AttestationVerifier({"other": certify("other", None).pem, "TEST": enclave.root.pem})


def refuse(verifier: AttestationVerifier, document: bytes, now: datetime = NOW) -> None:
    with pytest.raises(AttestationRefused):
        verifier.verify(document, now)


@pytest.mark.parametrize("tagged", [False, True])
def test_document_of_a_configured_root_is_taken(
    enclave: Enclave, verifier: AttestationVerifier, tagged: bool
) -> None:
    recipient = verifier.verify(enclave.document(NOW, tagged=tagged), NOW)
    assert recipient.public_key == enclave.public_key
    assert (recipient.module_id, recipient.root_label) == (MODULE_ID, "TEST")
    assert recipient.image_digest == "01" * 48
    assert recipient.measurement(8) == "09" * 48
    assert recipient.measurement(31) is None


def test_document_with_maps_and_arrays_of_indefinite_length_is_taken(
    enclave: Enclave, verifier: AttestationVerifier
) -> None:
    payload = cbor2.dumps(enclave.claims(NOW), indefinite_containers=True)
    assert payload[0] == 0xBF
    assert verifier.verify(enclave.sign(payload), NOW).root_label == "TEST"


def test_document_with_the_longest_of_everything_is_taken(
    enclave: Enclave, verifier: AttestationVerifier
) -> None:
    every = {number: bytes((number,)) * (32, 48, 64)[number % 3] for number in range(32)}
    document = enclave.document(NOW, pcrs=every, user_data=bytes(1024), nonce=b"")
    assert len(verifier.verify(document, NOW).registers) == 32


def test_register_of_zeros_is_no_measurement(enclave: Enclave, verifier: AttestationVerifier) -> None:
    debug = {0: bytes(48), 1: bytes(48), 2: bytes(47) + b"\1"}
    recipient = verifier.verify(enclave.document(NOW, pcrs=debug), NOW)
    assert (recipient.image_digest, recipient.measurement(1)) == (None, None)
    assert recipient.measurement(2) == "00" * 47 + "01"


def test_document_of_a_root_that_is_not_configured_is_refused(enclave: Enclave) -> None:
    document = enclave.document(NOW)
    refuse(AttestationVerifier({}), document)
    refuse(AttestationVerifier({"TEST": certify("TEST", None).pem}), document)


def test_document_whose_chain_only_contains_the_root_somewhere_is_refused(
    enclave: Enclave, verifier: AttestationVerifier
) -> None:
    mine = new_enclave()
    bundle = [enclave.root.der, *(authority.der for authority in mine.between)]
    refuse(verifier, mine.document(NOW, cabundle=bundle))
    refuse(verifier, mine.document(NOW, cabundle=[mine.root.der, enclave.root.der, *bundle[1:]]))


def test_certificate_of_an_enclave_cannot_certify_another(
    enclave: Enclave, verifier: AttestationVerifier
) -> None:
    forged = enclave.with_leaf(certify("forged", enclave.leaf, ca=False, key_cert_sign=False))
    bundle = [authority.der for authority in (enclave.root, *enclave.between, enclave.leaf)]
    refuse(verifier, forged.document(NOW, cabundle=bundle))


@pytest.mark.parametrize(
    ("seconds", "taken"), [(0, True), (300, True), (-300, True), (301, False), (-301, False), (86_400, False)]
)
def test_document_is_taken_for_five_minutes(
    enclave: Enclave, verifier: AttestationVerifier, seconds: int, taken: bool
) -> None:
    document = enclave.document(NOW)
    if taken:
        verifier.verify(document, NOW + timedelta(seconds=seconds))
    else:
        refuse(verifier, document, NOW + timedelta(seconds=seconds))


def rsa_spki(bits: int, exponent: int = 65537) -> bytes:
    key = rsa.RSAPublicNumbers(exponent, (1 << (bits - 1)) + 1).public_key()
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


EC_SPKI = (
    ec.generate_private_key(ec.SECP384R1())
    .public_key()
    .public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
)


@pytest.mark.parametrize(
    "changed",
    [
        {"module_id": ...},
        {"module_id": ""},
        {"module_id": "x" * 257},
        {"module_id": b"bytes"},
        {"digest": "SHA256"},
        {"digest": ...},
        {"timestamp": ...},
        {"timestamp": 0},
        {"timestamp": -1},
        pytest.param({"timestamp": str(int(NOW.timestamp() * 1000))}, id="timestamp is text"),
        pytest.param({"timestamp": int(NOW.timestamp())}, id="timestamp in seconds"),
        {"timestamp": (1 << 64) - 1},
        {"pcrs": {}},
        {"pcrs": ...},
        {"pcrs": [bytes(48)]},
        {"pcrs": {32: bytes(48)}},
        {"pcrs": {-1: bytes(48)}},
        {"pcrs": {0: bytes(47)}},
        {"pcrs": {0: "0" * 48}},
        {"pcrs": {"0": bytes(48)}},
        {"certificate": ...},
        {"certificate": b""},
        {"certificate": bytes(1025)},
        {"certificate": b"\x30\x03\x02\x01\x01"},
        {"cabundle": ...},
        {"cabundle": []},
        {"cabundle": [b""]},
        {"cabundle": b"\x30"},
        {"public_key": ...},
        {"public_key": None},
        {"public_key": b""},
        {"public_key": b"\x30\x03\x02\x01\x01"},
        {"public_key": bytes(1025)},
        {"public_key": EC_SPKI},
        {"public_key": rsa_spki(1024)},
        {"public_key": rsa_spki(4104)},
        {"public_key": rsa_spki(2048, (1 << 40) + 1)},
        {"user_data": bytes(1025)},
        {"user_data": "text"},
        {"nonce": bytes(1025)},
    ],
    ids=lambda changed: "-".join(f"{name}={str(value)[:24]}" for name, value in changed.items()),
)
def test_signed_document_with_a_field_out_of_its_limits_is_refused(
    enclave: Enclave, verifier: AttestationVerifier, changed: dict[str, Any]
) -> None:
    refuse(verifier, enclave.document(NOW, **changed))


def chains(enclave: Enclave) -> dict[str, Enclave]:
    root, (region, zone, instance) = enclave.root, enclave.between
    early, late = NOW - timedelta(days=9), NOW + timedelta(days=9)
    narrow = certify("narrow", root, path_length=0)
    critical = x509.NameConstraints(None, [x509.DNSName("example.org")])
    return {
        "an authority that is none": enclave.with_between(certify("a", root, ca=False)),
        "an authority without keyCertSign": enclave.with_between(certify("a", root, key_cert_sign=False)),
        "an authority too deep": enclave.with_between(region, zone, instance, certify("a", instance)),
        "an authority below a path length": enclave.with_between(narrow, certify("a", narrow)),
        "an authority that has expired": enclave.with_between(
            certify("a", root, not_before=early, not_after=early + timedelta(days=1))
        ),
        "an authority of tomorrow": enclave.with_between(
            certify("a", root, not_before=late, not_after=late + timedelta(days=1))
        ),
        "a critical extension": enclave.with_between(certify("a", root, extensions=((critical, True),))),
        "a link left out": replace(enclave, between=(region, instance)),
        "links in another order": replace(enclave, between=(zone, region, instance)),
        "a leaf that is an authority": enclave.with_leaf(certify("leaf", instance)),
        "a leaf that may not sign": enclave.with_leaf(
            certify("leaf", instance, ca=False, digital_signature=False)
        ),
        "a leaf that has expired": enclave.with_leaf(
            certify("leaf", instance, ca=False, not_before=early, not_after=early + timedelta(days=1))
        ),
        "a leaf of another curve": enclave.with_leaf(
            certify("leaf", instance, ca=False, curve=ec.SECP256R1())
        ),
        "a leaf that signed itself": enclave.with_leaf(certify("leaf", None, ca=False)),
        "nine certificates": replace(enclave, between=(region, *(zone,) * 8)),
    }


def test_chain_that_does_not_hold_is_refused(enclave: Enclave, verifier: AttestationVerifier) -> None:
    verifier.verify(enclave.with_between(certify("a", enclave.root)).document(NOW), NOW)
    for what, other in chains(enclave).items():
        try:
            verifier.verify(other.document(NOW), NOW)
        except AttestationRefused:
            continue
        pytest.fail(f"taken: {what}")


def test_root_that_has_expired_is_refused() -> None:
    root = certify("TEST", None, not_before=NOW - timedelta(days=9), not_after=NOW - timedelta(days=1))
    refuse(AttestationVerifier({"TEST": root.pem}), new_enclave(root).document(NOW))


def envelope(document: bytes) -> list[Any]:
    parts = cbor2.loads(document)
    assert isinstance(parts, list)
    return parts


@pytest.mark.parametrize(
    "forge",
    [
        lambda parts: [cbor2.dumps({1: -7}), *parts[1:]],  # ES256
        lambda parts: [cbor2.dumps({}), *parts[1:]],
        lambda parts: [{1: -35}, *parts[1:]],
        lambda parts: [parts[0], {1: -7}, *parts[2:]],
        lambda parts: [parts[0], None, *parts[2:]],
        lambda parts: [*parts[:3], parts[3][:-1]],
        lambda parts: [*parts[:3], bytes(96)],
        lambda parts: [*parts[:3], parts[3][48:] + parts[3][:48]],
        lambda parts: [*parts[:3], b""],
        lambda parts: parts[:3],
        lambda parts: [*parts, b""],
        lambda parts: {0: parts},
        lambda parts: cbor2.CBORTag(17, parts),
        lambda parts: cbor2.CBORTag(18, cbor2.CBORTag(18, parts)),
        lambda parts: [*parts[:2], parts[2] + b"\0", parts[3]],
        lambda parts: [*parts[:2], None, parts[3]],
    ],
)
def test_envelope_that_is_not_the_one_is_refused(
    enclave: Enclave, verifier: AttestationVerifier, forge: Callable[[list[Any]], Any]
) -> None:
    refuse(verifier, cbor2.dumps(forge(envelope(enclave.document(NOW)))))


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"\x84",
        b"\x9f" * 10_000,
        b"\xbf" * 10_000,
        b"\x81" * 262_144,
        b"\xc0" * 10_000,
        b"\xd2" * 10_000,
        b"\x9b" + b"\xff" * 8,
        b"\x5b" + b"\xff" * 8,
        b"\xbb" + b"\xff" * 8,
        b"\x9f" + b"\0" * 262_000 + b"\xff",
        b"\xc2\x5a\x00\x03\x00\x00" + b"\xff" * 0x30000,
        b"\xd8\x23\x78\x20" + b"(a+)+$" * 6,
        b"\xff",
        b"\xf9\x7e\x00",
    ],
    ids=lambda document: document[:6].hex(),
)
def test_bytes_made_to_hurt_a_parser_are_refused(verifier: AttestationVerifier, document: bytes) -> None:
    refuse(verifier, document)


def test_document_longer_than_the_limit_is_refused(enclave: Enclave, verifier: AttestationVerifier) -> None:
    refuse(verifier, enclave.document(NOW, later_member=bytes(262_144)))
    verifier.verify(enclave.document(NOW, later_member=bytes(200_000)), NOW)


def test_member_given_twice_is_refused(enclave: Enclave, verifier: AttestationVerifier) -> None:
    payload = cbor2.dumps(enclave.claims(NOW))
    twice = bytes((payload[0] + 1,)) + payload[1:] + cbor2.dumps("nonce") + cbor2.dumps(None)
    assert "nonce" in cbor2.loads(twice)
    refuse(verifier, enclave.sign(twice))


def test_payload_signed_for_another_purpose_is_refused(
    enclave: Enclave, verifier: AttestationVerifier
) -> None:
    """The signature is over `Signature1` and the protected header, not over the payload alone."""
    other = envelope(new_enclave(enclave.root).document(NOW))
    mine = envelope(enclave.document(NOW))
    assert mine[0] == PROTECTED
    refuse(verifier, cbor2.dumps([*mine[:3], other[3]]))


@pytest.mark.parametrize("pem", [b"", b"no certificate", certify("a", None).pem * 2])
def test_root_file_that_is_not_one_certificate_is_an_error(pem: bytes) -> None:
    with pytest.raises(ValueError):
        AttestationVerifier({"a": pem})
