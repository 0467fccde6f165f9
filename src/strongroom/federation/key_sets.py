"""The public keys of the issuers that the operator configured, each from a file with a JSON Web Key Set.

A key set is what an issuer publishes at its jwks_uri (of a Kubernetes cluster, /openid/v1/jwks). Source:
RFC 7517 and 7518.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import msgspec

logger = logging.getLogger("strongroom.federation")

FILE_BYTES_MAX: Final = 262_144
KEYS_MAX: Final = 100
KID_CHARACTERS_MAX: Final = 1_024
RSA_BITS_MIN: Final = 2_048
RSA_BITS_MAX: Final = 8_192
RSA_EXPONENT_MAX: Final = (1 << 32) - 1

_RSA_ALGORITHMS: Final = ("RS256", "RS384", "RS512")
_CURVE_ALGORITHMS: Final = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}
ALGORITHMS: Final = (*_RSA_ALGORITHMS, *_CURVE_ALGORITHMS.values())
"""What AWS takes, too (AssumeRoleWithWebIdentity, WebIdentityToken)."""

PublicKey: TypeAlias = object
"""A public key as PyJWT's algorithms take it."""


class KeySetUnavailable(Exception):
    """The file of an issuer's keys cannot be read, or is no key set. The sentence is for the operator."""


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """One key of an issuer. INVARIANT W1: it verifies only with the algorithms that are for its kind."""

    public_key: PublicKey
    algorithms: tuple[str, ...]


KeySet: TypeAlias = Mapping[str, VerificationKey]
"""By kid."""


class _Jwk(msgspec.Struct, frozen=True):
    kty: str
    kid: str | None = None
    use: str | None = None
    key_ops: list[str] | None = None
    alg: str | None = None
    n: str | None = None
    e: str | None = None
    crv: str | None = None
    x: str | None = None
    y: str | None = None
    d: str | None = None
    k: str | None = None


class _JwkSet(msgspec.Struct, frozen=True):
    keys: list[_Jwk]


_decode = msgspec.json.Decoder(_JwkSet).decode


def parse_key_set(data: bytes) -> KeySet:
    """The keys of a set that can verify a token's signature; others are passed over.

    Raises: ValueError, with a sentence for the operator.
    """
    try:
        found = _decode(data).keys
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        raise ValueError("is no JSON Web Key Set") from None
    if len(found) > KEYS_MAX:
        raise ValueError(f"has more than {KEYS_MAX} keys")
    keys: dict[str, VerificationKey] = {}
    for jwk in found:
        if jwk.d is not None or jwk.k is not None:
            raise ValueError("has a private or secret key in it")
        key = _parse_key(jwk)
        if key is None:
            continue
        if not jwk.kid or len(jwk.kid) > KID_CHARACTERS_MAX or jwk.kid in keys:
            raise ValueError("has keys without a kid of their own")
        keys[jwk.kid] = key
    if not keys:
        raise ValueError("has no key that can verify a signature")
    return keys


def _parse_key(jwk: _Jwk) -> VerificationKey | None:
    from jwt.algorithms import ECAlgorithm  # late: few servers have issuers, and it brings in a lot
    from jwt.exceptions import InvalidKeyError

    if jwk.use not in (None, "sig") or (jwk.key_ops is not None and "verify" not in jwk.key_ops):
        return None
    try:
        if jwk.kty == "RSA":
            return _with_algorithms(jwk, _parse_rsa_key(jwk), _RSA_ALGORITHMS)
        if jwk.kty == "EC" and jwk.crv in _CURVE_ALGORITHMS:
            public_key = ECAlgorithm.from_jwk({"kty": "EC", "crv": jwk.crv, "x": jwk.x, "y": jwk.y})
            return _with_algorithms(jwk, public_key, (_CURVE_ALGORITHMS[jwk.crv],))
    except (InvalidKeyError, ValueError, TypeError, AttributeError):
        raise ValueError("has a malformed key") from None
    return None


def _parse_rsa_key(jwk: _Jwk) -> PublicKey:
    from jwt.algorithms import RSAAlgorithm

    public_key = RSAAlgorithm.from_jwk({"kty": "RSA", "n": jwk.n, "e": jwk.e})
    numbers = public_key.public_numbers()  # type: ignore[union-attr]  # without d it is a public one
    exponent = numbers.e
    if not RSA_BITS_MIN <= numbers.n.bit_length() <= RSA_BITS_MAX or not 3 <= exponent <= RSA_EXPONENT_MAX:
        raise ValueError
    return public_key


def _with_algorithms(jwk: _Jwk, public_key: PublicKey, possible: tuple[str, ...]) -> VerificationKey | None:
    algorithms = tuple(name for name in possible if jwk.alg in (None, name))
    return VerificationKey(public_key, algorithms) if algorithms else None


async def _open_file(file: Path) -> int:
    return os.open(file, os.O_RDONLY | os.O_CLOEXEC)


_Identity: TypeAlias = tuple[int, int, int, int]
"""What tells one state of a file from another."""


class KeySets:
    """The key sets of all configured issuers, by the issuer's URL exactly as its tokens have it.

    A file is read again when it has changed. Concurrency: one event loop; reading a file blocks it, which is
    why files are small and local.
    """

    def __init__(
        self,
        files: Mapping[str, Path] | None = None,
        open_file: Callable[[Path], Awaitable[int]] | None = None,
    ) -> None:
        """`open_file` opens one of the files to be read; None: this process opens it. Raises OSError."""
        self._files = dict(files or {})
        self._open_file = open_file or _open_file
        self._known: dict[str, tuple[_Identity, KeySet]] = {}
        self._failing: set[str] = set()

    async def find(self, issuer: str) -> KeySet | None:
        """The issuer's keys as they are now; None of an issuer that is not configured.

        Raises: KeySetUnavailable.
        """
        file = self._files.get(issuer)
        if file is None:
            return None
        try:
            keys = await self._read(issuer, file)
        except (OSError, ValueError) as error:
            # INVARIANT W2: keys that can no longer be read are no longer believed.
            self._known.pop(issuer, None)
            reason = error.strerror if isinstance(error, OSError) else str(error)
            if issuer not in self._failing:
                self._failing.add(issuer)
                logger.error("the keys of the issuer %s cannot be used: %s: %s", issuer, file, reason)
            raise KeySetUnavailable(f"The key set {file} of the issuer {issuer}: {reason}.") from None
        self._failing.discard(issuer)
        return keys

    async def require_all(self) -> None:
        """Raises KeySetUnavailable unless every file can be used now."""
        for issuer in self._files:
            await self.find(issuer)

    async def _read(self, issuer: str, file: Path) -> KeySet:
        status = file.stat()
        identity = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
        known = self._known.get(issuer)
        if known is not None and known[0] == identity:
            return known[1]
        with open(await self._open_file(file), "rb") as stream:
            data = stream.read(FILE_BYTES_MAX + 1)
        if len(data) > FILE_BYTES_MAX:
            raise ValueError(f"is longer than {FILE_BYTES_MAX} bytes")
        keys = parse_key_set(data)
        self._known[issuer] = (identity, keys)
        return keys
