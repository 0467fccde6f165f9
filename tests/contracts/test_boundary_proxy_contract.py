"""What every boundary does for the external key store proxy."""

from __future__ import annotations

import hmac
import os
import re
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key
from tests.support.boundary_contract import AAD, Run
from tests.support.running_boundary import KEY_ID, MULTI_REGION_KEY_ID, OTHER_KEY_ID, REGION, binding

from strongroom.boundary.external_key_format import (
    material_prefix,
    split_sealed,
)
from strongroom.boundary.interface import (
    Boundary,
    BoundaryRefused,
    CiphertextRefused,
    ImportBinding,
    TokenRefused,
)

ACCESS_KEY_ID = "ABCDE2345672EXAMPLEA"


@pytest.mark.parametrize("key_id", [KEY_ID, MULTI_REGION_KEY_ID])
def test_xks_decrypt_of_what_was_sealed_gives_the_plaintext_and_the_metadata_the_material(
    run: Run, key_id: str
) -> None:
    async def test(boundary: Boundary) -> None:
        key = await boundary.generate_key(binding(key_id))
        for plaintext, aad in ((b"x", b""), (os.urandom(4300), os.urandom(8192))):
            sealed = await boundary.xks_encrypt(key.exported_token, key_id, plaintext, aad)
            parts = split_sealed(sealed)
            lengths = len(parts.metadata), len(parts.iv), len(parts.tag), len(parts.ciphertext)
            assert lengths == {1: (20, 12, 16, len(plaintext)), 2: (9, 16, 16, len(plaintext))}[sealed[0]]
            assert key.material_id.startswith(material_prefix(parts.metadata))
            assert await boundary.xks_decrypt(key.exported_token, key_id, sealed, aad) == plaintext

    run(test)


def test_xks_encrypt_twice_has_nothing_in_common_but_the_material(run: Run) -> None:
    async def test(boundary: Boundary) -> None:
        token = (await boundary.generate_key(binding())).exported_token
        sealed = [await boundary.xks_encrypt(token, KEY_ID, b"same", AAD) for _ in range(50)]
        assert len({one[9:20] for one in sealed}) == 50
        assert len({split_sealed(one).iv for one in sealed}) == 50
        assert len({one[:9] for one in sealed}) == 1

    run(test)


def test_xks_encrypt_of_nothing_or_too_much_is_refused(run: Run) -> None:
    async def test(boundary: Boundary) -> None:
        token = (await boundary.generate_key(binding())).exported_token
        for plaintext, aad in ((b"", b""), (bytes(4301), b""), (b"x", bytes(8193))):
            with pytest.raises(BoundaryRefused):
                await boundary.xks_encrypt(token, KEY_ID, plaintext, aad)

    run(test)


