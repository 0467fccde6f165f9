"""A PIN that a token may have counted as a wrong one is tried by nobody a second time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.support.faulty_hsm import FaultyToken
from tests.support.running_boundary import binding
from tests.unit.boundary.test_pkcs11_module import KEY, Provider

from strongroom.boundary.interface import BoundaryUnavailable
from strongroom.boundary.pkcs11.errors import Ckr, LoginUnclear, PinLocked, PinRefused, ReturnedError

UNCLEAR = (
    Ckr.GENERAL_ERROR,
    Ckr.FUNCTION_FAILED,
    Ckr.DEVICE_ERROR,
    Ckr.DEVICE_MEMORY,
    Ckr.HOST_MEMORY,
    Ckr.FUNCTION_REJECTED,
)


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def provider(faulty: FaultyToken, told: list[str]) -> Iterator[Provider]:
    made = Provider(faulty.token, tell_pin_refused=lambda: told.append("refused"))
    yield made
    faulty.faults.fail()
    made.close()


@pytest.mark.parametrize("code", UNCLEAR)
def test_login_that_fails_unclearly_is_tried_once(faulty: FaultyToken, code: Ckr) -> None:
    faulty.faults.fail(Login=code)
    with pytest.raises(LoginUnclear) as raised:
        faulty.token.open()
    assert raised.value.code == code
    assert faulty.faults.logins == 1


@pytest.mark.parametrize("code", [Ckr.PIN_INCORRECT, Ckr.PIN_LOCKED, Ckr.PIN_EXPIRED])
def test_pin_that_is_refused_is_tried_once(faulty: FaultyToken, code: Ckr) -> None:
    faulty.faults.fail(Login=code)
    with pytest.raises(PinRefused) as raised:
        faulty.token.open()
    assert isinstance(raised.value, PinLocked) == (code != Ckr.PIN_INCORRECT)
    assert faulty.faults.logins == 1


def test_token_that_was_not_there_yet_is_tried_again(faulty: FaultyToken) -> None:
    """The retries of a cold start are for what comes before the PIN."""
    faulty.faults.fail(OpenSession=Ckr.GENERAL_ERROR)
    with pytest.raises(ReturnedError):
        faulty.token.open()
    assert faulty.faults.logins == 0
    faulty.faults.fail(Login=Ckr.TOKEN_NOT_PRESENT)
    with pytest.raises(ReturnedError):
        faulty.token.open()
    assert faulty.faults.logins > 1


@pytest.mark.parametrize("code", [*UNCLEAR, Ckr.PIN_INCORRECT, Ckr.PIN_LOCKED])
def test_token_that_was_lost_is_not_given_a_pin_twice(
    faulty: FaultyToken, provider: Provider, told: list[str], code: Ckr
) -> None:
    exported = provider.module.generate_key(binding()).exported_token
    assert faulty.faults.logins == 1
    faulty.faults.fail(EncryptInit=Ckr.DEVICE_ERROR, Login=code)
    for _ in range(5):
        provider.clock.now += 1
        with pytest.raises(BoundaryUnavailable):
            provider.ask(lambda: provider.module.encrypt(exported, KEY, b"text", b""))
    assert faulty.faults.logins == 2
    assert told == ["refused"]
    assert provider.module.describe()["PKCS#11 token"] == "its PIN was refused"


def test_token_whose_calls_fail_is_opened_again_and_says_so_once(
    faulty: FaultyToken, provider: Provider
) -> None:
    exported = provider.module.generate_key(binding()).exported_token
    for code in (Ckr.DEVICE_ERROR, Ckr.SESSION_HANDLE_INVALID, Ckr.DEVICE_REMOVED):
        faulty.faults.fail(EncryptInit=code, GetSlotList=Ckr.DEVICE_ERROR)
        for _ in range(5):
            provider.clock.now += 1
            with pytest.raises(BoundaryUnavailable):
                provider.ask(lambda: provider.module.encrypt(exported, KEY, b"text", b""))
        faulty.faults.fail()
        provider.clock.now += 1
        assert provider.ask(lambda: provider.module.encrypt(exported, KEY, b"text", b""))
    assert len(provider.logged) == 9
    assert sum("is open again" in line for line in provider.logged) == 3


def test_status_finds_a_token_that_is_back(faulty: FaultyToken, provider: Provider) -> None:
    """Whoever asks /readyz asks for nothing else: it must not stay away for lack of calls."""
    exported = provider.module.generate_key(binding()).exported_token
    faulty.faults.fail(EncryptInit=Ckr.DEVICE_ERROR, GetSlotList=Ckr.DEVICE_ERROR)
    provider.clock.now += 1
    with pytest.raises(BoundaryUnavailable):
        provider.ask(lambda: provider.module.encrypt(exported, KEY, b"text", b""))
    assert provider.module.describe()["PKCS#11 token"] == "away"
    faulty.faults.fail()
    assert provider.module.describe()["PKCS#11 token"] == "away"  # at most twice a second
    provider.clock.now += 1
    assert provider.module.describe()["PKCS#11 token"] == "open"
