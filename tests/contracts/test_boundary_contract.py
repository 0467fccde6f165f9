"""What every boundary does, whatever module is behind it. Each implementation is one row of BOUNDARIES."""

from __future__ import annotations

import hmac
import os
from dataclasses import replace

import pytest
from tests.support.boundary_contract import AAD, Run
from tests.support.running_boundary import (
    ACCOUNT,
    KEY_ID,
    MULTI_REGION_KEY_ID,
    OTHER_KEY_ID,
    REGION,
    binding,
    together,
)

from strongroom.boundary.ciphertext_format import parse_header
from strongroom.boundary.interface import (
    Boundary,
    BoundaryRefused,
    CiphertextRefused,
    GeneratedKey,
    TokenRefused,
)

OTHER_AADS = [b"", b"\x80", b"\x81\xa1a\xa1c", AAD + b"\x00", b"\x81\xa2ab\xa0"]


def test_generate_key_of_a_symmetric_key_gives_a_token_and_a_material_id(run: Run) -> None:
    async def test(boundary: Boundary) -> None:
        first = await boundary.generate_key(binding())
        second = await boundary.generate_key(binding())
        assert isinstance(first, GeneratedKey)
        assert len(bytes.fromhex(first.material_id)) == 32
        assert first.material_id == first.material_id.lower()
        assert first.material_id != second.material_id
        assert first.exported_token != second.exported_token

    run(test)


@pytest.mark.parametrize(
    ("spec", "usage"),
    [("SYMMETRIC_DEFAULT", "GENERATE_VERIFY_MAC"), ("SM4", "ENCRYPT_DECRYPT"), ("", "")],
)
def test_generate_key_of_a_spec_that_is_not_offered_is_refused(run: Run, spec: str, usage: str) -> None:
    async def test(boundary: Boundary) -> None:
        with pytest.raises(BoundaryRefused):
            await boundary.generate_key(replace(binding(), key_spec=spec, key_usage=usage))

    run(test)


@pytest.mark.parametrize("key_id", [KEY_ID, MULTI_REGION_KEY_ID])
def test_decrypt_of_a_blob_gives_the_plaintext_and_its_header_the_key(run: Run, key_id: str) -> None:
    async def test(boundary: Boundary) -> None:
        key = await boundary.generate_key(binding(key_id))
        for plaintext in (b"x", os.urandom(4096)):
            blob = await boundary.encrypt(key.exported_token, key_id, plaintext, AAD)
            assert len(blob) <= 6144
            header = parse_header(blob)
            assert (header.key_id, header.material_id) == (key_id, key.material_id)
            assert plaintext not in blob or len(plaintext) == 1
            assert await boundary.decrypt(key.exported_token, key_id, blob, AAD) == plaintext

    run(test)


def test_encrypt_twice_gives_two_blobs(run: Run) -> None:
    async def test(boundary: Boundary) -> None:
        token = (await boundary.generate_key(binding())).exported_token
        blobs = {await boundary.encrypt(token, KEY_ID, b"same", AAD) for _ in range(50)}
        assert len(blobs) == 50

    run(test)


def test_encrypt_of_nothing_or_too_much_is_refused(run: Run) -> None:
    async def test(boundary: Boundary) -> None:
        token = (await boundary.generate_key(binding())).exported_token
        for plaintext in (b"", bytes(4097)):
            with pytest.raises(BoundaryRefused):
                await boundary.encrypt(token, KEY_ID, plaintext, AAD)

    run(test)


def test_decrypt_with_another_context_is_refused(run: Run) -> None:
    async def test(boundary: Boundary) -> None:
        token = (await boundary.generate_key(binding())).exported_token
        blob = await boundary.encrypt(token, KEY_ID, b"x", AAD)
        for aad in OTHER_AADS:
            with pytest.raises(CiphertextRefused):
                await boundary.decrypt(token, KEY_ID, blob, aad)

    run(test)


