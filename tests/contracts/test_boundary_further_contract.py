"""What every boundary does with key pairs, imported material and tickets (see test_boundary_contract.py)."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.boundary_contract import AAD, Run
from tests.support.key_imports import wrap
from tests.support.running_boundary import (
    ACCOUNT,
    KEY_ID,
    OTHER_KEY_ID,
    REGION,
    MemoryDomainKeyStore,
    RunningBoundary,
    attached_client,
    binding,
    together,
)
from tests.support.sm2 import needs_sm2

from strongroom.boundary.interface import (
    Boundary,
    BoundaryError,
    BoundaryRefused,
    CiphertextRefused,
    GeneratedKey,
    ImportBinding,
    ImportTokenExpired,
    KeyBinding,
    KeyInUse,
    MaterialRefused,
    PlaintextRefused,
    SignatureRefused,
    TicketRefused,
    TokenRefused,
)

SIGNING = replace(binding(), key_spec="ECC_NIST_P256", key_usage="SIGN_VERIFY")
IMPORTED = replace(binding(), origin="EXTERNAL")
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


@needs_sm2
def test_sm2_key_signs_and_another_encrypts(run: Run) -> None:
    async def test(boundary: Boundary) -> None:
        signing = replace(SIGNING, key_spec="SM2")
        token = (await boundary.generate_key(signing)).exported_token
        for message, message_type in ((b"message", "RAW"), (bytes(range(32)), "DIGEST")):
            signature = await boundary.sign(token, KEY_ID, message, message_type, "SM2DSA")
            await boundary.verify(token, KEY_ID, message, message_type, "SM2DSA", signature)
            with pytest.raises(SignatureRefused):
                await boundary.verify(token, KEY_ID, message[::-1], message_type, "SM2DSA", signature)
        with pytest.raises(BoundaryRefused):
            await boundary.encrypt_asymmetric(token, KEY_ID, b"x", "SM2PKE")
        token = (await boundary.generate_key(replace(signing, key_usage="ENCRYPT_DECRYPT"))).exported_token
        ciphertext = await boundary.encrypt_asymmetric(token, KEY_ID, b"text", "SM2PKE")
        await boundary.forget_key(KEY_ID, REGION)
        assert await boundary.decrypt_asymmetric(token, KEY_ID, ciphertext, "SM2PKE") == b"text"
        for wrong in (b"", ciphertext[:-1], ciphertext + b"\0", bytes(len(ciphertext))):
            with pytest.raises(CiphertextRefused):
                await boundary.decrypt_asymmetric(token, KEY_ID, wrong, "SM2PKE")
        for plaintext in (b"", bytes(1025)):
            with pytest.raises(PlaintextRefused):
                await boundary.encrypt_asymmetric(token, KEY_ID, plaintext, "SM2PKE")

    run(test)


def test_key_spec_that_is_not_offered_is_refused_before_there_is_a_key(run: Run) -> None:
    async def test(boundary: Boundary) -> None:
        for offered in (
            "SYMMETRIC_DEFAULT",
            "RSA_2048",
            "ECC_NIST_P256",
            "HMAC_512",
            "ML_DSA_44",
            "ML_KEM_512",
        ):
            assert await boundary.require_key_spec(offered) is None  # type: ignore[func-returns-value]
        for wrong in ("SM4", "RSA_1024", "", "ECC_NIST_P256 "):
            with pytest.raises(BoundaryRefused):
                await boundary.require_key_spec(wrong)

    run(test)


IMPORT = ImportBinding(ACCOUNT, REGION, KEY_ID, "RSA_2048", "RSAES_OAEP_SHA_256")
ENDS_AT = 1_800_000_000_000_000


def test_imported_material_encrypts_and_keeps_its_id(run: Run) -> None:
    async def test(boundary: Boundary) -> None:
        material = os.urandom(32)
        keys: list[GeneratedKey] = []
        for _ in range(2):
            made = await boundary.get_import_parameters(IMPORT, ENDS_AT)
            encrypted = wrap(made.public_key, IMPORT.wrapping_algorithm, material)
            keys.append(
                await boundary.import_key_material(made.import_token, ENDS_AT - 1, encrypted, IMPORTED)
            )
        assert keys[0].material_id == keys[1].material_id
        blob = await boundary.encrypt(keys[0].exported_token, KEY_ID, b"text", AAD)
        assert await boundary.decrypt(keys[1].exported_token, KEY_ID, blob, AAD) == b"text"

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


def test_import_key_material_refuses_each_fault_by_its_name(run: Run) -> None:
    async def test(boundary: Boundary) -> None:
        made = await boundary.get_import_parameters(IMPORT, ENDS_AT)
        good = wrap(made.public_key, IMPORT.wrapping_algorithm, os.urandom(32))
        short = wrap(made.public_key, IMPORT.wrapping_algorithm, os.urandom(31))
        token = made.import_token
        unknown_domain_key = token[:2] + os.urandom(16) + token[18:]
        now = ENDS_AT - 1
        faults: list[tuple[type[BoundaryError], tuple[bytes, int, bytes, KeyBinding]]] = [
            (TokenRefused, (token[:-1], now, good, IMPORTED)),
            (TokenRefused, (unknown_domain_key, now, good, IMPORTED)),
            (TokenRefused, (token, now, good, replace(IMPORTED, key_id=OTHER_KEY_ID))),
            (ImportTokenExpired, (token, ENDS_AT, good, IMPORTED)),
            (CiphertextRefused, (token, now, good[:-1], IMPORTED)),
            (MaterialRefused, (token, now, short, IMPORTED)),
            (BoundaryRefused, (token, now, good, replace(IMPORTED, key_spec="SM4"))),
            (BoundaryRefused, (token, now, good, binding())),
        ]
        for error, arguments in faults:
            with pytest.raises(error) as caught:
                await boundary.import_key_material(*arguments)
            assert type(caught.value) is error
        await boundary.import_key_material(token, now, good, IMPORTED)

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


@pytest.mark.parametrize("spec", ["RSA_2048", "ECC_NIST_P256", "ECC_NIST_EDWARDS25519", "ML_KEM_512"])
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
        for text in (b"x", "Schlüssel\x00".encode(), os.urandom(6144)):
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


@pytest.mark.parametrize("text", [b"", bytes(6145), bytes(60_000)])
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


@pytest.mark.parametrize(
    "wrong",
    [replace(IMPORT, wrapping_key_spec="SM2"), replace(IMPORT, wrapping_algorithm="RSAES_PKCS1_V1_5")],
)
def test_get_import_parameters_of_an_unsupported_wrapping_is_refused(run: Run, wrong: ImportBinding) -> None:
    async def test(boundary: Boundary) -> None:
        with pytest.raises(BoundaryRefused):
            await boundary.get_import_parameters(wrong, ENDS_AT)

    run(test)
