"""Whatever a token holds, it is refused in an orderly way or is what its issuer signed."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jwt import PyJWS
from tests.support.oidc import Issuer, segment

from strongroom.federation.key_sets import KeySet, KeySets, parse_key_set
from strongroom.federation.web_identity_token import TokenRefused, read_token, verify_token

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
CLAIMS = st.sampled_from(
    ["iss", "sub", "aud", "exp", "iat", "nbf", "azp", "amr", "email", "https://aws.amazon.com/tags"]
)


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Issuer:
    directory: Path = tmp_path_factory.mktemp("issuer")
    return Issuer(directory)


@pytest.fixture(scope="module")
def keys(issuer: Issuer) -> KeySet:
    found = asyncio.run(KeySets({issuer.url: issuer.file}).find(issuer.url))
    assert found is not None
    return found


def accepts(token: str, keys: KeySet, now: float) -> bool:
    try:
        verify_token(read_token(token), keys, now)
    except TokenRefused:
        return False
    return True


@settings(max_examples=300, deadline=None)
@given(text=st.text(max_size=200) | st.from_regex(r"[A-Za-z0-9_=-]{0,60}(\.[A-Za-z0-9_=-]{0,60}){1,3}"))
def test_fuzz_text_is_no_token(keys: KeySet, text: str) -> None:
    assert not accepts(text, keys, 0)


@settings(max_examples=300, deadline=None)
@given(header=JSON_VALUES, payload=JSON_VALUES, signature=st.binary(max_size=300))
def test_fuzz_json_that_nobody_signed_is_refused(
    keys: KeySet, header: object, payload: object, signature: bytes
) -> None:
    parts = [segment(json.dumps(part).encode()) for part in (header, payload)]
    assert not accepts(".".join([*parts, segment(signature)]), keys, 0)


@settings(max_examples=200, deadline=None)
@given(claim=CLAIMS, value=JSON_VALUES)
def test_fuzz_signed_claims_are_taken_or_refused_in_order(
    issuer: Issuer, keys: KeySet, claim: str, value: object
) -> None:
    claims = issuer.claims(now=1_000_000) | {claim: value}
    token = PyJWS().encode(
        json.dumps(claims).encode(), issuer.key("ES256"), "ES256", headers={"kid": "ES256"}
    )
    accepts(token, keys, 1_000_100)


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_fuzz_token_with_one_letter_changed_is_refused(
    issuer: Issuer, keys: KeySet, data: st.DataObject
) -> None:
    token = issuer.token("ES256", now=1_000_000)
    place = data.draw(st.integers(0, len(token) - 1))
    letter = data.draw(st.sampled_from("AbZ9-_.=/+ "))
    changed = token[:place] + letter + token[place + 1 :]
    assert accepts(token, keys, 1_000_100)
    assert changed == token or not accepts(changed, keys, 1_000_100)


@settings(max_examples=300, deadline=None)
@given(data=st.binary(max_size=200) | JSON_VALUES.map(lambda value: json.dumps({"keys": value}).encode()))
def test_fuzz_key_set_is_read_or_refused_with_a_reason(data: bytes) -> None:
    try:
        parse_key_set(data)
    except ValueError as refused:
        assert str(refused)  # noqa: PT017


NAMES = st.sampled_from(["RS256", "ES256", "none", "HS256", "PS256", "EdDSA", ""]) | JSON_VALUES


@settings(max_examples=300, deadline=None)
@given(
    alg=NAMES,
    kid=NAMES,
    more=st.dictionaries(st.sampled_from(["b64", "crit", "jwk", "jku", "x5c", "typ", "zip"]), JSON_VALUES),
    signature=st.binary(max_size=300)
    | st.binary(min_size=64, max_size=64)
    | st.binary(min_size=256, max_size=256),
)
def test_fuzz_claims_under_any_header_need_the_issuers_signature(
    issuer: Issuer, keys: KeySet, alg: object, kid: object, more: dict[str, object], signature: bytes
) -> None:
    header = segment(json.dumps({"alg": alg, "kid": kid} | more).encode())
    token = f"{header}.{segment(issuer.claims(now=1_000_000))}.{segment(signature)}"
    assert not accepts(token, keys, 1_000_100)
