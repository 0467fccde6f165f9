"""What every boundary does, whatever module is behind it. Each implementation is one row of BOUNDARIES."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.support.enveloped_data import parse_enveloped_data
from tests.support.running_boundary import (
    ACCOUNT,
    KEY_ID,
    MULTI_REGION_KEY_ID,
    OTHER_KEY_ID,
    REGION,
    MemoryDomainKeyStore,
    RunningBoundary,
    attached_client,
    binding,
    together,
)

from strongroom.boundary.ciphertext_format import parse_header
from strongroom.boundary.interface import (
    Boundary,
    BoundaryRefused,
    CiphertextRefused,
    GeneratedKey,
    KeyInUse,
    PlaintextRefused,
    SignatureRefused,
    TicketRefused,
    TokenRefused,
)

EC_PUBLIC_KEY = (
    ec.generate_private_key(ec.SECP256R1())
    .public_key()
    .public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
)
SHORT_RSA_KEY = (
    rsa.RSAPublicNumbers(65537, (1 << 1023) + 1)
    .public_key()
    .public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
)

Start = Callable[[Path], AbstractContextManager[RunningBoundary]]
Test = Callable[[Boundary], Coroutine[Any, Any, None]]
Run = Callable[[Test], None]

BOUNDARIES = [pytest.param(lambda tmp_path: RunningBoundary(tmp_path / "key"), id="software")]
AAD = b"\x81\xa1a\xa1b"
OTHER_AADS = [b"", b"\x80", b"\x81\xa1a\xa1c", AAD + b"\x00", b"\x81\xa2ab\xa0"]


@pytest.fixture(params=BOUNDARIES)
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Run:
    """Runs a test against a boundary of its own."""
    start: Start = request.param

    def run_test(test: Test) -> None:
        async def body(running: RunningBoundary) -> None:
            client = attached_client(running, MemoryDomainKeyStore())
            try:
                await asyncio.wait_for(test(client), 30)
            finally:
                client.close()

        with start(tmp_path) as running:
            asyncio.run(body(running))

    return run_test


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


def test_answers_for_a_recipient_open_with_its_key_and_hold_no_plaintext(run: Run) -> None:
    recipient = rsa.generate_private_key(65537, 2048)
    public_key = recipient.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    def opened(sealed: bytes) -> bytes:
        return parse_enveloped_data(sealed).open(recipient)

    async def test(boundary: Boundary) -> None:
        token = (await boundary.generate_key(binding())).exported_token
        blob = await boundary.encrypt(token, KEY_ID, b"for the enclave", AAD)
        sealed = await boundary.decrypt_for_recipient(
            token, KEY_ID, blob, "SYMMETRIC_DEFAULT", AAD, public_key
        )
        assert b"for the enclave" not in sealed
        assert opened(sealed) == b"for the enclave"
        with pytest.raises(CiphertextRefused):
            await boundary.decrypt_for_recipient(token, KEY_ID, blob, "SYMMETRIC_DEFAULT", b"", public_key)
        with pytest.raises(TokenRefused):
            await boundary.decrypt_for_recipient(
                token, OTHER_KEY_ID, blob, "SYMMETRIC_DEFAULT", AAD, public_key
            )
        sealed, blob = await boundary.generate_data_key_for_recipient(token, KEY_ID, 32, AAD, public_key)
        assert opened(sealed) == await boundary.decrypt(token, KEY_ID, blob, AAD)
        pair = await boundary.generate_data_key_pair_for_recipient(
            token, KEY_ID, "ECC_NIST_P256", AAD, public_key
        )
        assert opened(pair.sealed_private_key) == await boundary.decrypt(
            token, KEY_ID, pair.private_key_blob, AAD
        )
        assert len(opened(await boundary.generate_random_for_recipient(1024, public_key))) == 1024

    run(test)


@pytest.mark.parametrize("public_key", [b"", b"0", EC_PUBLIC_KEY, SHORT_RSA_KEY])
def test_recipient_without_a_fit_rsa_key_gets_nothing(run: Run, public_key: bytes) -> None:
    async def test(boundary: Boundary) -> None:
        token = (await boundary.generate_key(binding())).exported_token
        blob = await boundary.encrypt(token, KEY_ID, b"x", AAD)
        for asked in (
            boundary.decrypt_for_recipient(token, KEY_ID, blob, "SYMMETRIC_DEFAULT", AAD, public_key),
            boundary.generate_data_key_for_recipient(token, KEY_ID, 32, AAD, public_key),
            boundary.generate_data_key_pair_for_recipient(token, KEY_ID, "ECC_NIST_P256", AAD, public_key),
            boundary.generate_random_for_recipient(32, public_key),
        ):
            with pytest.raises(BoundaryRefused):
                await asked

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


SIGNING = replace(binding(), key_spec="ECC_NIST_P256", key_usage="SIGN_VERIFY")
ENCRYPTION = replace(binding(), key_spec="RSA_2048", key_usage="ENCRYPT_DECRYPT")
ECDSA = "ECDSA_SHA_256"
OAEP = "RSAES_OAEP_SHA_256"


def test_sign_and_verify_agree_and_the_public_key_stays_the_same(run: Run) -> None:
    async def test(boundary: Boundary) -> None:
        token = (await boundary.generate_key(SIGNING)).exported_token
        signature = await boundary.sign(token, KEY_ID, b"message", "RAW", ECDSA)
        await boundary.verify(token, KEY_ID, b"message", "RAW", ECDSA, signature)
        with pytest.raises(SignatureRefused):
            await boundary.verify(token, KEY_ID, b"massage", "RAW", ECDSA, signature)
        with pytest.raises(BoundaryRefused):
            await boundary.sign(token, KEY_ID, b"message", "DIGEST", ECDSA)
        with pytest.raises(BoundaryRefused):
            await boundary.sign(token, KEY_ID, b"message", "RAW", "RSASSA_PSS_SHA_256")
        public_key = await boundary.get_public_key(token, KEY_ID)
        await boundary.forget_key(KEY_ID, REGION)
        assert await boundary.get_public_key(token, KEY_ID) == public_key

    run(test)


def test_asymmetric_ciphertext_opens_and_anything_else_is_refused(run: Run) -> None:
    async def test(boundary: Boundary) -> None:
        token = (await boundary.generate_key(ENCRYPTION)).exported_token
        ciphertext = await boundary.encrypt_asymmetric(token, KEY_ID, b"secret", OAEP)
        assert await boundary.decrypt_asymmetric(token, KEY_ID, ciphertext, OAEP) == b"secret"
        for wrong in (b"", b"x", ciphertext[:-1], ciphertext[:-1] + bytes([ciphertext[-1] ^ 1]), bytes(256)):
            with pytest.raises(CiphertextRefused):
                await boundary.decrypt_asymmetric(token, KEY_ID, wrong, OAEP)
        with pytest.raises(CiphertextRefused):
            await boundary.decrypt_asymmetric(token, KEY_ID, ciphertext, "RSAES_OAEP_SHA_1")
        with pytest.raises(PlaintextRefused):
            await boundary.encrypt_asymmetric(token, KEY_ID, bytes(191), OAEP)
        for algorithm in ("SYMMETRIC_DEFAULT", "RSAES_PKCS1_V1_5", ""):
            with pytest.raises(BoundaryRefused):
                await boundary.encrypt_asymmetric(token, KEY_ID, b"x", algorithm)

    run(test)


def test_key_of_one_kind_does_nothing_of_another(run: Run) -> None:
    """INVARIANT B2: spec and usage are the token's, whatever is asked."""

    async def test(boundary: Boundary) -> None:
        signing, encryption, symmetric = [
            (await boundary.generate_key(kind)).exported_token for kind in (SIGNING, ENCRYPTION, binding())
        ]
        for token in (signing, encryption):
            with pytest.raises(BoundaryRefused):
                await boundary.encrypt(token, KEY_ID, b"x", AAD)
            with pytest.raises(BoundaryRefused):
                await boundary.generate_data_key_pair(token, KEY_ID, "ECC_NIST_P256", AAD)
        for token in (encryption, symmetric):
            with pytest.raises(BoundaryRefused):
                await boundary.sign(token, KEY_ID, b"x", "RAW", ECDSA)
            with pytest.raises(BoundaryRefused):
                await boundary.verify(token, KEY_ID, b"x", "RAW", ECDSA, b"x")
        for token in (signing, symmetric):
            with pytest.raises(BoundaryRefused):
                await boundary.decrypt_asymmetric(token, KEY_ID, bytes(256), OAEP)
        with pytest.raises(BoundaryRefused):
            await boundary.get_public_key(symmetric, KEY_ID)
        for token in (signing, encryption):
            with pytest.raises(TokenRefused):
                await boundary.get_public_key(token, OTHER_KEY_ID)
        with pytest.raises(TokenRefused):
            await boundary.sign(signing, OTHER_KEY_ID, b"x", "RAW", ECDSA)

    run(test)


