"""The key families of a token: for each spec and usage, how a key is made, wrapped, and used.

A family is offered where the token has done all of it once, at the start: made a key, wrapped and unwrapped
it, and used it. What a token says that it can do is not asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeAlias

from strongroom.boundary.pkcs11 import held_keys
from strongroom.boundary.pkcs11.held_keys import HeldKey
from strongroom.boundary.pkcs11.mechanisms import Template, Values
from strongroom.boundary.pkcs11.numbers import Cka, Ckk, Ckm, Cko
from strongroom.boundary.pkcs11.probe import SESSION_SECRET
from strongroom.boundary.pkcs11.structures import Mechanism
from strongroom.boundary.pkcs11.token import KeyHandle, Token
from strongroom.boundary.pkcs11.wrapped_key_format import WrappedKey
from strongroom.boundary.software import public_keys, rsa_keys

ENCRYPT_DECRYPT: Final = "ENCRYPT_DECRYPT"
SIGN_VERIFY: Final = "SIGN_VERIFY"
GENERATE_VERIFY_MAC: Final = "GENERATE_VERIFY_MAC"
KEY_AGREEMENT: Final = "KEY_AGREEMENT"

CURVE_PARAMETERS: Final = {
    "ECC_NIST_P256": bytes.fromhex("06082a8648ce3d030107"),
    "ECC_NIST_P384": bytes.fromhex("06052b81040022"),
    "ECC_NIST_P521": bytes.fromhex("06052b81040023"),
    "ECC_SECG_P256K1": bytes.fromhex("06052b8104000a"),
}
"""CKA_EC_PARAMS: the curve's object identifier in DER."""
MAC_KEY_BYTES: Final = {"HMAC_224": 28, "HMAC_256": 32, "HMAC_384": 48, "HMAC_512": 64}

_UNCOMPRESSED: Final = 4
_OCTET_STRING: Final = 4
_RSA_NUMBERS: Final = (
    Cka.PRIVATE_EXPONENT,
    Cka.PRIME_1,
    Cka.PRIME_2,
    Cka.EXPONENT_1,
    Cka.EXPONENT_2,
    Cka.COEFFICIENT,
    Cka.MODULUS,
)

Made: TypeAlias = tuple[KeyHandle, bytes, tuple[KeyHandle, ...]]
"""A new key, its public half in DER, and all handles to destroy when it is wrapped."""


@dataclass(frozen=True, slots=True)
class Family:
    """Keys of one spec and usage.

    `make` makes a key with the values that say whether it may leave; `values` are its own in `unwrap`.
    `render_plain` gives a data key pair that was made to be read to its caller.
    """

    key_spec: str
    make: Callable[[Token, Values], Made]
    values: Values
    load: type[HeldKey]
    value_bytes: int = 0
    render_plain: Callable[[Token, KeyHandle], bytes] | None = None

    def generate(self, token: Token, wrapping_key: KeyHandle, mechanism: Mechanism) -> WrappedKey:
        """A new key, wrapped; nothing else is left of it. Concurrency: any thread with a token of its own."""
        key, public_key, made = self.make(token, {**SESSION_SECRET, Cka.EXTRACTABLE: True})
        try:
            wrapped = token.wrap_key(wrapping_key, mechanism, key)
        finally:
            for one in made:
                token.destroy(one)
        return WrappedKey(self.value_bytes, public_key, wrapped)

    def unwrap(
        self, token: Token, wrapping_key: KeyHandle, mechanism: Mechanism, wrapped: bytes
    ) -> KeyHandle:
        """The key as a session object that cannot leave the token."""
        return token.unwrap_key(wrapping_key, mechanism, wrapped, Template({**self.values, **SESSION_SECRET}))

    def rewrap(
        self, token: Token, before: KeyHandle, after: KeyHandle, mechanism: Mechanism, wrapped: bytes
    ) -> bytes:
        """The key, wrapped under another wrapping key; it can leave for no longer than that takes."""
        values = {**self.values, **SESSION_SECRET, Cka.EXTRACTABLE: True}
        key = token.unwrap_key(before, mechanism, wrapped, Template(values))
        try:
            return token.wrap_key(after, mechanism, key)
        finally:
            token.destroy(key)

    def generate_plain(self, token: Token) -> bytes:
        """A data key pair in PKCS #8. Secrets: it is for the caller who asked for it."""
        if self.render_plain is None:
            raise ValueError("no key pair")
        values = {Cka.TOKEN: False, Cka.PRIVATE: True, Cka.SENSITIVE: False, Cka.EXTRACTABLE: True}
        key, _, made = self.make(token, values)
        try:
            return self.render_plain(token, key)
        finally:
            for one in made:
                token.destroy(one)


Families: TypeAlias = Mapping[tuple[str, str], Family]


_NO_WRAPPING: Final[Values] = {Cka.WRAP: False, Cka.UNWRAP: False}
"""Said aloud, for tokens default to true: a key that wraps and decrypts could bring others into the open."""


def _secret(key_type: Ckk, uses: Values) -> Values:
    return {Cka.CLASS: Cko.SECRET_KEY, Cka.KEY_TYPE: key_type, **_NO_WRAPPING, **uses}


