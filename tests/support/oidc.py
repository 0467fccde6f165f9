"""An issuer of web identity tokens: its keys, its JSON Web Key Set in a file, and tokens good and bad."""

from __future__ import annotations

import base64
import json
import time
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

PrivateKey: TypeAlias = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
URL = "https://oidc.example.com/id/Cluster7"
HOST = URL.removeprefix("https://")
AUDIENCE = "sts.amazonaws.com"
SUBJECT = "system:serviceaccount:default:app"
_CURVES = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}


@cache
def private_key(algorithm: str, number: int = 0) -> PrivateKey:
    """The same key for the same arguments: RSA keys take time to make."""
    del number
    if algorithm in _CURVES:
        return ec.generate_private_key(_CURVES[algorithm])
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def public_jwk(key: PrivateKey, kid: str | None, **members: Any) -> dict[str, Any]:
    """The public half as a JSON Web Key."""
    public = key.public_key()
    if isinstance(public, rsa.RSAPublicKey):
        jwk = RSAAlgorithm.to_jwk(public, as_dict=True)
    else:
        jwk = ECAlgorithm.to_jwk(public, as_dict=True)
    jwk.pop("key_ops", None)
    return jwk | {"use": "sig"} | ({} if kid is None else {"kid": kid}) | members


def public_pem(key: PrivateKey) -> bytes:
    """The public half, as whoever confuses algorithms takes it for a secret."""
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def segment(content: bytes | dict[str, Any]) -> str:
    """One part of a token."""
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Issuer:
    """One issuer with one key of each algorithm; the kid is the algorithm's name."""

    def __init__(self, directory: Path, url: str = URL, number: int = 0) -> None:
        self.url = url
        self.file = directory / f"jwks{number}.json"
        self._number = number
        self.publish("RS256", "ES256")

    def key(self, algorithm: str) -> PrivateKey:
        """RS256, RS384 and RS512 are of one key."""
        return private_key("RSA" if algorithm.startswith("RS") else algorithm, self._number)

    def publish(self, *algorithms: str) -> None:
        """Replace the file, as a rotation of keys does."""
        keys = [public_jwk(self.key(algorithm), algorithm) for algorithm in algorithms]
        self.write(json.dumps({"keys": keys}).encode())

    def write(self, data: bytes) -> None:
        """Put anything into the file at once."""
        fresh = self.file.with_suffix(".new")
        fresh.write_bytes(data)
        fresh.replace(self.file)

    def claims(self, now: float | None = None, **more: Any) -> dict[str, Any]:
        """What a token of a Kubernetes service account says; a member that is None is left out."""
        moment = int(time.time() if now is None else now)
        given = {"iss": self.url, "sub": SUBJECT, "aud": [AUDIENCE], "iat": moment, "exp": moment + 3600}
        return {name: value for name, value in (given | more).items() if value is not None}

    def token(
        self,
        algorithm: str = "RS256",
        *,
        kid: str | None = "",
        headers: dict[str, Any] | None = None,
        **claims: Any,
    ) -> str:
        """A token that this issuer has signed."""
        named = {"kid": algorithm if kid == "" else kid} if kid is not None else {}
        return jwt.encode(
            self.claims(**claims), self.key(algorithm), algorithm, headers=named | (headers or {})
        )
