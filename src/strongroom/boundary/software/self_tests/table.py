"""Every algorithm and usage that the boundary offers, each with a published example.

`strongroom.boundary.process` asks all of them before it serves. tests/unit/boundary/test_self_tests.py holds
that none is missing. SM2's are asked when the system's library is looked for (sm2_self_test.py): one that
answers otherwise is as none. What has no published example is rehearsed (rehearsal.py).
"""

from __future__ import annotations

from functools import partial
from typing import Final

from cryptography.hazmat.primitives import keywrap
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, AESSIV
from cryptography.hazmat.primitives.hashes import SHA256, Hash

from strongroom.boundary.backing_keys import SigningKey
from strongroom.boundary.software import imported_material, ml_kem
from strongroom.boundary.software.edwards_curve import sign_ph
from strongroom.boundary.software.families import ENCRYPT_DECRYPT, SIGN_VERIFY
from strongroom.boundary.software.key_derivation import material_id_of
from strongroom.boundary.software.private_keys import render_private_key
from strongroom.boundary.software.secret_access_keys import derive_signing_key
from strongroom.boundary.software.self_tests import curve_examples as curves
from strongroom.boundary.software.self_tests import lattice_examples as lattices
from strongroom.boundary.software.self_tests import rsa_examples as rsa
from strongroom.boundary.software.self_tests.askers import (
    agrees,
    decapsulates,
    decrypts,
    makes_macs,
    published_header,
    published_key,
    rsa_material,
    signs,
)
from strongroom.boundary.software.self_tests.known_answer import KnownAnswer
from strongroom.boundary.software.signature_verification import verify_signature
from strongroom.boundary.software.symmetric import SymmetricBackingKey

_ZEROS: Final = bytes(20)
"""The message of Wycheproof's second example in each group."""
_KEY_ID: Final = "1234abcd-12ab-34cd-56ef-1234567890ab"
_HELLO: Final = b"Hello world"
_hex = bytes.fromhex


def _seed_of(key_spec: str) -> bytes:
    seed = lattices.ML_KEM_768_SEED if key_spec == "ML_KEM_768" else lattices.ML_KEM_1024_SEED
    return render_private_key(ml_kem.PRIVATE_KEYS[key_spec].from_seed_bytes(seed))


