"""PKCS#11's structures as ctypes ones, natural alignment, as modules on Unix have them.

Source: OASIS PKCS #11 v2.40, pkcs11t.h and pkcs11f.h (the order of the functions).
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from typing import Any, Final

Ulong = ctypes.c_ulong
Pointer = ctypes.c_void_p
UlongPointer = ctypes.POINTER(Ulong)


class Version(ctypes.Structure):
    """CK_VERSION."""

    _fields_ = (("major", ctypes.c_ubyte), ("minor", ctypes.c_ubyte))


class InitializeArguments(ctypes.Structure):
    """CK_C_INITIALIZE_ARGS, with NSS's one field more, which other modules do not look at."""

    _fields_ = (
        ("create_mutex", Pointer),
        ("destroy_mutex", Pointer),
        ("lock_mutex", Pointer),
        ("unlock_mutex", Pointer),
        ("flags", Ulong),
        ("reserved", ctypes.c_char_p),
        ("nss_reserved", Pointer),
    )


class Info(ctypes.Structure):
    """CK_INFO."""

    _fields_ = (
        ("cryptoki_version", Version),
        ("manufacturer", ctypes.c_char * 32),
        ("flags", Ulong),
        ("description", ctypes.c_char * 32),
        ("library_version", Version),
    )


class TokenInfo(ctypes.Structure):
    """CK_TOKEN_INFO."""

    _fields_ = (
        ("label", ctypes.c_char * 32),
        ("manufacturer", ctypes.c_char * 32),
        ("model", ctypes.c_char * 16),
        ("serial_number", ctypes.c_char * 16),
        ("flags", Ulong),
        ("session_count_max", Ulong),
        ("session_count", Ulong),
        ("rw_session_count_max", Ulong),
        ("rw_session_count", Ulong),
        ("pin_length_max", Ulong),
        ("pin_length_min", Ulong),
        ("total_public_memory", Ulong),
        ("free_public_memory", Ulong),
        ("total_private_memory", Ulong),
        ("free_private_memory", Ulong),
        ("hardware_version", Version),
        ("firmware_version", Version),
        ("utc_time", ctypes.c_char * 16),
    )


class MechanismInfo(ctypes.Structure):
    """CK_MECHANISM_INFO."""

    _fields_ = (("key_size_min", Ulong), ("key_size_max", Ulong), ("flags", Ulong))


class Attribute(ctypes.Structure):
    """CK_ATTRIBUTE."""

    _fields_ = (("type", Ulong), ("value", Pointer), ("length", Ulong))


class Mechanism(ctypes.Structure):
    """CK_MECHANISM."""

    kept: object = None
    """What `parameter` points to."""
    _fields_ = (("mechanism", Ulong), ("parameter", Pointer), ("length", Ulong))


class GcmParameters(ctypes.Structure):
    """CK_GCM_PARAMS."""

    _fields_ = (
        ("iv", ctypes.c_char_p),
        ("iv_bytes", Ulong),
        ("iv_bits", Ulong),
        ("aad", ctypes.c_char_p),
        ("aad_bytes", Ulong),
        ("tag_bits", Ulong),
    )


class OaepParameters(ctypes.Structure):
    """CK_RSA_PKCS_OAEP_PARAMS."""

    _fields_ = (
        ("hash", Ulong),
        ("mask", Ulong),
        ("source", Ulong),
        ("source_data", Pointer),
        ("source_bytes", Ulong),
    )


class PssParameters(ctypes.Structure):
    """CK_RSA_PKCS_PSS_PARAMS."""

    _fields_ = (("hash", Ulong), ("mask", Ulong), ("salt_bytes", Ulong))


class Ecdh1Parameters(ctypes.Structure):
    """CK_ECDH1_DERIVE_PARAMS."""

    _fields_ = (
        ("derivation", Ulong),
        ("shared_data_bytes", Ulong),
        ("shared_data", Pointer),
        ("public_data_bytes", Ulong),
        ("public_data", ctypes.c_char_p),
    )


_Attributes = ctypes.POINTER(Attribute)
_Mechanism = ctypes.POINTER(Mechanism)
_Bytes = ctypes.c_char_p
_IN_OUT: Final = (Ulong, _Bytes, Ulong, Pointer, UlongPointer)