def test_re_encrypt_asymmetric_moves_a_plaintext_between_kinds_of_keys(run: Run) -> None:
    async def test(boundary: Boundary) -> None:
        symmetric = (await boundary.generate_key(binding())).exported_token
        rsa = (await boundary.generate_key(replace(ENCRYPTION, key_id=OTHER_KEY_ID))).exported_token
        one = KeyInUse(symmetric, KEY_ID, "SYMMETRIC_DEFAULT", AAD)
        two = KeyInUse(rsa, OTHER_KEY_ID, OAEP, b"")
        blob = await boundary.encrypt(symmetric, KEY_ID, b"moved", AAD)
        there = await boundary.re_encrypt_asymmetric(one, blob, two)
        assert await boundary.decrypt_asymmetric(rsa, OTHER_KEY_ID, there, OAEP) == b"moved"
        back = await boundary.re_encrypt_asymmetric(two, there, one)
        assert await boundary.decrypt(symmetric, KEY_ID, back, AAD) == b"moved"
        again = await boundary.re_encrypt_asymmetric(two, there, two)
        assert await boundary.decrypt_asymmetric(rsa, OTHER_KEY_ID, again, OAEP) == b"moved"
        with pytest.raises(CiphertextRefused):
            await boundary.re_encrypt_asymmetric(two, blob, one)
        with pytest.raises(CiphertextRefused):
            await boundary.re_encrypt_asymmetric(replace(one, aad=b"\x80"), blob, two)
        long = await boundary.encrypt(symmetric, KEY_ID, bytes(191), AAD)
        with pytest.raises(PlaintextRefused):
            await boundary.re_encrypt_asymmetric(one, long, two)
        empty = await boundary.encrypt_asymmetric(rsa, OTHER_KEY_ID, b"", OAEP)
        with pytest.raises(PlaintextRefused):
            await boundary.re_encrypt_asymmetric(two, empty, one)
        with pytest.raises(TokenRefused):
            await boundary.re_encrypt_asymmetric(one, blob, replace(two, key_id=KEY_ID))

    run(test)


