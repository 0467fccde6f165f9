"""Planting key material as a caller can: by importing it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.support.key_imports import wrap


def import_again(call: Callable[..., Any], material: bytes) -> bytes:
    """A key with this material, used, deleted and imported again; the last import token.

    `call(operation, **members)` answers None for a refusal.
    """
    key_id = call("CreateKey", Origin="EXTERNAL")["KeyMetadata"]["KeyId"]
    token = b""
    for algorithm in ("RSAES_OAEP_SHA_256", "RSAES_OAEP_SHA_1"):
        named = {"KeyId": key_id, "WrappingAlgorithm": algorithm, "WrappingKeySpec": "RSA_2048"}
        parameters = call("GetParametersForImport", **named)
        token = parameters["ImportToken"]
        wrapped = {
            "KeyId": key_id,
            "ImportToken": token,
            "EncryptedKeyMaterial": wrap(parameters["PublicKey"], algorithm, material),
            "ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE",
        }
        call("DeleteImportedKeyMaterial", KeyId=key_id)
        assert call("ImportKeyMaterial", **{**wrapped, "ImportToken": token[:-1]}) is None
        assert call("ImportKeyMaterial", **wrapped) is not None
        assert call("Encrypt", KeyId=key_id, Plaintext=b"x") is not None
    return token
