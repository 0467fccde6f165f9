"""What a whole server does with requests that no SDK would send so, over raw sockets."""

from __future__ import annotations

import json
import re
import socket
from uuid import UUID

import pytest
from tests.conformance.raw_calls import AMZ_JSON, RawAnswer, call, open_authorization, send
from tests.support.server import ACCOUNT, Server
from tests.support.sm2 import IS_OFFERED

SIGNED = {"Authorization": open_authorization()}
TARGET = "X-Amz-Target"


def require_aws_json(answer: RawAnswer, code: str, *, message: bool) -> None:
    """An error as AWS KMS sends it."""
    assert answer.status == 400
    assert answer.headers["content-type"] == AMZ_JSON
    assert str(UUID(answer.headers["x-amzn-requestid"])) == answer.headers["x-amzn-requestid"]
    assert answer.content["__type"] == code
    assert answer.content.keys() == ({"__type", "message"} if message else {"__type"})


def exchange(server: Server, *pieces: bytes) -> bytes:
    """All that the server says to these bytes, until it closes or says no more."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        for piece in pieces:
            connection.sendall(piece)
        connection.shutdown(socket.SHUT_WR)
        said = b""
        while chunk := connection.recv(65536):
            said += chunk
        return said


# ---------------------------------------------------------------- success


def test_success_has_aws_headers_and_a_request_id_of_its_own(server: Server) -> None:
    answers = [call(server, "GenerateRandom", NumberOfBytes=8) for _ in range(3)]
    for answer in answers:
        assert answer.status == 200
        assert answer.headers["content-type"] == AMZ_JSON
        assert answer.headers["content-length"] == str(len(answer.body))
        assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", answer.headers["x-amzn-requestid"])
    assert len({answer.headers["x-amzn-requestid"] for answer in answers}) == 3


def test_success_without_output_has_an_empty_body(server: Server) -> None:
    key_id = call(server, "CreateKey").content["KeyMetadata"]["KeyId"]
    for operation in ("DisableKey", "EnableKey"):
        answer = call(server, operation, KeyId=key_id)
        assert (answer.status, answer.body) == (200, b"")
        assert answer.headers["content-length"] == "0"


def test_header_names_in_any_case_and_odd_content_types_work(server: Server) -> None:
    body = b'{"NumberOfBytes": 8}'
    for content_type in (AMZ_JSON, "application/x-amz-json-1.0", "application/json", "text/plain"):
        headers = {
            "x-AMZ-target": "TrentService.GenerateRandom",
            "CONTENT-TYPE": content_type,
            "authorization": open_authorization(),
        }
        assert send(server, "POST", "/", body, headers).status == 200


# ---------------------------------------------------------------- errors of KMS


@pytest.mark.parametrize(
    "target",
    ["TrentService.MakeCoffee", "TrentService.", "TrentService.encrypt", f"TrentService.{'x' * 500}"],
)
def test_unknown_operation_has_no_message(server: Server, target: str) -> None:
    answer = send(server, "POST", "/", b"{}", {TARGET: target, **SIGNED})
    require_aws_json(answer, "UnknownOperationException", message=False)


@pytest.mark.parametrize("target", ["DynamoDB_20120810.ListTables", "trentservice.ListKeys", "x", ""])
def test_target_of_another_service_is_unknown(server: Server, target: str) -> None:
    answer = send(server, "POST", "/", b"{}", {TARGET: target, **SIGNED})
    assert (answer.status, answer.content["__type"]) == (400, "UnknownOperationException")
    assert UUID(answer.headers["x-amzn-requestid"])


def test_error_with_a_message_is_type_and_message(server: Server) -> None:
    answer = call(server, "DescribeKey", KeyId="nobody")
    require_aws_json(answer, "NotFoundException", message=True)
    assert answer.content == {"__type": "NotFoundException", "message": "Invalid keyId 'nobody'"}


def test_errors_that_aws_sends_without_a_message_have_none(server: Server) -> None:
    answer = call(server, "Decrypt", CiphertextBlob="Z2FyYmFnZQ==")
    require_aws_json(answer, "InvalidCiphertextException", message=False)
    answer = call(server, "DeleteAlias", AliasName="alias/aws/s3")
    require_aws_json(answer, "NotAuthorizedException", message=False)
    answer = send(server, "POST", "/", b"{", {TARGET: "TrentService.Encrypt", **SIGNED})
    require_aws_json(answer, "SerializationException", message=False)
    answer = send(server, "POST", "/", b"{}", {TARGET: "TrentService.Unknown", **SIGNED})
    require_aws_json(answer, "UnknownOperationException", message=False)


def test_sm2_key_signs_where_the_system_has_it_and_is_refused_where_not(server: Server) -> None:
    made = call(server, "CreateKey", KeySpec="SM2", KeyUsage="SIGN_VERIFY")
    if not IS_OFFERED:
        require_aws_json(made, "UnsupportedOperationException", message=True)
        assert made.content["message"] == "KeySpec SM2 is not supported by this server."
        return
    key_id = made.content["KeyMetadata"]["KeyId"]
    request = {"KeyId": key_id, "Message": "dGV4dA==", "SigningAlgorithm": "SM2DSA"}
    signature = call(server, "Sign", **request).content["Signature"]
    assert call(server, "Verify", **request, Signature=signature).content["SignatureValid"] is True
    answer = call(server, "Verify", **request, Signature="dGV4dA==")
    require_aws_json(answer, "KMSInvalidSignatureException", message=False)


def test_request_without_credentials_is_told_so(server: Server) -> None:
    answer = send(server, "POST", "/", b"{}", {TARGET: "TrentService.ListKeys"})
    require_aws_json(answer, "MissingAuthenticationTokenException", message=True)


@pytest.mark.parametrize(
    "authorization",
    [
        "nonsense",
        "AWS4-HMAC-SHA256",
        "AWS4-HMAC-SHA256 Credential=x",
        f"AWS4-HMAC-SHA256 Credential={ACCOUNT}/x, SignedHeaders=host, Signature=0",
        "Bearer token",
        "Basic dGVzdDp0ZXN0",
    ],
)
def test_credentials_without_form_are_refused_also_by_an_open_server(
    server: Server, authorization: str
) -> None:
    headers = {TARGET: "TrentService.ListKeys", "Authorization": authorization}
    answer = send(server, "POST", "/", b"{}", headers)
    require_aws_json(answer, "IncompleteSignatureException", message=True)


def test_scope_of_another_service_is_refused(server: Server) -> None:
    headers = {TARGET: "TrentService.ListKeys", "Authorization": open_authorization(service="s3")}
    answer = send(server, "POST", "/", b"{}", headers)
    require_aws_json(answer, "InvalidSignatureException", message=True)
    assert answer.content["message"] == "Credential should be scoped to correct service: 'kms'. "


# ---------------------------------------------------------------- calls to other services, and people


def test_put_bucket_gets_an_error_that_s3_clients_can_read(server: Server) -> None:
    headers = {"Authorization": open_authorization(service="s3")}
    answer = send(server, "PUT", "/bucket", b"", headers)
    assert answer.status == 400
    assert answer.headers["content-type"] == "application/xml"
    assert b"<Error><Code>NotImplemented</Code>" in answer.body
    assert b"AWS_ENDPOINT_URL_KMS" in answer.body


def test_query_of_an_unknown_service_gets_xml(server: Server) -> None:
    headers = {
        "Authorization": open_authorization(service="sns"),
        "Content-Type": "application/x-www-form-urlencoded",
    }
    answer = send(server, "POST", "/", b"Action=ListTopics&Version=2010-03-31", headers)
    assert answer.status == 400
    assert answer.headers["content-type"] == "text/xml"
    assert b"<Code>InvalidAction</Code>" in answer.body


def test_root_tells_a_person_what_this_is(server: Server) -> None:
    answer = send(server, "GET", "/")
    assert answer.status == 200
    assert b"AWS_ENDPOINT_URL_KMS" in answer.body


def test_health_and_readiness(server: Server) -> None:
    assert (send(server, "GET", "/healthz").status, send(server, "GET", "/healthz").body) == (200, b"ok\n")
    assert (send(server, "GET", "/readyz").status, send(server, "GET", "/readyz").body) == (200, b"ready\n")
    assert send(server, "POST", "/healthz", b"").status == 405


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/nothing"), ("GET", "/_strongroom/clock"), ("DELETE", "/"), ("PUT", "/x")]
)
def test_path_or_method_that_is_not_served_is_json(server: Server, method: str, path: str) -> None:
    answer = send(server, method, path)
    assert answer.status in (404, 405)
    assert answer.headers["content-type"] == "application/json"
    assert answer.content["message"]


# ---------------------------------------------------------------- sizes and broken HTTP


def test_body_at_the_limit_is_read_and_beyond_it_refused(server: Server) -> None:
    headers = {TARGET: "TrentService.GenerateRandom", **SIGNED}
    body = b'{"NumberOfBytes": 8}'
    longest = body + b" " * (524_288 - len(body))
    assert send(server, "POST", "/", longest, headers).status == 200
    head = (
        b"POST / HTTP/1.1\r\nHost: localhost\r\nX-Amz-Target: TrentService.GenerateRandom\r\n"
        b"Authorization: %b\r\nContent-Length: 524289\r\n\r\n" % open_authorization().encode()
    )
    said = exchange(server, head)  # refused by its announcement alone: no body is sent
    assert re.match(rb"HTTP/1\.1 4\d\d ", said), said
    assert b"RequestEntityTooLarge" in said or b"413" in said.split(b"\r\n", 1)[0]
    assert send(server, "GET", "/healthz").status == 200


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64),  # TLS to a plain port
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 70_000 + b"\r\n\r\n",
    ],
    ids=["nonsense", "version", "tls", "negative", "two lengths", "length and chunked", "huge header"],
)
def test_broken_http_is_refused_and_the_server_goes_on(server: Server, request_bytes: bytes) -> None:
    said = exchange(server, request_bytes)
    assert said == b"" or re.match(rb"HTTP/1\.1 4\d\d ", said), said
    assert said.count(b"HTTP/1.1 ") <= 1
    assert send(server, "GET", "/healthz").status == 200


def test_pipelined_requests_are_answered_in_order(server: Server) -> None:
    def request(operation: str, body: bytes) -> bytes:
        return (
            b"POST / HTTP/1.1\r\nHost: localhost\r\nX-Amz-Target: TrentService.%b\r\n"
            b"Authorization: %b\r\nContent-Length: %d\r\n\r\n%b"
            % (operation.encode(), open_authorization().encode(), len(body), body)
        )

    said = exchange(
        server,
        request("GenerateRandom", b'{"NumberOfBytes": 1}')
        + request("DescribeKey", b'{"KeyId": "first"}')
        + request("MakeCoffee", b"{}")
        + request("DescribeKey", b'{"KeyId": "last"}'),
    )
    statuses = re.findall(rb"HTTP/1\.1 (\d\d\d) ", said)
    assert statuses == [b"200", b"400", b"400", b"400"]
    assert said.index(b"'first'") < said.index(b"UnknownOperationException") < said.index(b"'last'")


def test_body_in_chunks_and_in_single_bytes_is_the_same_request(server: Server) -> None:
    head = (
        b"POST / HTTP/1.1\r\nHost: localhost\r\nX-Amz-Target: TrentService.DescribeKey\r\n"
        b"Authorization: %b\r\nConnection: close\r\n" % open_authorization().encode()
    )
    body = b'{"KeyId": "chunks"}'
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:5], body[5:])) + b"0\r\n\r\n"
    whole = exchange(server, head + b"Transfer-Encoding: chunked\r\n\r\n" + chunks)
    slow = head + b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
    single = exchange(server, *(slow[at : at + 1] for at in range(len(slow))))
    for said in (whole, single):
        _, _, answer = said.partition(b"\r\n\r\n")
        assert json.loads(answer) == {"__type": "NotFoundException", "message": "Invalid keyId 'chunks'"}


# ---------------------------------------------------------------- web pages


@pytest.mark.parametrize("field", ["Origin", "Sec-Fetch-Site"])
def test_request_of_a_web_page_is_refused_where_anyone_is_taken(server: Server, field: str) -> None:
    """One whose name was pointed at this machine is of the same origin: no browser asks us first."""
    headers = {**SIGNED, TARGET: "TrentService.CreateKey", "Content-Type": AMZ_JSON}
    page = {"Host": f"evil.example:{server.port}", field: f"http://evil.example:{server.port}"}
    require_aws_json(send(server, "POST", "/", b"{}", headers | page), "AccessDeniedException", message=True)
    assert send(server, "POST", "/", b"{}", headers).status == 200
