"""Who may call the external key store proxy: signatures by botocore, and the operator's credentials."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from tests.support.proxy_scene import ProxyScene

from strongroom.administration.commands import CommandRefused, carry_out
from strongroom.administration.messages import CreateProxyCredential, DeleteProxyCredential
from strongroom.identity.http_request import HttpRequest


@pytest.mark.parametrize(
    "wrong",
    [
        {"secret": "another secret of the same length as the one"},
        {"access_key_id": "ABCDE2345672EXAMPLEA"},
        {"access_key_id": "lower-case"},
        {"service": "kms"},
        {"region": "nowhere"},
        {"signed_late": timedelta(minutes=-6)},
        {"signed_late": timedelta(minutes=6)},
    ],
    ids=str,
)
def test_request_that_is_not_signed_as_it_must_be_is_one_error(
    proxied: ProxyScene, wrong: dict[str, Any]
) -> None:
    proxied.offer()
    for path in ("/health", "/keys/foo/encrypt", "/nowhere"):
        answer = proxied.send(proxied.request(path, b"{}", **wrong))
        expected = {
            "errorName": "AuthenticationFailedException",
            "errorMessage": "The signature of the request is not valid.",
        }
        assert (answer.status, json.loads(answer.body)) == (401, expected)
        assert proxied.road.last_record["userIdentity"] == {"type": "Unknown"}


def test_request_changed_after_it_was_signed_is_refused(proxied: ProxyScene) -> None:
    proxied.offer()
    sound = proxied.request("/health", json.dumps({"requestMetadata": proxied.metadata()}).encode())
    assert proxied.send(sound).status == 200

    def changed(**members: Any) -> HttpRequest:
        known: dict[str, Any] = {
            "method": "POST",
            "target": sound.target,
            "headers": sound.headers,
            "body": sound.body,
        }
        known |= members
        return HttpRequest(
            known["method"], known["target"], known["headers"], known["body"], sound.source_ip, True
        )

    def with_header(name: bytes, value: bytes | None) -> HttpRequest:
        others = [one for one in sound.headers if one[0] != name]
        return changed(headers=others if value is None else [*others, (name, value)])

    authorization = dict(sound.headers)[b"authorization"]
    for other in (
        changed(body=sound.body + b" "),
        changed(target=sound.target.replace(b"health", b"keys/foo/metadata")),
        changed(target=sound.target + b"?a=b"),
        changed(method="PUT"),
        with_header(b"host", b"elsewhere"),
        with_header(b"host", None),
        with_header(b"x-amz-date", None),
        with_header(b"x-amz-date", b"20250101T000000Z"),
        with_header(b"authorization", None),
        with_header(b"authorization", authorization.replace(b"host;x-amz-date", b"host")),
        with_header(b"authorization", authorization.replace(b"host;x-amz-date", b"x-amz-date")),
        with_header(b"authorization", authorization.replace(b"host;", b"host;host;")),
        with_header(b"authorization", authorization.replace(b"host;", b"absent;host;")),
        with_header(b"authorization", authorization[:-1] + (b"0" if authorization[-1:] != b"0" else b"1")),
        with_header(b"authorization", authorization.replace(b"Signature=", b"Signature=0")),
        with_header(b"authorization", authorization.replace(b"AWS4-HMAC-SHA256", b"AWS4-HMAC-SHA1")),
    ):
        assert proxied.send(other).status == 401


def test_further_signed_headers_are_verified_as_they_were_sent(proxied: ProxyScene) -> None:
    body = json.dumps({"requestMetadata": proxied.metadata()}).encode()
    request = proxied.request("/health", body, more={"Content-Type": "application/json"})
    assert b"content-type;host;x-amz-date" in dict(request.headers)[b"authorization"]
    assert proxied.send(request).status == 200
    request.headers = [
        (name, b"text/html" if name == b"content-type" else value) for name, value in request.headers
    ]
    assert proxied.send(request).status == 401


def test_deleted_credential_is_refused_at_once_and_a_second_one_serves_meanwhile(
    own_proxied: ProxyScene,
) -> None:
    proxied, rooms = own_proxied, own_proxied.road.rooms

    def carried_out(command: CreateProxyCredential | DeleteProxyCredential) -> Any:
        return proxied.road.wait(carry_out(rooms, command))

    second = carried_out(CreateProxyCredential())
    with pytest.raises(CommandRefused, match="There are 2 credentials already"):
        carried_out(CreateProxyCredential())
    assert second.secret_access_key not in repr(second)
    body = json.dumps({"requestMetadata": proxied.metadata()}).encode()

    def statuses() -> list[int]:
        signers: tuple[dict[str, Any], ...] = (
            {},
            {"access_key_id": second.access_key_id, "secret": second.secret_access_key},
        )
        return [proxied.send(proxied.request("/health", body, **signer)).status for signer in signers]

    assert statuses() == [200, 200]
    carried_out(DeleteProxyCredential(proxied.access_key_id))
    assert statuses() == [401, 200]
    with pytest.raises(CommandRefused, match="no credential of this id"):
        carried_out(DeleteProxyCredential(proxied.access_key_id))
