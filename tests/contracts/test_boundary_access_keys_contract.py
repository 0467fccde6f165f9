"""What every boundary does with the secrets of access keys (see test_boundary_contract.py)."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest
from tests.support.boundary_contract import Run
from tests.support.running_boundary import ACCOUNT, all_answered, together

from strongroom.boundary.interface import Boundary, BoundaryRefused, TokenRefused

ACCESS_KEY_ID = "AKIAIOSFODNN7EXAMPLE"
DAY = ("20150830", "us-east-1", "kms")


def signing_key(secret: str) -> bytes:
    """The HMAC chain of the SigV4 documentation."""
    key = ("AWS4" + secret).encode()
    for part in (*DAY, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key


def test_create_access_key_secret_gives_a_secret_that_signs(run: Run) -> None:
    async def test(boundary: Boundary) -> None:
        secret, token = await boundary.create_access_key_secret(ACCESS_KEY_ID, ACCOUNT)
        assert len(secret) == 40
        assert len(base64.b64decode(secret, validate=True)) == 30
        assert secret.encode() not in token
        assert await boundary.derive_signing_key(token, ACCESS_KEY_ID, *DAY) == signing_key(secret)

    run(test)


def test_create_access_key_secret_again_is_another_secret_and_token(run: Run) -> None:
    async def test(boundary: Boundary) -> None:
        made = await all_answered(
            boundary.create_access_key_secret(ACCESS_KEY_ID, ACCOUNT) for _ in range(100)
        )
        assert len({secret for secret, _ in made}) == len({token for _, token in made}) == 100

    run(test)


def test_derive_signing_key_of_another_access_key_or_an_altered_token_is_refused(run: Run) -> None:
    """INVARIANT B2."""

    async def test(boundary: Boundary) -> None:
        _, token = await boundary.create_access_key_secret(ACCESS_KEY_ID, ACCOUNT)
        with pytest.raises(TokenRefused):
            await boundary.derive_signing_key(token, "AKIAI44QH8DHBEXAMPLE", *DAY)
        altered = [token[:length] for length in range(len(token))]
        for bit in range(len(token) * 8):
            flipped = bytearray(token)
            flipped[bit // 8] ^= 1 << bit % 8
            altered.append(bytes(flipped))
        outcomes = await together(
            boundary.derive_signing_key(other, ACCESS_KEY_ID, *DAY) for other in altered
        )
        assert {type(outcome) for outcome in outcomes} <= {TokenRefused, BoundaryRefused}

    run(test)


@pytest.mark.parametrize(
    ("access_key_id", "account_id"),
    [
        pytest.param(ACCESS_KEY_ID, "", id="no account"),
        pytest.param(ACCESS_KEY_ID, "11112222333", id="11 digits"),
        pytest.param("", ACCOUNT, id="no id"),
        pytest.param("AKIA/..", ACCOUNT, id="slash"),
        pytest.param("A" * 129, ACCOUNT, id="129 letters"),
        pytest.param("ÄKIA", ACCOUNT, id="umlaut"),
    ],
)
def test_create_access_key_secret_for_what_is_no_access_key_is_refused(
    run: Run, access_key_id: str, account_id: str
) -> None:
    async def test(boundary: Boundary) -> None:
        with pytest.raises(BoundaryRefused):
            await boundary.create_access_key_secret(access_key_id, account_id)

    run(test)
