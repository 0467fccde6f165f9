"""RSA: NIST's vectors, damaged keys, salt lengths, OAEP against other implementations."""

from __future__ import annotations

import hashlib
from typing import Any

import cryptography_vectors
import pytest
from Cryptodome.Cipher import PKCS1_OAEP
from Cryptodome.Hash import SHA1, SHA256
from Cryptodome.PublicKey import RSA
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from tests.support.key_pairs import header, loaded, material

from strongroom.boundary.interface import (
    BoundaryRefused,
    CiphertextRefused,
    PlaintextRefused,
    SignatureRefused,
)
from strongroom.boundary.software.families import FAMILIES
from strongroom.boundary.software.rsa_keys import load_rsa_key, take_in_material
from strongroom.boundary.software.signature_verification import verify_signature

ENCRYPTION = "ENCRYPT_DECRYPT"
OAEP = {"RSAES_OAEP_SHA_1": (214, SHA1), "RSAES_OAEP_SHA_256": (190, SHA256)}
DIGESTS = {"SHA256": "SHA_256", "SHA384": "SHA_384", "SHA512": "SHA_512"}


def public_key(n: int, e: int) -> bytes:
    return (
        rsa.RSAPublicNumbers(e, n)
        .public_key()
        .public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    )


def pkcs8(numbers: rsa.RSAPrivateNumbers) -> bytes:
    return numbers.private_key(unsafe_skip_rsa_key_validation=True).private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def vectors(name: str) -> list[tuple[int, int, str, bytes, bytes, bool]]:
    """(modulus, exponent, digest, message, signature, valid) of a NIST SigVer file."""
    found: list[tuple[int, int, str, bytes, bytes, bool]] = []
    case: dict[str, str] = {}
    with cryptography_vectors.open_vector_file(f"asymmetric/RSA/FIPS_186-2/{name}", "r") as file:
        for line in file:
            member, separator, value = line.strip().partition(" = ")
            if not separator:
                continue
            case[member] = value
            if member == "Result" and case["SHAAlg"] in DIGESTS and len(case["n"]) >= 512:
                found.append(
                    (
                        int(case["n"], 16),
                        int(case["e"], 16),
                        DIGESTS[case["SHAAlg"]],
                        bytes.fromhex(case["Msg"]),
                        bytes.fromhex(case["S"]),
                        value.startswith("P"),
                    )
                )
    return found


def test_verify_agrees_with_nists_pkcs1_vectors() -> None:
    tried = 0
    for n, e, digest, message, signature, valid in vectors("SigVer15_186-3.rsp"):
        spec, algorithm = f"RSA_{n.bit_length()}", f"RSASSA_PKCS1_V1_5_{digest}"
        arguments = (spec, public_key(n, e), message, "RAW", algorithm, signature)
        if valid:
            verify_signature(*arguments)
        else:
            with pytest.raises(SignatureRefused):
                verify_signature(*arguments)
        tried += 1
    assert tried >= 50


def test_verify_refuses_a_pss_salt_that_is_not_as_long_as_the_digest() -> None:
    """NIST's vectors have salts of 10 bytes: even the valid ones are not what KMS makes or takes."""
    valid_ones = 0
    for n, e, digest, message, signature, valid in vectors("SigVerPSS_186-3.rsp"):
        spec, algorithm = f"RSA_{n.bit_length()}", f"RSASSA_PSS_{digest}"
        with pytest.raises(SignatureRefused):
            verify_signature(spec, public_key(n, e), message, "RAW", algorithm, signature)
        valid_ones += valid
    assert valid_ones >= 9


@pytest.mark.parametrize("digest", ["SHA_256", "SHA_384", "SHA_512"])
def test_pss_salt_is_as_long_as_the_digest(digest: str) -> None:
    key = loaded("RSA_2048")
    algorithm = getattr(hashes, digest.replace("_", ""))()
    signature = key.sign(b"message", "RAW", f"RSASSA_PSS_{digest}")
    other: Any = serialization.load_der_public_key(key.public_key())
    other.verify(
        signature, b"message", padding.PSS(padding.MGF1(algorithm), algorithm.digest_size), algorithm
    )


@pytest.mark.parametrize("algorithm", sorted(OAEP))
def test_oaep_opens_what_another_implementation_made_and_the_other_way_round(algorithm: str) -> None:
    longest, digest = OAEP[algorithm]
    key = loaded("RSA_2048", material("RSA_2048"), ENCRYPTION)
    theirs = PKCS1_OAEP.new(RSA.import_key(material("RSA_2048")), digest)
    for plaintext in (b"", b"x", bytes(longest)):
        assert key.decrypt_asymmetric(theirs.encrypt(plaintext), algorithm) == plaintext
        assert theirs.decrypt(key.encrypt_asymmetric(plaintext, algorithm)) == plaintext
    with pytest.raises(PlaintextRefused):
        key.encrypt_asymmetric(bytes(longest + 1), algorithm)


