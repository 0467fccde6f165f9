"""Whatever reaches the external key store proxy is answered as the API has it, and nothing is uncaught."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.proxy_scene import STATUSES, ProxyScene, text, to_decrypt
from tests.support.road import Road

from strongroom.identity.http_request import HttpRequest

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
_MEMBERS = (
    "plaintext", "ciphertext", "ciphertextMetadata", "initializationVector", "authenticationTag",
    "encryptionAlgorithm", "additionalAuthenticatedData", "ciphertextDataIntegrityValueAlgorithm",
)  # fmt: skip
_SETTINGS = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProxyScene]:
    with Road(tmp_path_factory.mktemp("proxied")) as road:
        scene = ProxyScene(road)
        scene.offer()
        yield scene


@pytest.fixture
def no_faults(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level(logging.ERROR, "strongroom.xks_proxy"):
        yield
    assert caplog.records == []


def require_refused_or_done(scene: ProxyScene, request: HttpRequest) -> None:
    answer = scene.send(request)
    content = json.loads(answer.body)
    if answer.status == 200:
        assert "errorName" not in content
        return
    assert STATUSES[content["errorName"]] == answer.status
    assert content["errorName"] != "InternalException"


@given(data=st.data())
@_SETTINGS
def test_signed_request_of_any_members_is_answered(
    proxied: ProxyScene, no_faults: None, data: st.DataObject
) -> None:
    sound = to_decrypt(proxied.encrypt()) | {"plaintext": text(b"text")}
    members: dict[str, Any] = {"requestMetadata": proxied.metadata()} | sound
    for name in data.draw(st.lists(st.sampled_from((*_MEMBERS, "requestMetadata")), max_size=3)):
        members[name] = data.draw(_JSON | st.binary(max_size=40).map(text))
    for name in data.draw(st.lists(st.sampled_from(sorted(proxied.metadata())), max_size=2)):
        if isinstance(members["requestMetadata"], dict):
            members["requestMetadata"] = members["requestMetadata"] | {name: data.draw(_JSON)}
    path = data.draw(
        st.sampled_from(("/keys/foo/encrypt", "/keys/foo/decrypt", "/keys/foo/metadata", "/health"))
    )
    require_refused_or_done(proxied, proxied.request(path, json.dumps(members).encode()))


@given(body=st.binary(max_size=200), path=st.text(st.characters(codec="ascii"), max_size=40))
@_SETTINGS
def test_signed_request_of_any_bytes_and_path_is_answered(
    proxied: ProxyScene, no_faults: None, body: bytes, path: str
) -> None:
    request = proxied.request("/keys/foo/encrypt", body)
    request.target = request.target.removesuffix(b"/keys/foo/encrypt") + path.encode()
    require_refused_or_done(proxied, request)
    require_refused_or_done(proxied, proxied.request("/keys/foo/encrypt", body))


@given(
    name=st.sampled_from((b"authorization", b"x-amz-date", b"host")),
    value=st.binary(max_size=300),
    keeps=st.integers(0, 300),
)
@_SETTINGS
def test_signature_of_any_bytes_is_one_refusal(
    proxied: ProxyScene, no_faults: None, name: bytes, value: bytes, keeps: int
) -> None:
    request = proxied.request("/health", json.dumps({"requestMetadata": proxied.metadata()}).encode())
    fields = dict(request.headers)
    changed = fields[name][:keeps] + value
    if changed == fields[name]:
        return
    request.headers = [(one, changed if one == name else kept) for one, kept in request.headers]
    answer = proxied.send(request)
    # Blanks around and between words of a header are the same header.
    same = b" ".join(changed.split()) == fields[name]
    assert same or (answer.status, json.loads(answer.body)["errorName"]) == (
        401,
        "AuthenticationFailedException",
    )
