"""Whether the two halves of a key pair belong together: asked of every key pair that is made or imported.

Sources: FIPS 140-3 Implementation Guidance, 10.3.A ("pair-wise consistency test"); SP 800-56A rev. 3,
5.6.2.1.4; SP 800-56B rev. 2, 6.4.1.1; FIPS 203, 7.1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.constant_time import bytes_eq

from strongroom.boundary.backing_keys import (
    AgreementKey,
    AsymmetricEncryptionKey,
    AsymmetricKey,
    BackingKey,
    EncapsulationKey,
    SigningKey,
)
from strongroom.boundary.interface import BoundaryError
from strongroom.boundary.software.private_keys import parse_public_key, render_public_key
from strongroom.boundary.soundness import SelfTestFailed

SIGNING_ALGORITHMS: Final[Mapping[str, str]] = {
    "RSA_2048": "RSASSA_PKCS1_V1_5_SHA_256",
    "RSA_3072": "RSASSA_PKCS1_V1_5_SHA_256",
    "RSA_4096": "RSASSA_PKCS1_V1_5_SHA_256",
    "ECC_NIST_P256": "ECDSA_SHA_256",
    "ECC_NIST_P384": "ECDSA_SHA_384",
    "ECC_NIST_P521": "ECDSA_SHA_512",
    "ECC_SECG_P256K1": "ECDSA_SHA_256",
    "ECC_NIST_EDWARDS25519": "ED25519_SHA_512",
    "ML_DSA_44": "ML_DSA_SHAKE_256",
    "ML_DSA_65": "ML_DSA_SHAKE_256",
    "ML_DSA_87": "ML_DSA_SHAKE_256",
    "SM2": "SM2DSA",
}
"""By key spec: what a new key pair signs and verifies with."""
_MESSAGE: Final = b"pair-wise consistency test"


class Inconsistent(Exception):
    """The halves do not belong together, or the cryptography is broken. It says nothing of the key."""


def require_consistent(key_spec: str, key: BackingKey) -> None:
    """Use one half, then the other. Raises Inconsistent. Keys that are no pairs pass."""
    if not isinstance(key, AsymmetricKey):
        return
    try:
        _use_both_halves(key_spec, key)
    except BoundaryError:
        raise Inconsistent from None


def failed(what: str) -> SelfTestFailed:
    """The error for a new pair whose halves do not belong together: it ends the process."""
    return SelfTestFailed(
        f"A new {what} key pair failed its pair-wise consistency test: it was thrown away, and the process"
        " stops. If this happens again, the machine or a library is broken."
    )


def _use_both_halves(key_spec: str, key: AsymmetricKey) -> None:
    if isinstance(key, SigningKey):
        algorithm = SIGNING_ALGORITHMS[key_spec]
        key.verify(_MESSAGE, "RAW", algorithm, key.sign(_MESSAGE, "RAW", algorithm))
    elif isinstance(key, AsymmetricEncryptionKey):
        algorithm = "SM2PKE" if key_spec == "SM2" else "RSAES_OAEP_SHA_256"
        ciphertext = key.encrypt_asymmetric(_MESSAGE, algorithm)
        if ciphertext == _MESSAGE or key.decrypt_asymmetric(ciphertext, algorithm) != _MESSAGE:
            raise Inconsistent
    elif isinstance(key, EncapsulationKey):
        shared_secret, ciphertext = key.encapsulate()
        if not bytes_eq(key.decapsulate(ciphertext), shared_secret):
            raise Inconsistent
    elif isinstance(key, AgreementKey):
        _agree_both_ways(key)
    else:
        raise Inconsistent


def _agree_both_ways(key: AgreementKey) -> None:
    """With the other half of its own: what one side derives under the public key, the other must derive."""
    public_key = key.public_key()
    own = key.derive_shared_secret(public_key)
    if not any(own):
        raise Inconsistent
    try:
        ours = parse_public_key(ec.EllipticCurvePublicKey, public_key)
    except ValueError:  # SM2: its public half was computed from the private one when it was loaded
        return
    other = ec.generate_private_key(ours.curve)
    theirs = key.derive_shared_secret(render_public_key(other.public_key()))
    if not bytes_eq(theirs, other.exchange(ec.ECDH(), ours)):
        raise Inconsistent