@pytest.mark.parametrize("spec", ["RSA_2048", "ECC_NIST_P256", "ECC_NIST_EDWARDS25519"])
def test_data_key_pair_is_sealed_under_the_symmetric_key(run: Run, spec: str) -> None:
    async def test(boundary: Boundary) -> None:
        token = (await boundary.generate_key(binding())).exported_token
        pair = await boundary.generate_data_key_pair(token, KEY_ID, spec, AAD)
        assert await boundary.decrypt(token, KEY_ID, pair.private_key_blob, AAD) == pair.private_key
        public_key, blob = await boundary.generate_data_key_pair_without_plaintext(token, KEY_ID, spec, AAD)
        assert public_key != pair.public_key
        assert len(await boundary.decrypt(token, KEY_ID, blob, AAD)) > 32
        with pytest.raises(TokenRefused):
            await boundary.generate_data_key_pair(token, OTHER_KEY_ID, spec, AAD)
        for unknown in ("SYMMETRIC_DEFAULT", "ML_DSA_44", "RSA_1024", ""):
            with pytest.raises(BoundaryRefused):
                await boundary.generate_data_key_pair(token, KEY_ID, unknown, AAD)

    run(test)


def test_read_ticket_gives_the_text_that_was_put_in(run: Run) -> None:
    async def test(boundary: Boundary) -> None:
        for text in (b"x", "Schlüssel\x00".encode(), os.urandom(2048)):
            ticket = await boundary.make_ticket("marker", b"context", text)
            assert await boundary.read_ticket("marker", b"context", ticket) == text
            assert text not in ticket or len(text) == 1
        assert len({await boundary.make_ticket("marker", b"", b"same") for _ in range(50)}) == 50

    run(test)


def test_read_ticket_for_another_purpose_or_context_is_refused(run: Run) -> None:
    """INVARIANT B9."""

    async def test(boundary: Boundary) -> None:
        ticket = await boundary.make_ticket("marker", b"context", b"text")
        for purpose, context in (
            ("token", b"context"),
            ("marke", b"rcontext"),
            ("markerc", b"ontext"),
            ("marker", b""),
            ("marker", b"context\x00"),
            ("", b"markercontext"),
        ):
            with pytest.raises(TicketRefused):
                await boundary.read_ticket(purpose, context, ticket)

    run(test)


def test_read_ticket_with_any_bit_flipped_or_cut_is_refused(run: Run) -> None:
    """INVARIANT B9."""

    async def test(boundary: Boundary) -> None:
        ticket = await boundary.make_ticket("marker", b"context", b"some text of a ticket")
        altered = [ticket[:length] for length in range(len(ticket))]
        altered += [ticket + b"\x00", b"", bytes(64), b"\x01" + bytes(64), ticket[:17] + ticket[33:]]
        for bit in range(len(ticket) * 8):
            flipped = bytearray(ticket)
            flipped[bit // 8] ^= 1 << bit % 8
            altered.append(bytes(flipped))
        outcomes = await together(boundary.read_ticket("marker", b"context", other) for other in altered)
        assert {type(outcome) for outcome in outcomes} == {TicketRefused}

    run(test)


@pytest.mark.parametrize("text", [b"", bytes(2049), bytes(60_000)])
def test_make_ticket_of_nothing_or_too_much_is_refused(run: Run, text: bytes) -> None:
    async def test(boundary: Boundary) -> None:
        with pytest.raises(BoundaryRefused):
            await boundary.make_ticket("marker", b"", text)

    run(test)


def test_read_ticket_of_another_boundary_is_refused(run: Run, tmp_path: Path) -> None:
    async def test(boundary: Boundary) -> None:
        ticket = await boundary.make_ticket("marker", b"", b"text")
        with RunningBoundary(tmp_path / "other-key") as other:
            client = attached_client(other, MemoryDomainKeyStore())
            with pytest.raises(TicketRefused):
                await client.read_ticket("marker", b"", ticket)
            client.close()

    run(test)