def test_decrypt_asymmetric_of_anything_else_is_refused_alike() -> None:
    key = loaded("RSA_2048", material("RSA_2048"), ENCRYPTION)
    good = key.encrypt_asymmetric(b"secret", "RSAES_OAEP_SHA_256")
    damaged = bytes([good[0], good[1] ^ 1]) + good[2:]
    wrong = [b"", b"x", good[:-1], good + b"x", bytes(256), b"\xff" * 256, damaged]
    for ciphertext in wrong:
        with pytest.raises(CiphertextRefused) as caught:
            key.decrypt_asymmetric(ciphertext, "RSAES_OAEP_SHA_256")
        assert caught.value.args == ()
    with pytest.raises(CiphertextRefused):
        key.decrypt_asymmetric(good, "RSAES_OAEP_SHA_1")
    for algorithm in ("SYMMETRIC_DEFAULT", "RSAES_PKCS1_V1_5", "SM2PKE", ""):
        with pytest.raises(BoundaryRefused):
            key.decrypt_asymmetric(good, algorithm)
        with pytest.raises(BoundaryRefused):
            key.encrypt_asymmetric(b"x", algorithm)


def numbers_of(spec: str = "RSA_2048") -> rsa.RSAPrivateNumbers:
    key = serialization.load_der_private_key(material(spec), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key.private_numbers()


def changed(**members: int) -> rsa.RSAPrivateNumbers:
    good = numbers_of()
    e, n = members.pop("e", good.public_numbers.e), members.pop("n", good.public_numbers.n)
    whole = {name: getattr(good, name) for name in ("p", "q", "d", "dmp1", "dmq1", "iqmp")}
    return rsa.RSAPrivateNumbers(public_numbers=rsa.RSAPublicNumbers(e, n), **{**whole, **members})


def test_load_refuses_a_key_whose_numbers_do_not_belong_together() -> None:
    good = numbers_of()
    refused = 0
    for wrong in (
        changed(dmp1=good.dmp1 ^ 2),
        changed(dmq1=good.dmq1 ^ 2),
        changed(iqmp=good.iqmp ^ 2),
        changed(d=good.d ^ 2),
        changed(n=good.public_numbers.n ^ 2),
        changed(e=3),
        changed(p=good.q, q=good.p),
        changed(p=1, q=good.public_numbers.n),
    ):
        try:
            tried = pkcs8(wrong)
        except ValueError:  # the library itself does not even write it
            continue
        refused += 1
        with pytest.raises(ValueError, match=r"."):
            load_rsa_key("RSA_2048", tried)
        with pytest.raises(ValueError, match=r"."):
            take_in_material("RSA_2048", tried)
    assert refused >= 6


@pytest.mark.parametrize(("bits", "exponent"), [(1024, 65537), (2048, 3), (3072, 65537)])
def test_load_refuses_another_modulus_or_exponent(bits: int, exponent: int) -> None:
    key = rsa.generate_private_key(exponent, bits)
    tried = pkcs8(key.private_numbers())
    for usage in ("SIGN_VERIFY", ENCRYPTION):
        family = FAMILIES["RSA_2048", usage]
        with pytest.raises(ValueError, match=r"."):
            family.load(header("RSA_2048", usage), tried)
        with pytest.raises(ValueError, match=r"."):
            family.take_in(tried)


def test_take_in_refuses_factors_that_are_not_primes() -> None:
    """`load` leaves that out for material that is authentic; an import must ask."""
    seed = int.from_bytes(hashlib.sha512(b"composite").digest() * 2, "big") | (3 << 1022) | 1
    p, q = seed, seed + 2  # 3 divides one of p, q, or p + 4
    while p % 3 and q % 3:
        p, q = p + 2, q + 2
    e, n = 65537, p * q
    try:
        d = pow(e, -1, (p - 1) * (q - 1))
    except ValueError:
        pytest.skip("no inverse; another seed would do")
    tried = pkcs8(
        rsa.RSAPrivateNumbers(p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p), rsa.RSAPublicNumbers(e, n))
    )
    with pytest.raises(ValueError, match=r"."):
        take_in_material("RSA_2048", tried)


def test_making_a_key_of_every_size_has_that_modulus_and_exponent() -> None:
    for spec, bits in (("RSA_2048", 2048), ("RSA_3072", 3072), ("RSA_4096", 4096)):
        numbers = numbers_of(spec).public_numbers
        assert (numbers.n.bit_length(), numbers.e) == (bits, 65537)
        loaded(spec)
