"""A beginner's denied call, and what the operator can find out about it at the command line."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.support.server import Server, strict_environment
from tests.support.users import (
    Credentials,
    in_store,
    new_role,
    new_user,
    put_entities,
    root_credentials,
    strongroom,
    user_credentials,
)

ACCOUNT, OTHER_ACCOUNT = "111122223333", "444455556666"
VIA_S3 = {"StringEquals": {"kms:ViaService": "s3.eu-central-1.amazonaws.com"}}


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allowing(action: Any, sid: str | None = None, effect: str = "Allow", **more: Any) -> dict[str, Any]:
    made = {"Effect": effect, "Action": action, "Resource": "*", **more}
    return made if sid is None else {"Sid": sid, **made}


TRUST = allowing("kms:*", "Root", Principal={"AWS": ACCOUNT})


class Scene:
    """A strict server with a root, and the users alice (through S3 only), bob (nothing) and the role app."""

    def __init__(self, server: Server, data: Path) -> None:
        self.server = server
        self.data = data
        alice = new_user(
            ACCOUNT,
            "alice",
            inline_policies={
                "crypto": policy(allowing(["kms:Encrypt", "kms:Decrypt"], "UseKeys", Condition=VIA_S3))
            },
        )
        root_credentials(data, ACCOUNT)
        self.alice = user_credentials(data, alice)
        put_entities(
            data,
            new_user(ACCOUNT, "bob"),
            new_role(ACCOUNT, "app", inline_policies={"all": policy(allowing("kms:*"))}),
        )
        made = strongroom("account", "replace-root-key", ACCOUNT, "--data-dir", str(data))
        lines = dict(line.removeprefix("export ").split("=", 1) for line in made.stdout.splitlines()[1:])
        self.root = lines["AWS_ACCESS_KEY_ID"], lines["AWS_SECRET_ACCESS_KEY"]
        self.kms = self.client(self.root)

    def client(self, credentials: Credentials) -> Any:
        return self.server.client(access_key_id=credentials[0], secret_access_key=credentials[1])

    def run(self, *arguments: str, code: int = 0) -> str:
        done = strongroom(*arguments, "--data-dir", str(self.data))
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout if code in (0, 1) else done.stderr

    def denied(self, key: str, **members: Any) -> str:
        """The request id of alice's denied Encrypt."""
        with pytest.raises(ClientError, match="AccessDeniedException") as refused:
            self.client(self.alice).encrypt(KeyId=key, Plaintext=b"x", **members)
        return str(refused.value.response["ResponseMetadata"]["RequestId"])


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    data = tmp_path_factory.mktemp("why") / "data"
    with Server("--auth", "strict", environment=strict_environment(), data_dir=data) as server:
        yield Scene(server, data)


@pytest.fixture
def key(scene: Scene) -> str:
    return str(scene.kms.create_key(Policy=policy(TRUST))["KeyMetadata"]["Arn"])


def test_explain_says_who_what_why_and_what_would_have_allowed_it(scene: Scene, key: str) -> None:
    shown = scene.run("explain", scene.denied(key))
    for line in (
        f"By         arn:aws:iam::{ACCOUNT}:user/alice",
        f"On         {key}",
        "Recorded then: kms:Encrypt was denied (NO_IDENTITY_POLICY_ALLOWS).",
        "  kms:viaservice was not there",
        "  because no identity-based policy allows it.",
        "  Key policy (unchanged since the request was made)",
        '    Statement 1 "Root" allows: APPLIES; it names the caller\'s account, so its identity-based '
        "policies decide",
        "  Inline policy crypto of user/alice (unchanged since the request was made)",
        '    Statement 1 "UseKeys" allows: does not apply, because a condition does not hold',
        "        StringEquals kms:ViaService: wants 's3.eu-central-1.amazonaws.com'; in the request it is "
        "not there: DOES NOT HOLD",
        "  No grant on the key names the caller",
        "  Any of these would allow it:",
        "    - statement 1 (UseKeys) of inline policy crypto of user/alice, but its condition StringEquals "
        "kms:ViaService asks for s3.eu-central-1.amazonaws.com and the request has nothing",
    ):
        assert line in shown.splitlines(), shown


