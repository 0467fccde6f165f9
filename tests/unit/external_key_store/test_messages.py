"""Answers of proxies: the specification's examples are read, and everything else is refused."""

from __future__ import annotations

import base64
import json
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.xks_proxy import ERROR_STATUS, HEALTH

from strongroom.aws.proxy_refusals import ProxyFailure
from strongroom.external_key_store import messages
from strongroom.operations.key_store_backend import OnBehalf, ProxyFailed

ON_BEHALF = OnBehalf("Encrypt", "r", "arn:aws:iam::123456789012:user/Alice", "arn:aws:kms:k", "s3")


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def sound(**changes: Any) -> dict[str, Any]:
    iv, tag, ciphertext, metadata = b"i" * 12, b"t" * 16, b"c" * 12, b"m"
    value = sha256(b"aad" + metadata + iv + ciphertext + tag).digest()
    return {
        "ciphertext": text(ciphertext),
        "ciphertextMetadata": text(metadata),
        "initializationVector": text(iv),
        "authenticationTag": text(tag),
        "ciphertextDataIntegrityValue": text(value),
    } | changes


def failure_of(status: int, body: bytes) -> ProxyFailure:
    with pytest.raises(ProxyFailed) as caught:
        messages.parse_encrypted(status, body, b"p" * 12, b"aad")
    return caught.value.failure


def test_specification_examples_are_read() -> None:
    # The examples of Encrypt and of Appendix C.
    aad, plaintext = b"project=nile,department=marketing", b"Hello World!"
    answer = {
        "authenticationTag": "vBxN2ncH1oEkR8WVXpmyYQ==",
        "ciphertext": "ghxkK1txeDNn3q8Y",
        "ciphertextDataIntegrityValue": "qHA/ImC9h5HsLRXqCyPmWgYx7tzyoTplzILbP0fPXsc=",
        "ciphertextMetadata": "a2V5X3ZlcnNpb249MQ==",
        "initializationVector": "HMrlRw85cAJUd5Ax",
    }
    wrapped = messages.parse_encrypted(200, json.dumps(answer).encode(), plaintext, aad)
    request, length = messages.render_decrypt_request(ON_BEHALF, wrapped, aad)
    sent = json.loads(request)
    assert length == 12
    assert {name: sent[name] for name in answer if name in sent} == {
        name: value for name, value in answer.items() if name != "ciphertextDataIntegrityValue"
    }
    assert sent["requestMetadata"]["kmsViaService"] == "s3"
    assert messages.parse_decrypted(200, b'{"plaintext": "SGVsbG8gV29ybGQh"}', 12) == plaintext
    assert messages.parse_health(200, json.dumps(HEALTH).encode()).ekm_vendor == "tests"


@pytest.mark.parametrize("name", ERROR_STATUS)
def test_error_is_taken_with_its_own_status_only(name: str) -> None:
    body = json.dumps({"errorName": name, "errorMessage": "text"}).encode()
    expected = ProxyFailure.INVALID_RESPONSE if name == "ValidationException" else ProxyFailure(name)
    for status in range(100, 600):
        wanted = expected if status == ERROR_STATUS[name] else ProxyFailure.INVALID_RESPONSE
        assert failure_of(status, body) is wanted


@pytest.mark.parametrize(
    "changes",
    [
        {"initializationVector": text(b"i" * 11)},
        {"authenticationTag": text(b"t" * 15)},
        {"ciphertext": text(b"c" * 11)},
        {"ciphertext": text(b"c" * 13)},
        {"ciphertextMetadata": text(b"m" * 21)},
        {"ciphertextMetadata": None},
        {"ciphertextDataIntegrityValue": None},
        {"ciphertextDataIntegrityValue": text(bytes(32))},
        {"ciphertextDataIntegrityValue": ""},
        {"ciphertext": "Y2NjY2NjY2NjY2Nj\n"},
        {"authenticationTag": "dHR0dHR0dHR0dHR0dHR0dB=="},
    ],
    ids=str,
)
def test_encrypt_answer_with_a_fault_is_refused(changes: dict[str, Any]) -> None:
    assert messages.parse_encrypted(200, json.dumps(sound()).encode(), b"p" * 12, b"aad")
    assert failure_of(200, json.dumps(sound(**changes)).encode()) is ProxyFailure.INVALID_RESPONSE


@pytest.mark.parametrize(
    "changes",
    [
        {"xksProxyFleetSize": 0},
        {"xksProxyFleetSize": "1"},
        {"ekmFleetDetails": []},
        {"ekmFleetDetails": HEALTH["ekmFleetDetails"] * 11},  # type: ignore[operator]
        {"ekmFleetDetails": [{"id": "1", "model": "m", "healthStatus": "FINE"}]},
        {"ekmVendor": None},
    ],
    ids=str,
)
def test_health_with_a_fault_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ProxyFailed):
        messages.parse_health(200, json.dumps(HEALTH | changes).encode())


@given(st.integers(100, 599), st.binary(max_size=200))
def test_any_answer_is_read_or_refused(status: int, body: bytes) -> None:
    for parse in (
        lambda: messages.parse_encrypted(status, body, b"p", b""),
        lambda: messages.parse_decrypted(status, body, 1),
        lambda: messages.parse_health(status, body),
        lambda: messages.parse_metadata(status, body),
    ):
        with pytest.raises(ProxyFailed):
            parse()


@given(st.binary(max_size=120))
def test_any_wrapped_bytes_are_a_request_or_refused(wrapped: bytes) -> None:
    failure = None
    try:
        _, length = messages.render_decrypt_request(ON_BEHALF, wrapped, b"")
    except ProxyFailed as refused:
        failure = refused.failure
    else:
        assert 1 <= length < len(wrapped)
    assert failure in (None, ProxyFailure.CIPHERTEXT_REFUSED)


def test_answer_with_a_member_given_twice_is_refused() -> None:
    whole = json.dumps(sound())
    for twice in (whole.replace("{", '{"ciphertext": "AAAA", ', 1), whole[:-1] + ', "x": {"y": 1, "y": 2}}'):
        assert failure_of(200, twice.encode()) is ProxyFailure.INVALID_RESPONSE
    error = b'{"errorName": "AccessDeniedException", "errorName": "KeyNotFoundException"}'
    assert failure_of(404, error) is ProxyFailure.INVALID_RESPONSE
