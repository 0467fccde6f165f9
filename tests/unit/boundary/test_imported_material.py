"""Import tokens and wrapped material in the software module: what opens, and that nothing else does."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from tests.support.import_tokens import (
    ENDS_AT,
    NOW,
    import_binding,
    key_binding,
    module_with_domain_keys,
    wrapped_for,
)
from tests.support.key_imports import ALGORITHMS, wrap
from tests.support.key_pairs import material as material_of
from tests.support.running_boundary import KEY_ID, OTHER_KEY_ID, REGION
from tests.support.sm2 import needs_sm2

from strongroom.boundary.dispatch import DomainKeyUnknown, NoActiveDomainKey
from strongroom.boundary.interface import (
    BoundaryError,
    BoundaryRefused,
    CiphertextRefused,
    ImportTokenExpired,
    MaterialRefused,
    TokenRefused,
)
from strongroom.boundary.key_hierarchy import TokenKind, parse_token
from strongroom.boundary.software.imported_material import (
    MATERIAL_BYTES_MAX,
    canonical_material,
)

K = KEY_ID.encode()
PKCS8 = (Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
TRADITIONAL = (Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())
CURVES: dict[str, ec.EllipticCurve] = {
    "ECC_NIST_P256": ec.SECP256R1(),
    "ECC_NIST_P384": ec.SECP384R1(),
    "ECC_NIST_P521": ec.SECP521R1(),
    "ECC_SECG_P256K1": ec.SECP256K1(),
}


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_imported_material_is_a_backing_key_like_any_other(algorithm: str) -> None:
    module = module_with_domain_keys()
    parameters, encrypted = wrapped_for(module, algorithm, os.urandom(32))
    keys = [
        module.import_key_material(parameters.import_token, NOW, encrypted, key_binding()) for _ in range(2)
    ]
    assert keys[0].material_id == keys[1].material_id  # the same again, under another IV
    assert keys[0].exported_token != keys[1].exported_token
    blob = module.encrypt(keys[0].exported_token, K, b"plaintext", b"")
    assert module.decrypt(keys[1].exported_token, K, blob, b"") == b"plaintext"
    header = parse_token(keys[0].exported_token).header
    assert (header.kind, header.key_spec) == (TokenKind.BACKING_KEY, "SYMMETRIC_DEFAULT")


@pytest.mark.parametrize("spec", ["RSA_2048", "RSA_3072", "RSA_4096"])
def test_import_token_fits_the_member_and_says_what_it_is_for(spec: str) -> None:
    module = module_with_domain_keys()
    binding = replace(import_binding("RSAES_OAEP_SHA_256"), wrapping_key_spec=spec)
    token = module.get_import_parameters(binding, ENDS_AT).import_token
    assert len(token) <= 6144
    header = parse_token(token).header
    assert header.kind is TokenKind.IMPORT_KEY
    assert (header.account_id, header.region, header.key_id) == (
        binding.account_id,
        binding.region,
        binding.key_id,
    )
    assert (header.key_spec, header.key_usage) == (spec, "RSAES_OAEP_SHA_256")


@pytest.mark.parametrize(
    "wrong",
    [
        replace(import_binding("RSAES_OAEP_SHA_256"), wrapping_key_spec="SM2"),
        replace(import_binding("RSAES_OAEP_SHA_256"), wrapping_key_spec="RSA_1024"),
        import_binding("RSAES_PKCS1_V1_5"),
        replace(import_binding("SM2PKE"), wrapping_key_spec="RSA_2048"),
        import_binding(""),
        import_binding("RSAES_OAEP_SHA_256", account="1"),
        import_binding("RSAES_OAEP_SHA_256", region="EU"),
    ],
)
def test_get_import_parameters_of_a_malformed_binding_is_refused(wrong: object) -> None:
    with pytest.raises(BoundaryRefused):
        module_with_domain_keys().get_import_parameters(wrong, ENDS_AT)  # type: ignore[arg-type]


def test_get_import_parameters_without_a_domain_key_asks_for_one_first() -> None:
    module = module_with_domain_keys()
    with pytest.raises(NoActiveDomainKey):
        module.get_import_parameters(import_binding("RSAES_OAEP_SHA_256", region="xx-1"), ENDS_AT)


def test_import_token_with_any_bit_changed_or_cut_off_is_refused() -> None:
    """INVARIANT B2: 0 accepted."""
    module = module_with_domain_keys()
    parameters, encrypted = wrapped_for(module, "RSAES_OAEP_SHA_256", os.urandom(32))
    token = parameters.import_token
    changed = [
        token[: bit // 8] + bytes([token[bit // 8] ^ 1 << bit % 8]) + token[bit // 8 + 1 :]
        for bit in range(len(token) * 8)
    ]
    changed += [token[:length] for length in range(len(token))] + [token + b"\0"]
    for wrong in changed:
        with pytest.raises((TokenRefused, DomainKeyUnknown)):
            module.import_key_material(wrong, NOW, encrypted, key_binding())


@pytest.mark.parametrize(("algorithm", "step"), [("RSAES_OAEP_SHA_256", 1), ("RSA_AES_KEY_WRAP_SHA_256", 7)])
def test_wrapped_material_with_any_bit_changed_is_refused_always_alike(algorithm: str, step: int) -> None:
    """0 accepted, and no cause can be told from another."""
    module = module_with_domain_keys()
    parameters, encrypted = wrapped_for(module, algorithm, os.urandom(32))
    rsa_bits = 2048
    bits = [*range(0, rsa_bits, step), *range(rsa_bits, len(encrypted) * 8)]
    for bit in bits:
        wrong = bytearray(encrypted)
        wrong[bit // 8] ^= 1 << bit % 8
        with pytest.raises(CiphertextRefused) as caught:
            module.import_key_material(parameters.import_token, NOW, bytes(wrong), key_binding())
        assert (caught.value.args, caught.value.__cause__) == ((), None)


@pytest.mark.parametrize("algorithm", ["RSAES_OAEP_SHA_1", "RSA_AES_KEY_WRAP_SHA_1"])
def test_wrapped_material_of_every_other_length_is_refused(algorithm: str) -> None:
    module = module_with_domain_keys()
    parameters, encrypted = wrapped_for(module, algorithm, os.urandom(32))
    wrong = [encrypted[:length] for length in range(len(encrypted))]
    wrong += [encrypted + bytes(more) for more in (1, 7, 8, 9, 256)] + [bytes(6144)]
    for cut in wrong:
        with pytest.raises(CiphertextRefused):
            module.import_key_material(parameters.import_token, NOW, cut, key_binding())


@pytest.mark.parametrize("made_for", ALGORITHMS)
def test_wrapped_material_of_another_algorithm_is_refused(made_for: str) -> None:
    module = module_with_domain_keys()
    parameters = module.get_import_parameters(import_binding(made_for), ENDS_AT)
    for algorithm in ALGORITHMS:
        encrypted = wrap(parameters.public_key, algorithm, os.urandom(32))
        if algorithm == made_for:
            module.import_key_material(parameters.import_token, NOW, encrypted, key_binding())
            continue
        with pytest.raises(CiphertextRefused):
            module.import_key_material(parameters.import_token, NOW, encrypted, key_binding())


def test_import_token_of_another_key_account_region_or_kind_is_refused() -> None:
    """INVARIANT B2."""
    module = module_with_domain_keys("us-west-2")
    parameters, encrypted = wrapped_for(module, "RSAES_OAEP_SHA_256", os.urandom(32))
    for wrong in (
        key_binding(key_id=OTHER_KEY_ID),
        key_binding(account="999999999999"),
        key_binding(region="us-west-2"),
    ):
        with pytest.raises(TokenRefused):
            module.import_key_material(parameters.import_token, NOW, encrypted, wrong)
    backing = module.generate_key(replace(key_binding(), origin="AWS_KMS")).exported_token
    domain = module.create_domain_key(REGION)[1]
    for token in (backing, domain):
        with pytest.raises(TokenRefused):
            module.import_key_material(token, NOW, encrypted, key_binding())


def test_import_token_opens_nothing_but_an_import() -> None:
    module = module_with_domain_keys()
    token = module.get_import_parameters(import_binding("RSAES_OAEP_SHA_256"), ENDS_AT).import_token
    with pytest.raises(TokenRefused):
        module.encrypt(token, K, b"x", b"")
    with pytest.raises(TokenRefused):
        module.load_domain_key(token, activate=True)
    with pytest.raises(TokenRefused):
        module.derive_signing_key(token, KEY_ID, b"20260101", b"r", b"kms")


def test_import_token_ends_at_its_instant_and_not_a_second_before() -> None:
    module = module_with_domain_keys()
    parameters, encrypted = wrapped_for(module, "RSAES_OAEP_SHA_256", os.urandom(32))
    for now in (0, ENDS_AT - 1_000_000, ENDS_AT - 1):
        module.import_key_material(parameters.import_token, now, encrypted, key_binding())
    for now in (ENDS_AT, ENDS_AT + 1_000_000, 2**64 - 1):
        with pytest.raises(ImportTokenExpired):
            module.import_key_material(parameters.import_token, now, encrypted, key_binding())
    # Another key's expired token is another key's token.
    with pytest.raises(TokenRefused):
        module.import_key_material(
            parameters.import_token, ENDS_AT, encrypted, key_binding(key_id=OTHER_KEY_ID)
        )


@pytest.mark.parametrize("length", [0, 1, 16, 24, 31, 33, 48, 190])
def test_material_of_another_length_is_refused(length: int) -> None:
    module = module_with_domain_keys()
    parameters, encrypted = wrapped_for(module, "RSAES_OAEP_SHA_256", os.urandom(length))
    with pytest.raises(MaterialRefused):
        module.import_key_material(parameters.import_token, NOW, encrypted, key_binding())


@pytest.mark.parametrize(
    "binding", [key_binding("SM4"), key_binding("", ""), key_binding(usage="SIGN_VERIFY")]
)
def test_material_for_no_family_is_refused(binding: object) -> None:
    module = module_with_domain_keys()
    parameters, encrypted = wrapped_for(module, "RSAES_OAEP_SHA_256", os.urandom(32))
    with pytest.raises(BoundaryRefused):
        module.import_key_material(parameters.import_token, NOW, encrypted, binding)  # type: ignore[arg-type]


@needs_sm2
def test_material_wrapped_by_sm2_with_any_bit_changed_or_cut_off_is_refused_always_alike() -> None:
    module = module_with_domain_keys()
    parameters, encrypted = wrapped_for(module, "SM2PKE", os.urandom(32))
    wrong = [encrypted[:length] for length in range(len(encrypted))] + [encrypted + b"\0", bytes(6144)]
    for bit in range(len(encrypted) * 8):
        changed = bytearray(encrypted)
        changed[bit // 8] ^= 1 << bit % 8
        wrong.append(bytes(changed))
    for tried in wrong:
        with pytest.raises(CiphertextRefused) as caught:
            module.import_key_material(parameters.import_token, NOW, tried, key_binding())
        assert (caught.value.args, caught.value.__cause__) == ((), None)
    header = parse_token(parameters.import_token).header
    assert (header.key_spec, header.key_usage) == ("SM2", "SM2PKE")


# ---------------------------------------------------------------- the form of private keys


@pytest.mark.parametrize("spec", CURVES)
def test_canonical_material_of_an_elliptic_curve_key_is_one_for_all_its_encodings(spec: str) -> None:
    key = ec.generate_private_key(CURVES[spec])
    der = key.private_bytes(*PKCS8)
    assert canonical_material(spec, der) == der
    without_point = der_without_public_key(key)
    assert without_point != der
    assert canonical_material(spec, without_point) == der


def der_without_public_key(key: ec.EllipticCurvePrivateKey) -> bytes:
    """PKCS #8 of RFC 5915 with neither parameters nor public key in the inner structure."""
    size = (key.curve.key_size + 7) // 8
    scalar = key.private_numbers().private_value.to_bytes(size, "big")
    inner = der(0x30, der(0x02, b"\x01") + der(0x04, scalar))
    whole = key.private_bytes(*PKCS8)
    start = 2 if whole[1] < 0x80 else 2 + (whole[1] & 0x7F)
    algorithm = whole[start + 3 : start + 5 + whole[start + 4]]
    return der(0x30, der(0x02, b"\x00") + algorithm + der(0x04, inner))


