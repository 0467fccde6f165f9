"""How a token is told what to do: mechanisms with their parameters, and templates of attributes.

Concurrency: what these functions return may be used many times, by one call at a time.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from typing import Final

from strongroom.boundary.pkcs11.numbers import (
    CKD_NULL,
    CKG_MGF1_SHA1,
    CKG_MGF1_SHA256,
    CKG_MGF1_SHA384,
    CKG_MGF1_SHA512,
    CKZ_DATA_SPECIFIED,
    Cka,
    Ckm,
)
from strongroom.boundary.pkcs11.structures import (
    Attribute,
    Ecdh1Parameters,
    GcmParameters,
    Mechanism,
    OaepParameters,
    PssParameters,
    Ulong,
)

GCM_TAG_BYTES: Final = 16
_ULONG_BYTES: Final = ctypes.sizeof(Ulong)
_MASKS: Final = {
    Ckm.SHA_1: CKG_MGF1_SHA1,
    Ckm.SHA256: CKG_MGF1_SHA256,
    Ckm.SHA384: CKG_MGF1_SHA384,
    Ckm.SHA512: CKG_MGF1_SHA512,
}

Values = Mapping[Cka, bool | int | bytes]
"""Attributes and what they are to be."""


class Template:
    """An array of CK_ATTRIBUTE with the values that it points to. Secrets: holds what it was given."""

    def __init__(self, values: Values) -> None:
        self._kept = [_render_value(value) for value in values.values()]
        self.length = len(values)
        self.array = (Attribute * self.length)()
        for attribute, kind, value in zip(self.array, values, self._kept, strict=True):
            attribute.type, attribute.length = kind, len(value)
            attribute.value = ctypes.cast(ctypes.c_char_p(value), ctypes.c_void_p)


def _render_value(value: bool | int | bytes) -> bytes:
    if isinstance(value, bool):
        return b"\x01" if value else b"\x00"
    if isinstance(value, int):
        return bytes(Ulong(value))
    return value


def parse_number(value: bytes) -> int:
    """A CK_ULONG as an attribute has it. Raises ValueError."""
    if len(value) != _ULONG_BYTES:
        raise ValueError("not a number")
    return Ulong.from_buffer_copy(value).value


def plain(kind: Ckm) -> Mechanism:
    """A mechanism without parameters."""
    return Mechanism(kind, None, 0)


def cbc_pad(iv: bytes) -> Mechanism:
    """AES-CBC with PKCS padding: authenticates nothing, so only the probe uses it."""
    return _with_parameters(Ckm.AES_CBC_PAD, (ctypes.c_ubyte * len(iv)).from_buffer_copy(iv))


def gcm(iv: bytes, aad: bytes) -> Mechanism:
    """AES-GCM with a tag of 16 bytes. Two encryptions under one key must never have the same `iv`."""
    parameters = GcmParameters(iv, len(iv), 8 * len(iv), aad, len(aad), 8 * GCM_TAG_BYTES)
    return _with_parameters(Ckm.AES_GCM, parameters)


def oaep(digest: Ckm) -> Mechanism:
    """RSAES-OAEP, MGF1 with the same digest, no label."""
    return _with_parameters(
        Ckm.RSA_PKCS_OAEP, OaepParameters(digest, _MASKS[digest], CKZ_DATA_SPECIFIED, None, 0)
    )


def pss(digest: Ckm, salt_bytes: int) -> Mechanism:
    """RSASSA-PSS over a digest made by the caller, MGF1 with the same digest."""
    return _with_parameters(Ckm.RSA_PKCS_PSS, PssParameters(digest, _MASKS[digest], salt_bytes))


def ecdh1(point: bytes) -> Mechanism:
    """ECDH, without a key derivation function, with the other party's point."""
    return _with_parameters(Ckm.ECDH1_DERIVE, Ecdh1Parameters(CKD_NULL, 0, None, len(point), point))


def _with_parameters(kind: Ckm, parameters: ctypes.Structure | ctypes.Array[ctypes.c_ubyte]) -> Mechanism:
    mechanism = Mechanism(kind, ctypes.addressof(parameters), ctypes.sizeof(parameters))
    mechanism.kept = parameters  # it must live as long as what points to it
    return mechanism
