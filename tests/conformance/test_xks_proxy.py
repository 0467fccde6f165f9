"""Two whole servers over TLS: one offers keys as an external key store, the other uses them, with boto3."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.support.certificates import Authority
from tests.support.proxy_server import (
    ALLOWING,
    CALLER,
    HOST,
    NAME,
    ROOT,
    URI_PATH,
    client_environment,
    create_credential,
    policy_of,
    proxy_port_of,
    root_of,
    run_command,
    running_proxy,
    statement,
    store_members,
    wait_for_state,
    write_proxy_table,
)
from tests.support.server import (
    Server,
)
from tests.support.softhsm import make_softhsm

from strongroom.audit.reader import read_records


class Pair:
    """A proxy (strict, durable) and the server behind which it stands."""

    def __init__(self, proxy: Server, user: Server, data: Path, key_id: str, store_id: str) -> None:
        self.proxy, self.user, self.data = proxy, user, data
        self.key_id, self.store_id = key_id, store_id

    @property
    def owner(self) -> Any:
        """Of the keys on the proxy."""
        return root_of(self.proxy)

    @property
    def kms(self) -> Any:
        """Of the server that uses them."""
        return self.user.client()

    def create_key(self, external_id: str) -> str:
        made = self.kms.create_key(
            CustomKeyStoreId=self.store_id, Origin="EXTERNAL_KEY_STORE", XksKeyId=external_id
        )
        return str(made["KeyMetadata"]["KeyId"])


def refusal_of(call: Callable[..., Any], **members: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(**members)
    error = caught.value.response["Error"]
    return str(error["Code"]), str(error["Message"])


def succeed_soon(call: Callable[..., Any], **members: Any) -> Any:
    """Until a process is back."""
    deadline = time.monotonic() + 30
    while True:
        try:
            return call(**members)
        except ClientError:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def operations_of(data: Path) -> set[str | None]:
    """What the caller's KMS was asked for, as the proxy recorded it."""
    return {(one.get("requestParameters") or {}).get("kmsOperation") for one in records_of(data)}


@pytest.fixture
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Pair]:
    """Both ends know each other by certificates. The proxy's keys may be in a PKCS#11 token."""
    (tmp_path / "token").mkdir()
    is_on_token = getattr(request, "param", "software") == "softhsm"
    token = make_softhsm(tmp_path / "token") if is_on_token else None
    authority, clients = Authority(tmp_path), Authority(tmp_path, "clients")
    certificate, key = clients.issue(NAME)
    data = tmp_path / "proxy-data"
    with running_proxy(tmp_path, authority, clients, token) as (proxy, key_id):
        environment = client_environment(
            authority,
            proxy_port_of(proxy),
            STRONGROOM_XKS_CLIENT_CERTIFICATE_FILE=str(certificate),
            STRONGROOM_XKS_CLIENT_KEY_FILE=str(key),
            STRONGROOM_XKS_HEALTH_CHECK_SECONDS="1",
        )
        with Server("--account", CALLER, environment=environment) as user:
            kms = user.client()
            store_id = kms.create_custom_key_store(**store_members(create_credential(data)))[
                "CustomKeyStoreId"
            ]
            kms.connect_custom_key_store(CustomKeyStoreId=store_id)
            wait_for_state(kms, store_id, "CONNECTED")
            yield Pair(proxy, user, data, key_id, store_id)


def records_of(data: Path) -> list[dict[str, Any]]:
    return list(read_records(data / "audit", b'"kms-xks-proxy.amazonaws.com"'))


