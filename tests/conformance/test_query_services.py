"""IAM and STS on a whole server, asked by boto3 and by hand: protocol, presigned GETs, what is not built."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from botocore.signers import RequestSigner
from tests.conformance.raw_calls import RawAnswer, send
from tests.support.server import (
    ACCOUNT,
    ROOT_ACCESS_KEY_ID,
    ROOT_SECRET_ACCESS_KEY,
    Server,
    strict_environment,
)

FORM = "application/x-www-form-urlencoded"
NOT_SERVED = "ListSAMLProviders"
"""An operation of AWS's IAM that is not meant to be built."""
NAMESPACE = "{https://sts.amazonaws.com/doc/2011-06-15/}"


@pytest.fixture(scope="module")
def strict() -> Iterator[Server]:
    with Server("--auth", "strict", environment=strict_environment()) as server:
        yield server


def as_root(server: Server, service: str, region: str = "us-east-1") -> Any:
    return server.client(
        service,
        region=region,
        access_key_id=ROOT_ACCESS_KEY_ID,
        secret_access_key=ROOT_SECRET_ACCESS_KEY,
    )


def presigned(server: Server, action: str, secret: str = ROOT_SECRET_ACCESS_KEY) -> str:
    """The target of a presigned GET, made as EKS's clients make their tokens."""
    client = server.client("sts", access_key_id=ROOT_ACCESS_KEY_ID, secret_access_key=secret)
    signer = RequestSigner(
        client.meta.service_model.service_id,
        "us-east-1",
        "sts",
        "v4",
        Credentials(ROOT_ACCESS_KEY_ID, secret),
        client.meta.events,
    )
    request: dict[str, Any] = {
        "method": "GET",
        "url": f"{server.url}/?Action={action}&Version=2011-06-15",
        "body": {},
        "headers": {"x-k8s-aws-id": "cluster-a"},
        "context": {},
    }
    url = signer.generate_presigned_url(request, region_name="us-east-1", expires_in=60, operation_name="")
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}"


def get(server: Server, target: str, **headers: str) -> RawAnswer:
    return send(server, "GET", target, b"", {"Host": urlsplit(server.url).netloc, **headers})


def error_of(answer: RawAnswer) -> tuple[int, str]:
    document = ElementTree.fromstring(answer.body)  # noqa: S314  our own server's
    code = document.find("{*}Error/{*}Code")
    assert code is not None
    return answer.status, code.text or ""


def test_presigned_get_of_caller_identity_is_answered(strict: Server) -> None:
    answer = get(strict, presigned(strict, "GetCallerIdentity"), **{"x-k8s-aws-id": "cluster-a"})
    assert answer.status == 200
    document = ElementTree.fromstring(answer.body)  # noqa: S314
    assert document.findtext(f"{NAMESPACE}GetCallerIdentityResult/{NAMESPACE}Account") == ACCOUNT


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_presigned_url_made_by_boto3_is_answered_to_its_method(strict: Server, method: str) -> None:
    client = as_root(strict, "sts")
    parts = urlsplit(client.generate_presigned_url("get_caller_identity", ExpiresIn=60, HttpMethod=method))
    target = f"{parts.path}?{parts.query}"
    host = {"Host": parts.netloc}
    assert send(strict, method, target, b"", host).status == 200
    other = "POST" if method == "GET" else "GET"
    assert error_of(send(strict, other, target, b"", host)) == (403, "SignatureDoesNotMatch")


def test_presigned_get_that_was_changed_or_of_a_wrong_secret_is_refused(strict: Server) -> None:
    target = presigned(strict, "GetCallerIdentity")
    header = {"x-k8s-aws-id": "cluster-a"}
    assert error_of(get(strict, target, **{"x-k8s-aws-id": "cluster-b"})) == (403, "SignatureDoesNotMatch")
    assert error_of(get(strict, target)) == (403, "SignatureDoesNotMatch")
    other = target.replace("Action=GetCallerIdentity", "Action=GetSessionToken")
    assert error_of(get(strict, other, **header)) == (403, "SignatureDoesNotMatch")
    forged = presigned(strict, "GetCallerIdentity", secret="x" * 40)
    assert error_of(get(strict, forged, **header)) == (403, "SignatureDoesNotMatch")
    bare = "/?Action=GetCallerIdentity&Version=2011-06-15"
    assert get(strict, bare).body.startswith(b"This is Strongroom"), "nobody signed it: a person is looking"