_NAMES: Final = (
    "Initialize Finalize GetInfo GetFunctionList GetSlotList GetSlotInfo GetTokenInfo GetMechanismList"
    " GetMechanismInfo InitToken InitPIN SetPIN OpenSession CloseSession CloseAllSessions GetSessionInfo"
    " GetOperationState SetOperationState Login Logout CreateObject CopyObject DestroyObject GetObjectSize"
    " GetAttributeValue SetAttributeValue FindObjectsInit FindObjects FindObjectsFinal EncryptInit Encrypt"
    " EncryptUpdate EncryptFinal DecryptInit Decrypt DecryptUpdate DecryptFinal DigestInit Digest"
    " DigestUpdate DigestKey DigestFinal SignInit Sign SignUpdate SignFinal SignRecoverInit SignRecover"
    " VerifyInit Verify VerifyUpdate VerifyFinal VerifyRecoverInit VerifyRecover DigestEncryptUpdate"
    " DecryptDigestUpdate SignEncryptUpdate DecryptVerifyUpdate GenerateKey GenerateKeyPair WrapKey"
    " UnwrapKey DeriveKey SeedRandom GenerateRandom GetFunctionStatus CancelFunction WaitForSlotEvent"
)
ORDER: Final = tuple(_NAMES.split())
"""All functions of CK_FUNCTION_LIST."""

FUNCTIONS: Final[Mapping[str, tuple[Any, ...]]] = {
    "Initialize": (Pointer,),
    "Finalize": (Pointer,),
    "GetInfo": (ctypes.POINTER(Info),),
    "GetSlotList": (ctypes.c_ubyte, Pointer, UlongPointer),
    "GetTokenInfo": (Ulong, ctypes.POINTER(TokenInfo)),
    "GetMechanismList": (Ulong, Pointer, UlongPointer),
    "GetMechanismInfo": (Ulong, Ulong, ctypes.POINTER(MechanismInfo)),
    "InitToken": (Ulong, _Bytes, Ulong, _Bytes),
    "InitPIN": (Ulong, _Bytes, Ulong),
    "SetPIN": (Ulong, _Bytes, Ulong, _Bytes, Ulong),
    "OpenSession": (Ulong, Ulong, Pointer, Pointer, UlongPointer),
    "CloseSession": (Ulong,),
    "CloseAllSessions": (Ulong,),
    "Login": (Ulong, Ulong, _Bytes, Ulong),
    "Logout": (Ulong,),
    "CreateObject": (Ulong, _Attributes, Ulong, UlongPointer),
    "DestroyObject": (Ulong, Ulong),
    "GetAttributeValue": (Ulong, Ulong, _Attributes, Ulong),
    "SetAttributeValue": (Ulong, Ulong, _Attributes, Ulong),
    "FindObjectsInit": (Ulong, _Attributes, Ulong),
    "FindObjects": (Ulong, UlongPointer, Ulong, UlongPointer),
    "FindObjectsFinal": (Ulong,),
    "EncryptInit": (Ulong, _Mechanism, Ulong),
    "Encrypt": _IN_OUT,
    "DecryptInit": (Ulong, _Mechanism, Ulong),
    "Decrypt": _IN_OUT,
    "SignInit": (Ulong, _Mechanism, Ulong),
    "Sign": _IN_OUT,
    "VerifyInit": (Ulong, _Mechanism, Ulong),
    "Verify": (Ulong, _Bytes, Ulong, _Bytes, Ulong),
    "GenerateKey": (Ulong, _Mechanism, _Attributes, Ulong, UlongPointer),
    "GenerateKeyPair": (
        Ulong,
        _Mechanism,
        _Attributes,
        Ulong,
        _Attributes,
        Ulong,
        UlongPointer,
        UlongPointer,
    ),
    "WrapKey": (Ulong, _Mechanism, Ulong, Ulong, Pointer, UlongPointer),
    "UnwrapKey": (Ulong, _Mechanism, Ulong, _Bytes, Ulong, _Attributes, Ulong, UlongPointer),
    "DeriveKey": (Ulong, _Mechanism, Ulong, _Attributes, Ulong, UlongPointer),
    "GenerateRandom": (Ulong, Pointer, Ulong),
}
"""The arguments of those functions that are called; all return CK_RV."""


class FunctionList(ctypes.Structure):
    """CK_FUNCTION_LIST."""

    _fields_ = (
        ("version", Version),
        *((name, ctypes.CFUNCTYPE(Ulong, *FUNCTIONS.get(name, ()))) for name in ORDER),
    )
