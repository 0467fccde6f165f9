"""What every boundary does with keys for MACs, agreement, encapsulation (see test_boundary_contract.py)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from tests.support.boundary_contract import AAD, Run
from tests.support.running_boundary import KEY_ID, OTHER_KEY_ID, REGION, binding
from tests.support.sm2 import needs_sm2

from strongroom.boundary.interface import (
    Boundary,
    BoundaryRefused,
    CiphertextRefused,
    PeerKeyRefused,
    SignatureRefused,
    TokenRefused,
)

HMAC = replace(binding(), key_spec="HMAC_256", key_usage="GENERATE_VERIFY_MAC")
AGREEMENT = replace(binding(), key_spec="ECC_NIST_P384", key_usage="KEY_AGREEMENT")
KEM = replace(binding(), key_spec="ML_KEM_768", key_usage="ENCAPSULATE_DECAPSULATE")
SIGNING = replace(binding(), key_spec="ECC_NIST_P384", key_usage="SIGN_VERIFY")


@pytest.mark.parametrize("spec", ["HMAC_224", "HMAC_256", "HMAC_384", "HMAC_512"])
def test_mac_verifies_and_no_other_does(run: Run, spec: str) -> None:
    async def test(boundary: Boundary) -> None:
        token = (await boundary.generate_key(replace(HMAC, key_spec=spec))).exported_token
        mac = await boundary.generate_mac(token, KEY_ID, b"message")
        assert len(mac) == int(spec[-3:]) // 8
        await boundary.forget_key(KEY_ID, REGION)
        await boundary.verify_mac(token, KEY_ID, b"message", mac)
        for message, tried in ((b"massage", mac), (b"message", mac[:-1]), (b"message", b"")):
            with pytest.raises(SignatureRefused):
                await boundary.verify_mac(token, KEY_ID, message, tried)
        with pytest.raises(BoundaryRefused):
            await boundary.generate_mac(token, KEY_ID, bytes(4097))

    run(test)


@pytest.mark.parametrize(
    "spec", ["ECC_NIST_P256", "ECC_NIST_P384", "ECC_NIST_P521", pytest.param("SM2", marks=needs_sm2)]
)
def test_two_keys_agree_on_a_secret_and_on_none_with_another_curve(run: Run, spec: str) -> None:
    async def test(boundary: Boundary) -> None:
        one, two = [
            (await boundary.generate_key(replace(AGREEMENT, key_spec=spec))).exported_token for _ in range(2)
        ]
        public_keys = [await boundary.get_public_key(token, KEY_ID) for token in (one, two)]
        secret = await boundary.derive_shared_secret(one, KEY_ID, public_keys[1])
        assert await boundary.derive_shared_secret(two, KEY_ID, public_keys[0]) == secret
        curve = replace(SIGNING, key_spec="ECC_SECG_P256K1")
        other = (await boundary.generate_key(curve)).exported_token
        for peer in (b"", b"x", public_keys[1][:-1], await boundary.get_public_key(other, KEY_ID)):
            with pytest.raises(PeerKeyRefused):
                await boundary.derive_shared_secret(one, KEY_ID, peer)

    run(test)


@pytest.mark.parametrize("spec", ["ML_KEM_512", "ML_KEM_768", "ML_KEM_1024"])
def test_encapsulated_secret_is_decapsulated_and_a_wrong_one_rejected_implicitly(run: Run, spec: str) -> None:
    async def test(boundary: Boundary) -> None:
        token = (await boundary.generate_key(replace(KEM, key_spec=spec))).exported_token
        secret, ciphertext = await boundary.encapsulate(token, KEY_ID)
        assert len(secret) == 32
        await boundary.forget_key(KEY_ID, REGION)
        assert await boundary.decapsulate(token, KEY_ID, ciphertext) == secret
        wrong = await boundary.decapsulate(token, KEY_ID, bytes(len(ciphertext)))
        assert len(wrong) == 32
        assert wrong != secret
        for tried in (b"", ciphertext[:-1], ciphertext + b"\x00"):
            with pytest.raises(CiphertextRefused):
                await boundary.decapsulate(token, KEY_ID, tried)

    run(test)


def test_key_of_one_kind_does_nothing_of_another(run: Run) -> None:
    """INVARIANT B2: spec and usage are the token's, whatever is asked."""

    async def test(boundary: Boundary) -> None:
        tokens = {
            kind.key_usage: (await boundary.generate_key(kind)).exported_token
            for kind in (HMAC, AGREEMENT, KEM, SIGNING, binding())
        }
        peer = await boundary.get_public_key(tokens["SIGN_VERIFY"], KEY_ID)
        calls: dict[str, list[Callable[[bytes, str], Awaitable[object]]]] = {
            "GENERATE_VERIFY_MAC": [
                lambda token, key_id: boundary.generate_mac(token, key_id, b"x"),
                lambda token, key_id: boundary.verify_mac(token, key_id, b"x", b"x"),
            ],
            "KEY_AGREEMENT": [lambda token, key_id: boundary.derive_shared_secret(token, key_id, peer)],
            "ENCAPSULATE_DECAPSULATE": [
                boundary.encapsulate,
                lambda token, key_id: boundary.decapsulate(token, key_id, bytes(1088)),
            ],
            "SIGN_VERIFY": [
                lambda token, key_id: boundary.sign(token, key_id, b"x", "RAW", "ECDSA_SHA_384"),
            ],
            "ENCRYPT_DECRYPT": [lambda token, key_id: boundary.encrypt(token, key_id, b"x", AAD)],
        }
        for usage, token in tokens.items():
            for asked, every in calls.items():
                for call in every:
                    with pytest.raises(TokenRefused):
                        await call(token, OTHER_KEY_ID)
                    if asked != usage:
                        with pytest.raises(BoundaryRefused):
                            await call(token, KEY_ID)
        with pytest.raises(BoundaryRefused):
            await boundary.get_public_key(tokens["GENERATE_VERIFY_MAC"], KEY_ID)

    run(test)
