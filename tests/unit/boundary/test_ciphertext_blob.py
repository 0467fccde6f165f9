"""The ciphertext blob: its header, its published vector, and an independent reader of the document."""

from __future__ import annotations

import gc
import hashlib
import hmac
import re
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st
from tests.support.running_boundary import KEY_ID, MULTI_REGION_KEY_ID

from strongroom.boundary.ciphertext_format import (
    BLOB_BYTES_MAX,
    BLOB_BYTES_MIN,
    OVERHEAD_BYTES,
    PREFIX_BYTES,
    PREFIXES_REMEMBERED_MAX,
    CiphertextHeader,
    parse_header,
    render_key_id,
    render_prefix,
)
from strongroom.boundary.interface import BoundaryRefused, CiphertextRefused
from strongroom.boundary.key_hierarchy import TokenHeader, TokenKind
from strongroom.boundary.software.key_derivation import material_id_of
from strongroom.boundary.software.symmetric import SymmetricBackingKey

DOCUMENT = Path(__file__).parents[3] / "docs" / "formats" / "ciphertext.md"
MATERIAL = bytes(range(32))
NONCE = bytes(range(0xA0, 0xA0 + 28))
PLAINTEXT = b"a plaintext"
CONTEXT = bytes.fromhex("82a7507572706f7365a474657374a3617070a762696c6c696e67")


def backing_key(material: bytes = MATERIAL, key_id: str = KEY_ID) -> SymmetricBackingKey:
    header = TokenHeader(
        TokenKind.BACKING_KEY,
        bytes(16),
        material_id_of(material, key_id),
        "111122223333",
        "eu-central-1",
        key_id,
        "SYMMETRIC_DEFAULT",
        "ENCRYPT_DECRYPT",
    )
    return SymmetricBackingKey(header, material)


def published(name: str) -> bytes:
    """The hex value that the document gives under this name."""
    found = re.search(
        rf"^{re.escape(name)} = ([0-9a-f]+(?:\n +[0-9a-f]+)*)$", DOCUMENT.read_text(), re.MULTILINE
    )
    assert found is not None, name
    return bytes.fromhex("".join(found.group(1).split()))


def read_blob(material: bytes, blob: bytes, context: bytes) -> bytes:
    """Open a blob with the document alone: nothing of the boundary is used here."""
    assert blob[:3] == b"SR\x01"
    flags, key_id = blob[3:4], blob[4:20]
    label = b"strongroom message key"
    fixed = label + b"\x00" + flags + key_id + blob[52:68]
    message_key = hmac.new(
        material, (1).to_bytes(4, "big") + fixed + (256).to_bytes(4, "big"), hashlib.sha256
    ).digest()
    aad = blob[:80] + len(context).to_bytes(4, "big") + context
    return AESGCM(message_key).decrypt(blob[68:80], blob[80:], aad)


def test_parse_header_of_a_blob_names_key_and_material() -> None:
    blob = backing_key().encrypt(PLAINTEXT, CONTEXT, NONCE)
    assert parse_header(blob) == CiphertextHeader(1, KEY_ID, material_id_of(MATERIAL, KEY_ID).hex())


def test_parse_header_of_a_multi_region_key_gives_the_mrk_id() -> None:
    blob = backing_key(key_id=MULTI_REGION_KEY_ID).encrypt(PLAINTEXT, CONTEXT, NONCE)
    assert parse_header(blob).key_id == MULTI_REGION_KEY_ID


def test_parse_header_of_a_mrk_and_a_plain_id_with_the_same_digits_differ() -> None:
    plain = "01234567-89ab-cdef-0123-456789abcdef"
    assert render_key_id(plain)[1:] == render_key_id(MULTI_REGION_KEY_ID)[1:]
    assert render_key_id(plain) != render_key_id(MULTI_REGION_KEY_ID)


def test_headers_that_callers_invent_are_remembered_within_a_bound() -> None:
    blob = backing_key().encrypt(PLAINTEXT, CONTEXT, NONCE)
    gc.collect()
    before = sum(isinstance(one, CiphertextHeader) for one in gc.get_objects())
    for number in range(2 * PREFIXES_REMEMBERED_MAX):
        parse_header(blob[:20] + number.to_bytes(32) + blob[PREFIX_BYTES:])
    remembered = sum(isinstance(one, CiphertextHeader) for one in gc.get_objects()) - before
    assert remembered <= PREFIXES_REMEMBERED_MAX
    assert parse_header(blob).key_id == KEY_ID


def test_parse_header_of_every_truncation_below_the_minimum_is_refused() -> None:
    blob = backing_key().encrypt(b"x", b"", NONCE)
    assert len(blob) == BLOB_BYTES_MIN
    for length in range(len(blob)):
        with pytest.raises(ValueError, match="not a ciphertext blob"):
            parse_header(blob[:length])


