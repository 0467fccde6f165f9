"""A server that verifies signatures: what it takes, and what it refuses by which of AWS's names."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Iterator, Mapping
from typing import Any
from xml.etree import ElementTree

import pytest
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from tests.conformance.raw_calls import AMZ_JSON, RawAnswer, open_authorization, send
from tests.support.server import (
    ACCOUNT,
    REGION,
    ROOT_ACCESS_KEY_ID,
    ROOT_SECRET_ACCESS_KEY,
    Server,
    strict_environment,
)

ROOT: dict[str, Any] = {"access_key_id": ROOT_ACCESS_KEY_ID, "secret_access_key": ROOT_SECRET_ACCESS_KEY}
CREDENTIALS = Credentials(ROOT_ACCESS_KEY_ID, ROOT_SECRET_ACCESS_KEY)
WRONG_CREDENTIALS = Credentials(ROOT_ACCESS_KEY_ID, "x" * 40)
DOES_NOT_MATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS "
    "Secret Access Key and signing method. Consult the service documentation for details."
)
NO_SUCH_KEY = "The security token included in the request is invalid."
FORM = "application/x-www-form-urlencoded; charset=utf-8"
STS_BODY = b"Action=GetCallerIdentity&Version=2011-06-15"


@pytest.fixture(scope="module")
def strict() -> Iterator[Server]:
    with Server("--auth", "strict", "--workers", "2", environment=strict_environment()) as running:
        yield running


def refused(call: Any, **parameters: Any) -> tuple[str, str, int]:
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    response = caught.value.response
    error, status = response["Error"], response["ResponseMetadata"]["HTTPStatusCode"]
    return error["Code"], error["Message"], status


def signed(
    server: Server,
    operation: str,
    body: bytes,
    *,
    credentials: Credentials = CREDENTIALS,
    region: str = REGION,
    service: str = "kms",
) -> dict[str, str]:
    """The header fields of a KMS request as botocore signs it now."""
    request = AWSRequest(
        "POST",
        f"{server.url}/",
        {"X-Amz-Target": f"TrentService.{operation}", "Content-Type": AMZ_JSON},
        body,
    )
    SigV4Auth(credentials, service, region).add_auth(request)
    return dict(request.headers.items())


def sts(server: Server, credentials: Credentials = CREDENTIALS, body: bytes = STS_BODY) -> RawAnswer:
    request = AWSRequest("POST", f"{server.url}/", {"Content-Type": FORM}, body)
    SigV4Auth(credentials, "sts", REGION).add_auth(request)
    return send(server, "POST", "/", body, dict(request.headers.items()))


def xml_error(answer: RawAnswer) -> tuple[int, str, str]:
    """Status, code and message of an error of STS."""
    assert answer.headers["content-type"] == "text/xml"
    name = "{https://sts.amazonaws.com/doc/2011-06-15/}"
    document = ElementTree.fromstring(answer.body)  # noqa: S314  our own server's
    assert document.tag == f"{name}ErrorResponse"
    assert document.findtext(f"{name}RequestId") == answer.headers["x-amzn-requestid"]
    error = document.find(f"{name}Error")
    assert error is not None
    assert error.findtext(f"{name}Type") == "Sender"
    code, message = error.findtext(f"{name}Code"), error.findtext(f"{name}Message")
    assert code is not None
    assert message is not None
    return answer.status, code, message


# ---------------------------------------------------------------- signatures


def test_right_secret_does_the_main_job(strict: Server) -> None:
    kms = strict.client(**ROOT)
    key = kms.create_key()["KeyMetadata"]
    blob = kms.encrypt(KeyId=key["KeyId"], Plaintext=b"x", EncryptionContext={"ü": "ß"})["CiphertextBlob"]
    assert kms.decrypt(CiphertextBlob=blob, EncryptionContext={"ü": "ß"})["Plaintext"] == b"x"
    for region in ("us-east-1", "cn-north-1"):
        assert strict.client(region=region, **ROOT).list_keys()["Keys"] == []


def test_root_access_key_is_known_to_every_worker_when_the_server_is_ready() -> None:
    with Server("--auth", "strict", "--workers", "3", environment=strict_environment()) as server:
        for _ in range(30):
            body = b"{}"
            assert send(server, "POST", "/", body, signed(server, "ListKeys", body)).status == 200


def test_wrong_secret_is_refused(strict: Server) -> None:
    kms = strict.client(access_key_id=ROOT_ACCESS_KEY_ID, secret_access_key=ROOT_SECRET_ACCESS_KEY[:-1] + "y")
    assert refused(kms.list_keys) == ("InvalidSignatureException", DOES_NOT_MATCH, 400)


@pytest.mark.parametrize(
    "access_key_id", ["AKIAIOSFODNN7EXAMPLE", "test", ACCOUNT, ROOT_ACCESS_KEY_ID.lower()]
)
def test_unknown_access_key_is_refused(strict: Server, access_key_id: str) -> None:
    kms = strict.client(access_key_id=access_key_id, secret_access_key=ROOT_SECRET_ACCESS_KEY)
    assert refused(kms.list_keys) == ("UnrecognizedClientException", NO_SUCH_KEY, 400)


def test_session_token_with_a_long_term_key_is_refused(strict: Server) -> None:
    credentials = Credentials(ROOT_ACCESS_KEY_ID, ROOT_SECRET_ACCESS_KEY, "a-session-token")
    answer = send(strict, "POST", "/", b"{}", signed(strict, "ListKeys", b"{}", credentials=credentials))
    assert (answer.status, answer.error) == (400, "UnrecognizedClientException")


def test_credentials_in_form_only_are_refused(strict: Server) -> None:
    today = datetime.datetime.now(datetime.UTC)
    headers = {
        "X-Amz-Target": "TrentService.ListKeys",
        "X-Amz-Date": f"{today:%Y%m%dT%H%M%SZ}",
        "Authorization": open_authorization(),
    }
    answer = send(strict, "POST", "/", b"{}", headers)
    assert answer.status == 400
    assert answer.error in ("InvalidSignatureException", "UnrecognizedClientException")


def test_tampered_body_target_date_or_region_is_refused(strict: Server) -> None:
    body = b'{"Limit": 1}'
    headers = signed(strict, "ListKeys", body)
    assert send(strict, "POST", "/", body, headers).status == 200
    assert (
        send(strict, "POST", "/", body, headers).status == 200
    )  # the same request again is the same request
    date = headers["X-Amz-Date"]
    moved = date[:-2] + ("1Z" if date[-2] != "1" else "2Z")
    for tampered_body, changes in (
        (b'{"Limit": 2}', {}),
        (b"", {}),
        (body, {"X-Amz-Target": "TrentService.ListAliases"}),
        (body, {"X-Amz-Date": moved}),
        (body, {"Content-Type": "text/plain"}),
        (body, {"Host": "example.com"}),
        (body, {"Authorization": headers["Authorization"].replace(REGION, "us-east-1")}),
        (body, {"Authorization": headers["Authorization"][:-1] + "g"}),
        (body, {"Authorization": headers["Authorization"][:-64]}),
    ):
        answer = send(strict, "POST", "/", tampered_body, {**headers, **changes})
        assert answer.status == 400, changes
        assert answer.error in ("InvalidSignatureException", "IncompleteSignatureException"), changes
    assert send(strict, "POST", "/?x=1", body, headers).status == 400
    assert send(strict, "POST", "/", body, headers).status == 200


def test_unsigned_target_is_refused(strict: Server) -> None:
    """INVARIANT I4: what names the operation must be signed."""
    request = AWSRequest("POST", f"{strict.url}/", {"Content-Type": AMZ_JSON}, b"{}")
    SigV4Auth(CREDENTIALS, "kms", REGION).add_auth(request)
    headers = {**dict(request.headers.items()), "X-Amz-Target": "TrentService.ListKeys"}
    answer = send(strict, "POST", "/", b"{}", headers)
    assert (answer.status, answer.error) == (400, "InvalidSignatureException")
    assert answer.content["message"] == "'X-Amz-Target' must be a 'SignedHeader' in the AWS Authorization."


@pytest.mark.parametrize(
    ("minutes", "sentence"), [(-6, "Signature expired: "), (6, "Signature not yet current: ")]
)
def test_date_out_of_the_window_is_refused(
    strict: Server, monkeypatch: pytest.MonkeyPatch, minutes: int, sentence: str
) -> None:
    """botocore's clock is set wrong, as a laptop's would be."""
    then = datetime.datetime.now(datetime.UTC) + datetime.timedelta(minutes=minutes)
    monkeypatch.setattr(
        "botocore.auth.get_current_datetime", lambda remove_tzinfo=True: then.replace(tzinfo=None)
    )
    headers = signed(strict, "ListKeys", b"{}")
    assert headers["X-Amz-Date"] == f"{then:%Y%m%dT%H%M%SZ}"
    answer = send(strict, "POST", "/", b"{}", headers)
    assert (answer.status, answer.error) == (400, "InvalidSignatureException")
    assert answer.content["message"].startswith(sentence)
    assert "5 min.)" in answer.content["message"]


def test_scope_of_another_service_is_refused(strict: Server) -> None:
    answer = send(strict, "POST", "/", b"{}", signed(strict, "ListKeys", b"{}", service="s3"))
    assert (answer.status, answer.error) == (400, "InvalidSignatureException")
    answer = send(strict, "POST", "/", b"{}", signed(strict, "ListKeys", b"{}", service="sts"))
    assert (answer.status, answer.error) == (400, "InvalidSignatureException")
    assert answer.content["message"] == "Credential should be scoped to correct service: 'kms'. "


def test_request_before_anything_else_is_authenticated(strict: Server) -> None:
    """Neither an unknown operation nor a body without sense is told apart by a stranger."""
    for operation, body in (("MakeCoffee", b"{}"), ("Encrypt", b"{"), ("Decrypt", b"[]")):
        headers = signed(strict, operation, body, credentials=WRONG_CREDENTIALS)
        assert send(strict, "POST", "/", body, headers).error == "InvalidSignatureException"
        headers = signed(strict, operation, body)
        assert send(strict, "POST", "/", body, headers).error in (
            "UnknownOperationException",
            "SerializationException",
        )


# ---------------------------------------------------------------- presigned requests


def presigned_path(
    server: Server,
    service: str,
    headers: Mapping[str, str],
    *,
    body: bytes,
    expires: int = 60,
    credentials: Credentials = CREDENTIALS,
) -> str:
    """A POST whose signature is in the query string."""

    class BodySigned(SigV4QueryAuth):  # type: ignore[misc]  # botocore has no types
        """botocore would move the body into the query string: here it stays, and is signed."""

        def payload(self, request: Any) -> str:
            return hashlib.sha256(body).hexdigest()

    request = AWSRequest("POST", f"{server.url}/", dict(headers))

    BodySigned(credentials, service, REGION, expires=expires).add_auth(request)
    assert isinstance(request.url, str)
    return request.url.removeprefix(server.url)


def test_presigned_kms_request_works_and_is_bound_to_its_body(strict: Server) -> None:
    headers = {"X-Amz-Target": "TrentService.ListKeys", "Content-Type": AMZ_JSON}
    path = presigned_path(strict, "kms", headers, body=b"{}")
    assert send(strict, "POST", path, b"{}", headers).status == 200
    assert send(strict, "POST", path, b'{"Limit": 1}', headers).error == "InvalidSignatureException"
    longer = path.replace("X-Amz-Expires=60", "X-Amz-Expires=600")
    assert send(strict, "POST", longer, b"{}", headers).error == "InvalidSignatureException"
    forged = presigned_path(strict, "kms", headers, body=b"{}", credentials=WRONG_CREDENTIALS)
    assert send(strict, "POST", forged, b"{}", headers).error == "InvalidSignatureException"


def test_presigned_sts_post_names_the_caller(strict: Server) -> None:
    headers = {"Content-Type": FORM}
    path = presigned_path(strict, "sts", headers, body=STS_BODY)
    answer = send(strict, "POST", path, STS_BODY, headers)
    assert answer.status == 200
    assert f"<Account>{ACCOUNT}</Account>".encode() in answer.body


def test_presigned_get_caller_identity_url_is_refused_in_xml(strict: Server) -> None:
    """GET is not served; the client that followed the URL must be able to read why."""
    url = strict.client("sts", **ROOT).generate_presigned_url("get_caller_identity")
    answer = send(strict, "GET", url.removeprefix(strict.url))
    assert answer.status in (400, 403)
    assert answer.headers["content-type"] == "text/xml"
    assert b"<ErrorResponse" in answer.body


# ---------------------------------------------------------------- STS


def test_sts_names_the_root(strict: Server) -> None:
    identity = strict.client("sts", **ROOT).get_caller_identity()
    assert (identity["Account"], identity["UserId"], identity["Arn"]) == (
        ACCOUNT,
        ACCOUNT,
        f"arn:aws:iam::{ACCOUNT}:root",
    )


def test_sts_errors_are_xml_with_the_names_and_statuses_of_sts(strict: Server) -> None:
    assert xml_error(sts(strict, WRONG_CREDENTIALS)) == (403, "SignatureDoesNotMatch", DOES_NOT_MATCH)
    assert xml_error(sts(strict, Credentials("AKIAIOSFODNN7EXAMPLE", "x" * 40))) == (
        403,
        "InvalidClientTokenId",
        NO_SUCH_KEY,
    )
    answer = send(strict, "POST", "/", STS_BODY, {"Content-Type": FORM})
    assert xml_error(answer) == (403, "MissingAuthenticationToken", "Missing Authentication Token")


def test_sts_errors_reach_boto3(strict: Server) -> None:
    wrong = strict.client("sts", access_key_id=ROOT_ACCESS_KEY_ID, secret_access_key="wrong")
    assert refused(wrong.get_caller_identity) == ("SignatureDoesNotMatch", DOES_NOT_MATCH, 403)
    unknown = strict.client("sts", access_key_id="AKIAIOSFODNN7EXAMPLE", secret_access_key="wrong")
    assert refused(unknown.get_caller_identity) == ("InvalidClientTokenId", NO_SUCH_KEY, 403)
    # An operation that is not built is an error that boto3 can read, whatever its name.
    root = strict.client("sts", **ROOT)
    code, message, status = refused(lambda: root.get_federation_token(Name="bob"))
    assert 400 <= status < 500, (code, message, status)
