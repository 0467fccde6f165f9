"""What every boundary does for a recipient; see test_boundary_contract.py."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.support.boundary_contract import AAD, Run
from tests.support.enveloped_data import parse_enveloped_data
from tests.support.running_boundary import KEY_ID, OTHER_KEY_ID, binding

from strongroom.boundary.interface import Boundary, BoundaryRefused, CiphertextRefused, TokenRefused

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
        agreement = replace(binding(), key_spec="ECC_NIST_P256", key_usage="KEY_AGREEMENT")
        token = (await boundary.generate_key(agreement)).exported_token
        sealed = await boundary.derive_shared_secret_for_recipient(token, KEY_ID, EC_PUBLIC_KEY, public_key)
        assert opened(sealed) == await boundary.derive_shared_secret(token, KEY_ID, EC_PUBLIC_KEY)

    run(test)


@pytest.mark.parametrize(
    "public_key",
    [b"", b"0", EC_PUBLIC_KEY, SHORT_RSA_KEY],
    ids=["nothing", "no key", "elliptic curve", "1024 bits"],
)
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
