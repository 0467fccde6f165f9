"""Web identity tokens that are forged, confused, malformed, expired or of a time to come."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.operations.web_identity_scene import INVALID, Scene
from tests.support.oidc import URL, public_pem, segment


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    scene = Scene(tmp_path_factory.mktemp("web-identity"))
    with scene.road:
        yield scene


@pytest.fixture
def own_scene(tmp_path: Path) -> Iterator[Scene]:
    """One whose issuer and clock a test may change."""
    scene = Scene(tmp_path)
    with scene.road:
        yield scene


def hmac_token(scene: Scene, secret: bytes, algorithm: str = "HS256") -> str:
    """Signed with the public key, taken for a shared secret."""
    head = segment({"alg": algorithm, "kid": "RS256", "typ": "JWT"})
    text = f"{head}.{segment(scene.issuer.claims())}"
    return f"{text}.{segment(hmac.digest(secret, text.encode(), hashlib.sha256))}"


def unsigned(scene: Scene, algorithm: str) -> str:
    return f"{segment({'alg': algorithm, 'kid': 'RS256'})}.{segment(scene.issuer.claims())}."


def with_payload(scene: Scene, payload: bytes) -> str:
    head, _, signature = scene.issuer.token().split(".")
    return f"{head}.{segment(payload)}.{signature}"


def with_header(scene: Scene, **members: Any) -> str:
    """The header is replaced, the signature stays."""
    _, payload, signature = scene.issuer.token().split(".")
    return f"{segment({'alg': 'RS256', 'kid': 'RS256'} | members)}.{payload}.{signature}"


DEEP = b'{"a":' * 1500 + b"1" + b"}" * 1500
HOSTILE: dict[str, Callable[[Scene], str]] = {
    "none": lambda scene: unsigned(scene, "none"),
    "None": lambda scene: unsigned(scene, "None"),
    "no-signature": lambda scene: unsigned(scene, "RS256"),
    "hmac-of-public-pem": lambda scene: hmac_token(scene, public_pem(scene.issuer.key("RS256"))),
    "hmac-of-nothing": lambda scene: hmac_token(scene, b""),
    "hmac-called-rs256": lambda scene: hmac_token(scene, public_pem(scene.issuer.key("RS256")), "RS256"),
    "pss": lambda scene: scene.issuer.token("RS256", headers={"alg": "PS256"}),
    "unknown-kid": lambda scene: scene.issuer.token(kid="gone"),
    "no-kid": lambda scene: scene.issuer.token(kid=None),
    "kid-of-another-kind": lambda scene: scene.issuer.token(kid="ES256"),
    "kid-of-another-curve": lambda scene: scene.issuer.token("ES384", kid="ES256"),
    "signed-by-another": lambda scene: scene.other.token(iss=URL),
    "other-payload": lambda scene: with_payload(scene, json.dumps(scene.issuer.claims(sub="root")).encode()),
    "own-key-in-header": lambda scene: scene.issuer.token(
        kid="x", headers={"jwk": {"kty": "oct", "k": "AA"}}
    ),
    "critical": lambda scene: scene.issuer.token(headers={"crit": ["exp"], "exp": 1}),
    "not-base64-encoded": lambda scene: with_header(scene, b64=False, crit=["b64"]),
    "deep-json": lambda scene: with_payload(scene, b'{"iss":' + b"[" * 5000 + b"]" * 5000 + b"}"),
    "deep-header": lambda scene: ".".join((segment(DEEP), segment(scene.issuer.claims()), "AAAA")),
    "no-object": lambda scene: with_payload(scene, b'"text"'),
    "not-utf-8": lambda scene: with_payload(scene, b'{"iss":"\xff"}'),
    "claims-of-other-types": lambda scene: scene.issuer.token(exp="tomorrow"),
    "fractional-time": lambda scene: scene.issuer.token(exp=scene.now() + 60.5),
    "enormous-time": lambda scene: scene.issuer.token(exp=10**30),
    "long-subject": lambda scene: scene.issuer.token(sub="a" * 256),
    "enormous-number-in-header": lambda scene: with_header(scene, x=10**30, kid="gone"),
    "half-a-character-in-header": lambda scene: with_header(scene, x="\ud800", kid="\ud800"),
    "control-characters": lambda scene: scene.issuer.token(iss="https://a\0b\r\n<x>&"),
    "half-a-character": lambda scene: scene.issuer.token(iss="https://a\ud800"),
    "two-parts": lambda scene: "aaaa.bbbb",
    "five-parts": lambda scene: "a.b.c.d.e",
    "no-token": lambda scene: "a Kubernetes token",
    "not-ascii": lambda scene: scene.issuer.token() + "é",
    "line-end": lambda scene: scene.issuer.token() + "\n",
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_token_is_refused_and_opens_nothing(scene: Scene, kind: str) -> None:
    role = scene.role()
    code, _, status = scene.refused(HOSTILE[kind](scene), role)
    assert (code, status) == (INVALID, 400)
    record = scene.road.last_record
    assert (record["errorCode"], record["userIdentity"]) == (INVALID, {"type": "Unknown"})
    assert record["responseElements"] is None


def test_token_that_is_too_long_is_refused(scene: Scene) -> None:
    code, _, status = scene.refused(scene.issuer.token(filling="a" * 20_000), scene.role())
    assert (code, status) == ("ValidationError", 400)
    assert scene.refused("abc", scene.role())[0] == "ValidationError"


@pytest.mark.parametrize("claim", ["iss", "sub", "aud", "exp", "iat"])
def test_claim_that_is_missing_is_named(scene: Scene, claim: str) -> None:
    without: dict[str, Any] = {claim: None}
    found = scene.refused(scene.issuer.token(**without), scene.role())
    assert found == (INVALID, f"Missing a required claim: {claim}", 400)


def test_expired_token_is_told_so(scene: Scene) -> None:
    now = int(scene.now())
    role = scene.role()
    assert scene.send(scene.issuer.token(exp=now - 240), role)  # clocks differ by a little
    code, sentence, status = scene.refused(scene.issuer.token(exp=now - 360), role)
    assert (code, status) == ("ExpiredTokenException", 400)
    assert (sentence or "").endswith(f"must be before the expiration date/time {now - 360}")


@pytest.mark.parametrize("claim", ["nbf", "iat"])
def test_token_of_a_time_to_come_is_refused(scene: Scene, claim: str) -> None:
    now = int(scene.now())
    soon: dict[str, Any] = {claim: now + 240}
    later: dict[str, Any] = {claim: now + 900}
    assert scene.send(scene.issuer.token(**soon), scene.role())
    assert scene.refused(scene.issuer.token(**later), scene.role())[0] == INVALID


def test_token_is_judged_by_the_services_clock(own_scene: Scene) -> None:
    role, token = own_scene.role(), own_scene.issuer.token()
    assert own_scene.send(token, role)
    own_scene.road.clock.advance(3600 + 301)
    assert own_scene.refused(token, role)[0] == "ExpiredTokenException"
