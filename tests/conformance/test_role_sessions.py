"""Sessions of roles with unmodified SDKs, on a whole server that verifies every signature.

Roles and the OIDC provider are in the database before the server starts; the first credential is a token
of an issuer, as in a Kubernetes pod.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError
from tests.conformance.raw_calls import RawAnswer, send
from tests.support.aws_clients import new_client
from tests.support.oidc import AUDIENCE, HOST, SUBJECT, URL, Issuer
from tests.support.server import ACCOUNT, REGION, Server, strict_environment

from strongroom.clock import HostClock
from strongroom.resources.iam import IdPrefix, OidcProvider, Role, new_unique_id
from strongroom.resources.identifiers import AccountId
from strongroom.store.opening import open_store, prepare_database
from strongroom.store.stamps import Stamps, new_stamp_words

AWS = Path(sys.executable).with_name("aws")
PROVIDER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/{HOST}"
FORM = "application/x-www-form-urlencoded"


def arn(role: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:role/{role}"


def document(**statement: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]})


POD_TRUST = document(
    Principal={"Federated": PROVIDER},
    Action="sts:AssumeRoleWithWebIdentity",
    Condition={"StringEquals": {f"{HOST}:sub": SUBJECT, f"{HOST}:aud": AUDIENCE}},
)
DATA_TRUST = document(
    Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
    Action="sts:AssumeRole",
    Condition={"StringEquals": {"sts:ExternalId": "customer-7"}},
)


@dataclass
class House:
    """A server, an issuer that it trusts, and a place for a client's files."""

    server: Server
    issuer: Issuer
    directory: Path

    def token_file(self, **claims: Any) -> Path:
        path = self.directory / "token"
        path.write_text(self.issuer.token("ES256", **claims))
        return path


async def put_entities(database: Path) -> None:
    store = open_store(database, Stamps(new_stamp_words()), HostClock())
    facts: dict[str, Any] = {"account_id": AccountId(ACCOUNT), "created_at": datetime.now(UTC)}
    identifier = new_unique_id
    try:
        await store.insert_entity(
            OidcProvider(name=HOST, unique_id=identifier(IdPrefix.POLICY), client_ids=(AUDIENCE,), **facts)
        )
        pod = document(Action=["kms:*", "sts:AssumeRole"], Resource="*")
        for name, trust, policy in (
            ("pod", POD_TRUST, pod),
            ("data", DATA_TRUST, document(Action="kms:*", Resource="*")),
        ):
            role = Role(
                name=name,
                unique_id=identifier(IdPrefix.ROLE),
                trust_policy=trust,
                inline_policies={"p": policy},
                max_session_seconds=7200,
                **facts,
            )
            await store.insert_entity(role)
    finally:
        store.close()


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    directory = tmp_path_factory.mktemp("house")
    issuer = Issuer(directory)
    data = directory / "data"
    data.mkdir(mode=0o700)
    prepare_database(data / "strongroom.db")
    asyncio.run(put_entities(data / "strongroom.db"))
    environment = strict_environment() | {
        "STRONGROOM_OIDC_ISSUERS": f"{URL}={issuer.file}",
        "STRONGROOM_WORKERS": "2",
    }
    with Server("--auth", "strict", environment=environment, data_dir=data) as server:
        yield House(server, issuer, directory)


