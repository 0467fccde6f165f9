"""Every error of the external key store proxy API is provoked once; and the quota of a credential."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from tests.support.proxy_scene import STATUSES, ProxyScene, text, to_decrypt

from strongroom.administration.proxy_credentials import create_proxy_credential
from strongroom.xks_proxy.messages import ErrorName
from strongroom.xks_proxy.quota import CredentialQuota

ENCRYPT: dict[str, Any] = {"plaintext": text(b"text"), "encryptionAlgorithm": "AES_GCM"}


class Watch:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def wrongly_signed(proxied: ProxyScene) -> str:
    answer = proxied.send(proxied.request("/health", b"{}", secret="another secret"))
    assert answer.status == 401
    return str(json.loads(answer.body)["errorName"])


def disabled(proxied: ProxyScene) -> str:
    proxied.road.call("DisableKey", KeyId=proxied.offer())
    return proxied.refusal_of_encrypt()


def changed_ciphertext(proxied: ProxyScene) -> str:
    members = to_decrypt(proxied.encrypt(), ciphertext=text(b"else"))
    return proxied.refusal("/keys/foo/decrypt", **members)


def for_decrypt_alone(proxied: ProxyScene) -> str:
    proxied.offer("bar", usages=("DECRYPT",))
    return proxied.refusal("/keys/bar/encrypt", **ENCRYPT)


def too_often(proxied: ProxyScene) -> str:
    proxied.rebuild(CredentialQuota(1.0, now=lambda: 0.0))
    proxied.encrypt()
    return proxied.refusal_of_encrypt()


def unrecorded(proxied: ProxyScene) -> str:
    proxied.road.audit.accepting = False
    return proxied.refusal_of_encrypt()


def without_boundary(proxied: ProxyScene) -> str:
    proxied.road.running_boundary.stop()
    return proxied.refusal_of_encrypt()


PROVOKED: Mapping[str, Callable[[ProxyScene], str]] = {
    "ValidationException": lambda proxied: proxied.refusal_of_encrypt(plaintext="?"),
    "InvalidStateException": disabled,
    "InvalidCiphertextException": changed_ciphertext,
    "InvalidKeyUsageException": for_decrypt_alone,
    "AuthenticationFailedException": wrongly_signed,
    "AccessDeniedException": lambda proxied: proxied.refusal_of_encrypt({"awsPrincipalArn": "nobody"}),
    "KeyNotFoundException": lambda proxied: proxied.refusal("/keys/absent/encrypt", **ENCRYPT),
    "InvalidUriPathException": lambda proxied: proxied.refusal("/keys/foo/sign", **ENCRYPT),
    "ThrottlingException": too_often,
    "InternalException": unrecorded,
    "UnsupportedOperationException": lambda proxied: proxied.refusal_of_encrypt(plaintext=text(bytes(4301))),
    "DependencyTimeoutException": without_boundary,
}


@pytest.mark.parametrize("name", PROVOKED)
def test_each_error_of_the_specification_is_given_with_its_status(own_proxied: ProxyScene, name: str) -> None:
    """Source: External Key Store Proxy API Specification 1.0.3, "Error codes"."""
    own_proxied.offer()
    assert PROVOKED[name](own_proxied) == name


def test_errors_are_those_of_the_specification_and_all_are_provoked() -> None:
    assert set(PROVOKED) == set(STATUSES) == {one.value for one in ErrorName}


def test_credential_beyond_its_quota_is_throttled_on_record_until_time_passes(proxied: ProxyScene) -> None:
    watch = Watch()
    proxied.rebuild(CredentialQuota(3.0, now=watch))
    proxied.offer()
    proxied.encrypt()
    assert proxied.refusal("/keys/absent/metadata") == "KeyNotFoundException"
    assert proxied.ask("/health")[0] == 200
    for path in ("/health", "/keys/foo/encrypt", "/nowhere"):
        assert proxied.refusal(path, **ENCRYPT) == "ThrottlingException"
        assert proxied.road.last_record["errorCode"] == "ThrottlingException"
        assert proxied.road.last_record["userIdentity"]["accessKeyId"] == proxied.access_key_id
    watch.seconds += 0.4
    proxied.encrypt()
    assert proxied.refusal_of_encrypt() == "ThrottlingException"


def test_quota_is_of_one_credential_and_only_good_signatures_use_it_up(proxied: ProxyScene) -> None:
    proxied.rebuild(CredentialQuota(1.0, now=lambda: 0.0))
    proxied.offer()
    for _ in range(5):
        assert wrongly_signed(proxied) == "AuthenticationFailedException"
    proxied.encrypt()
    assert proxied.refusal_of_encrypt() == "ThrottlingException"
    other = proxied.road.wait(create_proxy_credential(proxied.road.rooms))
    proxied.access_key_id, proxied.secret = other.access_key_id, other.secret_access_key
    proxied.encrypt()