def test_xks_decrypt_of_any_changed_bit_is_refused(run: Run) -> None:
    async def test(boundary: Boundary) -> None:
        token = (await boundary.generate_key(binding())).exported_token
        sealed = await boundary.xks_encrypt(token, KEY_ID, b"text", AAD)
        for position in range(len(sealed) * 8):
            changed = bytearray(sealed)
            changed[position // 8] ^= 1 << position % 8
            with pytest.raises(CiphertextRefused):
                await boundary.xks_decrypt(token, KEY_ID, bytes(changed), AAD)
        for cut in (b"", sealed[:-4], sealed[:-1], sealed + b"x", bytes(5000)):
            with pytest.raises(CiphertextRefused):
                await boundary.xks_decrypt(token, KEY_ID, cut, AAD)

    run(test)


def test_xks_decrypt_where_metadata_and_aad_trade_places_is_refused(run: Run) -> None:
    async def test(boundary: Boundary) -> None:
        token = (await boundary.generate_key(binding())).exported_token
        sealed = await boundary.xks_encrypt(token, KEY_ID, b"text", b"")
        metadata = split_sealed(sealed).metadata
        for aad in (metadata, bytes([len(metadata)]) + metadata, bytes(8193)):
            with pytest.raises(CiphertextRefused):
                await boundary.xks_decrypt(token, KEY_ID, sealed, aad)

    run(test)


def test_xks_decrypt_under_another_key_or_material_is_refused(run: Run) -> None:
    async def test(boundary: Boundary) -> None:
        token, other = [(await boundary.generate_key(binding())).exported_token for _ in range(2)]
        sealed = await boundary.xks_encrypt(token, KEY_ID, b"text", AAD)
        with pytest.raises(CiphertextRefused):
            await boundary.xks_decrypt(other, KEY_ID, sealed, AAD)
        with pytest.raises(TokenRefused):
            await boundary.xks_decrypt(token, OTHER_KEY_ID, sealed, AAD)

    run(test)


def test_external_keys_and_ciphertext_blobs_open_nothing_of_each_other(run: Run) -> None:
    async def test(boundary: Boundary) -> None:
        token = (await boundary.generate_key(binding())).exported_token
        sealed = await boundary.xks_encrypt(token, KEY_ID, b"text", AAD)
        blob = await boundary.encrypt(token, KEY_ID, b"text", AAD)
        with pytest.raises(CiphertextRefused):
            await boundary.decrypt(token, KEY_ID, sealed, AAD)
        with pytest.raises(CiphertextRefused):
            await boundary.xks_decrypt(token, KEY_ID, blob, AAD)

    run(test)


def test_what_is_sealed_opens_by_its_page_of_formats(run: Run) -> None:
    """An independent decryptor, written from docs/formats/external-key-ciphertext.md (INVARIANT B7)."""

    async def test(boundary: Boundary) -> None:
        material = os.urandom(32)
        token = await _imported(boundary, material)
        sealed = await boundary.xks_encrypt(token, KEY_ID, b"text", AAD)
        metadata, iv, tag, ciphertext = sealed[:20], sealed[20:32], sealed[32:48], sealed[48:]
        context = b"\0" + bytes.fromhex(KEY_ID.replace("-", "")) + metadata[9:]
        label = b"strongroom external key message key"
        message_key = hmac.digest(material, b"\0\0\0\1" + label + b"\0" + context + b"\0\0\1\0", "sha256")
        authenticated = len(AAD).to_bytes(2, "big") + AAD + b"\x14" + metadata
        assert AESGCM(message_key).decrypt(iv, ciphertext + tag, authenticated) == b"text"

    run(test)


async def _imported(boundary: Boundary, material: bytes) -> bytes:
    bound = replace(binding(), origin="EXTERNAL")
    wrapping = ImportBinding(bound.account_id, REGION, KEY_ID, "RSA_2048", "RSAES_OAEP_SHA_256")
    made = await boundary.get_import_parameters(wrapping, 10)
    public_key = load_der_public_key(made.public_key)
    assert isinstance(public_key, RSAPublicKey)
    wrapped = public_key.encrypt(material, OAEP(MGF1(SHA256()), SHA256(), None))
    return (await boundary.import_key_material(made.import_token, 1, wrapped, bound)).exported_token


@pytest.mark.parametrize(
    ("spec", "usage"), [("HMAC_256", "GENERATE_VERIFY_MAC"), ("ECC_NIST_P256", "SIGN_VERIFY")]
)
def test_keys_of_another_spec_are_no_external_keys(run: Run, spec: str, usage: str) -> None:
    async def test(boundary: Boundary) -> None:
        token = (
            await boundary.generate_key(replace(binding(), key_spec=spec, key_usage=usage))
        ).exported_token
        with pytest.raises(BoundaryRefused):
            await boundary.xks_encrypt(token, KEY_ID, b"text", b"")

    run(test)


def test_proxy_secret_signs_for_proxies_only_and_under_its_own_id(run: Run) -> None:
    async def test(boundary: Boundary) -> None:
        secret, token = await boundary.create_proxy_secret(ACCESS_KEY_ID)
        again, _ = await boundary.create_proxy_secret(ACCESS_KEY_ID)
        assert re.fullmatch(r"[A-Za-z0-9+/=]{43,64}", secret)
        assert secret != again
        assert secret.encode() not in token
        expected = b"AWS4" + secret.encode()
        for part in (b"20250101", b"eu-west-1", b"kms-xks-proxy", b"aws4_request"):
            expected = hmac.digest(expected, part, "sha256")
        derived = await boundary.derive_proxy_signing_key(token, ACCESS_KEY_ID, "20250101", "eu-west-1")
        assert derived == expected
        with pytest.raises(TokenRefused):
            await boundary.derive_proxy_signing_key(token, "OTHER", "20250101", "eu-west-1")
        with pytest.raises(TokenRefused):  # a token of one kind is none of another
            await boundary.derive_signing_key(token, ACCESS_KEY_ID, "20250101", "eu-west-1", "kms")
        with pytest.raises(BoundaryRefused):
            await boundary.create_proxy_secret("no/id")

    run(test)