def _private(key_type: Ckk, uses: Values) -> Values:
    nothing_else = {Cka.UNWRAP: False, Cka.SIGN: False, Cka.DECRYPT: False, Cka.DERIVE: False}
    return {Cka.CLASS: Cko.PRIVATE_KEY, Cka.KEY_TYPE: key_type, **nothing_else, **uses}


_ENCRYPTS: Final[Values] = {Cka.ENCRYPT: True, Cka.DECRYPT: True}
_MACS: Final[Values] = {Cka.SIGN: True, Cka.VERIFY: True}


def _make_aes(token: Token, values: Values) -> Made:
    key = token.generate_aes_key("", {**values, **_NO_WRAPPING, **_ENCRYPTS})
    return key, b"", (key,)


def _make_mac(value_bytes: int, token: Token, values: Values) -> Made:
    key = token.generate_key(
        Ckm.GENERIC_SECRET_KEY_GEN,
        {**_secret(Ckk.GENERIC_SECRET, _MACS), **values, Cka.VALUE_LEN: value_bytes},
    )
    return key, b"", (key,)


def _make_rsa(key_spec: str, public_uses: Values, uses: Values, token: Token, values: Values) -> Made:
    public, private = token.generate_key_pair(
        Ckm.RSA_PKCS_KEY_PAIR_GEN,
        {
            Cka.TOKEN: False,
            Cka.MODULUS_BITS: rsa_keys.KEY_BITS[key_spec],
            Cka.PUBLIC_EXPONENT: public_keys.PUBLIC_EXPONENT.to_bytes(3, "big"),
            **public_uses,
        },
        {**uses, **values},
    )
    modulus = token.read_attribute(public, Cka.MODULUS)
    return private, public_keys.render_rsa_public_key(key_spec, modulus), (private, public)


def _make_curve(key_spec: str, public_uses: Values, uses: Values, token: Token, values: Values) -> Made:
    public, private = token.generate_key_pair(
        Ckm.EC_KEY_PAIR_GEN,
        {Cka.TOKEN: False, Cka.EC_PARAMS: CURVE_PARAMETERS[key_spec], **public_uses},
        {**uses, **values},
    )
    point = _point_of(token.read_attribute(public, Cka.EC_POINT))
    return private, public_keys.render_curve_public_key(key_spec, point), (private, public)


def _point_of(value: bytes) -> bytes:
    """CKA_EC_POINT is an OCTET STRING of the point by the standard, and the bare point on some tokens."""
    if len(value) > 2 and value[0] == _OCTET_STRING:
        head = 2 if value[1] < 0x80 else 3
        if value[head - 1] == len(value) - head and value[head] == _UNCOMPRESSED:
            return value[head:]
    return value


def _plain_rsa(token: Token, key: KeyHandle) -> bytes:
    return public_keys.render_rsa_data_key(
        [int.from_bytes(token.read_attribute(key, kind), "big") for kind in _RSA_NUMBERS]
    )


def _plain_curve(key_spec: str, token: Token, key: KeyHandle) -> bytes:
    return public_keys.render_curve_data_key(key_spec, token.read_attribute(key, Cka.VALUE))


def _rsa(key_spec: str, public_use: Cka, use: Cka, load: type[HeldKey]) -> Family:
    return Family(
        key_spec,
        partial(_make_rsa, key_spec, {public_use: True}, {use: True}),
        _private(Ckk.RSA, {use: True}),
        load,
        render_plain=_plain_rsa,
    )


def _curve(key_spec: str, public_uses: Values, use: Cka, load: type[HeldKey]) -> Family:
    return Family(
        key_spec,
        partial(_make_curve, key_spec, public_uses, {use: True}),
        _private(Ckk.EC, {use: True}),
        load,
        render_plain=partial(_plain_curve, key_spec),
    )


ALL_FAMILIES: Final[Families] = {
    ("SYMMETRIC_DEFAULT", ENCRYPT_DECRYPT): Family(
        "SYMMETRIC_DEFAULT", _make_aes, _secret(Ckk.AES, _ENCRYPTS), held_keys.HeldSymmetricKey, 32
    ),
    **{
        (spec, GENERATE_VERIFY_MAC): Family(
            spec,
            partial(_make_mac, length),
            _secret(Ckk.GENERIC_SECRET, _MACS),
            held_keys.HeldMacKey,
            length,
        )
        for spec, length in MAC_KEY_BYTES.items()
    },
    **{
        (spec, SIGN_VERIFY): _rsa(spec, Cka.VERIFY, Cka.SIGN, held_keys.HeldRsaSigningKey)
        for spec in rsa_keys.KEY_BITS
    },
    **{
        (spec, ENCRYPT_DECRYPT): _rsa(spec, Cka.ENCRYPT, Cka.DECRYPT, held_keys.HeldRsaEncryptionKey)
        for spec in rsa_keys.KEY_BITS
    },
    **{
        (spec, SIGN_VERIFY): _curve(spec, {Cka.VERIFY: True}, Cka.SIGN, held_keys.HeldCurveSigningKey)
        for spec in CURVE_PARAMETERS
    },
    **{
        (spec, KEY_AGREEMENT): _curve(spec, {}, Cka.DERIVE, held_keys.HeldAgreementKey)
        for spec in CURVE_PARAMETERS
        if spec != "ECC_SECG_P256K1"
    },
}
"""All that could be offered; family_trials.py finds what a token really does."""
