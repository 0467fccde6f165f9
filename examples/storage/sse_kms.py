"""Encryption at rest as S3's SSE-KMS does it: each object under a data key of a KMS key.

Without a bucket key every PUT and every GET is one call of KMS. With it, KMS gives one key for the bucket,
under the bucket's ARN as encryption context, and the keys of objects are derived from it here: one call for
many objects. A bucket key is kept for five minutes and for one caller, so whoever may not use the KMS key
never profits from somebody who may.
"""

from __future__ import annotations

import base64
import contextvars
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import boto3
from callers import Caller
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

BUCKET_KEY_SECONDS = 300
BUCKET_KEY_USES = 1000
BUCKET_KEYS_MAX = 1000

_acting_for: contextvars.ContextVar[Caller] = contextvars.ContextVar("acting_for")


@dataclass
class DataKey:
    """A key that KMS made, as it is used and as it is kept."""

    plain: bytes
    sealed: bytes
    key_arn: str
    expires_at: float = 0.0
    uses_left: int = 0


class Kms:
    """KMS, called by this service on behalf of a caller. Methods raise botocore's ClientError."""

    def __init__(self, **client_settings: Any) -> None:
        self._client = boto3.client("kms", **client_settings)
        # Before the signature is made, so that the headers are part of what is signed.
        self._client.meta.events.register("before-sign.kms", self._forward)

    @staticmethod
    def _forward(request: Any, **_: object) -> None:
        for name, value in _acting_for.get().forwarding_headers().items():
            request.headers[name] = value

    def generate_data_key(self, caller: Caller, key_id: str, arn: str) -> DataKey:
        """A fresh 256-bit key for what has the ARN."""
        _acting_for.set(caller)
        made = self._client.generate_data_key(
            KeyId=key_id, KeySpec="AES_256", EncryptionContext={"aws:s3:arn": arn}
        )
        return DataKey(made["Plaintext"], made["CiphertextBlob"], made["KeyId"])

    def decrypt(self, caller: Caller, key_arn: str, sealed: bytes, arn: str) -> DataKey:
        """The data key again."""
        _acting_for.set(caller)
        opened = self._client.decrypt(
            KeyId=key_arn, CiphertextBlob=sealed, EncryptionContext={"aws:s3:arn": arn}
        )
        return DataKey(opened["Plaintext"], sealed, key_arn)


class SseKms:
    """Seals and opens objects."""

    def __init__(self, kms: Kms) -> None:
        self._kms = kms
        self._bucket_keys: dict[tuple[object, ...], DataKey] = {}
        self._lock = threading.Lock()

    def seal(
        self, caller: Caller, bucket_arn: str, object_arn: str, key_id: str, bucket_key: bool, data: bytes
    ) -> tuple[dict[str, Any], bytes]:
        """What to keep beside the object, and the object encrypted with AES-256-GCM."""
        salt, nonce = os.urandom(32), os.urandom(12)
        if bucket_key:
            key = self._shared(
                (caller, bucket_arn, key_id), lambda: self._kms.generate_data_key(caller, key_id, bucket_arn)
            )
            plain = _derive(key.plain, salt, object_arn)
        else:
            key = self._kms.generate_data_key(caller, key_id, object_arn)
            plain = key.plain
        kept = {
            "key_arn": key.key_arn,
            "bucket_key": bucket_key,
            "sealed_key": base64.b64encode(key.sealed).decode(),
            "salt": salt.hex(),
        }
        return kept, nonce + AESGCM(plain).encrypt(nonce, data, object_arn.encode())

    def open(
        self, caller: Caller, bucket_arn: str, object_arn: str, kept: dict[str, Any], body: bytes
    ) -> bytes:
        """The object again. Raises InvalidTag where it was changed on disk."""
        sealed, key_arn = base64.b64decode(kept["sealed_key"]), kept["key_arn"]
        if kept["bucket_key"]:
            key = self._shared(
                (caller, sealed), lambda: self._kms.decrypt(caller, key_arn, sealed, bucket_arn)
            )
            plain = _derive(key.plain, bytes.fromhex(kept["salt"]), object_arn)
        else:
            plain = self._kms.decrypt(caller, key_arn, sealed, object_arn).plain
        return AESGCM(plain).decrypt(body[:12], body[12:], object_arn.encode())

    def _shared(self, place: tuple[object, ...], ask_kms: Callable[[], DataKey]) -> DataKey:
        """A bucket key that is still good, or a new one."""
        with self._lock:
            key = self._bucket_keys.get(place)
            if key is not None and key.uses_left > 0 and time.monotonic() < key.expires_at:
                key.uses_left -= 1
                return key
        key = ask_kms()
        key.expires_at, key.uses_left = time.monotonic() + BUCKET_KEY_SECONDS, BUCKET_KEY_USES - 1
        with self._lock:
            if len(self._bucket_keys) >= BUCKET_KEYS_MAX:
                del self._bucket_keys[next(iter(self._bucket_keys))]
            self._bucket_keys[place] = key
        return key


def _derive(bucket_key: bytes, salt: bytes, object_arn: str) -> bytes:
    return HKDF(SHA256(), 32, salt, object_arn.encode()).derive(bucket_key)
