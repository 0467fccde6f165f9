"""The importer: a process of its own that makes key material of every kind and imports it.

    python -m tests.secrets.plant_material < job > planted

`job` is JSON: port, access_key_id, secret_access_key, region and `stores`, the members of custom key
stores by what a key in them is called. `planted` is JSON: `secrets`, hexadecimal by name, and `keys`, key
ids by what they are for. Nobody else ever has the material but who reads this: above all not the driver,
nor the server outside its boundary.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import boto3
from botocore.config import Config
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.secrets.unwrap_hierarchy import SM2_SCALAR
from tests.support.key_imports import wrap
from tests.support.sm2 import IS_OFFERED, openssl_key

EITHER_STEP = "RSAES_OAEP_SHA_256"
TWO_STEPS = "RSA_AES_KEY_WRAP_SHA_256"
NEVER = "KEY_MATERIAL_DOES_NOT_EXPIRE"
HMAC_BYTES = {"HMAC_224": 28, "HMAC_256": 32, "HMAC_384": 48, "HMAC_512": 64}
CURVES: dict[str, ec.EllipticCurve] = {
    "ECC_NIST_P256": ec.SECP256R1(),
    "ECC_NIST_P384": ec.SECP384R1(),
    "ECC_NIST_P521": ec.SECP521R1(),
    "ECC_SECG_P256K1": ec.SECP256K1(),
}
CONNECT_SECONDS_MAX = 20.0


class Importer:
    """Imports into keys that it makes, and keeps what was secret."""

    def __init__(self, kms: Any) -> None:
        self.kms = kms
        self.secrets: dict[str, bytes] = {}
        self.keys: dict[str, str] = {}

    def import_bytes(self, name: str, material: bytes, **key: Any) -> None:
        self.secrets[f"imported {name}"] = material
        self._import(name, material, EITHER_STEP, **key)

    def import_rsa(self, name: str, bits: int, usage: str) -> None:
        pair = rsa.generate_private_key(65537, bits)
        numbers = pair.private_numbers()
        for part in ("p", "q", "d", "dmp1", "dmq1", "iqmp"):
            self.secrets[f"imported {name}, {part}"] = _big_endian(getattr(numbers, part))
        self._import(name, _pkcs8(pair), TWO_STEPS, KeySpec=f"RSA_{bits}", KeyUsage=usage)

    def import_curve(self, name: str, spec: str, usage: str) -> None:
        pair = ec.generate_private_key(CURVES[spec])
        self.secrets[f"imported {name}"] = _big_endian(pair.private_numbers().private_value)
        self._import(name, _pkcs8(pair), TWO_STEPS, KeySpec=spec, KeyUsage=usage)

    def import_sm2(self) -> None:
        with TemporaryDirectory() as directory:
            material = openssl_key(Path(directory))
        self.secrets["imported SM2"] = material[SM2_SCALAR]
        self._import("SM2", material, EITHER_STEP, KeySpec="SM2", KeyUsage="SIGN_VERIFY")

    def _import(self, name: str, material: bytes, algorithm: str, **key: Any) -> None:
        """Well, and before that badly: with a token and with material that were damaged on the way."""
        key_id = self.kms.create_key(Origin="EXTERNAL", **key)["KeyMetadata"]["KeyId"]
        parameters = self.kms.get_parameters_for_import(
            KeyId=key_id, WrappingAlgorithm=algorithm, WrappingKeySpec="RSA_2048"
        )
        token, wrapped = parameters["ImportToken"], wrap(parameters["PublicKey"], algorithm, material)
        for bad_token, bad_material in (
            (token[:-1], wrapped),
            (token, wrapped[:-1] + bytes([wrapped[-1] ^ 1])),
        ):
            try:
                self.kms.import_key_material(
                    KeyId=key_id, ImportToken=bad_token, EncryptedKeyMaterial=bad_material,
                    ExpirationModel=NEVER,
                )  # fmt: skip
            except self.kms.exceptions.ClientError:
                continue
            raise AssertionError("a damaged import was accepted")
        self.kms.import_key_material(
            KeyId=key_id, ImportToken=token, EncryptedKeyMaterial=wrapped, ExpirationModel=NEVER
        )
        self.keys[name] = key_id


def _big_endian(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def _pkcs8(pair: Any) -> bytes:
    encoded: bytes = pair.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return encoded


def import_all(importer: Importer) -> None:
    """One of every kind that AWS KMS lets a caller import."""
    for number in range(4):
        importer.import_bytes(f"AES {number}", os.urandom(32))
    importer.import_bytes("AES of several Regions", os.urandom(32), MultiRegion=True)
    for spec, length in HMAC_BYTES.items():
        importer.import_bytes(spec, os.urandom(length), KeySpec=spec, KeyUsage="GENERATE_VERIFY_MAC")
    importer.import_rsa("RSA_2048", 2048, "SIGN_VERIFY")
    importer.import_rsa("RSA_2048 for encryption", 2048, "ENCRYPT_DECRYPT")
    importer.import_rsa("RSA_3072", 3072, "SIGN_VERIFY")
    importer.import_rsa("RSA_4096", 4096, "SIGN_VERIFY")
    for spec in CURVES:
        importer.import_curve(spec, spec, "SIGN_VERIFY")
    importer.import_curve("ECC_NIST_P384 for agreement", "ECC_NIST_P384", "KEY_AGREEMENT")
    if IS_OFFERED:
        importer.import_sm2()


def connect_store(importer: Importer, name: str, members: dict[str, Any]) -> None:
    """A custom key store, with the secret of its proxy or token, and a key in it."""
    kms = importer.kms
    store_id = kms.create_custom_key_store(**members)["CustomKeyStoreId"]
    kms.connect_custom_key_store(CustomKeyStoreId=store_id)
    deadline = time.monotonic() + CONNECT_SECONDS_MAX
    while (state := _connection_state(kms, store_id)) != "CONNECTED":
        assert time.monotonic() < deadline, state
        time.sleep(0.05)
    external = {"XksKeyId": "key-1"} if "XksProxyUriPath" in members else {}
    origin = "EXTERNAL_KEY_STORE" if external else "AWS_CLOUDHSM"
    made = kms.create_key(CustomKeyStoreId=store_id, Origin=origin, **external)
    importer.keys[name] = made["KeyMetadata"]["KeyId"]
    importer.keys[f"{name} store"] = store_id


def _connection_state(kms: Any, store_id: str) -> str:
    (store,) = kms.describe_custom_key_stores(CustomKeyStoreId=store_id)["CustomKeyStores"]
    return str(store["ConnectionState"])


def main() -> None:
    job = json.load(sys.stdin)
    kms = boto3.session.Session().client(
        "kms",
        endpoint_url=f"http://127.0.0.1:{job['port']}",
        region_name=job["region"],
        aws_access_key_id=job["access_key_id"],
        aws_secret_access_key=job["secret_access_key"],
        config=Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=60),
    )
    importer = Importer(kms)
    import_all(importer)
    for name, members in job["stores"].items():
        connect_store(importer, name, members)
    secrets = {name: secret.hex() for name, secret in importer.secrets.items()}
    json.dump({"secrets": secrets, "keys": importer.keys}, sys.stdout)


if __name__ == "__main__":
    main()