@pytest.mark.parametrize("pair", ["software", "softhsm"], indirect=True)
def test_key_behind_another_server_works_until_that_server_says_no(pair: Pair) -> None:
    kms, owner = pair.kms, pair.owner
    key_id = pair.create_key("foo")
    context = {"purpose": "test"}
    blob = kms.encrypt(KeyId=key_id, Plaintext=b"text", EncryptionContext=context)["CiphertextBlob"]
    decrypt = {"CiphertextBlob": blob, "EncryptionContext": context}
    assert kms.decrypt(**decrypt)["Plaintext"] == b"text"
    data_key = kms.generate_data_key(KeyId=key_id, KeySpec="AES_256")
    assert kms.decrypt(CiphertextBlob=data_key["CiphertextBlob"])["Plaintext"] == data_key["Plaintext"]
    own_key = kms.create_key()["KeyMetadata"]["KeyId"]
    moved = kms.re_encrypt(CiphertextBlob=blob, SourceEncryptionContext=context, DestinationKeyId=own_key)
    back = kms.re_encrypt(CiphertextBlob=moved["CiphertextBlob"], DestinationKeyId=key_id)
    assert kms.decrypt(CiphertextBlob=back["CiphertextBlob"])["Plaintext"] == b"text"

    # other material there opens what the older sealed
    owner.rotate_key_on_demand(KeyId=pair.key_id)
    deadline = time.monotonic() + 20
    while len(owner.list_key_rotations(KeyId=pair.key_id)["Rotations"]) < 1:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert kms.decrypt(**decrypt)["Plaintext"] == b"text"
    newer = kms.encrypt(KeyId=key_id, Plaintext=b"newer")["CiphertextBlob"]
    assert kms.decrypt(CiphertextBlob=newer)["Plaintext"] == b"newer"

    # what the key's state refuses there is refused here, and only then
    owner.disable_key(KeyId=pair.key_id)
    code, sentence = refusal_of(kms.decrypt, **decrypt)
    assert (code, "is not enabled in the external key manager" in sentence) == (
        "KMSInvalidStateException",
        True,
    )
    owner.enable_key(KeyId=pair.key_id)
    assert kms.decrypt(**decrypt)["Plaintext"] == b"text"

    # the key policy there decides, whatever is allowed here
    denying = statement("Deny", ["kms:Decrypt"])
    owner.put_key_policy(KeyId=pair.key_id, Policy=policy_of(ALLOWING, denying))
    code, sentence = refusal_of(kms.decrypt, **decrypt)
    assert (code, "denied access to the operation" in sentence) == ("KMSInvalidStateException", True)
    kms.encrypt(KeyId=key_id, Plaintext=b"text")
    owner.put_key_policy(KeyId=pair.key_id, Policy=policy_of())
    assert "denied access" in refusal_of(kms.encrypt, KeyId=key_id, Plaintext=b"text")[1]

    denied = [one for one in records_of(pair.data) if one.get("errorCode") == "AccessDeniedException"]
    assert [one["eventName"] for one in denied] == ["Decrypt", "Encrypt"]
    assert denied[0]["userIdentity"]["arn"] == ROOT
    assert denied[0]["additionalEventData"]["authorization"]["statements"] == [
        {"policy": "key policy", "index": 2}
    ]
    succeeded = [one for one in records_of(pair.data) if "errorCode" not in one]
    assert {"GetHealthStatus", "GetKeyMetadata", "Encrypt", "Decrypt"} == {
        one["eventName"] for one in succeeded
    }
    used = [one for one in succeeded if one["eventName"] == "Encrypt"]
    assert all(one["requestParameters"]["kmsKeyArn"].endswith(key_id) for one in used)
    assert all(one["additionalEventData"]["keyMaterialId"] for one in used)


def test_credential_is_changed_and_processes_are_killed_and_the_key_goes_on(pair: Pair) -> None:
    kms = pair.kms
    key_id = pair.create_key("foo")
    blob = kms.encrypt(KeyId=key_id, Plaintext=b"text")["CiphertextBlob"]
    for title in ("strongroom: xks proxy", "strongroom: boundary"):
        os.kill(pair.proxy.pid_of(title), signal.SIGKILL)
        assert succeed_soon(kms.decrypt, CiphertextBlob=blob)["Plaintext"] == b"text"

    # the way that the specification has for callers to change over
    (old,) = re.findall(
        r"^([A-Z2-7]{20})  ", run_command("list-credentials", data_dir=pair.data).stdout, re.M
    )
    new = create_credential(pair.data)
    third = run_command("create-credential", data_dir=pair.data)
    assert (third.returncode, "There are 2 credentials already" in third.stderr) == (254, True)
    kms.encrypt(KeyId=key_id, Plaintext=b"text")
    kms.update_custom_key_store(CustomKeyStoreId=pair.store_id, XksProxyAuthenticationCredential=new)
    kms.encrypt(KeyId=key_id, Plaintext=b"text")
    assert run_command("delete-credential", old, data_dir=pair.data).returncode == 0
    kms.encrypt(KeyId=key_id, Plaintext=b"text")
    signers = {one["userIdentity"].get("accessKeyId") for one in records_of(pair.data)}
    assert signers - {None} == {old, new["AccessKeyId"]}  # while the boundary was gone, nobody was known
    wanted = {"ConnectCustomKeyStore", "KmsHealthCheck", "Encrypt", "Decrypt"}
    deadline = time.monotonic() + 20  # health is looked at once a second
    while not wanted <= (seen := operations_of(pair.data)):
        assert time.monotonic() < deadline, seen
        time.sleep(0.2)
    assert run_command("delete-credential", new["AccessKeyId"], data_dir=pair.data).returncode == 0
    assert "could not authenticate" in refusal_of(kms.encrypt, KeyId=key_id, Plaintext=b"text")[1]
    gone = run_command("delete-credential", old, data_dir=pair.data)
    assert (gone.returncode, "There is no credential of this id" in gone.stderr) == (254, True)
    for file in pair.data.rglob("*"):
        assert not file.is_file() or new["RawSecretAccessKey"].encode() not in file.read_bytes()
    assert new["RawSecretAccessKey"].encode() not in pair.proxy.logged
    pair.proxy.kill()
    code, sentence = refusal_of(kms.decrypt, CiphertextBlob=blob)
    assert (code, "cannot communicate with" in sentence) == ("KMSInvalidStateException", True)


