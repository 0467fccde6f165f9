"""Key sets of issuers: what is taken from a file, what is refused, and when it is read again."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.support.oidc import Issuer, private_key, public_jwk

from strongroom.federation.key_sets import FILE_BYTES_MAX, KeySets, KeySetUnavailable, parse_key_set

RSA = private_key("RSA")


def key_set(*keys: dict[str, Any]) -> bytes:
    return json.dumps({"keys": keys}).encode()


def number(value: int) -> str:
    data = value.to_bytes((value.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def test_each_kind_of_key_verifies_with_its_own_algorithms_only() -> None:
    """INVARIANT W1."""
    curves = [public_jwk(private_key(name), name) for name in ("ES256", "ES384", "ES512")]
    keys = parse_key_set(key_set(public_jwk(RSA, "rsa"), *curves))
    assert keys["rsa"].algorithms == ("RS256", "RS384", "RS512")
    for name in ("ES256", "ES384", "ES512"):
        assert keys[name].algorithms == (name,)


def test_key_that_says_its_algorithm_verifies_with_no_other() -> None:
    assert parse_key_set(key_set(public_jwk(RSA, "a", alg="RS384")))["a"].algorithms == ("RS384",)


@pytest.mark.parametrize(
    "other",
    [
        public_jwk(RSA, "enc", use="enc"),
        public_jwk(RSA, "ops", key_ops=["encrypt"]),
        public_jwk(RSA, "oaep", alg="RSA-OAEP"),
        public_jwk(private_key("ES256"), "es", alg="ES384"),
        public_jwk(private_key("ES256"), "k1", crv="secp256k1"),
        {"kty": "OKP", "crv": "Ed25519", "x": "AAAA", "kid": "ed"},
    ],
    ids=["encryption", "operations", "oaep", "wrong-algorithm", "curve", "edwards"],
)
def test_key_that_cannot_verify_a_token_is_passed_over(other: dict[str, Any]) -> None:
    assert parse_key_set(key_set(other, public_jwk(RSA, "rsa"))).keys() == {"rsa"}
    with pytest.raises(ValueError, match="no key that can verify"):
        parse_key_set(key_set(other))


def short_key() -> dict[str, Any]:
    return public_jwk(rsa.generate_private_key(65537, 1024), "short")  # noqa: S505


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is no JSON Web Key Set"),
        (b"[]", "is no JSON Web Key Set"),
        (b'{"keys": {}}', "is no JSON Web Key Set"),
        (b'{"keys": [{"kty": 1}]}', "is no JSON Web Key Set"),
        (b'{"keys":' + b"[" * 5000 + b"]" * 5000 + b"}", "is no JSON Web Key Set"),
        (b'{"keys": [{"kty": "\xff"}]}', "is no JSON Web Key Set"),
        (b'{"keys": []}', "has no key"),
        (key_set(*[public_jwk(RSA, f"k{n}") for n in range(101)]), "more than 100 keys"),
        (key_set(public_jwk(RSA, None)), "without a kid of their own"),
        (key_set(public_jwk(RSA, "a"), public_jwk(RSA, "a")), "without a kid of their own"),
        (key_set(public_jwk(RSA, "a", d="AAAA")), "private or secret key"),
        (key_set({"kty": "oct", "k": "AAAA", "kid": "a"}), "private or secret key"),
        (key_set(public_jwk(RSA, "a", n="AQAB")), "malformed key"),
        (key_set(public_jwk(RSA, "a", n="!")), "malformed key"),
        (key_set(public_jwk(RSA, "a", e="AQ")), "malformed key"),
        (key_set(public_jwk(RSA, "a", e=number(1 << 33 | 1))), "malformed key"),
        (key_set(public_jwk(RSA, "a", n=number((1 << 8300) | 1))), "malformed key"),
        (key_set({"kty": "RSA", "kid": "a"}), "malformed key"),
        (key_set(short_key()), "malformed key"),
        (key_set(public_jwk(private_key("ES256"), "a", y="AAAA")), "malformed key"),
        (key_set(public_jwk(private_key("ES256"), "a", crv="P-384")), "malformed key"),
    ],
    ids=[
        "nothing",
        "list",
        "keys-object",
        "number-kty",
        "deep",
        "not-utf-8",
        "none",
        "many",
        "no-kid",
        "kid-twice",
        "private",
        "secret",
        "small-n",
        "no-base64",
        "exponent-1",
        "long-exponent",
        "long-n",
        "no-numbers",
        "1024-bits",
        "off-the-curve",
        "other-curve",
    ],
)
def test_file_that_is_no_key_set_is_refused_with_a_reason(data: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_key_set(data)


def test_issuer_that_is_not_configured_has_no_keys(tmp_path: Path) -> None:
    issuer = Issuer(tmp_path)
    sets = KeySets({issuer.url: issuer.file})
    assert asyncio.run(sets.find(issuer.url + "/")) is None
    assert asyncio.run(KeySets().find(issuer.url)) is None


def test_file_is_read_again_only_when_it_changed(tmp_path: Path) -> None:
    issuer = Issuer(tmp_path)
    sets = KeySets({issuer.url: issuer.file})
    first = asyncio.run(sets.find(issuer.url))
    assert asyncio.run(sets.find(issuer.url)) is first
    issuer.publish("ES256")
    second = asyncio.run(sets.find(issuer.url))
    assert second is not None
    assert second.keys() == {"ES256"}


def test_file_behind_a_link_is_followed_to_its_next_target(tmp_path: Path) -> None:
    """Kubernetes mounts a ConfigMap so: the link is what changes."""
    one, two = Issuer(tmp_path, number=0), Issuer(tmp_path, number=1)
    two.publish("ES384")
    link = tmp_path / "link.json"
    link.symlink_to(one.file)
    sets = KeySets({one.url: link})
    assert "RS256" in (asyncio.run(sets.find(one.url)) or {})
    fresh = tmp_path / "fresh"
    fresh.symlink_to(two.file)
    fresh.replace(link)
    assert (asyncio.run(sets.find(one.url)) or {}).keys() == {"ES384"}


def test_operator_is_told_once_why_keys_cannot_be_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    issuer = Issuer(tmp_path)
    sets = KeySets({issuer.url: issuer.file})
    issuer.write(b" " * (FILE_BYTES_MAX + 1))
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            with pytest.raises(KeySetUnavailable, match="longer than 262144 bytes"):
                asyncio.run(sets.require_all())
    assert len(caplog.records) == 1
    issuer.file.unlink()
    with pytest.raises(KeySetUnavailable, match="No such file"):
        asyncio.run(sets.find(issuer.url))