def test_decrypt_of_a_blob_with_any_bit_flipped_is_refused(run: Run) -> None:
    """INVARIANT B3."""

    async def test(boundary: Boundary) -> None:
        token = (await boundary.generate_key(binding())).exported_token
        blob = await boundary.encrypt(token, KEY_ID, b"plaintext", AAD)
        calls = []
        for bit in range(len(blob) * 8):
            flipped = bytearray(blob)
            flipped[bit // 8] ^= 1 << bit % 8
            calls.append(boundary.decrypt(token, KEY_ID, bytes(flipped), AAD))
        outcomes = await together(calls)
        assert len(outcomes) == len(blob) * 8
        assert {type(outcome) for outcome in outcomes} == {CiphertextRefused}

    run(test)


def test_operations_with_the_token_of_another_key_are_refused(run: Run) -> None:
    """INVARIANT B2."""

    async def test(boundary: Boundary) -> None:
        mine = (await boundary.generate_key(binding())).exported_token
        others = (await boundary.generate_key(binding(OTHER_KEY_ID))).exported_token
        blob = await boundary.encrypt(mine, KEY_ID, b"x", AAD)
        with pytest.raises(TokenRefused):
            await boundary.encrypt(others, KEY_ID, b"x", AAD)
        with pytest.raises(TokenRefused):
            await boundary.decrypt(others, KEY_ID, blob, AAD)
        with pytest.raises(TokenRefused):
            await boundary.generate_data_key(others, KEY_ID, 32, AAD)
        with pytest.raises(TokenRefused):
            await boundary.generate_data_key_without_plaintext(others, KEY_ID, 32, AAD)
        with pytest.raises(TokenRefused):
            await boundary.re_encrypt(mine, KEY_ID, blob, AAD, others, KEY_ID, AAD)
        with pytest.raises(TokenRefused):
            await boundary.re_encrypt(others, KEY_ID, blob, AAD, mine, KEY_ID, AAD)
        with pytest.raises(CiphertextRefused):
            await boundary.decrypt(others, OTHER_KEY_ID, blob, AAD)

    run(test)


def test_encrypt_with_any_bit_of_the_token_flipped_is_refused(run: Run) -> None:
    """INVARIANT B2."""

    async def test(boundary: Boundary) -> None:
        token = (await boundary.generate_key(binding())).exported_token
        calls = []
        for bit in range(len(token) * 8):
            flipped = bytearray(token)
            flipped[bit // 8] ^= 1 << bit % 8
            calls.append(boundary.encrypt(bytes(flipped), KEY_ID, b"x", AAD))
        outcomes = await together(calls)
        assert {type(outcome) for outcome in outcomes} == {TokenRefused}

    run(test)


def test_encrypt_with_garbage_for_a_token_is_refused(run: Run) -> None:
    async def test(boundary: Boundary) -> None:
        for garbage in (b"", b"x", bytes(300), os.urandom(300)):
            with pytest.raises(TokenRefused):
                await boundary.encrypt(garbage, KEY_ID, b"x", AAD)

    run(test)


def test_re_encrypt_moves_a_plaintext_to_another_key_and_context(run: Run) -> None:
    async def test(boundary: Boundary) -> None:
        source = (await boundary.generate_key(binding())).exported_token
        target = (await boundary.generate_key(binding(OTHER_KEY_ID, "us-east-1"))).exported_token
        blob = await boundary.encrypt(source, KEY_ID, b"moved", AAD)
        moved = await boundary.re_encrypt(source, KEY_ID, blob, AAD, target, OTHER_KEY_ID, b"\x80")
        assert await boundary.decrypt(target, OTHER_KEY_ID, moved, b"\x80") == b"moved"
        with pytest.raises(CiphertextRefused):
            await boundary.re_encrypt(source, KEY_ID, blob, b"\x80", target, OTHER_KEY_ID, b"\x80")

    run(test)


@pytest.mark.parametrize("number_of_bytes", [1, 16, 32, 1024])
def test_generate_data_key_gives_the_plaintext_that_its_blob_opens_to(run: Run, number_of_bytes: int) -> None:
    async def test(boundary: Boundary) -> None:
        token = (await boundary.generate_key(binding())).exported_token
        plaintext, blob = await boundary.generate_data_key(token, KEY_ID, number_of_bytes, AAD)
        assert len(plaintext) == number_of_bytes
        assert await boundary.decrypt(token, KEY_ID, blob, AAD) == plaintext
        hidden = await boundary.generate_data_key_without_plaintext(token, KEY_ID, number_of_bytes, AAD)
        opened = await boundary.decrypt(token, KEY_ID, hidden, AAD)
        assert len(opened) == number_of_bytes
        assert number_of_bytes == 1 or opened != plaintext

    run(test)


def test_generate_data_key_and_random_of_a_length_out_of_range_are_refused(run: Run) -> None:
    async def test(boundary: Boundary) -> None:
        token = (await boundary.generate_key(binding())).exported_token
        for count in (0, 1025):
            with pytest.raises(BoundaryRefused):
                await boundary.generate_data_key(token, KEY_ID, count, AAD)
            with pytest.raises(BoundaryRefused):
                await boundary.generate_data_key_without_plaintext(token, KEY_ID, count, AAD)
            with pytest.raises(BoundaryRefused):
                await boundary.generate_random(count)

    run(test)


def test_generate_random_gives_as_many_different_bytes_as_asked(run: Run) -> None:
    async def test(boundary: Boundary) -> None:
        assert len(await boundary.generate_random(1)) == 1
        drawn = [await boundary.generate_random(1024) for _ in range(20)]
        assert len(set(drawn)) == 20
        assert {len(one) for one in drawn} == {1024}

    run(test)


def test_forget_key_leaves_its_token_and_all_others_working(run: Run) -> None:
    """Forgetting empties memory; destroying the token is the store's part."""

    async def test(boundary: Boundary) -> None:
        mine = (await boundary.generate_key(binding())).exported_token
        others = (await boundary.generate_key(binding(OTHER_KEY_ID))).exported_token
        blob = await boundary.encrypt(mine, KEY_ID, b"x", AAD)
        await boundary.forget_key(KEY_ID, REGION)
        await boundary.forget_key("never-seen", REGION)
        assert await boundary.decrypt(mine, KEY_ID, blob, AAD) == b"x"
        assert await boundary.encrypt(others, OTHER_KEY_ID, b"x", AAD)

    run(test)


def test_derive_signing_key_of_a_backing_key_token_is_refused(run: Run) -> None:
    async def test(boundary: Boundary) -> None:
        token = (await boundary.generate_key(binding())).exported_token
        with pytest.raises(TokenRefused):
            await boundary.derive_signing_key(token, KEY_ID, "20150830", "us-east-1", "kms")
        with pytest.raises(TokenRefused):
            await boundary.derive_signing_key(b"", ACCOUNT, "20150830", "us-east-1", "kms")

    run(test)


def test_is_ready_of_a_started_boundary_is_true(run: Run) -> None:
    async def test(boundary: Boundary) -> None:
        assert await boundary.is_ready()

    run(test)


def test_wrap_store_secret_gives_tokens_that_do_not_show_it_and_open_nothing(run: Run) -> None:
    async def test(boundary: Boundary) -> None:
        secret = "päßword".encode()
        store = ("111122223333", "eu-central-1", "cks-0123456789abcdef0")
        tokens = [await boundary.wrap_store_secret(*store, secret) for _ in range(2)]
        assert tokens[0] != tokens[1]
        for token in tokens:
            assert secret not in token
            assert all(part.encode() in token for part in store)  # what it is bound to
            with pytest.raises(TokenRefused):
                await boundary.encrypt(token, store[2], b"text", b"")
            with pytest.raises(TokenRefused):
                await boundary.derive_signing_key(token, store[2], "20250101", store[1], "kms")

    run(test)


def test_wrap_store_secret_of_nothing_too_much_or_no_place_is_refused(run: Run) -> None:
    async def test(boundary: Boundary) -> None:
        place = ("111122223333", "eu-central-1")
        for secret in (b"", bytes(129)):
            with pytest.raises(BoundaryRefused):
                await boundary.wrap_store_secret(*place, "cks-1", secret)
        for store_id in ("", "cks 1", "x" * 129):
            with pytest.raises(BoundaryRefused):
                await boundary.wrap_store_secret(*place, store_id, b"secret")
        await boundary.wrap_store_secret(*place, "cks-1", bytes(128))

    run(test)


def test_derive_store_signing_key_is_of_the_secret_and_for_proxies_only(run: Run) -> None:
    async def test(boundary: Boundary) -> None:
        secret = b"PlantedRawSecretAccessKey/0123456789+abcdefgh="
        store = ("111122223333", "eu-central-1", "cks-0123456789abcdef0")
        token = await boundary.wrap_store_secret(*store, secret)
        expected = b"AWS4" + secret
        for part in (b"20250101", b"eu-central-1", b"kms-xks-proxy", b"aws4_request"):
            expected = hmac.digest(expected, part, "sha256")
        assert await boundary.derive_store_signing_key(token, *store, "20250101") == expected
        for other in (
            ("111122223334", *store[1:]),
            (store[0], "eu-central-2", store[2]),
            (*store[:2], "cks-0123456789abcdef1"),
        ):
            with pytest.raises(TokenRefused):
                await boundary.derive_store_signing_key(token, *other, "20250101")
        backing_key = (await boundary.generate_key(binding())).exported_token
        flipped = token[:-1] + bytes([token[-1] ^ 1])
        for no_token in (backing_key, flipped, token[:-1], b""):
            with pytest.raises(TokenRefused):
                await boundary.derive_store_signing_key(no_token, *store, "20250101")
        with pytest.raises(BoundaryRefused):
            await boundary.derive_store_signing_key(token, *store, "1" * 256)

    run(test)