def test_xks_proxy_serve_without_the_table_is_refused(tmp_path: Path) -> None:
    settings = tmp_path / "strongroom.toml"
    settings.write_text("port = 0\n")
    with pytest.raises(RuntimeError, match=r"ended with 253: .*has no table \[xks_proxy\]"):
        Server("--config", str(settings), command="xks-proxy serve").start()


def test_start_with_an_unusable_certificate_is_refused_with_a_sentence(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    table = write_proxy_table(
        tmp_path / "table.toml", authority, {"foo": '"1234abcd-12ab-34cd-56ef-1234567890ab"'}
    )
    authority.issue(HOST)[0].write_text("no certificate")
    with pytest.raises(RuntimeError, match="The XKS proxy cannot use its tls_certificate_file"):
        Server("--config", str(table)).start()


TEST_CLIENT = os.environ.get("STRONGROOM_XKS_TEST_CLIENT", "")


@pytest.mark.skipif(
    not TEST_CLIENT, reason="STRONGROOM_XKS_TEST_CLIENT names no directory with AWS's test client"
)
@pytest.mark.parametrize("mutual", [False, True], ids=["server certificate", "client certificates, too"])
def test_public_test_client_of_aws_passes_all_its_cases(tmp_path: Path, mutual: bool) -> None:
    """Source: github.com/aws-samples/aws-kms-xksproxy-test-client, `./test-xks-proxy -a`.

    With client certificates it shows two bogus ones, and wants them refused in the words of rustls 0.20, on
    which AWS's sample proxy is built ("handshake failure"); later ones name the reason, as OpenSSL does.
    """
    assert all(map(shutil.which, ("bash", "curl", "jq", "xxd"))), (
        "the test client needs bash, curl, jq and xxd"
    )
    region, data = "us-east-1", tmp_path / "data"
    with Server(data_dir=data) as server:
        kms = server.client(region=region)
        key_id = kms.create_key()["KeyMetadata"]["KeyId"]
        mac_id = kms.create_key(KeySpec="HMAC_256", KeyUsage="GENERATE_VERIFY_MAC")["KeyMetadata"]["KeyId"]
        alice = ALLOWING | {"Principal": {"AWS": "arn:aws:iam::123456789012:user/Alice"}}
        for one in (key_id, mac_id):
            kms.put_key_policy(KeyId=one, Policy=policy_of(alice))
    keys = {
        "foo": f'"{key_id}"',
        "encrypt_only_key": f'{{ key = "{key_id}", usages = ["ENCRYPT"] }}',
        "decrypt_only_key": f'{{ key = "{key_id}", usages = ["DECRYPT"] }}',
        "impotent_key": f'"{mac_id}"',
    }
    authority, clients = Authority(tmp_path), Authority(tmp_path, "clients")
    certificate, key = clients.issue(NAME)
    more = f'client_ca_file = "{clients.ca_file}"\nclient_names = ["{NAME}"]' if mutual else ""
    table = write_proxy_table(tmp_path / "table.toml", authority, keys, region=region, more=more)
    commands = tmp_path / "bin"
    commands.mkdir()
    uuidgen = commands / "uuidgen"  # which not every machine has
    uuidgen.write_text("#!/bin/sh\ncat /proc/sys/kernel/random/uuid\n")
    uuidgen.chmod(0o755)
    with Server("--config", str(table), data_dir=data) as server:
        credential = create_credential(data)
        environment = os.environ | {
            "PATH": f"{commands}:{os.environ['PATH']}",
            "XKS_PROXY_HOST": f"{HOST}:{proxy_port_of(server)}",
            "URI_PREFIX": URI_PATH.removesuffix("/kms/xks/v1").removeprefix("/"),
            "SIGV4_ACCESS_KEY_ID": credential["AccessKeyId"],
            "SIGV4_SECRET_ACCESS_KEY": credential["RawSecretAccessKey"],
            "REGION": region,
            "SECURE": f"--cacert {authority.ca_file}",
            "MTLS": f"--key {key} --cert {certificate}" if mutual else "",
            "ANSI_ESCAPE": "0",
            "no_proxy": "*",
        }
        command = ["bash", "./test-xks-proxy", "-a"]
        ran = subprocess.run(
            command,
            cwd=TEST_CLIENT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    passed, failed = (re.findall(rf"=> Test (.*) .*{word}", ran.stdout) for word in ("PASS", "FAILED"))
    assert len(passed) >= 49, ran.stdout + ran.stderr
    if not mutual:
        assert not failed, ran.stdout
        return
    told = re.findall(r"\(IN\), TLS alert, (.*) \(", ran.stdout + ran.stderr)
    assert (len(failed), told.count("unknown CA")) == (2, 2), ran.stdout
    assert all("client certificate" in one for one in failed), failed