def der(tag: int, content: bytes) -> bytes:
    if len(content) < 0x80:
        return bytes([tag, len(content)]) + content
    length = len(content).to_bytes((len(content).bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content


def test_canonical_material_of_what_is_no_pkcs8_private_key_is_refused() -> None:
    curve_key = ec.generate_private_key(ec.SECP256R1())
    rsa_key = rsa.generate_private_key(65537, 2048)
    good = curve_key.private_bytes(*PKCS8)
    wrong = {
        "SEC 1": ("ECC_NIST_P256", curve_key.private_bytes(*TRADITIONAL)),
        "PKCS #1": ("RSA_2048", rsa_key.private_bytes(*TRADITIONAL)),
        "encrypted": (
            "ECC_NIST_P256",
            curve_key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")),
        ),
        "PEM": ("ECC_NIST_P256", curve_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())),
        "of another kind": ("RSA_2048", good),
        "of yet another": ("ECC_NIST_P256", rsa_key.private_bytes(*PKCS8)),
        "Edwards": ("ECC_NIST_P256", ed25519.Ed25519PrivateKey.generate().private_bytes(*PKCS8)),
        "for a spec that is not imported": ("ML_DSA_44", good),
        "with more behind it": ("ECC_NIST_P256", good + b"\0"),
        "empty": ("ECC_NIST_P256", b""),
        "longer than any": ("RSA_4096", rsa.generate_private_key(65537, 5120).private_bytes(*PKCS8)),
        "raw and longer than any": ("HMAC_512", bytes(MATERIAL_BYTES_MAX + 1)),
    }
    for name, (spec, material) in wrong.items():
        with pytest.raises(ValueError, match=r".") as caught:
            canonical_material(spec, material)
        assert not isinstance(caught.value, BoundaryError), name


def test_canonical_material_of_every_truncation_and_changed_bit_is_refused_or_the_same_key() -> None:
    der_bytes = ec.generate_private_key(ec.SECP256R1()).private_bytes(*PKCS8)
    for length in range(len(der_bytes)):
        with pytest.raises(ValueError):
            canonical_material("ECC_NIST_P256", der_bytes[:length])
    for bit in range(len(der_bytes) * 8):
        changed = bytearray(der_bytes)
        changed[bit // 8] ^= 1 << bit % 8
        try:
            canonical = canonical_material("ECC_NIST_P256", bytes(changed))
        except ValueError:
            continue
        assert canonical == der_bytes, bit  # the hybrid form of the point: the same key, written otherwise


# ---------------------------------------------------------------- every family

IMPORTS = [
    ("HMAC_224", "GENERATE_VERIFY_MAC", "RSAES_OAEP_SHA_256"),
    ("HMAC_256", "GENERATE_VERIFY_MAC", "RSAES_OAEP_SHA_1"),
    ("HMAC_384", "GENERATE_VERIFY_MAC", "RSAES_OAEP_SHA_256"),
    ("HMAC_512", "GENERATE_VERIFY_MAC", "RSAES_OAEP_SHA_1"),
    ("RSA_2048", "SIGN_VERIFY", "RSA_AES_KEY_WRAP_SHA_256"),
    ("RSA_3072", "ENCRYPT_DECRYPT", "RSA_AES_KEY_WRAP_SHA_1"),
    ("RSA_4096", "SIGN_VERIFY", "RSA_AES_KEY_WRAP_SHA_256"),
    ("ECC_NIST_P256", "SIGN_VERIFY", "RSAES_OAEP_SHA_256"),
    ("ECC_NIST_P384", "KEY_AGREEMENT", "RSAES_OAEP_SHA_1"),
    ("ECC_NIST_P521", "SIGN_VERIFY", "RSA_AES_KEY_WRAP_SHA_256"),
    ("ECC_SECG_P256K1", "SIGN_VERIFY", "RSAES_OAEP_SHA_256"),
    *(
        pytest.param(*case, marks=needs_sm2)
        for case in (
            ("SM2", "SIGN_VERIFY", "RSAES_OAEP_SHA_256"),
            ("SM2", "KEY_AGREEMENT", "SM2PKE"),
            ("RSA_4096", "SIGN_VERIFY", "SM2PKE"),
            ("ECC_NIST_P384", "SIGN_VERIFY", "SM2PKE"),
        )
    ),
]
HMAC_BYTES = {"HMAC_224": 28, "HMAC_256": 32, "HMAC_384": 48, "HMAC_512": 64}
HMAC_BYTES_MAX = 128


def good_materials(spec: str) -> list[bytes]:
    if spec.startswith("HMAC"):
        return [os.urandom(HMAC_BYTES[spec]), os.urandom(HMAC_BYTES_MAX)]
    if spec.startswith("RSA"):
        return [rsa.generate_private_key(65537, int(spec[4:])).private_bytes(*PKCS8)]
    if spec == "SM2":
        return [material_of("SM2")]
    return [ec.generate_private_key(CURVES[spec]).private_bytes(*PKCS8)]


def bad_materials(spec: str) -> list[bytes]:
    if spec.startswith("HMAC"):
        return [os.urandom(HMAC_BYTES[spec] - 1), os.urandom(HMAC_BYTES_MAX + 1), b""]
    if spec.startswith("RSA"):
        another = 3072 if spec == "RSA_2048" else 2048
        return [os.urandom(32), rsa.generate_private_key(65537, another).private_bytes(*PKCS8)]
    another_curve = ec.SECP384R1() if spec != "ECC_NIST_P384" else ec.SECP256R1()
    return [os.urandom(32), ec.generate_private_key(another_curve).private_bytes(*PKCS8)]


@pytest.mark.parametrize(("spec", "usage", "algorithm"), IMPORTS)
def test_material_of_every_importable_spec_is_taken_and_no_other(
    spec: str, usage: str, algorithm: str
) -> None:
    """Source: KMS Developer Guide, "Requirements for imported key material"."""
    module = module_with_domain_keys()
    binding = import_binding(algorithm)
    if algorithm != "SM2PKE":
        binding = replace(binding, wrapping_key_spec="RSA_3072")
    parameters = module.get_import_parameters(binding, ENDS_AT)
    token = parameters.import_token
    for material in good_materials(spec):
        encrypted = wrap(parameters.public_key, algorithm, material)
        first = module.import_key_material(token, NOW, encrypted, key_binding(spec, usage))
        again = module.import_key_material(token, NOW, encrypted, key_binding(spec, usage))
        assert first.material_id == again.material_id
    for material in bad_materials(spec):
        encrypted = wrap(parameters.public_key, algorithm, material)
        with pytest.raises(MaterialRefused):
            module.import_key_material(token, NOW, encrypted, key_binding(spec, usage))
