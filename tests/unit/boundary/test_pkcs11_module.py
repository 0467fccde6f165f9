"""The module with a PKCS#11 token: what it is bound to, and what becomes of it when the token fails."""

from __future__ import annotations

import contextlib
import os
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest
from tests.support.running_boundary import (
    KEY_ID,
    OTHER_KEY_ID,
    REGION,
    Refused,
    RunningBoundary,
    binding,
)
from tests.support.softhsm import PIN, TestToken

from strongroom.boundary.ciphertext_format import VERSION_TOKEN, parse_header
from strongroom.boundary.dispatch import DomainKeyUnknown, NoActiveDomainKey
from strongroom.boundary.interface import (
    BoundaryRefused,
    BoundaryUnavailable,
    CiphertextRefused,
    KeySpecNotOffered,
    TokenRefused,
)
from strongroom.boundary.key_hierarchy import parse_token
from strongroom.boundary.pkcs11.connection import TokenConnection, TokenPlace
from strongroom.boundary.pkcs11.module import Pkcs11Module
from strongroom.boundary.pkcs11.numbers import Cka, Cko
from strongroom.boundary.pkcs11.probe import Weakness
from strongroom.boundary.software.module import SoftwareModule

T = TypeVar("T")
FLIPS = int(os.environ.get("TOKEN_FLIPS", "150"))
KEY = KEY_ID.encode()


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Provider:
    """A module on a token; asked as the client asks: once more after DomainKeyUnknown."""

    def __init__(
        self,
        token: TestToken,
        root_key: bytes = bytes(32),
        tell_pin_refused: Callable[[], None] = lambda: None,
    ) -> None:
        self.logged: list[str] = []
        self.clock = Clock()
        accepted = [Weakness(name) for name in token.accepted_weaknesses]
        place = TokenPlace(token.module, token.label, token.pin, token.init_arguments, accepted)
        self.connection = TokenConnection(place, self.logged.append, self.clock, tell_pin_refused)
        self.software = SoftwareModule(root_key, None)
        self.module = Pkcs11Module(self.software, self.connection)
        _, self.domain_key = self.module.create_domain_key(REGION)
        self.module.load_domain_key(self.domain_key, activate=True)

    def ask(self, call: Callable[[], T]) -> T:
        try:
            return call()
        except DomainKeyUnknown:
            self.module.load_domain_key(self.domain_key, activate=True)
            return call()

    def close(self) -> None:
        with contextlib.suppress(BoundaryUnavailable):
            self.connection.token.close()


@pytest.fixture(params=["softhsm", "nss_token"])
def provider(request: pytest.FixtureRequest) -> Iterator[Provider]:
    made = Provider(request.getfixturevalue(request.param))
    yield made
    made.close()


@pytest.fixture
def on_softhsm(softhsm: TestToken) -> Iterator[Provider]:
    made = Provider(softhsm)
    yield made
    made.close()


def test_blob_says_its_version_and_opens_with_its_context_only(provider: Provider) -> None:
    module = provider.module
    token = module.generate_key(binding()).exported_token
    blob = module.encrypt(token, KEY, b"text", b"\x80")
    assert parse_header(blob).version == VERSION_TOKEN
    assert parse_header(blob).key_id == KEY_ID
    assert module.decrypt(token, KEY, blob, b"\x80") == b"text"
    for wrong in (blob[:-1] + bytes([blob[-1] ^ 1]), blob[:-1], blob[:60] + b"?" + blob[61:], b""):
        with pytest.raises(CiphertextRefused):
            module.decrypt(token, KEY, wrong, b"\x80")
    with pytest.raises(CiphertextRefused):
        module.decrypt(token, KEY, blob, b"\x81")
    assert provider.connection.opened == 1  # a wrong ciphertext is no broken token
    assert not provider.logged


