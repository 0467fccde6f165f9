"""AES-GCM messages one after the other: what nearly every request costs, so its structures are made once.

A mechanism, its parameters and the output are filled in anew for each message; building them each time took
a quarter of a call.
"""

from __future__ import annotations

import ctypes
from typing import Final

from strongroom.boundary.pkcs11.binding import Module
from strongroom.boundary.pkcs11.errors import error_of
from strongroom.boundary.pkcs11.mechanisms import GCM_TAG_BYTES
from strongroom.boundary.pkcs11.numbers import Ckm
from strongroom.boundary.pkcs11.structures import GcmParameters, Mechanism, Ulong

OUTPUT_BYTES: Final = 8192
INPUT_BYTES_MAX: Final = OUTPUT_BYTES - 1024
_ZEROS: Final = memoryview(bytes(OUTPUT_BYTES))


class GcmCalls:
    """C_EncryptInit and C_Encrypt, or C_DecryptInit and C_Decrypt.

    Concurrency: one thread. Secrets: the output is wiped after every call.
    """

    __slots__ = (
        "_begin",
        "_begin_name",
        "_finish",
        "_finish_name",
        "_length",
        "_length_reference",
        "_mechanism",
        "_mechanism_reference",
        "_output",
        "_parameters",
        "_wiped",
    )

    def __init__(self, module: Module, function: str) -> None:
        """`function` is Encrypt or Decrypt."""
        self._begin, self._begin_name = module.function(f"{function}Init"), f"C_{function}Init"
        self._finish, self._finish_name = module.function(function), f"C_{function}"
        self._parameters = GcmParameters(None, 0, 0, None, 0, 8 * GCM_TAG_BYTES)
        self._mechanism = Mechanism(
            Ckm.AES_GCM, ctypes.addressof(self._parameters), ctypes.sizeof(GcmParameters)
        )
        self._mechanism_reference = ctypes.byref(self._mechanism)
        self._output = ctypes.create_string_buffer(OUTPUT_BYTES)
        self._wiped = memoryview(self._output).cast("B")
        self._length = Ulong()
        self._length_reference = ctypes.byref(self._length)

    def run(self, session: int, key: int, iv: bytes, data: bytes, aad: bytes) -> bytes:
        """At most INPUT_BYTES_MAX of `data`, sealed or opened. Raises ReturnedError."""
        parameters, length = self._parameters, self._length
        parameters.iv = iv  # ctypes keeps what it points to
        parameters.iv_bytes = len(iv)
        parameters.iv_bits = 8 * len(iv)
        parameters.aad = aad
        parameters.aad_bytes = len(aad)
        code = self._begin(session, self._mechanism_reference, key)
        if code:
            raise error_of(self._begin_name, code)
        length.value = OUTPUT_BYTES
        code = self._finish(session, data, len(data), self._output, self._length_reference)
        if code:
            self._wiped[:] = _ZEROS
            raise error_of(self._finish_name, code)
        end = length.value
        output = bytes(self._wiped[:end])
        self._wiped[:end] = _ZEROS[:end]
        return output
