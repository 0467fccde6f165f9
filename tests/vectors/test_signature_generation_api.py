"""Signatures that are the same each time are compared; others are made by NIST and verified by Verify."""

from __future__ import annotations

import base64
from collections import Counter

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.support.road import Refusal, Road
from tests.vectors.importing import encoded, imported_key, outcome
from tests.vectors.wycheproof import WYCHEPROOF, groups, read_cavp

HASHES = {"SHA-256": "SHA_256", "SHA-384": "SHA_384", "SHA-512": "SHA_512"}
CURVES = {
    "P-256,SHA-256": ("ECC_NIST_P256", ec.SECP256R1(), "ECDSA_SHA_256"),
    "P-384,SHA-384": ("ECC_NIST_P384", ec.SECP384R1(), "ECDSA_SHA_384"),
    "P-521,SHA-512": ("ECC_NIST_P521", ec.SECP521R1(), "ECDSA_SHA_512"),
}


@pytest.mark.parametrize("bits", [2048, 3072, 4096])
def test_sign_with_pkcs1_gives_wycheproofs_signatures(road: Road, bits: int) -> None:
    seen: Counter[str] = Counter()
    for group in groups("Signature", f"rsa_pkcs1_{bits}_sig_gen_test"):
        if group["sha"] not in HASHES:
            continue
        material = bytes.fromhex(group["privateKeyPkcs8"])
        if int(group["privateKey"]["publicExponent"], 16) != 65537:
            with pytest.raises(Refusal) as caught:
                imported_key(road, f"RSA_{bits}", "SIGN_VERIFY", material)
            assert caught.value.code == "IncorrectKeyMaterialException"
            continue
        key_id = imported_key(road, f"RSA_{bits}", "SIGN_VERIFY", material)
        algorithm = f"RSASSA_PKCS1_V1_5_{HASHES[group['sha']]}"
        for test in group["tests"]:
            message = bytes.fromhex(test["msg"])
            if not message:  # the service model asks for one byte
                continue
            members = {"KeyId": key_id, "Message": encoded(message), "SigningAlgorithm": algorithm}
            answer = road.call("Sign", **members)
            assert base64.b64decode(answer["Signature"]).hex() == test["sig"], test
            assert road.call("Verify", **members, Signature=answer["Signature"])["SignatureValid"] is True
            seen[group["sha"]] += 1
    assert seen.keys() == HASHES.keys()


def test_verify_of_nists_ecdsa_signatures_agrees_and_of_changed_ones_does_not(road: Road) -> None:
    seen: Counter[str] = Counter()
    for section, test in read_cavp(WYCHEPROOF / "Signature" / "ECDSA" / "SigGen.txt"):
        if section not in CURVES:
            continue
        spec, curve, algorithm = CURVES[section]
        key = ec.derive_private_key(int(test["d"], 16), curve)
        material = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        members = {
            "KeyId": imported_key(road, spec, "SIGN_VERIFY", material),
            "Message": encoded(bytes.fromhex(test["Msg"])),
            "SigningAlgorithm": algorithm,
        }
        r, s = int(test["R"], 16), int(test["S"], 16)
        good = outcome(road, "Verify", **members, Signature=encoded(encode_dss_signature(r, s)))
        assert isinstance(good, dict), test
        for wrong in (encode_dss_signature(r + 1, s), encode_dss_signature(r, s + 1)):
            assert (
                outcome(road, "Verify", **members, Signature=encoded(wrong)) == "KMSInvalidSignatureException"
            )
        seen[section] += 1
    assert seen == dict.fromkeys(CURVES, 15)
