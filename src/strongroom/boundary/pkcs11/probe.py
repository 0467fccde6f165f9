"""Whether a token keeps what PKCS#11 promises: tried out, for what a token says of itself is not enough.

Some tokens list everything and hold little: openCryptoki's soft token gives unwrapped keys back readable
though the template said otherwise, and unwraps keys that were tampered with. No key is entrusted to these.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from enum import StrEnum
from typing import Final

from strongroom.boundary.pkcs11.errors import Ckr, ReturnedError, TokenUnsound
from strongroom.boundary.pkcs11.mechanisms import Template, Values, cbc_pad, plain
from strongroom.boundary.pkcs11.numbers import Cka, Ckk, Ckm, Cko, MechanismFlag
from strongroom.boundary.pkcs11.structures import Mechanism
from strongroom.boundary.pkcs11.token import KeyHandle, Token


class Weakness(StrEnum):
    """A fault that an operator may accept, by this name."""

    WRAPS_UNEXTRACTABLE = "wraps-unextractable"
    """A key made not to leave is wrapped all the same: who takes over the process can take keys along."""


SESSION_SECRET: Final[Values] = {
    Cka.TOKEN: False,
    Cka.PRIVATE: True,
    Cka.SENSITIVE: True,
    Cka.EXTRACTABLE: False,
}
"""A key that ends with the session, and never leaves the token."""

_WRAPS_ONLY: Final[Values] = {Cka.WRAP: True, Cka.UNWRAP: True, Cka.ENCRYPT: False, Cka.DECRYPT: False}
_ENCRYPTS_ONLY: Final[Values] = {Cka.ENCRYPT: True, Cka.DECRYPT: True, Cka.WRAP: False, Cka.UNWRAP: False}
_IV: Final = b"strongroom.."
_AAD: Final = b"probe"
_TEXT: Final = b"the token is tried out"
_LABEL: Final = "strongroom probe"


def wrapping_mechanism(token: Token) -> Ckm:
    """How this token wraps keys: RFC 5649 under either of its numbers. Raises TokenUnsound."""
    mechanisms = token.mechanisms()
    both = MechanismFlag.WRAP | MechanismFlag.UNWRAP
    for kind in (Ckm.AES_KEY_WRAP_KWP, Ckm.AES_KEY_WRAP_PAD, Ckm.AES_CBC_PAD):
        if mechanisms.get(kind, 0) & both == both:
            return kind
    raise TokenUnsound(
        f"The token {token.description.label!r} cannot wrap keys: it has neither AES_KEY_WRAP_KWP nor"
        " AES_KEY_WRAP_PAD."
    )


def require_sound_token(token: Token, accepted: Collection[Weakness] = ()) -> Ckm:
    """Generate, wrap, unwrap and encrypt with keys that end with the session, and try what must be refused.

    Returns the mechanism to wrap keys with. Raises TokenUnsound with all that was found and not `accepted`.
    """
    kind = wrapping_mechanism(token)
    mechanism = cbc_pad(bytes(16)) if kind is Ckm.AES_CBC_PAD else plain(kind)
    probe = _Probe(token, mechanism, accepted)
    try:
        probe.run()
    except ReturnedError as error:
        probe.faults.append(f"it did not do what every key here needs ({error})")
    finally:
        probe.clean_up()
    if probe.faults:
        raise TokenUnsound(
            f"The token {token.description.label!r} is not safe to use: " + "; ".join(probe.faults) + "."
        )
    return kind


class _Probe:
    def __init__(self, token: Token, mechanism: Mechanism, accepted: Collection[Weakness]) -> None:
        self.faults: list[str] = []
        self._accepted = accepted
        self._token = token
        self._mechanism = mechanism
        self._keys: list[KeyHandle] = []

    def run(self) -> None:
        token = self._token
        wrapping_key = self._keep(token.generate_aes_key(_LABEL, {**SESSION_SECRET, **_WRAPS_ONLY}))
        self._require_hidden(wrapping_key, "generated key")
        self._must_refuse(
            "a key made to wrap encrypts data", lambda: token.encrypt_gcm(wrapping_key, _IV, _TEXT, _AAD)
        )
        extractable = {**SESSION_SECRET, Cka.EXTRACTABLE: True}
        key = self._keep(token.generate_aes_key(_LABEL, {**extractable, **_ENCRYPTS_ONLY}))
        wrapped = token.wrap_key(wrapping_key, self._mechanism, key)
        template = _unwrapping_template(Ckk.AES)
        unwrapped = self._keep(token.unwrap_key(wrapping_key, self._mechanism, wrapped, template))
        self._require_hidden(unwrapped, "unwrapped key")
        if Weakness.WRAPS_UNEXTRACTABLE not in self._accepted:
            self._must_refuse(
                f"a key that must not leave is wrapped ({Weakness.WRAPS_UNEXTRACTABLE})",
                lambda: token.wrap_key(wrapping_key, self._mechanism, unwrapped),
            )
        self._require_tampering_refused(wrapping_key, wrapped, template)
        self._try_encryption(key, unwrapped)
        self._try_mac()

    def _require_tampering_refused(self, wrapping_key: KeyHandle, wrapped: bytes, template: Template) -> None:
        token = self._token
        damaged = [wrapped[:-8], wrapped[8:], wrapped + bytes(8)]
        damaged += [
            wrapped[:position] + bytes([wrapped[position] ^ 1]) + wrapped[position + 1 :]
            for position in range(len(wrapped))
        ]
        for one in damaged:
            try:
                self._keep(token.unwrap_key(wrapping_key, self._mechanism, one, template))
            except ReturnedError:
                continue
            self.faults.append("a wrapped key that was tampered with is unwrapped")
            return

    def _try_encryption(self, key: KeyHandle, same_key: KeyHandle) -> None:
        token = self._token
        sealed = token.encrypt_gcm(same_key, _IV, _TEXT, _AAD)
        if len(sealed) != len(_TEXT) + 16 or token.decrypt_gcm(key, _IV, sealed, _AAD) != _TEXT:
            self.faults.append("a key does not decrypt what it encrypted after it was wrapped and unwrapped")
        damaged = sealed[:-1] + bytes([sealed[-1] ^ 1])
        self._must_refuse(
            "AES-GCM opens with a wrong tag", lambda: token.decrypt_gcm(key, _IV, damaged, _AAD)
        )
        self._must_refuse(
            "AES-GCM opens with other data", lambda: token.decrypt_gcm(key, _IV, sealed, _AAD + b"?")
        )
        if token.decrypt_gcm(key, _IV, sealed, _AAD) != _TEXT:
            self.faults.append("a refused ciphertext breaks the key")

    def _try_mac(self) -> None:
        token = self._token
        key = self._keep(token.generate_key(Ckm.GENERIC_SECRET_KEY_GEN, mac_key_values(_LABEL)))
        mac = token.sign(key, plain(Ckm.SHA256_HMAC), _TEXT)
        if len(mac) != 32 or mac == token.sign(key, plain(Ckm.SHA256_HMAC), _TEXT + b"?"):
            self.faults.append("HMAC_SHA_256 gives no MAC")
        self._must_refuse(
            "a wrong MAC is accepted",
            lambda: token.verify(key, plain(Ckm.SHA256_HMAC), _TEXT, bytes([mac[0] ^ 1]) + mac[1:]),
        )

    def _require_hidden(self, key: KeyHandle, name: str) -> None:
        token = self._token
        if not token.read_flag(key, Cka.SENSITIVE) or token.read_flag(key, Cka.EXTRACTABLE):
            self.faults.append(f"the {name} is not kept as asked: SENSITIVE or EXTRACTABLE is ignored")
        try:
            value = token.read_attribute(key, Cka.VALUE)
        except ReturnedError as error:
            if error.code == Ckr.ATTRIBUTE_SENSITIVE:
                return
            raise
        if value:
            self.faults.append(f"the {name}'s value can be read")

    def _must_refuse(self, fault: str, call: Callable[[], object]) -> None:
        try:
            call()
        except ReturnedError:
            return
        self.faults.append(fault)

    def _keep(self, key: KeyHandle) -> KeyHandle:
        self._keys.append(key)
        return key

    def clean_up(self) -> None:
        for key in self._keys:
            try:
                self._token.destroy(key)
            except ReturnedError:
                continue  # it ends with the session


def mac_key_values(label: str, resident: bool = False) -> Values:
    """A key of 32 bytes that makes and verifies HMAC_SHA_256, and nothing else."""
    return {
        Cka.CLASS: Cko.SECRET_KEY,
        Cka.KEY_TYPE: Ckk.GENERIC_SECRET,
        Cka.VALUE_LEN: 32,
        Cka.LABEL: label.encode("utf-8"),
        **SESSION_SECRET,
        Cka.TOKEN: resident,
        Cka.SIGN: True,
        Cka.VERIFY: True,
        Cka.WRAP: False,
        Cka.UNWRAP: False,
        Cka.ENCRYPT: False,
        Cka.DECRYPT: False,
    }


def _unwrapping_template(key_type: Ckk) -> Template:
    return Template({Cka.CLASS: Cko.SECRET_KEY, Cka.KEY_TYPE: key_type, **SESSION_SECRET, **_ENCRYPTS_ONLY})
