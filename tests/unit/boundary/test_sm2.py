"""SM2: the standard's examples, openssl as the other side, and what must be refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.support.key_pairs import header, loaded, material
from tests.support.sm2 import (
    needs_sm2,
    openssl,
    openssl_decrypts,
    openssl_encrypts,
    openssl_key,
    openssl_signs,
    openssl_verifies,
)

from strongroom.boundary.interface import (
    BoundaryRefused,
    CiphertextRefused,
    PeerKeyRefused,
    PlaintextRefused,
    SignatureRefused,
)
from strongroom.boundary.software import sm2_self_test as example
from strongroom.boundary.software.families import ENCRYPT_DECRYPT, FAMILIES, KEY_AGREEMENT, SIGN_VERIFY
from strongroom.boundary.software.signature_verification import verify_signature
from strongroom.boundary.software.sm2 import digest_to_sign, identity_hash
from strongroom.boundary.software.sm2_format import (
    FIELD_PRIME,
    ORDER,
    masked_part,
    point_of_public_key,
    render_private_key,
    render_public_key,
)

pytestmark = needs_sm2
USAGES = (SIGN_VERIFY, ENCRYPT_DECRYPT, KEY_AGREEMENT)
SM2DSA, SM2PKE = "SM2DSA", "SM2PKE"


def der(tag: int, contents: bytes) -> bytes:
    size = len(contents)
    length = (
        bytes([size]) if size < 128 else bytes([0x81, size]) if size < 256 else b"\x82" + size.to_bytes(2)
    )
    return bytes([tag]) + length + contents


def integer(number: int) -> bytes:
    return der(2, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def ciphertext(x: bytes, y: bytes, digest: bytes, masked: bytes) -> bytes:
    return der(0x30, x + y + der(4, digest) + der(4, masked))


# ---------------------------------------------------------------- the standard's examples


def test_identity_hash_and_digest_are_those_of_the_standard() -> None:
    """GB/T 32918.5-2017, the example of a signature: Z_A and e."""
    za = identity_hash(example.POINT)
    assert za.hex() == "b2e14c5c79c6df5b85f4fe7ed8db7a262b9da7e07ccb0ea9f4747b8ccda8a4f3"
    digest = digest_to_sign(za, example.SIGNED, "RAW", SM2DSA)
    assert digest.hex() == "f0b43e94ba45accaace692ed534382eb17e6ab5a19ce7b31f4486fdfc0d28640"


def test_signature_of_the_standard_verifies_as_message_and_as_digest() -> None:
    of = render_private_key(example.SCALAR, example.POINT)
    key = loaded("SM2", of)
    digest = bytes.fromhex("f0b43e94ba45accaace692ed534382eb17e6ab5a19ce7b31f4486fdfc0d28640")
    for message, message_type in ((example.SIGNED, "RAW"), (digest, "DIGEST")):
        key.verify(message, message_type, SM2DSA, example.SIGNATURE)
        verify_signature("SM2", key.public_key(), message, message_type, SM2DSA, example.SIGNATURE)


def test_ciphertext_of_the_standard_opens_and_its_point_gives_the_standards_x2() -> None:
    of = render_private_key(example.SCALAR, example.POINT)
    encryption = loaded("SM2", of, ENCRYPT_DECRYPT)
    assert encryption.decrypt_asymmetric(example.CIPHERTEXT, SM2PKE) == b"encryption standard"
    agreement = loaded("SM2", of, KEY_AGREEMENT)
    assert agreement.derive_shared_secret(render_public_key(example.C1)) == example.X2


def test_public_point_is_that_of_the_standard() -> None:
    assert (
        loaded("SM2", render_private_key(example.SCALAR, example.POINT)).public_key()[-65:] == example.POINT
    )


# ---------------------------------------------------------------- openssl as the other side


def test_signature_of_ours_verifies_in_openssl_and_theirs_here(tmp_path: Path) -> None:
    made = openssl_key(tmp_path)
    key = loaded("SM2", FAMILIES["SM2", SIGN_VERIFY].take_in(made))
    for message in (b"x", os.urandom(4096)):
        signature = key.sign(message, "RAW", SM2DSA)
        assert openssl_verifies(tmp_path, key.public_key(), message, signature)
        assert not openssl_verifies(tmp_path, key.public_key(), message + b"x", signature)
        key.verify(message, "RAW", SM2DSA, openssl_signs(tmp_path, "key", message))


def test_signature_of_a_digest_verifies_in_openssl_as_that_of_the_message(tmp_path: Path) -> None:
    key = loaded("SM2")
    digest = digest_to_sign(identity_hash(key.public_key()[-65:]), b"message", "RAW", SM2DSA)
    signature = key.sign(digest, "DIGEST", SM2DSA)
    assert openssl_verifies(tmp_path, key.public_key(), b"message", signature)
    key.verify(b"message", "RAW", SM2DSA, signature)


@pytest.mark.parametrize("size", [1, 31, 32, 33, 127, 128, 255, 256, 1024])
def test_ciphertext_of_ours_opens_in_openssl_and_theirs_here(tmp_path: Path, size: int) -> None:
    of = FAMILIES["SM2", ENCRYPT_DECRYPT].take_in(openssl_key(tmp_path))
    key = loaded("SM2", of, ENCRYPT_DECRYPT)
    plaintext = os.urandom(size)
    assert openssl_decrypts(tmp_path, "key", key.encrypt_asymmetric(plaintext, SM2PKE)) == plaintext
    theirs = openssl_encrypts(tmp_path, key.public_key(), plaintext)
    assert key.decrypt_asymmetric(theirs, SM2PKE) == plaintext


def test_public_key_is_the_one_that_openssl_writes(tmp_path: Path) -> None:
    of = FAMILIES["SM2", SIGN_VERIFY].take_in(openssl_key(tmp_path))
    code, theirs = openssl(tmp_path, "pkey", "-in", "key.pem", "-pubout", "-outform", "DER")
    assert code == 0
    assert loaded("SM2", of).public_key() == theirs


def test_material_of_ours_is_a_sound_private_key_in_openssl(tmp_path: Path) -> None:
    (tmp_path / "key.der").write_bytes(material("SM2"))
    arguments = ("pkey", "-inform", "DER", "-in", "key.der")
    assert openssl(tmp_path, *arguments, "-check", "-noout")[0] == 0
    code, public_key = openssl(tmp_path, *arguments, "-pubout", "-outform", "DER")
    assert (code, public_key) == (0, loaded("SM2").public_key())
    code, again = openssl(tmp_path, "pkcs8", "-topk8", "-nocrypt", *arguments[1:], "-outform", "DER")
    assert (code, again) == (0, material("SM2"))


# ---------------------------------------------------------------- key agreement


def test_public_key_that_is_none_to_agree_with_is_refused() -> None:
    key = loaded("SM2", key_usage=KEY_AGREEMENT)
    good = loaded("SM2", material("SM2", 2), KEY_AGREEMENT).public_key()
    start, x, y = good[:27], good[27:59], good[59:]
    compressed = bytes.fromhex("303930130607") + good[6:23] + b"\x03\x22\x00" + bytes([2 + (y[-1] & 1)]) + x
    assert len(compressed) == 2 + compressed[1]
    wrong = {
        "nothing": b"",
        "garbage": b"garbage",
        "cut": good[:-1],
        "continued": good + b"\0",
        "the bare point": good[26:],
        "off the curve": start + x + y[:-1] + bytes([y[-1] ^ 1]),
        "zeros": start + bytes(64),
        "beyond the field": start + b"\xff" * 64,
        "the same point, beyond the field": start
        + (int.from_bytes(x, "big") + FIELD_PRIME).to_bytes(33)[-32:]
        + y,
        "hybrid": good[:26] + bytes([6 + (y[-1] & 1)]) + x + y,
        "compressed": compressed,
        "the private key": material("SM2", 2),
        "another curve": loaded("ECC_NIST_P256").public_key(),
        "another curve's point": start + loaded("ECC_NIST_P256").public_key()[-64:],
        "another kind": loaded("RSA_2048").public_key(),
    }
    for name, tried in wrong.items():
        with pytest.raises(PeerKeyRefused):
            key.derive_shared_secret(tried)
        with pytest.raises(ValueError, match=r"."):
            verify_signature("SM2", tried, b"x", "RAW", SM2DSA, b"x")
        assert name
    assert point_of_public_key(good) == good[26:]


# ---------------------------------------------------------------- private keys


@pytest.mark.parametrize("usage", USAGES)
def test_material_in_another_encoding_is_taken_in_and_kept_in_the_one_form(usage: str) -> None:
    kept = material("SM2")
    scalar, point, algorithm = kept[36:68], kept[73:], kept[6:27]
    half = {
        "absent": b"",
        "whole": der(0xA1, der(3, b"\0" + point)),
        "compressed": der(0xA1, der(3, b"\0" + bytes([2 + (point[-1] & 1)]) + point[1:33])),
        "hybrid": der(0xA1, der(3, b"\0" + bytes([6 + (point[-1] & 1)]) + point[1:])),
    }
    for named in (b"", der(0xA0, algorithm[11:])):
        for public in half.values():
            inner = der(0x30, integer(1) + der(4, scalar) + named + public)
            tried = der(0x30, integer(0) + algorithm + der(4, inner))
            assert FAMILIES["SM2", usage].take_in(tried) == kept
            if tried != kept:
                with pytest.raises(ValueError, match=r"."):
                    FAMILIES["SM2", usage].load(header("SM2", usage), tried)


@pytest.mark.parametrize("usage", USAGES)
def test_material_that_is_no_whole_key_of_the_curve_is_refused(usage: str) -> None:
    kept, other = material("SM2"), material("SM2", 2)

    def with_scalar(number: int) -> bytes:
        """With the public half that it has: only the range is wrong."""
        scalar = number.to_bytes(32, "big")
        return kept[:36] + scalar + kept[68:]

    wrong = {
        "nothing": b"",
        "cut": kept[:-1],
        "continued": kept + b"\0",
        "another's public half": kept[:73] + other[73:],
        "a bit of the public half": kept[:-1] + bytes([kept[-1] ^ 1]),
        "the scalar 0": with_scalar(0),
        "the scalar n": with_scalar(ORDER),
        "beyond n": with_scalar(2**256 - 1),
        "another curve": kept.replace(bytes.fromhex("2a811ccf5501822d"), bytes.fromhex("2a8648ce3d030107")),
        "P-256": material("ECC_NIST_P256"),
        "SEC 1": kept[29:],
        "explicit parameters": kept[:16] + b"\x30" + kept[17:],
    }
    family = FAMILIES["SM2", usage]
    for name, tried in wrong.items():
        with pytest.raises(ValueError, match=r"."):
            family.load(header("SM2", usage), tried)
        with pytest.raises(ValueError, match=r"."):
            family.take_in(tried)
        assert name


def test_private_key_with_which_signing_would_never_end_is_refused() -> None:
    """n-1 is no private key of SM2: 1+d has no inverse, and libcrypto would try for ever."""
    kept = material("SM2")
    inner = der(0x30, integer(1) + der(4, (ORDER - 1).to_bytes(32, "big")))
    for tried in (
        der(0x30, integer(0) + kept[6:27] + der(4, inner)),
        kept[:36] + (ORDER - 1).to_bytes(32) + kept[68:],
    ):
        with pytest.raises(ValueError, match="not a private key"):
            FAMILIES["SM2", SIGN_VERIFY].take_in(tried)
    largest = der(0x30, integer(1) + der(4, (ORDER - 2).to_bytes(32, "big")))
    of = FAMILIES["SM2", SIGN_VERIFY].take_in(der(0x30, integer(0) + kept[6:27] + der(4, largest)))
    key = loaded("SM2", of)
    key.verify(b"x", "RAW", SM2DSA, key.sign(b"x", "RAW", SM2DSA))


# ---------------------------------------------------------------- signatures and ciphertexts


def test_signatures_of_one_message_differ() -> None:
    key = loaded("SM2")
    assert len({key.sign(b"message", "RAW", SM2DSA) for _ in range(20)}) == 20


def test_signature_in_another_encoding_or_out_of_range_is_refused() -> None:
    key = loaded("SM2")
    good = key.sign(b"message", "RAW", SM2DSA)
    r_bytes = good[3]
    r = int.from_bytes(good[4 : 4 + r_bytes], "big")
    s = int.from_bytes(good[6 + r_bytes :], "big")
    key.verify(b"message", "RAW", SM2DSA, der(0x30, integer(r) + integer(s)))
    longer = b"\x30\x81" + bytes([len(good) - 2]) + good[2:]
    padded = der(0x30, der(2, b"\0" * 2 + r.to_bytes(32)) + integer(s))
    raw = r.to_bytes(32) + s.to_bytes(32)
    for wrong in (
        *(
            der(0x30, integer(one) + integer(two))
            for one, two in ((r + ORDER, s), (r, s + ORDER), (0, s), (r, 0))
        ),
        *(der(0x30, integer(one) + integer(two)) for one, two in ((s, r), (r, ORDER - s), (ORDER - r, s))),
        *(longer, padded, raw, good + b"\0", b"", b"\x30\x00"),
    ):
        with pytest.raises(SignatureRefused):
            key.verify(b"message", "RAW", SM2DSA, wrong)


def test_plaintext_of_no_length_or_too_long_is_refused() -> None:
    key = loaded("SM2", key_usage=ENCRYPT_DECRYPT)
    for plaintext in (b"", bytes(1025), bytes(4096)):
        with pytest.raises(PlaintextRefused):
            key.encrypt_asymmetric(plaintext, SM2PKE)
    for algorithm in ("RSAES_OAEP_SHA_256", "SYMMETRIC_DEFAULT", ""):
        with pytest.raises(BoundaryRefused):
            key.encrypt_asymmetric(b"x", algorithm)
        with pytest.raises(BoundaryRefused):
            key.decrypt_asymmetric(example.CIPHERTEXT, algorithm)


def test_single_byte_is_never_sealed_by_a_mask_of_zeros() -> None:
    """One mask in 256 is zero; GB/T 32918.4 has another random number taken then."""
    key = loaded("SM2", key_usage=ENCRYPT_DECRYPT)
    for _ in range(1500):
        sealed = key.encrypt_asymmetric(b"x", SM2PKE)
        assert masked_part(sealed) != b"x"
    assert key.decrypt_asymmetric(sealed, SM2PKE) == b"x"


def test_every_ciphertext_with_a_bit_changed_or_cut_off_is_refused() -> None:
    key = loaded("SM2", key_usage=ENCRYPT_DECRYPT)
    good = key.encrypt_asymmetric(b"plaintext", SM2PKE)
    for bit in range(len(good) * 8):
        changed = bytearray(good)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(CiphertextRefused) as caught:
            key.decrypt_asymmetric(bytes(changed), SM2PKE)
        assert (caught.value.args, caught.value.__cause__) == ((), None)
    for length in range(len(good)):
        with pytest.raises(CiphertextRefused):
            key.decrypt_asymmetric(good[:length], SM2PKE)
    assert key.decrypt_asymmetric(good, SM2PKE) == b"plaintext"


def test_ciphertext_written_in_another_way_is_refused() -> None:
    """libcrypto itself takes most of these: the same plaintext and random number, as other bytes."""
    key = loaded("SM2", render_private_key(example.SCALAR, example.POINT), ENCRYPT_DECRYPT)
    x, y = int.from_bytes(example.C1[1:33], "big"), int.from_bytes(example.C1[33:], "big")
    masked, digest = example.CIPHERTEXT[-19:], example.CIPHERTEXT[-53:-21]
    assert ciphertext(integer(x), integer(y), digest, masked) == example.CIPHERTEXT
    good = example.CIPHERTEXT
    for wrong in (
        good + b"\0",
        b"\x30\x81\x7c" + good[2:],
        b"\x30\x82\x00\x7c" + good[2:],
        b"\x30\x80" + good[2:] + b"\0\0",
        ciphertext(integer(x + FIELD_PRIME), integer(y), digest, masked),
        ciphertext(integer(x), integer(y + FIELD_PRIME), digest, masked),
        ciphertext(der(2, b"\0" + x.to_bytes(32)), integer(y), digest, masked),
        ciphertext(integer(x), der(2, y.to_bytes(32)), digest, masked),
        ciphertext(integer(x), integer(FIELD_PRIME - y), digest, masked),
        ciphertext(integer(0), integer(0), digest, masked),
        ciphertext(integer(x), integer(y), digest[:-1], masked),
        ciphertext(integer(x), integer(y), digest, b""),
        ciphertext(integer(x), integer(y), masked, digest),
        der(0x30, integer(x) + integer(y) + der(4, digest) + der(4, masked) + der(4, b"")),
        der(0x30, integer(x) + integer(y) + der(4, masked)),
        example.C1 + digest + masked,
        b"",
        b"\x30",
    ):
        with pytest.raises(CiphertextRefused):
            key.decrypt_asymmetric(wrong, SM2PKE)
    assert key.decrypt_asymmetric(good, SM2PKE) == example.ENCRYPTED
