"""The system's OpenSSL (libcrypto 3), called for SM2 alone: the library of all else does not offer it.

Optional: a system may lack the library, and a library may be built without SM2; then `open_library` gives
None. It is loaded while the process starts, before that gives up its files. Every call has a library context
of our own, so what the host's openssl.cnf names (providers, engines, default properties) has no part.

Every return code is looked at, what was allocated is freed on every road, and what was secret is wiped
first: by libcrypto where it frees keys and numbers, by OPENSSL_cleanse where the buffer is ours. The caller
passes lengths that the format fixed before: 32 byte scalars and digests, 65 byte points.

Source: OpenSSL 3.0 manual pages EVP_PKEY-SM2(7), EVP_PKEY_fromdata(3), EVP_PKEY_sign(3), EVP_PKEY_encrypt(3),
EC_POINT_add(3), OSSL_PARAM(3).
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

NAMES: Final = ("libcrypto.so.3",)
SCALAR_BYTES: Final = 32
POINT_BYTES: Final = 65
"""An uncompressed point: 4, x, y."""

_SM2: Final = b"SM2"
_UNCOMPRESSED: Final = 4
_NO_CONFIGURATION: Final = 0x80
"""OPENSSL_INIT_NO_LOAD_CONFIG."""
_PUBLIC_KEY: Final = 0x86
_KEY_PAIR: Final = 0x87
"""EVP_PKEY_PUBLIC_KEY, EVP_PKEY_KEYPAIR: what EVP_PKEY_fromdata is given."""
_UNSIGNED_INTEGER: Final = 2
_UTF8_STRING: Final = 4
_OCTET_STRING: Final = 5

_Pointer = ctypes.c_void_p
_Bytes = ctypes.c_char_p
_Int = ctypes.c_int
_Size = ctypes.c_size_t
_OPERATION: Final = (_Int, (_Pointer, _Bytes, ctypes.POINTER(_Size), _Bytes, _Size))

_FUNCTIONS: Final[dict[str, tuple[Any, tuple[Any, ...]]]] = {
    "BN_CTX_free": (None, (_Pointer,)),
    "BN_CTX_new_ex": (_Pointer, (_Pointer,)),
    "BN_bin2bn": (_Pointer, (_Bytes, _Int, _Pointer)),
    "BN_clear_free": (None, (_Pointer,)),
    "EC_GROUP_new_by_curve_name_ex": (_Pointer, (_Pointer, _Bytes, _Int)),
    "EC_POINT_clear_free": (None, (_Pointer,)),
    "EC_POINT_mul": (_Int, (_Pointer,) * 6),
    "EC_POINT_new": (_Pointer, (_Pointer,)),
    "EC_POINT_oct2point": (_Int, (_Pointer, _Pointer, _Bytes, _Size, _Pointer)),
    "EC_POINT_point2oct": (_Size, (_Pointer, _Pointer, _Int, _Bytes, _Size, _Pointer)),
    "ERR_clear_error": (None, ()),
    "EVP_PKEY_CTX_free": (None, (_Pointer,)),
    "EVP_PKEY_CTX_new_from_name": (_Pointer, (_Pointer, _Bytes, _Bytes)),
    "EVP_PKEY_CTX_new_from_pkey": (_Pointer, (_Pointer, _Pointer, _Bytes)),
    "EVP_PKEY_decrypt": _OPERATION,
    "EVP_PKEY_decrypt_init": (_Int, (_Pointer,)),
    "EVP_PKEY_encrypt": _OPERATION,
    "EVP_PKEY_encrypt_init": (_Int, (_Pointer,)),
    "EVP_PKEY_free": (None, (_Pointer,)),
    "EVP_PKEY_fromdata": (_Int, (_Pointer, ctypes.POINTER(_Pointer), _Int, _Pointer)),
    "EVP_PKEY_fromdata_init": (_Int, (_Pointer,)),
    "EVP_PKEY_sign": _OPERATION,
    "EVP_PKEY_sign_init": (_Int, (_Pointer,)),
    "EVP_PKEY_verify": (_Int, (_Pointer, _Bytes, _Size, _Bytes, _Size)),
    "EVP_PKEY_verify_init": (_Int, (_Pointer,)),
    "OBJ_sn2nid": (_Int, (_Bytes,)),
    "OPENSSL_cleanse": (None, (_Pointer, _Size)),
    "OPENSSL_init_crypto": (_Int, (ctypes.c_uint64, _Pointer)),
    "OSSL_LIB_CTX_new": (_Pointer, ()),
    "OSSL_PROVIDER_load": (_Pointer, (_Pointer, _Bytes)),
    "OpenSSL_version": (_Bytes, (_Int,)),
}


class _Parameter(ctypes.Structure):
    """OSSL_PARAM."""

    _fields_ = (
        ("key", _Bytes),
        ("data_type", ctypes.c_uint),
        ("data", _Pointer),
        ("data_size", _Size),
        ("return_size", _Size),
    )


class LibcryptoRefused(Exception):
    """libcrypto would not or could not. Secrets: says nothing of the reason or of what was given."""


class Libcrypto:
    """SM2 as libcrypto offers it. Concurrency: any thread. Secrets: keeps none."""

    def __init__(self, name: str) -> None:
        """Raises OSError for no such library, AttributeError for one without a function, LibcryptoRefused."""
        library = ctypes.CDLL(name)
        for function, (result, arguments) in _FUNCTIONS.items():
            declared = getattr(library, function)
            declared.restype, declared.argtypes = result, arguments
        self._library = library
        _require(library.OPENSSL_init_crypto(_NO_CONFIGURATION, None) == 1)
        # These live as long as the process.
        self._context = _require(library.OSSL_LIB_CTX_new())
        _require(library.OSSL_PROVIDER_load(self._context, b"default"))
        self._group = _require(
            library.EC_GROUP_new_by_curve_name_ex(self._context, None, library.OBJ_sn2nid(_SM2))
        )

    @property
    def version(self) -> str:
        """As the library names itself."""
        name: bytes = self._library.OpenSSL_version(0)
        return name.decode("ascii", "replace")

    def multiply(self, scalar: bytes, point: bytes | None = None) -> bytes:
        """The point (the base point when none is given) times the scalar, by the road for secret scalars.

        Raises LibcryptoRefused: the point is not on the curve, or the product is at infinity.
        """
        library, group = self._library, self._group
        with (
            self._owned(library.BN_CTX_new_ex(self._context), library.BN_CTX_free) as scratch,
            self._owned(library.BN_bin2bn(scalar, SCALAR_BYTES, None), library.BN_clear_free) as number,
            self._owned(library.EC_POINT_new(group), library.EC_POINT_clear_free) as product,
            self._owned(library.EC_POINT_new(group), library.EC_POINT_clear_free) as factor,
        ):
            if point is None:
                _require(library.EC_POINT_mul(group, product, number, None, None, scratch) == 1)
            else:
                _require(library.EC_POINT_oct2point(group, factor, point, POINT_BYTES, scratch) == 1)
                _require(library.EC_POINT_mul(group, product, None, factor, number, scratch) == 1)
            with self._buffer(POINT_BYTES) as out:
                written = library.EC_POINT_point2oct(group, product, _UNCOMPRESSED, out, POINT_BYTES, scratch)
                _require(written == POINT_BYTES)
                return bytes(out.raw)

    def load(self, point: bytes, scalar: bytes | None = None) -> Pkey:
        """A public key, or with its scalar a key pair. Raises LibcryptoRefused: not a point of the curve.

        Whether the two belong together is the caller's to know.
        """
        library = self._library
        with (
            self._owned(
                library.EVP_PKEY_CTX_new_from_name(self._context, _SM2, None), library.EVP_PKEY_CTX_free
            ) as making,
            self._buffer(SCALAR_BYTES) as private,
        ):
            group, public = ctypes.create_string_buffer(_SM2), ctypes.create_string_buffer(point, POINT_BYTES)
            given = [
                _Parameter(b"group", _UTF8_STRING, ctypes.addressof(group), len(_SM2), 0),
                _Parameter(b"pub", _OCTET_STRING, ctypes.addressof(public), POINT_BYTES, 0),
            ]
            if scalar is not None:
                private[:] = int.from_bytes(scalar, "big").to_bytes(SCALAR_BYTES, sys.byteorder)
                given.append(
                    _Parameter(b"priv", _UNSIGNED_INTEGER, ctypes.addressof(private), SCALAR_BYTES, 0)
                )
            parameters = (_Parameter * (len(given) + 1))(*given)
            made = _Pointer()
            _require(library.EVP_PKEY_fromdata_init(making) == 1)
            selection = _PUBLIC_KEY if scalar is None else _KEY_PAIR
            done = library.EVP_PKEY_fromdata(making, ctypes.byref(made), selection, parameters)
            if done != 1 or not made.value:
                library.EVP_PKEY_free(made)
                raise LibcryptoRefused
            return Pkey(self, made.value)

    def run(self, operation: str, key: int, given: bytes) -> bytes:
        """EVP_PKEY_sign, _encrypt or _decrypt. Raises LibcryptoRefused."""
        function = getattr(self._library, f"EVP_PKEY_{operation}")
        with self._operation(operation, key) as context:
            size = _Size(0)
            _require(function(context, None, ctypes.byref(size), given, len(given)) == 1)
            size.value = max(size.value, len(given))  # never less than what a decryption can give
            with self._buffer(size.value) as out:
                _require(function(context, out, ctypes.byref(size), given, len(given)) == 1)
                _require(size.value <= len(out))
                return bytes(out.raw[: size.value])

    def verify(self, key: int, signature: bytes, digest: bytes) -> bool:
        """EVP_PKEY_verify. False for anything but a yes."""
        with self._operation("verify", key) as context:
            done = self._library.EVP_PKEY_verify(context, signature, len(signature), digest, len(digest))
            if done != 1:
                self._library.ERR_clear_error()
            return bool(done == 1)

    def free(self, key: int) -> None:
        """EVP_PKEY_free, which wipes a private key."""
        self._library.EVP_PKEY_free(key)

    @contextmanager
    def _operation(self, operation: str, key: int) -> Iterator[int]:
        library = self._library
        made = library.EVP_PKEY_CTX_new_from_pkey(self._context, key, None)
        with self._owned(made, library.EVP_PKEY_CTX_free) as context:
            _require(getattr(library, f"EVP_PKEY_{operation}_init")(context) == 1)
            yield context

    @contextmanager
    def _owned(self, pointer: int | None, free: Callable[[int], None]) -> Iterator[int]:
        """A pointer that is freed afterwards; a failure's traces in the thread's error queue go, too."""
        owned = _require(pointer)
        try:
            yield owned
        except LibcryptoRefused:
            self._library.ERR_clear_error()
            raise
        finally:
            free(owned)

    @contextmanager
    def _buffer(self, size: int) -> Iterator[Any]:
        """Room for a secret, wiped afterwards."""
        buffer = ctypes.create_string_buffer(size)
        try:
            yield buffer
        finally:
            self._library.OPENSSL_cleanse(buffer, size)


class Pkey:
    """An EVP_PKEY. Secrets: holds the private key in libcrypto's memory; wiped with the last reference."""

    __slots__ = ("_libcrypto", "_pointer")

    def __init__(self, libcrypto: Libcrypto, pointer: int) -> None:
        self._libcrypto = libcrypto
        self._pointer = pointer

    def __del__(self) -> None:
        self._libcrypto.free(self._pointer)

    def sign(self, digest: bytes) -> bytes:
        """The signature of a digest, in DER. Raises LibcryptoRefused."""
        return self._libcrypto.run("sign", self._pointer, digest)

    def verify(self, signature: bytes, digest: bytes) -> bool:
        return self._libcrypto.verify(self._pointer, signature, digest)

    def encrypt(self, plaintext: bytes) -> bytes:
        """The ciphertext of 1 byte or more, in DER. Raises LibcryptoRefused."""
        return self._libcrypto.run("encrypt", self._pointer, plaintext)

    def decrypt(self, ciphertext: bytes) -> bytes:
        """Raises LibcryptoRefused."""
        return self._libcrypto.run("decrypt", self._pointer, ciphertext)


def open_library(names: Sequence[str] = NAMES) -> Libcrypto | None:
    """The first library of these names that has SM2; None when none has."""
    for name in names:
        try:
            return Libcrypto(name)
        except (OSError, AttributeError, LibcryptoRefused):
            continue
    return None


def _require(done: Any) -> Any:
    """Raises LibcryptoRefused for a null pointer or a step that was not done."""
    if not done:
        raise LibcryptoRefused
    return done