def test_get_of_iam_or_of_kms_is_refused(strict: Server) -> None:
    target = presigned(strict, "ListUsers").replace("2011-06-15", "2010-05-08")
    assert error_of(get(strict, target)) == (400, "InvalidAction")
    answer = get(strict, presigned(strict, "GetCallerIdentity"), **{"X-Amz-Target": "TrentService.ListKeys"})
    assert answer.status == 400
    assert b"Keys" not in answer.body


@pytest.mark.parametrize("service", ["iam", "sts"])
def test_operation_that_is_not_built_is_an_invalid_action(strict: Server, service: str) -> None:
    client = as_root(strict, service)
    name, method = {
        "iam": (NOT_SERVED, client.list_saml_providers if service == "iam" else None),
        "sts": ("DecodeAuthorizationMessage", None),
    }[service]
    call = method or (lambda: client.decode_authorization_message(EncodedMessage="x"))
    with pytest.raises(ClientError) as caught:
        call()
    version = {"iam": "2010-05-08", "sts": "2011-06-15"}[service]
    response = caught.value.response
    assert response["Error"]["Code"] == "InvalidAction"
    assert response["Error"]["Message"] == f"Could not find operation {name} for version {version}"
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_iam_is_asked_with_its_own_signature_and_in_any_region(strict: Server) -> None:
    for region in ("us-east-1", "eu-central-1", "cn-north-1"):
        with pytest.raises(ClientError, match="Could not find operation"):
            as_root(strict, "iam", region).list_saml_providers()
    wrong = strict.client("iam", access_key_id=ROOT_ACCESS_KEY_ID, secret_access_key="x" * 40)
    with pytest.raises(ClientError) as caught:
        wrong.list_saml_providers()
    assert caught.value.response["Error"]["Code"] == "SignatureDoesNotMatch"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    unknown = strict.client("iam", access_key_id="AKIAAAAAAAAAAAAAAAAA", secret_access_key="x" * 40)
    with pytest.raises(ClientError) as caught:
        unknown.list_saml_providers()
    assert caught.value.response["Error"]["Code"] == "InvalidClientTokenId"


def test_regions_setting_limits_kms_and_neither_iam_nor_sts() -> None:
    with Server(environment={"STRONGROOM_REGIONS": "eu-central-1"}) as server:
        with pytest.raises(ClientError, match="valid region"):
            server.client("kms", region="us-east-1").list_keys()
        assert server.client("sts", region="us-east-1").get_caller_identity()["Account"] == ACCOUNT


def signed_form(server: Server, body: bytes, **headers: str) -> RawAnswer:
    request = AWSRequest("POST", f"{server.url}/", {"Content-Type": FORM, **headers}, body)
    SigV4Auth(Credentials(ROOT_ACCESS_KEY_ID, ROOT_SECRET_ACCESS_KEY), "sts", "us-east-1").add_auth(request)
    return send(server, "POST", "/", body, dict(request.headers.items()))


IDENTITY = b"Action=GetCallerIdentity&Version=2011-06-15"


@pytest.mark.parametrize("field", ["Origin", "Sec-Fetch-Site"])
def test_form_of_a_web_page_is_refused_where_anyone_is_taken(field: str, strict: Server) -> None:
    with Server() as server:
        assert signed_form(server, IDENTITY).status == 200
        assert error_of(signed_form(server, IDENTITY, **{field: "https://evil.example"})) == (
            403,
            "AccessDenied",
        )
    assert signed_form(strict, IDENTITY, **{field: "https://app.example"}).status == 200


@pytest.mark.parametrize(
    "body",
    [
        IDENTITY + b"&Action=GetSessionToken",
        b"Action=GetSessionToken&" + IDENTITY,
        IDENTITY + b"&Version=2010-05-08",
        b"Action=GetCallerIdentity",
        b"Version=2011-06-15",
        b"Action=Get%43allerIdentity&Version=2011-06-15",
    ],
    ids=["two-actions", "two-actions-first", "two-versions", "no-version", "no-action", "encoded"],
)
def test_form_that_names_no_one_action_is_refused(strict: Server, body: bytes) -> None:
    assert error_of(signed_form(strict, body)) == (400, "InvalidAction")


def test_form_with_a_long_policy_reaches_its_service(strict: Server) -> None:
    body = b"Action=" + NOT_SERVED.encode() + b"&Version=2010-05-08&PolicyDocument=" + b"%7B" * 131_072
    answer = signed_form(strict, body)
    assert error_of(answer) == (400, "InvalidAction")
    assert NOT_SERVED.encode() in answer.body