@pytest.mark.parametrize(
    "start",
    [
        pytest.param("0102020078", id="a blob of AWS"),
        pytest.param("53520900", id="a later version"),
        pytest.param("53520102", id="an unknown flag"),
        pytest.param("53530100", id="another magic"),
    ],
)
def test_parse_header_of_a_foreign_blob_is_refused(start: str) -> None:
    with pytest.raises(ValueError, match="not a ciphertext blob"):
        parse_header(bytes.fromhex(start) + bytes(200))


def test_parse_header_of_an_overlong_blob_is_refused() -> None:
    blob = backing_key().encrypt(bytes(4096), b"", NONCE)
    assert len(blob) == BLOB_BYTES_MAX < 6144
    parse_header(blob)
    with pytest.raises(ValueError, match="not a ciphertext blob"):
        parse_header(blob + b"\x00")


@given(st.binary(max_size=300))
def test_parse_header_of_random_bytes_raises_value_error_or_parses(garbage: bytes) -> None:
    try:
        header = parse_header(garbage)
    except ValueError:
        return
    assert garbage.startswith(b"SR\x01")
    assert render_prefix(header.key_id, bytes.fromhex(header.material_id)) == garbage[:52]


@pytest.mark.parametrize("key_id", ["", "mrk-", KEY_ID.upper(), KEY_ID + "0", "mrk-" + "g" * 32, "alias/x"])
def test_render_key_id_of_another_form_is_refused(key_id: str) -> None:
    with pytest.raises(ValueError, match="not a key id"):
        render_key_id(key_id)


def test_encrypt_reproduces_the_published_vector() -> None:
    blob = backing_key(published("backing key")).encrypt(
        published("plaintext"), published("context"), published("KDF nonce") + published("IV")
    )
    assert blob == published("blob")
    assert blob[20:52] == published("material id")


def test_decrypt_of_a_blob_by_an_independent_reader_gives_the_plaintext() -> None:
    """The document alone is enough to write a reader (INVARIANT B7)."""
    assert read_blob(published("backing key"), published("blob"), published("context")) == published(
        "plaintext"
    )
    key = backing_key()
    for plaintext in (b"x", bytes(4096)):
        for context in (b"", b"\x80", CONTEXT):
            assert read_blob(MATERIAL, key.encrypt(plaintext, context, NONCE), context) == plaintext


def test_decrypt_of_every_single_bit_flip_is_refused() -> None:
    """INVARIANT B3."""
    key = backing_key()
    blob = key.encrypt(PLAINTEXT, CONTEXT, NONCE)
    assert key.decrypt(blob, CONTEXT) == PLAINTEXT
    for bit in range(len(blob) * 8):
        flipped = bytearray(blob)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(CiphertextRefused):
            key.decrypt(bytes(flipped), CONTEXT)


def test_decrypt_of_every_truncation_and_an_extension_is_refused() -> None:
    """INVARIANT B3."""
    key = backing_key()
    blob = key.encrypt(PLAINTEXT, CONTEXT, NONCE)
    for damaged in [blob[:length] for length in range(len(blob))] + [blob + b"\x00", b"\x00" + blob]:
        with pytest.raises(CiphertextRefused):
            key.decrypt(damaged, CONTEXT)


def test_decrypt_failures_all_look_the_same() -> None:
    key = backing_key()
    blob = key.encrypt(PLAINTEXT, CONTEXT, NONCE)
    other = backing_key(bytes(32)).encrypt(PLAINTEXT, CONTEXT, NONCE)
    seen = set()
    for damaged, context in [(blob[:-1], CONTEXT), (blob, b"\x80"), (other, CONTEXT), (b"", CONTEXT)]:
        with pytest.raises(CiphertextRefused) as caught:
            key.decrypt(damaged, context)
        seen.add((str(caught.value), caught.value.args, caught.value.__cause__))
    assert seen == {("", (), None)}


def test_decrypt_with_the_same_material_under_another_key_id_is_refused() -> None:
    blob = backing_key().encrypt(PLAINTEXT, CONTEXT, NONCE)
    other = backing_key(key_id=MULTI_REGION_KEY_ID)
    with pytest.raises(CiphertextRefused):
        other.decrypt(blob, CONTEXT)
    forged = other.encrypt(b"x", CONTEXT, NONCE)[:52] + blob[52:]
    with pytest.raises(CiphertextRefused):
        other.decrypt(forged, CONTEXT)


@pytest.mark.parametrize("length", [0, 4097])
def test_encrypt_of_a_length_out_of_range_is_refused(length: int) -> None:
    with pytest.raises(BoundaryRefused):
        backing_key().encrypt(bytes(length), b"", NONCE)


def test_material_id_is_deterministic_and_differs_between_keys_and_materials() -> None:
    assert material_id_of(MATERIAL, KEY_ID) == material_id_of(MATERIAL, KEY_ID)
    assert material_id_of(MATERIAL, KEY_ID) != material_id_of(MATERIAL, MULTI_REGION_KEY_ID)
    assert material_id_of(MATERIAL, KEY_ID) != material_id_of(bytes(32), KEY_ID)
    assert len(material_id_of(MATERIAL, KEY_ID)) == 32
    assert OVERHEAD_BYTES == 96