def test_no_flipped_bit_of_an_exported_token_is_taken(on_softhsm: Provider) -> None:
    module = on_softhsm.module
    token = module.generate_key(binding()).exported_token
    chosen = random.Random(7)
    for _ in range(FLIPS):
        position = chosen.randrange(len(token) * 8)
        flipped = bytearray(token)
        flipped[position // 8] ^= 1 << position % 8
        with pytest.raises((TokenRefused, KeySpecNotOffered, DomainKeyUnknown)):
            module.encrypt(bytes(flipped), KEY, b"x", b"")


def test_wrapped_key_of_another_kms_key_is_refused(on_softhsm: Provider) -> None:
    """AES key wrap binds nothing: the HMAC over header and wrapped key does."""
    module = on_softhsm.module
    mine = module.generate_key(binding()).exported_token
    other = module.generate_key(binding(OTHER_KEY_ID)).exported_token
    assert len(mine) == len(other)
    body = -(32 + 40 + 4)
    swapped = mine[:body] + other[body:]
    with pytest.raises(TokenRefused):
        module.encrypt(swapped, KEY, b"x", b"")
    with pytest.raises(TokenRefused):
        module.encrypt(other, KEY, b"x", b"")


def test_token_of_the_software_module_and_of_the_token_do_not_mix(on_softhsm: Provider) -> None:
    software = SoftwareModule(bytes(32), None)
    _, domain_key = software.create_domain_key(REGION)
    software.load_domain_key(domain_key, activate=True)
    in_memory = software.generate_key(binding()).exported_token
    in_token = on_softhsm.module.generate_key(binding()).exported_token
    with pytest.raises(KeySpecNotOffered):
        on_softhsm.module.encrypt(in_memory, KEY, b"x", b"")
    with pytest.raises(KeySpecNotOffered):
        software.encrypt(in_token, KEY, b"x", b"")
    with pytest.raises(TokenRefused):
        on_softhsm.module.load_domain_key(domain_key, activate=True)
    with pytest.raises(TokenRefused):
        software.load_domain_key(on_softhsm.domain_key, activate=True)


def test_rewrapped_key_opens_what_was_encrypted_before(provider: Provider) -> None:
    module = provider.module
    token = module.generate_key(binding()).exported_token
    blob = module.encrypt(token, KEY, b"text", b"")
    second_id, second = module.create_domain_key(REGION, 2)
    with pytest.raises(NoActiveDomainKey):
        module.rewrap(token, "AWS_KMS", second_id)
    module.load_domain_key(second, activate=True)
    module.load_domain_key(provider.domain_key, activate=True)  # an earlier generation comes too late
    rewrapped = module.rewrap(token, "AWS_KMS", second_id)
    assert second_id in rewrapped
    with pytest.raises(TokenRefused):
        module.rewrap(token, "EXTERNAL_KEY_STORE", second_id)
    module.forget_domain_key(provider.domain_key)
    assert module.decrypt(rewrapped, KEY, blob, b"") == b"text"
    with pytest.raises(DomainKeyUnknown):
        module.decrypt(token, KEY, blob, b"")


def test_checkpoints_are_signed_by_the_root_keys_own_key_with_a_token_too(on_softhsm: Provider) -> None:
    signing = SoftwareModule(bytes(32), None).checkpoints
    assert on_softhsm.module.checkpoints.public_key == signing.public_key
    assert on_softhsm.module.describe()["audit checkpoint key"] == signing.key_id


def test_retired_domain_key_opens_nothing_here_and_in_the_next_process(on_softhsm: Provider) -> None:
    module = on_softhsm.module
    token = module.generate_key(binding()).exported_token
    blob = module.encrypt(token, KEY, b"text", b"")
    second_id, second = module.create_domain_key(REGION, 2)
    module.load_domain_key(second, activate=True)
    rewrapped = module.rewrap(token, "AWS_KMS", second_id)
    assert module.decrypt(token, KEY, blob, b"") == b"text"
    anchor = module.vouch_for_domain_key(second, True)
    software = SoftwareModule(bytes(32), None, anchor=anchor)
    next_one = Pkcs11Module(software, on_softhsm.connection)
    next_one.load_domain_key(on_softhsm.domain_key, activate=True)
    with pytest.raises(NoActiveDomainKey):  # a database that was put back
        next_one.generate_key(binding())
    next_one.load_domain_key(second, activate=True)
    for serving in (module, next_one):
        with pytest.raises(TokenRefused):
            serving.decrypt(token, KEY, blob, b"")
        with pytest.raises(TokenRefused):
            serving.rewrap(token, "AWS_KMS", second_id)
        assert serving.decrypt(rewrapped, KEY, blob, b"") == b"text"
        assert serving.generate_key(binding())


def test_forgotten_domain_key_is_destroyed_in_the_token_and_no_other(provider: Provider) -> None:
    module = provider.module
    first = module.generate_key(binding()).exported_token
    for _ in range(2):  # whoever asks too early destroys nothing
        with pytest.raises(BoundaryRefused):
            module.forget_domain_key(provider.domain_key)
    second_id, second = module.create_domain_key(REGION, 2)
    module.load_domain_key(second, activate=True)
    assert len(resident_labels(provider)) == 4

    module.forget_domain_key(provider.domain_key)

    assert resident_labels(provider) == {
        f"strongroom domain key {second_id.hex()}",
        f"strongroom binding key {second_id.hex()}",
    }
    module.encrypt(module.generate_key(binding()).exported_token, KEY, b"x", b"")
    with pytest.raises(DomainKeyUnknown):
        module.encrypt(first, KEY, b"x", b"")
    with pytest.raises(TokenRefused):  # nor does a row that somebody puts back bring it back
        module.load_domain_key(provider.domain_key, activate=False)
    module.forget_domain_key(provider.domain_key)  # once more, as after a crash: nothing is there


def test_half_a_domain_key_that_a_crash_left_in_the_token_is_destroyed(on_softhsm: Provider) -> None:
    module = on_softhsm.module
    module.load_domain_key(module.create_domain_key(REGION, 2)[1], activate=True)
    token = on_softhsm.connection.token
    first_id = parse_token(on_softhsm.domain_key[:-32]).header.key_id
    token.destroy(token.find_key(f"strongroom domain key {first_id}"))
    module.forget_domain_key(on_softhsm.domain_key)
    assert not [label for label in resident_labels(on_softhsm) if first_id in label]


def resident_labels(provider: Provider) -> set[str]:
    """What lives in the token."""
    token = provider.connection.token
    keys = token.find_keys({Cka.CLASS: Cko.SECRET_KEY, Cka.TOKEN: True})
    return {token.read_attribute(key, Cka.LABEL).decode() for key in keys}


def test_domain_key_of_another_token_is_refused(on_softhsm: Provider, nss_token: TestToken) -> None:
    elsewhere = Provider(nss_token)
    try:
        with pytest.raises(TokenRefused):
            elsewhere.module.load_domain_key(on_softhsm.domain_key, activate=True)
    finally:
        elsewhere.close()


def test_keys_in_the_token_cannot_leave_and_domain_keys_encrypt_nothing(on_softhsm: Provider) -> None:
    on_softhsm.module.encrypt(
        on_softhsm.module.generate_key(binding()).exported_token, KEY, b"x", b""
    )  # so that one is there
    token = on_softhsm.connection.token
    keys = token.find_keys({Cka.CLASS: Cko.SECRET_KEY})
    assert len(keys) == 3  # two of the domain key, and the backing key
    for key in keys:
        assert not token.read_flag(key, Cka.EXTRACTABLE)
        assert token.read_flag(key, Cka.SENSITIVE)
        assert not (token.read_flag(key, Cka.WRAP) and token.read_flag(key, Cka.DECRYPT))


@pytest.mark.parametrize("length", [28, 32, 48, 64])
def test_hmac_keys_give_macs_after_they_were_wrapped(on_softhsm: Provider, length: int) -> None:
    from strongroom.boundary.backing_keys import MacKey

    module = on_softhsm.module
    spec = {28: "HMAC_224", 32: "HMAC_256", 48: "HMAC_384", 64: "HMAC_512"}[length]
    made = module.generate_key(replace(binding(), key_spec=spec, key_usage="GENERATE_VERIFY_MAC"))
    mac = module.key_of(MacKey, made.exported_token, KEY).generate_mac(b"message")
    module.forget_key(KEY, REGION)
    assert len(mac) == length
    module.key_of(MacKey, made.exported_token, KEY).verify_mac(b"message", mac)


def test_what_the_token_cannot_do_is_refused_and_named(on_softhsm: Provider) -> None:
    module = on_softhsm.module
    for spec, usage in (
        ("ML_DSA_44", "SIGN_VERIFY"),
        ("ECC_NIST_EDWARDS25519", "SIGN_VERIFY"),
        ("RSA_2048", "ENCRYPT_DECRYPT"),
    ):
        with pytest.raises(BoundaryRefused):
            module.generate_key(replace(binding(), key_spec=spec, key_usage=usage))
    facts = module.describe()
    assert "ARGUMENTS_BAD" in facts["not offered: RSA_2048 ENCRYPT_DECRYPT"]  # OAEP with SHA-1 only
    assert "SoftHSM" in facts["module"]


def test_sessions_closed_under_its_feet_are_opened_again(on_softhsm: Provider) -> None:
    module = on_softhsm.module
    token = module.generate_key(binding()).exported_token
    blob = module.encrypt(token, KEY, b"text", b"")
    pkcs11 = on_softhsm.connection.token
    for count in range(3):
        on_softhsm.clock.now += 1
        pkcs11 = on_softhsm.connection.token
        pkcs11.module.call("CloseAllSessions", pkcs11.description.slot)
        assert on_softhsm.ask(lambda: module.decrypt(token, KEY, blob, b"")) == b"text"
        assert on_softhsm.connection.opened == count + 2
    wrong = blob[:-1] + bytes([blob[-1] ^ 1])
    with pytest.raises(CiphertextRefused):
        module.decrypt(token, KEY, wrong, b"")


def test_token_that_is_away_makes_calls_unavailable_and_is_found_again(
    on_softhsm: Provider, softhsm: TestToken
) -> None:
    module = on_softhsm.module
    token = module.generate_key(binding()).exported_token
    blob = module.encrypt(token, KEY, b"text", b"")
    away = softhsm.directory.with_name("away")
    softhsm.directory.rename(away)
    pkcs11 = on_softhsm.connection.token
    pkcs11.module.call("CloseAllSessions", pkcs11.description.slot)
    for _ in range(3):
        on_softhsm.clock.now += 1
        with pytest.raises(BoundaryUnavailable):
            on_softhsm.ask(lambda: module.decrypt(token, KEY, blob, b""))
    assert module.describe()["PKCS#11 token"] == "away"
    away.rename(softhsm.directory)
    with pytest.raises(BoundaryUnavailable):  # not yet: it is tried at most twice a second
        module.decrypt(token, KEY, blob, b"")
    on_softhsm.clock.now += 1
    assert on_softhsm.ask(lambda: module.decrypt(token, KEY, blob, b"")) == b"text"


def test_pin_that_was_changed_is_tried_once_and_never_again(on_softhsm: Provider, softhsm: TestToken) -> None:
    module = on_softhsm.module
    token = module.generate_key(binding()).exported_token
    pkcs11 = on_softhsm.connection.token
    pkcs11.close()
    softhsm.change_pin(b"another-pin")
    for _ in range(4):
        on_softhsm.clock.now += 1
        with pytest.raises(BoundaryUnavailable):
            module.encrypt(token, KEY, b"text", b"")
    assert sum("refuses its PIN" in line for line in on_softhsm.logged) == 1
    assert module.describe()["PKCS#11 token"] == "its PIN was refused"
    assert not any(PIN.decode() in line for line in on_softhsm.logged)


@pytest.mark.parametrize(
    ("pin", "mode", "sentence"),
    [(b"wrong-pin", 0o600, "refuses the PIN"), (None, 0o644, "nobody but its owner")],
)
def test_boundary_with_a_wrong_or_open_pin_file_says_what_to_do(
    tmp_path: Path, softhsm: TestToken, pin: bytes | None, mode: int, sentence: str
) -> None:
    pin_file = softhsm.directory.parent / "pin"
    pin_file.touch()
    pin_file.chmod(mode)
    with pytest.raises(Refused, match=sentence) as refused:
        RunningBoundary(tmp_path / "key", token=softhsm, pin=pin)
    assert PIN.decode() not in str(refused.value)
    assert "wrong-pin" not in str(refused.value)
