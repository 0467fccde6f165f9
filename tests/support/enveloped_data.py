"""CMS EnvelopedData read as AWS's enclave library reads it: whatever it does not demand, it does not take.

A reader of our own of the structure that source/cms.c of aws/aws-nitro-enclaves-sdk-c walks: every SEQUENCE
down to the content is of indefinite length, the recipients' SET is not.
"""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

ENVELOPED_DATA = bytes.fromhex("2a864886f70d010703")
DATA = bytes.fromhex("2a864886f70d010701")
AES_256_CBC = bytes.fromhex("60864801650304012a")
END = b"\0\0"


class Walk:
    """A position in BER."""

    def __init__(self, encoded: bytes) -> None:
        self.left = encoded

    def enter(self, tag: int) -> None:
        """Step into an element of indefinite length."""
        assert self.left[:2] == bytes((tag, 0x80)), self.left[:2].hex()
        self.left = self.left[2:]

    def take(self, tag: int) -> bytes:
        """The content of an element of definite length, its length minimal."""
        assert self.left[0] == tag, self.left[:2].hex()
        length, start = self.left[1], 2
        assert length != 0x80
        if length > 0x80:
            start += length - 0x80
            length = int.from_bytes(self.left[2:start], "big")
            assert length >= 128
        content = self.left[start : start + length]
        assert len(content) == length
        self.left = self.left[start + length :]
        return content


@dataclass(frozen=True)
class Enveloped:
    key_identifier: bytes
    key_encryption: bytes
    encrypted_key: bytes
    iv: bytes
    ciphertext: bytes

    def open(self, key: rsa.RSAPrivateKey) -> bytes:
        """The content, by the RSA key of the recipient."""
        oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
        content_key = key.decrypt(self.encrypted_key, oaep)
        assert len(content_key) == 32
        decryptor = Cipher(algorithms.AES256(content_key), modes.CBC(self.iv)).decryptor()
        padded = decryptor.update(self.ciphertext) + decryptor.finalize()
        unpadder = PKCS7(128).unpadder()
        return unpadder.update(padded) + unpadder.finalize()


def parse_enveloped_data(encoded: bytes) -> Enveloped:
    walk = Walk(encoded)
    walk.enter(0x30)
    assert walk.take(0x06) == ENVELOPED_DATA
    walk.enter(0xA0)
    walk.enter(0x30)
    assert walk.take(0x02) == b"\x02"  # the version of EnvelopedData
    recipients = Walk(walk.take(0x31))
    recipient = Walk(recipients.take(0x30))
    assert recipients.left == b""
    assert recipient.take(0x02) == b"\x02"  # the version of KeyTransRecipientInfo
    key_identifier = recipient.take(0x80)
    key_encryption = recipient.take(0x30)
    encrypted_key = recipient.take(0x04)
    assert recipient.left == b""
    walk.enter(0x30)
    assert walk.take(0x06) == DATA
    algorithm = Walk(walk.take(0x30))
    assert algorithm.take(0x06) == AES_256_CBC
    iv = algorithm.take(0x04)
    assert (algorithm.left, len(iv)) == (b"", 16)
    walk.enter(0xA0)
    ciphertext = b""
    while walk.left[:2] != END:
        ciphertext += walk.take(0x04)
    assert walk.left == 5 * END
    return Enveloped(key_identifier, key_encryption, encrypted_key, iv, ciphertext)
