"""The AWS SDK for JavaScript (v3), unmodified, in node: installed into a temporary directory for the test.

Needs node and npm, and npm's registry as the host configures it. Without them the test skips aloud; with
CI=true it fails.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, NoReturn

import pytest
from tests.support.server import REGION, Server

PACKAGE = {
    "name": "strongroom-conformance",
    "private": True,
    "dependencies": {"@aws-sdk/client-kms": "3.1164.0"},
}

PROGRAM = """
const assert = require("node:assert");
const crypto = require("node:crypto");
const kms = require("@aws-sdk/client-kms");
const client = new kms.KMSClient({});
const send = (name, input) => client.send(new kms[name + "Command"](input));
const bytes = (text) => new TextEncoder().encode(text);

async function main() {
  const key = (await send("CreateKey", { Description: "made by node" })).KeyMetadata;
  assert.strictEqual(key.KeyState, "Enabled");
  assert.ok(key.CreationDate instanceof Date);

  const EncryptionContext = { tenant: "blau" };
  const sealed = await send("Encrypt", { KeyId: key.KeyId, Plaintext: bytes("hello"), EncryptionContext });
  const opened = await send("Decrypt", { CiphertextBlob: sealed.CiphertextBlob, EncryptionContext });
  assert.strictEqual(new TextDecoder().decode(opened.Plaintext), "hello");
  assert.strictEqual(opened.KeyId, key.Arn);
  await assert.rejects(send("Decrypt", { CiphertextBlob: sealed.CiphertextBlob }), (error) => {
    assert.ok(error instanceof kms.InvalidCiphertextException);
    assert.strictEqual(error.$metadata.httpStatusCode, 400);
    assert.match(error.$metadata.requestId, /^[0-9a-f-]{36}$/);
    return true;
  });

  const dataKey = await send("GenerateDataKey", { KeyId: key.Arn, KeySpec: "AES_256" });
  assert.strictEqual(dataKey.Plaintext.length, 32);
  const again = await send("Decrypt", { CiphertextBlob: dataKey.CiphertextBlob });
  assert.deepStrictEqual(Buffer.from(again.Plaintext), Buffer.from(dataKey.Plaintext));

  await assert.rejects(send("DescribeKey", { KeyId: "alias/none" }), kms.NotFoundException);
  await assert.rejects(
    send("Encrypt", { KeyId: key.KeyId, Plaintext: bytes("x"), DryRun: true }),
    kms.DryRunOperationException,
  );

  const input = { KeySpec: "ECC_NIST_P256", KeyUsage: "SIGN_VERIFY" };
  const pair = (await send("CreateKey", input)).KeyMetadata;
  const Message = bytes("signed in node");
  const SigningAlgorithm = "ECDSA_SHA_256";
  const { Signature } = await send("Sign", { KeyId: pair.KeyId, Message, SigningAlgorithm });
  const { PublicKey } = await send("GetPublicKey", { KeyId: pair.KeyId });
  const publicKey = crypto.createPublicKey({ key: Buffer.from(PublicKey), format: "der", type: "spki" });
  assert.ok(crypto.verify("sha256", Message, publicKey, Signature));
  assert.ok(!crypto.verify("sha256", bytes("other"), publicKey, Signature));

  const found = [];
  for await (const page of kms.paginateListKeys({ client, pageSize: 1 }, {})) {
    found.push(...page.Keys.map(({ KeyId }) => KeyId));
  }
  assert.ok(found.includes(key.KeyId) && found.includes(pair.KeyId));
  console.log("every assertion held");
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
"""


def absent(what: str) -> NoReturn:
    reason = f"the AWS SDK for JavaScript was not tested: {what}"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        absent(f"there is no {name} here")
    return found


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program beside an installed SDK."""
    directory = tmp_path_factory.mktemp("javascript")
    (directory / "package.json").write_text(json.dumps(PACKAGE))
    command = [tool("npm"), "install", "--no-package-lock", "--ignore-scripts", "--no-audit", "--no-fund"]
    installed = subprocess.run(
        command, cwd=directory, capture_output=True, text=True, timeout=240, check=False
    )
    if installed.returncode != 0:
        absent(f"npm install failed: {installed.stderr[-400:]}")
    (directory / "program.cjs").write_text(PROGRAM)
    return directory / "program.cjs"


@pytest.mark.slow
def test_javascript_sdk_creates_encrypts_signs_and_knows_the_errors(
    server: Server, kms: Any, program: Path
) -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": "/nonexistent",
        "AWS_ENDPOINT_URL_KMS": server.url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": REGION,
    }
    done = subprocess.run(
        [tool("node"), str(program)],
        cwd=program.parent,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "every assertion held\n"), done.stderr
