"""The example storage service against a real server: whose keys it may use, and how often it asks KMS."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from tests.conformance.test_operator_commands import records, shown_keys, strongroom
from tests.support.aws_clients import new_client
from tests.support.server import (
    ACCOUNT,
    REGION,
    ROOT_ACCESS_KEY_ID,
    ROOT_SECRET_ACCESS_KEY,
    Server,
    strict_environment,
)

EXAMPLE = Path(__file__).parents[2] / "examples" / "storage"
ROOT = (ROOT_ACCESS_KEY_ID, ROOT_SECRET_ACCESS_KEY)
MAY_USE_S3_ONLY = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}],
}
MAY_USE_KEYS = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": ["kms:GenerateDataKey", "kms:Decrypt"], "Resource": "*"}],
}


def client(server: Server, service: str, credentials: tuple[str, ...]) -> Any:
    return new_client(
        service,
        endpoint_url=server.url,
        region_name=REGION,
        aws_access_key_id=credentials[0],
        aws_secret_access_key=credentials[1],
        aws_session_token=credentials[2] if len(credentials) > 2 else None,
    )


@dataclass
class Answer:
    status: int
    body: bytes
    headers: dict[str, str]


@dataclass
class Scene:
    """The server, the storage service, and who calls it."""

    server: Server
    data: Path
    storage_port: int
    process: subprocess.Popen[bytes]
    people: dict[str, tuple[str, ...]] = field(default_factory=dict)
    buckets: int = 0

    @property
    def server_name(self) -> str:
        return f"storage:{self.storage_port}"

    def proof(self, who: str, *, for_server: str | None = None, action: str = "GetCallerIdentity") -> str:
        request = AWSRequest(
            "GET",
            f"{self.server.url}/?Action={action}&Version=2011-06-15",
            headers={"x-storage-server": for_server or self.server_name},
        )
        SigV4QueryAuth(Credentials(*self.people[who]), "sts", REGION, expires=300).add_auth(request)
        return str(urlsplit(request.url).query)

    def send(self, who: str, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        return self.send_with(self.proof(who), method, path, body, **headers)

    def send_with(
        self, proof: str, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> Answer:
        sent = {"x-storage-caller": proof} | {n.replace("_", "-"): v for n, v in headers.items()}
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.storage_port}/{path}", data=body, method=method, headers=sent
        )
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310
                return Answer(answer.status, answer.read(), dict(answer.headers))
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.read(), dict(error.headers))

    def new_bucket(self, who: str = "root", **settings: Any) -> str:
        self.buckets += 1
        name = f"bucket{self.buckets}"
        assert self.send(who, "PUT", name).status == 200
        if settings:
            told = self.send(who, "PUT", f"{name}?encryption", json.dumps(settings).encode())
            assert told.status == 200, told.body
        return name

    def calls(self, name: str, key_arn: str) -> list[dict[str, Any]]:
        """Requests of that name that used the key, as the audit trail has them."""
        # A change is on record when it is answered, and all that was before it.
        client(self.server, "kms", ROOT).create_key()
        return [
            event
            for event in records(self.data, name)
            if event["eventName"] == name and [one["ARN"] for one in event["resources"]] == [key_arn]
        ]


def new_user(scene: Scene, name: str, policy: dict[str, Any]) -> None:
    iam = client(scene.server, "iam", ROOT)
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName="its", PolicyDocument=json.dumps(policy))
    made = iam.create_access_key(UserName=name)["AccessKey"]
    scene.people[name] = (made["AccessKeyId"], made["SecretAccessKey"])


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    directory = tmp_path_factory.mktemp("storage")
    data = directory / "data"
    with Server("--auth", "strict", environment=strict_environment(), data_dir=data) as server:
        registered = strongroom("service", "register", "s3", "--data-dir", str(data))
        access_key_id, secret = shown_keys(registered.stdout)
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
            "STRONGROOM_URL": server.url,
            "STORAGE_DIRECTORY": str(directory / "objects"),
            "STORAGE_PORT": "0",
            "AWS_ACCESS_KEY_ID": access_key_id,
            "AWS_SECRET_ACCESS_KEY": secret,
            "AWS_DEFAULT_REGION": REGION,
        }
        with subprocess.Popen(
            [sys.executable, str(EXAMPLE / "server.py")], env=environment, stdout=subprocess.PIPE
        ) as process:
            try:
                assert process.stdout is not None
                line = process.stdout.readline().decode()
                scene = Scene(server, data, int(line.rsplit(":", 1)[1]), process, {"root": ROOT})
                new_user(scene, "alice", MAY_USE_KEYS)
                new_user(scene, "bob", MAY_USE_S3_ONLY)
                yield scene
            finally:
                process.terminate()


@pytest.fixture
def key_arn(scene: Scene) -> str:
    arn: str = client(scene.server, "kms", ROOT).create_key()["KeyMetadata"]["Arn"]
    return arn


def test_object_of_a_bucket_without_settings_is_under_aws_s3(scene: Scene) -> None:
    bucket = scene.new_bucket()
    put = scene.send("bob", "PUT", f"{bucket}/a/b.txt", b"hello")
    assert put.status == 200, put.body
    assert put.headers["x-amz-server-side-encryption"] == "aws:kms"
    arn = put.headers["x-amz-server-side-encryption-aws-kms-key-id"]
    got = scene.send("alice", "GET", f"{bucket}/a/b.txt")
    assert (got.status, got.body) == (200, b"hello")
    kms = client(scene.server, "kms", ROOT)
    described = kms.describe_key(KeyId="alias/aws/s3")["KeyMetadata"]
    assert (described["Arn"], described["KeyManager"]) == (arn, "AWS")
    assert kms.get_key_rotation_status(KeyId=arn)["KeyRotationEnabled"] is True
    for call, members in (
        (kms.encrypt, {"Plaintext": b"x"}),
        (kms.schedule_key_deletion, {}),
        (kms.put_key_policy, {"Policy": json.dumps(MAY_USE_KEYS)}),
    ):
        with pytest.raises(ClientError, match="no resource-based policy allows"):
            call(KeyId=arn, **members)
    files = [one for one in (scene.data.parent / "objects").rglob("*") if one.is_file()]
    assert files
    assert not [one for one in files if b"hello" in one.read_bytes()]


def test_user_who_may_not_use_the_key_can_neither_write_nor_read(scene: Scene, key_arn: str) -> None:
    for bucket_key in (False, True):
        bucket = scene.new_bucket(KMSMasterKeyID=key_arn, BucketKeyEnabled=bucket_key)
        assert scene.send("alice", "PUT", f"{bucket}/x", b"secret").status == 200
        assert scene.send("alice", "GET", f"{bucket}/x").body == b"secret"
        for method, body in (("PUT", b"other"), ("GET", None)):
            refused = scene.send("bob", method, f"{bucket}/x", body)
            assert refused.status == 403
            assert json.loads(refused.body)["Code"] == "AccessDenied"
            assert f"user/bob is not authorized to perform: kms:{'Decrypt' if body is None else 'G'}" in (
                refused.body.decode()
            )
        assert scene.send("alice", "GET", f"{bucket}/x").body == b"secret"


def test_bucket_keys_spare_kms_calls(scene: Scene, key_arn: str) -> None:
    objects = 20
    plain = scene.new_bucket(KMSMasterKeyID=key_arn)
    for number in range(objects):
        assert scene.send("alice", "PUT", f"{plain}/{number}", b"%d" % number).status == 200
        assert scene.send("alice", "GET", f"{plain}/{number}").body == b"%d" % number
    assert len(scene.calls("GenerateDataKey", key_arn)) == objects
    assert len(scene.calls("Decrypt", key_arn)) == objects
    event = scene.calls("GenerateDataKey", key_arn)[0]
    assert event["userIdentity"]["userName"] == "alice"
    assert event["userIdentity"]["invokedBy"] == "s3.amazonaws.com"
    assert event["requestParameters"]["encryptionContext"] == {"aws:s3:arn": f"arn:aws:s3:::{plain}/0"}

    shared = scene.new_bucket(KMSMasterKeyID=key_arn, BucketKeyEnabled=True)
    for number in range(objects):
        put = scene.send("alice", "PUT", f"{shared}/{number}", b"%d" % number)
        assert put.headers["x-amz-server-side-encryption-bucket-key-enabled"] == "true"
        assert scene.send("alice", "GET", f"{shared}/{number}").body == b"%d" % number
    assert len(scene.calls("GenerateDataKey", key_arn)) == objects + 1
    assert len(scene.calls("Decrypt", key_arn)) == objects + 1
    event = scene.calls("GenerateDataKey", key_arn)[-1]
    assert event["requestParameters"]["encryptionContext"] == {"aws:s3:arn": f"arn:aws:s3:::{shared}"}


def test_headers_of_a_request_choose_key_and_bucket_key(scene: Scene, key_arn: str) -> None:
    bucket = scene.new_bucket()
    headers = {
        "x_amz_server_side_encryption": "aws:kms",
        "x_amz_server_side_encryption_aws_kms_key_id": key_arn,
        "x_amz_server_side_encryption_bucket_key_enabled": "true",
    }
    put = scene.send("alice", "PUT", f"{bucket}/x", b"1", **headers)
    assert put.headers["x-amz-server-side-encryption-aws-kms-key-id"] == key_arn
    assert scene.send("alice", "GET", f"{bucket}/x").headers[
        "x-amz-server-side-encryption-bucket-key-enabled"
    ]
    other = scene.send("alice", "PUT", f"{bucket}/x", b"1", x_amz_server_side_encryption="AES256")
    assert (other.status, json.loads(other.body)["Code"]) == (400, "InvalidArgument")


def test_session_of_a_role_is_forwarded_with_its_session_policy(scene: Scene, key_arn: str) -> None:
    bucket = scene.new_bucket(KMSMasterKeyID=key_arn)
    iam, root_arn = client(scene.server, "iam", ROOT), f"arn:aws:iam::{ACCOUNT}:root"
    trust = {"Effect": "Allow", "Principal": {"AWS": root_arn}, "Action": "sts:AssumeRole"}
    role = iam.create_role(
        RoleName="uploader",
        AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
    )["Role"]
    iam.put_role_policy(RoleName="uploader", PolicyName="its", PolicyDocument=json.dumps(MAY_USE_KEYS))
    new_user(
        scene,
        "carol",
        {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": role["Arn"]}],
        },
    )
    sts = client(scene.server, "sts", scene.people["carol"])
    for name, session_policy in (("whole", MAY_USE_KEYS), ("cut", MAY_USE_S3_ONLY)):
        made = sts.assume_role(RoleArn=role["Arn"], RoleSessionName=name, Policy=json.dumps(session_policy))[
            "Credentials"
        ]
        scene.people[name] = (made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"])
    assert scene.send("whole", "PUT", f"{bucket}/x", b"1").status == 200
    (event,) = scene.calls("GenerateDataKey", key_arn)
    assert event["userIdentity"]["arn"].endswith(":assumed-role/uploader/whole")
    assert event["userIdentity"]["invokedBy"] == "s3.amazonaws.com"
    refused = scene.send("cut", "GET", f"{bucket}/x")
    assert refused.status == 403
    assert b"no session policy allows the kms:Decrypt action" in refused.body


def test_proof_for_another_server_or_question_is_refused(scene: Scene) -> None:
    bucket = scene.new_bucket()
    good = scene.proof("alice")
    proofs = {
        "another server": scene.proof("alice", for_server="storage:1"),
        "another question": scene.proof("alice", action="GetSessionToken"),
        "changed": good.replace("X-Amz-Signature=", "X-Amz-Signature=0"),
        "twice": good + "&Action=GetCallerIdentity",
        "none": "",
        "hostile": good + " HTTP/1.1",
        "endless": good + "&x=" + "y" * 9000,
    }
    for name, proof in proofs.items():
        assert scene.send_with(proof, "PUT", f"{bucket}/x", b"1").status == 403, name
    assert scene.send_with(good, "PUT", f"{bucket}/x", b"1").status == 200


def test_bucket_of_another_account_is_not_there(scene: Scene) -> None:
    made = strongroom("account", "create", "--name", "Other", "--data-dir", str(scene.data))
    scene.people["other"] = shown_keys(made.stdout)
    bucket = scene.new_bucket()
    told = [scene.send("other", "GET", f"{name}/x").body for name in (bucket, "nowhere")]
    assert told[0] == told[1]
    assert json.loads(told[0])["Code"] == "AccessDenied"
    assert ACCOUNT not in told[0].decode()


def test_object_changed_on_disk_is_not_handed_out(scene: Scene) -> None:
    bucket = scene.new_bucket()
    scene.send("alice", "PUT", f"{bucket}/x", b"hello")
    (file,) = (one for one in (scene.data.parent / "objects" / bucket).iterdir() if one.name != "bucket")
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    assert scene.send("alice", "GET", f"{bucket}/x").status == 503