@pytest.fixture
def pod(house: House, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> House:
    """The environment of a pod with a role: what the SDKs read by themselves."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in {
        "HOME": str(tmp_path),
        "AWS_ENDPOINT_URL": house.server.url,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ROLE_ARN": arn("pod"),
        "AWS_ROLE_SESSION_NAME": "app-1",
        "AWS_WEB_IDENTITY_TOKEN_FILE": str(house.token_file()),
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    return house


def use_a_key(session: boto3.Session) -> None:
    kms = session.client("kms")
    key_id = kms.create_key()["KeyMetadata"]["KeyId"]
    blob = kms.encrypt(KeyId=key_id, Plaintext=b"of a pod")["CiphertextBlob"]
    assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == b"of a pod"


def test_boto3_in_a_pod_uses_keys_with_its_token(pod: House) -> None:
    session = boto3.Session()
    who = session.client("sts").get_caller_identity()
    assert who["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/pod/app-1"
    use_a_key(session)


def test_boto3_by_profile_assumes_a_second_role_from_the_pods(
    pod: House, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = tmp_path / "config"
    config.write_text(
        f"[profile pod]\nrole_arn = {arn('pod')}\nweb_identity_token_file = {pod.token_file()}\n"
        f"[profile data]\nrole_arn = {arn('data')}\nsource_profile = pod\nrole_session_name = job\n"
        "external_id = customer-7\n"
        f"[profile forgetful]\nrole_arn = {arn('data')}\nsource_profile = pod\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    session = boto3.Session(profile_name="data")
    who = session.client("sts").get_caller_identity()
    assert who["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/data/job"
    use_a_key(session)
    with pytest.raises(ClientError) as caught:
        boto3.Session(profile_name="forgetful").client("kms").list_keys()
    assert caught.value.response["Error"]["Code"] == "AccessDenied"
    assert "is not authorized to perform: sts:AssumeRole" in caught.value.response["Error"]["Message"]


def test_boto3_refreshes_a_session_that_nears_its_end(
    pod: House, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """botocore asks anew when fewer than 15 minutes are left, which is all that such a session has."""
    config = tmp_path / "config"
    config.write_text(
        f"[profile pod]\nrole_arn = {arn('pod')}\nweb_identity_token_file = {pod.token_file()}\n"
        f"[profile short]\nrole_arn = {arn('data')}\nsource_profile = pod\nexternal_id = customer-7\n"
        "duration_seconds = 900\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    session = boto3.Session(profile_name="short")
    kms = session.client("kms")
    credentials = session.get_credentials()
    first = credentials.get_frozen_credentials().access_key
    kms.list_keys()
    assert credentials.get_frozen_credentials().access_key != first
    kms.list_keys()


def test_aws_cli_in_a_pod_uses_keys_with_its_token(pod: House, tmp_path: Path) -> None:
    def aws(*arguments: str) -> Any:
        environment = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
        done = subprocess.run(
            [sys.executable, str(AWS), *arguments, "--output", "json"],
            env=environment | {"HOME": str(tmp_path), "PATH": os.environ["PATH"]},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return json.loads(done.stdout)

    assert aws("sts", "get-caller-identity")["Arn"].endswith("assumed-role/pod/app-1")
    assert aws("kms", "create-key")["KeyMetadata"]["Enabled"] is True
    answer = aws(
        "sts", "assume-role-with-web-identity", "--role-arn", arn("pod"), "--role-session-name", "by-hand",
        "--web-identity-token", pod.issuer.token(), "--policy", document(Action="kms:ListKeys", Resource="*"),
    )  # fmt: skip
    assert answer["AssumedRoleUser"]["Arn"].endswith("/by-hand")
    assert answer["PackedPolicySize"] > 0


def unsigned_client(house: House) -> Any:
    config = Config(signature_version=UNSIGNED, retries={"total_max_attempts": 1})
    return new_client("sts", endpoint_url=house.server.url, region_name=REGION, config=config)


@pytest.mark.parametrize(
    ("claims", "code", "status"),
    [
        ({"sub": "system:serviceaccount:default:other"}, "AccessDenied", 403),
        ({"aud": "elsewhere"}, "InvalidIdentityToken", 400),
        ({"iss": "https://evil.example.com"}, "InvalidIdentityToken", 400),
        ({"exp": 1_000_000_000, "iat": 999_990_000}, "ExpiredTokenException", 400),
    ],
    ids=["subject", "audience", "issuer", "expired"],
)
def test_token_that_is_not_good_is_refused_in_sts_words(
    house: House, claims: dict[str, Any], code: str, status: int
) -> None:
    with pytest.raises(ClientError) as caught:
        unsigned_client(house).assume_role_with_web_identity(
            RoleArn=arn("pod"), RoleSessionName="app", WebIdentityToken=house.issuer.token(**claims)
        )
    response = caught.value.response
    assert response["Error"]["Code"] == code
    assert response["ResponseMetadata"]["HTTPStatusCode"] == status


def test_token_in_a_url_opens_nothing(house: House) -> None:
    """URLs end up in logs: a token is taken in a body only, though the API reference shows GETs."""
    query = urlencode(
        {
            "Action": "AssumeRoleWithWebIdentity",
            "Version": "2011-06-15",
            "RoleArn": arn("pod"),
            "RoleSessionName": "app",
            "WebIdentityToken": house.issuer.token(),
        }
    )
    for target in (f"/?{query}", f"/?{query}&X-Amz-Algorithm=AWS4-HMAC-SHA256"):
        answer: RawAnswer = send(house.server, "GET", target, b"")
        assert b"Credentials" not in answer.body
        assert b"ASIA" not in answer.body


def test_unsigned_request_opens_no_other_door(house: House) -> None:
    client = unsigned_client(house)
    for call in (
        client.get_caller_identity,
        client.get_session_token,
        lambda: client.assume_role(RoleArn=arn("data"), RoleSessionName="app", ExternalId="customer-7"),
    ):
        with pytest.raises(ClientError) as caught:
            call()
        assert caught.value.response["Error"]["Code"] == "MissingAuthenticationToken"
    token = house.issuer.token()
    for body in (
        f"Action=AssumeRoleWithWebIdentity&Action=AssumeRole&Version=2011-06-15&WebIdentityToken={token}",
        f"Action=AssumeRoleWithWebIdentity&Version=2010-05-08&WebIdentityToken={token}",
    ):
        answer = send(house.server, "POST", "/", body.encode(), {"Content-Type": FORM})
        assert answer.status in {400, 403}
        assert b"Credentials" not in answer.body


def as_root(house: House, service: str) -> Any:
    root = strict_environment()
    return house.server.client(
        service,
        access_key_id=root["STRONGROOM_ROOT_ACCESS_KEY_ID"],
        secret_access_key=root["STRONGROOM_ROOT_SECRET_ACCESS_KEY"],
    )


def test_user_made_with_iam_assumes_a_role_made_with_iam_by_profile(
    pod: House, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    iam = as_root(pod, "iam")
    user = iam.create_user(UserName="erin")["User"]
    key = iam.create_access_key(UserName="erin")["AccessKey"]
    trust = document(Principal={"AWS": user["Arn"]}, Action="sts:AssumeRole")
    role = iam.create_role(RoleName="keys", AssumeRolePolicyDocument=trust)["Role"]
    iam.put_role_policy(
        RoleName="keys", PolicyName="p", PolicyDocument=document(Action="kms:*", Resource="*")
    )
    for name in ("AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_SESSION_NAME"):
        monkeypatch.delenv(name)
    (tmp_path / "credentials").write_text(
        f"[erin]\naws_access_key_id = {key['AccessKeyId']}\n"
        f"aws_secret_access_key = {key['SecretAccessKey']}\n"
    )
    (tmp_path / "config").write_text(
        f"[profile keys]\nrole_arn = {role['Arn']}\nsource_profile = erin\nrole_session_name = erin-1\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    session = boto3.Session(profile_name="keys")
    who = session.client("sts").get_caller_identity()
    assert who["UserId"] == f"{role['RoleId']}:erin-1"
    use_a_key(session)
    with pytest.raises(ClientError) as caught:
        boto3.Session(profile_name="erin").client("kms").create_key()
    assert caught.value.response["Error"]["Code"] == "AccessDeniedException"


def test_provider_made_with_iam_is_trusted_until_it_is_deleted(house: House) -> None:
    iam = as_root(house, "iam")
    sts = unsigned_client(house)
    asked = {"RoleArn": arn("pod"), "RoleSessionName": "app", "WebIdentityToken": house.issuer.token()}
    sts.assume_role_with_web_identity(**asked)
    iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=PROVIDER)
    with pytest.raises(ClientError, match="No OpenIDConnect provider found in your account for " + URL):
        sts.assume_role_with_web_identity(**asked)
    made = iam.create_open_id_connect_provider(Url=URL, ClientIDList=[AUDIENCE], ThumbprintList=["a" * 40])
    assert made["OpenIDConnectProviderArn"] == PROVIDER
    assert sts.assume_role_with_web_identity(**asked)["Audience"] == AUDIENCE


def test_session_of_the_root_is_a_session(house: House) -> None:
    made = as_root(house, "sts").get_session_token()["Credentials"]
    session = boto3.Session(
        made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"], region_name=REGION
    )
    again = session.client("sts", endpoint_url=house.server.url)
    assert again.get_caller_identity()["Arn"] == f"arn:aws:iam::{ACCOUNT}:root"
    with pytest.raises(ClientError, match="with session credentials"):
        again.get_session_token()


def test_server_with_a_broken_key_set_does_not_start(tmp_path: Path) -> None:
    issuer = Issuer(tmp_path)
    issuer.write(b"{}")
    environment = {"STRONGROOM_OIDC_ISSUERS": f"{URL}={issuer.file}"}
    server = Server(environment=environment)
    with pytest.raises(RuntimeError, match="is no JSON Web Key Set"):
        server.start()