def _ed25519(seed: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(_hex(seed))


def _public_key_digest(key_spec: str, material: bytes, bytes_of_key: int) -> bytes:
    digest = Hash(SHA256())
    digest.update(published_key(SigningKey, key_spec, SIGN_VERIFY, material).public_key()[-bytes_of_key:])
    return digest.finalize()


_BLOB_MATERIAL: Final = bytes(range(32))
_BLOB: Final = _hex(
    "535201001234abcd12ab34cd56ef1234567890ab9f4f0db73053de2ee59567fed4fbcee1424603c5e01b470c333633f6c237cd72"
    "a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babb19c54a1835a70d941352c471b5cb992713a4799866021d64"
    "e96f71"
)
_BLOB_CONTEXT: Final = _hex("82a7507572706f7365a474657374a3617070a762696c6c696e67")


def _blob_key() -> SymmetricBackingKey:
    header = published_header(
        "SYMMETRIC_DEFAULT", ENCRYPT_DECRYPT, material_id_of(_BLOB_MATERIAL, _KEY_ID), _KEY_ID
    )
    return SymmetricBackingKey(header, _BLOB_MATERIAL)


def _accept_blob(blob: bytes) -> None:
    if _blob_key().decrypt(blob, _BLOB_CONTEXT) != b"a plaintext":
        raise ValueError("another plaintext")


_GCM_KEY: Final = _hex("5853c020946b35f2c58ec427152b840420c40029636adcbb027471378cfdde0f")
_GCM_IV: Final = _hex("eec313dd07cc1b3e6b068a47")
_GCM_PLAINTEXT: Final = _hex("ce7458e56aef9061cb0c42ec2315565e6168f5a6249ffd31610b6d17ab64935e")
_GCM_DATA: Final = _hex("1389b522c24a774181700553f0246bbabdd38d6f")


def _accept_gcm(sealed: bytes) -> None:
    if AESGCM(_GCM_KEY).decrypt(_GCM_IV, sealed, _GCM_DATA) != _GCM_PLAINTEXT:
        raise ValueError("another plaintext")


def _encrypt_cbc() -> bytes:
    encryptor = Cipher(
        algorithms.AES256(_hex("6ed76d2d97c69fd1339589523931f2a6cff554b15f738f21ec72dd97a7330907")),
        modes.CBC(_hex("851e8764776e6796aab722dbb644ace8")),
    ).encryptor()
    return encryptor.update(_hex("6282b8c05c5c1530b97d4816ca434762")) + encryptor.finalize()


_SIV_KEY: Final = _hex(
    "c25cafc6018b98dfbb79a40ec89c575a4f88c4116489bba27707479800c0130235334a45dbe8d8dae3da8dcb45bbe5dc"
    "e031b0f68ded544fda7eca30d6749442"
)
_SIV_DATA: Final = _hex("deeb0ccf3aef47a296ed1ca8f4ae5907")
_SIV_PLAINTEXT: Final = _hex("beec61030fa3d670337196beade6aeaa")


def _accept_siv(sealed: bytes) -> None:
    if AESSIV(_SIV_KEY).decrypt(sealed, [_SIV_DATA]) != _SIV_PLAINTEXT:
        raise ValueError("another plaintext")


_KWP_KEY: Final = _hex("09ab4286a845c18bb481da91c39a58fd52ed78d54973fc41f25163a0c33f4727")
_KWP_WRAPPED: Final = _hex("0a180a84b01fc1e44b9f9301cc89af95de758219015abc86c3e48e764e7379246ae7209aaa4f889d")


def _imports(algorithm: str, source: str, factors: bytes, ciphertext: bytes) -> KnownAnswer:
    return KnownAnswer(
        f"{algorithm} (import)",
        f"Wycheproof {source}",
        _ZEROS,
        compute=lambda: imported_material.unwrap_material(rsa_material(factors), algorithm, ciphertext),
    )


_WRAPPED_KEYS: Final = (
    KnownAnswer(
        "SYMMETRIC_DEFAULT",
        "docs/formats/ciphertext.md",
        _BLOB,
        compute=lambda: _blob_key().encrypt(b"a plaintext", _BLOB_CONTEXT, _BLOB[52:80]),
        accept=_accept_blob,
        covers=("SYMMETRIC_DEFAULT", ENCRYPT_DECRYPT),
    ),
    KnownAnswer(
        "AES-256-GCM",
        "gcmEncryptExtIV256.rsp",
        _hex(
            "eadc3b8766a77ded1a58cb727eca2a9790496c298654cda78febf0da16b6903b"
            "3d49a5b32fde7eafcce90079217ffb57"
        ),
        compute=lambda: AESGCM(_GCM_KEY).encrypt(_GCM_IV, _GCM_PLAINTEXT, _GCM_DATA),
        accept=_accept_gcm,
    ),
    KnownAnswer(
        "AES-256-CBC", "CBCMMT256.rsp", _hex("6acc04142e100a65f51b97adf5172c41"), compute=_encrypt_cbc
    ),
    KnownAnswer(
        "AES-SIV",
        "Wycheproof aes_siv_cmac, 302",
        _hex("5865208eab9163db85cab9f96d846234a2626aae22f5c17c9aad4b501f4416e4"),
        compute=lambda: AESSIV(_SIV_KEY).encrypt(_SIV_PLAINTEXT, [_SIV_DATA]),
        accept=_accept_siv,
    ),
    KnownAnswer(
        "AES key wrap with padding",
        "KWP_AD_256.txt",
        _hex("4c1b6accb492c88b10a56a56eb9b6d6ed9797056a559fe3f0c7c0429a200af"),
        compute=lambda: keywrap.aes_key_unwrap_with_padding(_KWP_KEY, _KWP_WRAPPED),
    ),
    KnownAnswer(
        "X25519",
        "RFC 7748, 5.2",
        _hex("c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552"),
        compute=lambda: X25519PrivateKey.from_private_bytes(
            _hex("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4")
        ).exchange(
            X25519PublicKey.from_public_bytes(
                _hex("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c")
            )
        ),
    ),
    KnownAnswer(
        "AWS4-HMAC-SHA256",
        "AWS Signature Version 4, \"Derive a signing key\"",
        _hex("c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9"),
        compute=lambda: derive_signing_key(
            b"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", b"20150830", b"us-east-1", b"iam"
        ),
    ),
)  # fmt: skip

_MACS: Final = (
    makes_macs("HMAC_224", "896fb1128abbdf196832107cd49df33f47b4b1169912ba4f53684b22"),
    makes_macs("HMAC_256", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
    makes_macs(
        "HMAC_384",
        "afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59cfaea9ea9076ede7f4af152e8b2fa9cb6",
    ),
    makes_macs(
        "HMAC_512",
        "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cde"
        "daa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854",
    ),
)


def _rsa_signs(key_spec: str, algorithm: str, source: str, factors: bytes, answer: bytes) -> KnownAnswer:
    return signs(
        key_spec,
        algorithm,
        f"Wycheproof {source}",
        partial(rsa_material, factors),
        _ZEROS,
        answer,
        is_deterministic="PKCS1" in algorithm,
    )


def _rsa_decrypts(
    key_spec: str, algorithm: str, source: str, factors: bytes, ciphertext: bytes
) -> KnownAnswer:
    material = partial(rsa_material, factors)
    return decrypts(key_spec, algorithm, f"Wycheproof {source}", material, ciphertext, _ZEROS)


_RSA: Final = (
    *(
        _rsa_signs(f"RSA_{bits}", f"RSASSA_{scheme}", source, factors, answer)
        for bits, scheme, source, factors, answer in (
            (
                2048,
                "PKCS1_V1_5_SHA_256",
                "rsa_pkcs1_2048_sig_gen, 82",
                rsa.RSA_2048_A,
                rsa.PKCS1_SHA_256_2048,
            ),
            (
                2048,
                "PKCS1_V1_5_SHA_384",
                "rsa_pkcs1_2048_sig_gen, 90",
                rsa.RSA_2048_C,
                rsa.PKCS1_SHA_384_2048,
            ),
            (
                2048,
                "PKCS1_V1_5_SHA_512",
                "rsa_pkcs1_2048_sig_gen, 98",
                rsa.RSA_2048_D,
                rsa.PKCS1_SHA_512_2048,
            ),
            (3072, "PKCS1_V1_5_SHA_256", "rsa_pkcs1_3072_sig_gen, 106", rsa.RSA_3072, rsa.PKCS1_SHA_256_3072),
            (4096, "PKCS1_V1_5_SHA_256", "rsa_pkcs1_4096_sig_gen, 130", rsa.RSA_4096, rsa.PKCS1_SHA_256_4096),
            (2048, "PSS_SHA_256", "rsa_pss_2048_sha256_mgf1_32, 2", rsa.RSA_2048_A, rsa.PSS_SHA_256_2048),
            (2048, "PSS_SHA_384", "rsa_pss_2048_sha384_mgf1_48, 2", rsa.RSA_2048_C, rsa.PSS_SHA_384_2048),
        )
    ),
    KnownAnswer(
        "RSASSA_PSS_SHA_512",
        "Wycheproof rsa_pss_4096_sha512_mgf1_64, 2",
        rsa.PSS_SHA_512_4096,
        accept=lambda signature: verify_signature(
            "RSA_4096", rsa.PSS_SHA_512_PUBLIC_KEY, _ZEROS, "RAW", "RSASSA_PSS_SHA_512", signature
        ),
    ),
    *(
        _rsa_decrypts(f"RSA_{bits}", f"RSAES_OAEP_{hash_name}", source, factors, ciphertext)
        for bits, hash_name, source, factors, ciphertext in (
            (2048, "SHA_1", "rsa_oaep_2048_sha1_mgf1sha1, 2", rsa.RSA_2048_B, rsa.OAEP_SHA_1_2048),
            (2048, "SHA_256", "rsa_oaep_2048_sha256_mgf1sha256, 2", rsa.RSA_2048_A, rsa.OAEP_SHA_256_2048),
            (3072, "SHA_256", "rsa_oaep_3072_sha256_mgf1sha256, 2", rsa.RSA_3072, rsa.OAEP_SHA_256_3072),
            (4096, "SHA_256", "rsa_oaep_4096_sha256_mgf1sha256, 2", rsa.RSA_4096, rsa.OAEP_SHA_256_4096),
        )
    ),
    _imports("RSAES_OAEP_SHA_1", "rsa_oaep_2048_sha1_mgf1sha1, 2", rsa.RSA_2048_B, rsa.OAEP_SHA_1_2048),
    _imports(
        "RSAES_OAEP_SHA_256", "rsa_oaep_2048_sha256_mgf1sha256, 2", rsa.RSA_2048_A, rsa.OAEP_SHA_256_2048
    ),
)

_CURVES: Final = (
    signs(
        "ECC_NIST_P256", "ECDSA_SHA_256", "RFC 6979, A.2.5",
        lambda: curves.P256_KEY, b"sample", curves.P256_SIGNATURE,
    ),
    signs(
        "ECC_NIST_P384", "ECDSA_SHA_384", "RFC 6979, A.2.6",
        lambda: curves.P384_KEY, b"sample", curves.P384_SIGNATURE,
    ),
    signs(
        "ECC_NIST_P521", "ECDSA_SHA_512", "RFC 6979, A.2.7",
        lambda: curves.P521_KEY, b"sample", curves.P521_SIGNATURE,
    ),
    signs(
        "ECC_SECG_P256K1", "ECDSA_SHA_256", "SECP256K1/SigGen.txt",
        lambda: curves.K256_KEY, curves.K256_MESSAGE, curves.K256_SIGNATURE,
    ),
    signs(
        "ECC_NIST_EDWARDS25519", "ED25519_SHA_512", "RFC 8032, 7.1, test 2",
        lambda: render_private_key(
            _ed25519("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
        ),
        b"\x72",
        _hex(
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
            "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
        ),
        is_deterministic=True,
    ),
    KnownAnswer(
        "ED25519_PH_SHA_512",
        "RFC 8032, 7.3",
        _hex(
            "98a70222f0b8121aa9d30f813d683f809e462b469c7ff87639499bb94e6dae41"
            "31f85042463c2a355a2003d062adf5aaa10b8c61e636062aaad11c2a26083406"
        ),
        compute=lambda: sign_ph(
            _ed25519("833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42"), b"abc"
        ),
    ),
    agrees(
        "ECC_NIST_P256", "Wycheproof ecdh_secp256r1, 1",
        curves.P256_AGREEMENT_KEY, curves.P256_PEER, curves.P256_SHARED_SECRET,
    ),
    agrees(
        "ECC_NIST_P384", "Wycheproof ecdh_secp384r1, 1",
        curves.P384_AGREEMENT_KEY, curves.P384_PEER, curves.P384_SHARED_SECRET,
    ),
    agrees(
        "ECC_NIST_P521", "Wycheproof ecdh_secp521r1, 1",
        curves.P521_AGREEMENT_KEY, curves.P521_PEER, curves.P521_SHARED_SECRET,
    ),
)  # fmt: skip


def _ml_dsa(level: str, key: bytes, digest: bytes, signature: bytes, mu: bytes) -> tuple[KnownAnswer, ...]:
    key_spec, source = f"ML_DSA_{level}", f"Wycheproof mldsa_{level}_sign_seed, 1"
    public_key_bytes = {"44": 1312, "65": 1952, "87": 2592}[level]
    arguments = (key_spec, "ML_DSA_SHAKE_256", source, lambda: key)
    return (
        KnownAnswer(
            key_spec, source, digest, compute=lambda: _public_key_digest(key_spec, key, public_key_bytes)
        ),
        signs(*arguments, _HELLO, signature),
        signs(*arguments, mu, signature, message_type="EXTERNAL_MU"),
    )


_LATTICES: Final = (
    *_ml_dsa(
        "44", lattices.ML_DSA_44_KEY, lattices.ML_DSA_44_PUBLIC_KEY_SHA_256,
        lattices.ML_DSA_44_SIGNATURE, lattices.ML_DSA_44_MU,
    ),
    *_ml_dsa(
        "65", lattices.ML_DSA_65_KEY, lattices.ML_DSA_65_PUBLIC_KEY_SHA_256,
        lattices.ML_DSA_65_SIGNATURE, lattices.ML_DSA_65_MU,
    ),
    *_ml_dsa(
        "87", lattices.ML_DSA_87_KEY, lattices.ML_DSA_87_PUBLIC_KEY_SHA_256,
        lattices.ML_DSA_87_SIGNATURE, lattices.ML_DSA_87_MU,
    ),
    decapsulates(
        "ML_KEM_512", lambda: ml_kem.render_expanded(lattices.ML_KEM_512_EXPANDED),
        lattices.ML_KEM_512_CIPHERTEXT, lattices.ML_KEM_512_SHARED_SECRET,
    ),
    decapsulates(
        "ML_KEM_768", partial(_seed_of, "ML_KEM_768"),
        lattices.ML_KEM_768_CIPHERTEXT, lattices.ML_KEM_768_SHARED_SECRET,
    ),
    decapsulates(
        "ML_KEM_1024", partial(_seed_of, "ML_KEM_1024"),
        lattices.ML_KEM_1024_CIPHERTEXT, lattices.ML_KEM_1024_SHARED_SECRET,
    ),
)  # fmt: skip


KNOWN_ANSWERS: Final = (*_WRAPPED_KEYS, *_MACS, *_RSA, *_CURVES, *_LATTICES)
"""All of them."""