def test_explain_says_what_has_changed_since_the_request(scene: Scene, key: str) -> None:
    request_id = scene.denied(key, EncryptionContext={"tenant": "a\x1b[31m"})
    no = allowing("kms:Encrypt", "No", "Deny", Principal="*")
    scene.kms.put_key_policy(KeyId=key, Policy=policy(TRUST, no))
    shown = scene.run("explain", request_id)
    assert "Key policy (CHANGED since the request was made)" in shown
    assert "with an explicit deny in a resource-based policy" in shown
    assert "without statement 2 (No) of key policy, which denies it" in shown
    assert "\x1b" not in shown
    report = json.loads(scene.run("explain", request_id, "--json"))
    (permission,) = report["permissions"]
    assert (permission["reason"], permission["allowed"]) == ("DENIED_BY_KEY_POLICY", False)
    assert permission["policies"][0]["sinceTheRequest"] == "changed"
    scene.kms.put_key_policy(
        KeyId=key,
        Policy=policy(
            TRUST, allowing("kms:Encrypt", "Alice", Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:user/alice"})
        ),
    )
    shown = scene.run("explain", request_id)
    assert "With the policies of now, kms:Encrypt is ALLOWED" in shown
    assert 'Statement 2 "Alice" allows: APPLIES; it names the caller' in shown


def test_explain_of_an_allowed_request_and_of_one_without_a_key(scene: Scene, key: str) -> None:
    answer = scene.kms.encrypt(KeyId=key, Plaintext=b"x")["ResponseMetadata"]
    shown = scene.run("explain", answer["RequestId"])
    assert "Answer     it was allowed, and done" in shown
    assert "With the policies of now, kms:Encrypt is ALLOWED" in shown
    with pytest.raises(ClientError) as refused:
        scene.client(scene.alice).create_key()
    shown = scene.run("explain", refused.value.response["ResponseMetadata"]["RequestId"])
    assert "kms:CreateKey is DENIED" in shown
    assert "an identity-based policy of the caller that allows kms:CreateKey on *" in shown


def test_explain_of_a_denial_by_iam(scene: Scene) -> None:
    iam = scene.server.client(
        "iam", access_key_id=scene.alice[0], secret_access_key=scene.alice[1], region="us-east-1"
    )
    with pytest.raises(ClientError, match="AccessDenied") as refused:
        iam.get_user(UserName="bob")
    shown = scene.run("explain", refused.value.response["ResponseMetadata"]["RequestId"])
    assert "Operation  GetUser" in shown
    assert "Recorded then: iam:GetUser was denied (NO_IDENTITY_POLICY_ALLOWS)." in shown
    assert f"  on arn:aws:iam::{ACCOUNT}:user/bob" in shown.splitlines()
    assert 'Statement 1 "UseKeys" allows: does not apply, because its Action does not match' in shown


def test_explain_of_what_cannot_be_asked_again_says_why(scene: Scene, key: str) -> None:
    with pytest.raises(ClientError) as refused:
        scene.client((scene.root[0], "wrong")).list_keys()
    shown = scene.run("explain", refused.value.response["ResponseMetadata"]["RequestId"])
    assert "refused before its signature was verified" in shown
    assert "No request 'nothing' is in the audit trail" in scene.run("explain", "nothing", code=255)
    assert "No request ''" in scene.run("explain", "", code=255)


def test_commands_refuse_a_database_that_is_not_there_or_older(scene: Scene, tmp_path: Path) -> None:
    absent = strongroom("who-can", "--key", "x", "--action", "kms:Decrypt", "--data-dir", str(tmp_path))
    assert absent.returncode == 255
    assert "there is no database at" in absent.stderr
    assert not os.listdir(tmp_path)
    copied = tmp_path / "strongroom.db"
    in_store(tmp_path, lambda store: store.ping())
    import sqlite3

    with sqlite3.connect(copied) as connection:
        connection.execute("UPDATE alembic_version SET version_num='0001'")
    connection.close()
    older = strongroom("who-can", "--key", "x", "--action", "kms:Decrypt", "--data-dir", str(tmp_path))
    assert older.returncode == 255
    assert "start the server once to bring it up to date" in older.stderr
    with sqlite3.connect(copied) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchone() == ("0001",)
    connection.close()


def test_who_can_tells_yes_if_grants_and_names_elsewhere(scene: Scene, key: str) -> None:
    scene.kms.put_key_policy(
        KeyId=key, Policy=policy(TRUST, allowing("kms:Decrypt", "Other", Principal={"AWS": OTHER_ACCOUNT}))
    )
    grant = scene.kms.create_grant(
        KeyId=key,
        GranteePrincipal=f"arn:aws:iam::{ACCOUNT}:user/bob",
        Operations=["Decrypt"],
        Constraints={"EncryptionContextSubset": {"tenant": "a"}},
    )["GrantId"]
    key_id = key.rsplit("/", 1)[1]
    found = json.loads(scene.run("who-can", "--key", key_id, "--action", "kms:decrypt", "--json"))
    assert (found["key"], found["action"], found["namedElsewhere"]) == (key, "kms:Decrypt", [OTHER_ACCOUNT])
    can = {one["principal"].rpartition(":")[2]: one for one in found["principals"]}
    assert {name: one["can"] for name, one in can.items()} == {
        "root": "yes",
        "user/alice": "if",
        "user/bob": "if",
        "role/app": "yes",
    }
    assert can["user/bob"]["grants"] == [{"grantId": grant, "if": ["the encryption context has tenant=a"]}]
    assert can["user/alice"]["statements"][1]["conditions"] == [
        {"operator": "StringEquals", "key": "kms:ViaService", "values": ["s3.eu-central-1.amazonaws.com"]}
    ]
    shown = scene.run("who-can", "--key", key, "--action", "Decrypt")
    assert f"IF   arn:aws:iam::{ACCOUNT}:user/bob" in shown
    assert "if StringEquals kms:ViaService 's3.eu-central-1.amazonaws.com'" in shown
    assert "no permission on KMS keys" in scene.run("who-can", "--key", key, "--action", "s3:Get", code=255)
    assert "There is no KMS key" in scene.run(
        "who-can", "--key", key[:-1] + "x", "--action", "Sign", code=255
    )


def test_policy_test_says_what_would_change_and_exits_with_1(scene: Scene, key: str, tmp_path: Path) -> None:
    for _ in range(3):
        scene.kms.encrypt(KeyId=key, Plaintext=b"x", EncryptionContext={"stage": "test"})
    scene.kms.encrypt(KeyId=key, Plaintext=b"x", EncryptionContext={"stage": "prod"})
    scene.denied(key)
    file = tmp_path / "new.json"
    test_only = {"StringEquals": {"kms:EncryptionContext:stage": "test"}}
    file.write_text(
        policy(
            TRUST,
            allowing("kms:Encrypt", "TestOnly", "Deny", Principal="*", Condition=test_only),
            allowing("kms:Encrypt", "Alice", Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:user/alice"}),
        )
    )
    arguments = ("policy", "test", "--key", key, "--policy", str(file))
    found = json.loads(scene.run(*arguments, "--json", code=1))
    (denied,), (allowed,) = found["newlyDenied"], found["newlyAllowed"]
    assert (denied["principal"], denied["operation"], denied["count"]) == (
        f"arn:aws:iam::{ACCOUNT}:root",
        "Encrypt",
        3,
    )
    assert (
        denied["because"] == "a statement of the key policy denies it: statement 2 (TestOnly) of key policy"
    )
    assert (allowed["principal"], allowed["count"]) == (f"arn:aws:iam::{ACCOUNT}:user/alice", 1)
    assert (found["unchanged"], found["requests"]) == (1, 5)
    assert "NEWLY DENIED: 3" in scene.run(*arguments, code=1)
    file.write_text(policy(TRUST))
    assert "Unchanged: 5" in scene.run(*arguments)


def test_policy_test_finds_a_lockout_and_refuses_what_is_no_policy(
    scene: Scene, key: str, tmp_path: Path
) -> None:
    file = tmp_path / "new.json"
    arguments = ("policy", "test", "--key", key, "--policy", str(file))
    file.write_text(policy(allowing("kms:Decrypt", Principal={"AWS": ACCOUNT})))
    assert "LOCKOUT: under the new policy nobody could put another" in scene.run(*arguments, code=1)
    file.write_text('{"Version": "2012-10-17"}')
    assert "would be refused: " in scene.run(*arguments, code=255)
    absent = tmp_path / "absent.json"
    assert "Cannot read" in scene.run(*arguments[:-1], str(absent), code=255)
