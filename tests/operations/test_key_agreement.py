"""DeriveSharedSecret."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from Cryptodome.PublicKey import ECC
from tests.operations.road_requests import TEXT, decoded, denied, encoded, invalid, policy_for, refused
from tests.support.key_imports import external_key, import_material
from tests.support.road import Road

DERIVE = "DeriveSharedSecret"
NO_PEER = ("ValidationException", None)
DRY_RUN = ("DryRunOperationException", "The request would have succeeded, but the DryRun option is set.")
FIELD_BYTES = {"P256": 32, "P384": 48, "P521": 66}


def agreement_key(road: Road, curve: str = "P256", **members: Any) -> dict[str, Any]:
    return road.create_key(KeySpec=f"ECC_NIST_{curve}", KeyUsage="KEY_AGREEMENT", **members)


def spki(key: ECC.EccKey) -> str:
    """A public key as a request has it."""
    return encoded(key.public_key().export_key(format="DER"))


def peer_of(curve: str = "P256") -> ECC.EccKey:
    return ECC.generate(curve=f"{curve[0]}-{curve[1:]}")


@pytest.mark.parametrize("curve", sorted(FIELD_BYTES))
def test_derive_shared_secret_agrees_with_the_other_party(road: Road, curve: str) -> None:
    key, peer = agreement_key(road, curve), peer_of(curve)
    assert key["KeyAgreementAlgorithms"] == ["ECDH"]
    answer = road.call(DERIVE, KeyId=key["KeyId"], KeyAgreementAlgorithm="ECDH", PublicKey=spki(peer))
    assert answer == {
        "KeyId": key["Arn"],
        "SharedSecret": answer["SharedSecret"],
        "KeyAgreementAlgorithm": "ECDH",
        "KeyOrigin": "AWS_KMS",
    }
    public = road.call("GetPublicKey", KeyId=key["KeyId"])
    assert (public["KeyUsage"], public["KeyAgreementAlgorithms"]) == ("KEY_AGREEMENT", ["ECDH"])
    point = ECC.import_key(decoded(public["PublicKey"])).pointQ * peer.d
    assert decoded(answer["SharedSecret"]) == int(point.x).to_bytes(FIELD_BYTES[curve], "big")


@pytest.mark.parametrize("curve", sorted(FIELD_BYTES))
def test_derive_shared_secret_agrees_with_openssl(road: Road, curve: str, tmp_path: Path) -> None:
    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=tmp_path, capture_output=True, check=True)

    key = agreement_key(road, curve)
    name = f"ec_paramgen_curve:{curve[0]}-{curve[1:]}"
    openssl("genpkey", "-algorithm", "EC", "-pkeyopt", name, "-out", "peer.pem")
    openssl("pkey", "-in", "peer.pem", "-pubout", "-outform", "DER", "-out", "peer.der")
    (tmp_path / "kms.der").write_bytes(decoded(road.call("GetPublicKey", KeyId=key["KeyId"])["PublicKey"]))
    openssl(
        *("pkeyutl", "-derive", "-inkey", "peer.pem", "-peerkey", "kms.der", "-peerform", "DER"),
        *("-out", "secret"),
    )
    answer = road.call(
        DERIVE,
        KeyId=key["KeyId"],
        KeyAgreementAlgorithm="ECDH",
        PublicKey=encoded((tmp_path / "peer.der").read_bytes()),
    )
    assert decoded(answer["SharedSecret"]) == (tmp_path / "secret").read_bytes()


def test_two_kms_keys_agree_with_each_other(road: Road) -> None:
    one, two = agreement_key(road), agreement_key(road)
    secrets = [
        road.call(
            DERIVE,
            KeyId=mine["KeyId"],
            KeyAgreementAlgorithm="ECDH",
            PublicKey=road.call("GetPublicKey", KeyId=theirs["KeyId"])["PublicKey"],
        )["SharedSecret"]
        for mine, theirs in ((one, two), (two, one))
    ]
    assert secrets[0] == secrets[1]


def test_key_origin_of_imported_material_is_external(road: Road) -> None:
    key, own, peer = (
        external_key(road, KeySpec="ECC_NIST_P256", KeyUsage="KEY_AGREEMENT"),
        peer_of(),
        peer_of(),
    )
    material = own.export_key(format="DER", use_pkcs8=True)
    assert isinstance(material, bytes)
    import_material(road, key, material)
    answer = road.call(DERIVE, KeyId=key["KeyId"], KeyAgreementAlgorithm="ECDH", PublicKey=spki(peer))
    assert answer["KeyOrigin"] == "EXTERNAL"
    expected = int((own.pointQ * peer.d).x).to_bytes(32, "big")
    assert decoded(answer["SharedSecret"]) == expected


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize("curve", sorted(FIELD_BYTES))
def test_public_key_that_is_none_of_the_curve_is_refused_without_a_message(road: Road, curve: str) -> None:
    key = agreement_key(road, curve)
    good = decoded(spki(peer_of(curve)))
    others = [decoded(spki(peer_of(other))) for other in sorted(FIELD_BYTES) if other != curve]
    off_curve = good[:-1] + bytes([good[-1] ^ 1])
    ed25519 = ECC.generate(curve="Ed25519").public_key().export_key(format="DER")
    compressed = peer_of(curve).public_key().export_key(format="DER", compress=True)
    assert isinstance(ed25519, bytes)
    assert isinstance(compressed, bytes)
    wrong = [b"garbage", b"\x30\x80", good + b"\x00", good[:-1], off_curve, ed25519, compressed, *others]
    for tried in wrong:
        request = {"KeyId": key["KeyId"], "KeyAgreementAlgorithm": "ECDH", "PublicKey": encoded(tried)}
        assert refused(road, DERIVE, **request) == NO_PEER
        assert refused(road, DERIVE, **request, DryRun=True) == NO_PEER
    assert road.last_record["errorCode"] == "ValidationException"


def test_members_out_of_range_are_refused(road: Road) -> None:
    named = {"KeyId": agreement_key(road)["KeyId"]}
    assert refused(road, DERIVE, **named, KeyAgreementAlgorithm="ECDH", PublicKey="") == invalid(
        "publicKey", "Member must have length greater than or equal to 1"
    )
    assert refused(
        road, DERIVE, **named, KeyAgreementAlgorithm="ECDH", PublicKey=encoded(bytes(8193))
    ) == invalid("publicKey", "Member must have length less than or equal to 8192")
    assert refused(road, DERIVE, **named, KeyAgreementAlgorithm="DH", PublicKey=TEXT) == invalid(
        "keyAgreementAlgorithm", "Member must satisfy enum value set: [ECDH]", " 'DH'"
    )


@pytest.mark.parametrize("spec", ["SYMMETRIC_DEFAULT", "ECC_NIST_P256"])
def test_key_of_another_usage_is_refused(road: Road, spec: str) -> None:
    usage = "ENCRYPT_DECRYPT" if spec == "SYMMETRIC_DEFAULT" else "SIGN_VERIFY"
    key = road.create_key(KeySpec=spec, KeyUsage=usage)
    request = {"KeyId": key["KeyId"], "KeyAgreementAlgorithm": "ECDH", "PublicKey": spki(peer_of())}
    assert refused(road, DERIVE, **request) == (
        "InvalidKeyUsageException",
        f"{key['Arn']} key usage is {usage} which is not valid for DeriveSharedSecret.",
    )


def test_agreement_key_signs_nothing(road: Road) -> None:
    key = agreement_key(road)
    assert refused(road, "Sign", KeyId=key["KeyId"], Message=TEXT, SigningAlgorithm="ECDSA_SHA_256") == (
        "InvalidKeyUsageException",
        f"{key['Arn']} key usage is KEY_AGREEMENT which is not valid for Sign.",
    )


def test_states_and_policy_refuse_key_agreement(road: Road) -> None:
    key = agreement_key(road)
    request = {"KeyAgreementAlgorithm": "ECDH", "PublicKey": spki(peer_of())}
    road.call("DisableKey", KeyId=key["KeyId"])
    assert refused(road, DERIVE, KeyId=key["KeyId"], **request) == (
        "DisabledException",
        f"{key['Arn']} is disabled.",
    )
    road.call("ScheduleKeyDeletion", KeyId=key["KeyId"])
    assert refused(road, DERIVE, KeyId=key["KeyId"], **request) == (
        "KMSInvalidStateException",
        f"{key['Arn']} is pending deletion.",
    )
    closed = agreement_key(road, Policy=policy_for(["kms:GetPublicKey", "kms:PutKeyPolicy"]))
    assert refused(road, DERIVE, KeyId=closed["KeyId"], **request) == denied(f"kms:{DERIVE}", closed["Arn"])


def test_recipient_is_never_overlooked(road: Road) -> None:
    recipient = {"KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256", "AttestationDocument": TEXT}
    request = {"KeyId": agreement_key(road)["KeyId"], "KeyAgreementAlgorithm": "ECDH", "Recipient": recipient}
    code, _ = refused(road, DERIVE, **request, PublicKey=spki(peer_of()))
    assert code in ("UnsupportedOperationException", "ValidationException")


# ---------------------------------------------------------------- dry run, record


def test_dry_run_says_that_the_request_would_have_succeeded(road: Road) -> None:
    request = {"KeyId": agreement_key(road)["KeyId"], "KeyAgreementAlgorithm": "ECDH"}
    assert refused(road, DERIVE, **request, PublicKey=spki(peer_of()), DryRun=True) == DRY_RUN


def test_record_names_key_and_algorithm_but_not_the_secret(road: Road) -> None:
    key, peer = agreement_key(road), spki(peer_of())
    answer = road.call(DERIVE, KeyId=key["KeyId"], KeyAgreementAlgorithm="ECDH", PublicKey=peer)
    record = road.last_record
    assert record["requestParameters"] == {"keyId": key["KeyId"], "keyAgreementAlgorithm": "ECDH"}
    assert record["responseElements"] is None
    assert record["readOnly"] is True
    assert "additionalEventData" not in record
    assert answer["SharedSecret"] not in str(record)
