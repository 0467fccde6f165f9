import assert from "node:assert";
import { bytes, client, createKey, kms, send, sender } from "./clients.mjs";

const key = await createKey({ Description: "made by node" });
assert.strictEqual(key.KeyState, "Enabled");
assert.ok(key.CreationDate instanceof Date);

const EncryptionContext = { tenant: "blau", "größe": "ä ß 漢字" };
const sealed = await send("Encrypt", { KeyId: key.KeyId, Plaintext: bytes("hello"), EncryptionContext });
const opened = await send("Decrypt", { CiphertextBlob: sealed.CiphertextBlob, EncryptionContext });
assert.strictEqual(new TextDecoder().decode(opened.Plaintext), "hello");
assert.strictEqual(opened.KeyId, key.Arn);

const dataKey = await send("GenerateDataKey", { KeyId: key.Arn, KeySpec: "AES_256" });
assert.strictEqual(dataKey.Plaintext.length, 32);
const again = await send("Decrypt", { CiphertextBlob: dataKey.CiphertextBlob });
assert.deepStrictEqual(Buffer.from(again.Plaintext), Buffer.from(dataKey.Plaintext));

// Errors are of their classes, with the request's id.
const refused = (name, input, kind, through = send) =>
  assert.rejects(through(name, input), (error) => {
    assert.ok(error instanceof kms[kind], `${error}`);
    assert.ok(error instanceof kms.KMSServiceException);
    assert.strictEqual(error.name, kind);
    assert.strictEqual(error.$fault, "client");
    assert.strictEqual(error.$metadata.httpStatusCode, 400);
    assert.match(error.$metadata.requestId, /^[0-9a-f-]{36}$/);
    return true;
  });
const other = await createKey();
await refused("Decrypt", { CiphertextBlob: sealed.CiphertextBlob }, "InvalidCiphertextException");
await refused(
  "Decrypt",
  { CiphertextBlob: sealed.CiphertextBlob, EncryptionContext, KeyId: other.KeyId },
  "IncorrectKeyException",
);
await refused("DescribeKey", { KeyId: "alias/none" }, "NotFoundException");
await refused(
  "Encrypt",
  { KeyId: key.KeyId, Plaintext: bytes("x"), DryRun: true },
  "DryRunOperationException",
);
await refused("Sign", { KeyId: key.KeyId, Message: bytes("x"), SigningAlgorithm: "ECDSA_SHA_256" }, "InvalidKeyUsageException");
await send("DisableKey", { KeyId: other.KeyId });
await refused("Encrypt", { KeyId: other.KeyId, Plaintext: bytes("x") }, "DisabledException");
const forged = client({ credentials: { accessKeyId: process.env.AWS_ACCESS_KEY_ID, secretAccessKey: "wrong" } });
await assert.rejects(sender(forged)("ListKeys", {}), { name: "InvalidSignatureException" });

// Many calls at once through one client.
const results = await Promise.all(
  Array.from({ length: 200 }, async (_, at) => {
    const blob = await send("Encrypt", { KeyId: key.KeyId, Plaintext: bytes(`${at}`) });
    const { Plaintext } = await send("Decrypt", { CiphertextBlob: blob.CiphertextBlob });
    return new TextDecoder().decode(Plaintext);
  }),
);
assert.deepStrictEqual(results, Array.from({ length: 200 }, (_, at) => `${at}`));

// One GetKeyLastUsage a second: told without retries, waited for with them.
const once = sender(client({ maxAttempts: 1 }));
const calls = await Promise.allSettled(
  Array.from({ length: 5 }, () => once("GetKeyLastUsage", { KeyId: key.KeyId })),
);
const throttled = calls.filter(({ status }) => status === "rejected").map(({ reason }) => reason);
assert.ok(throttled.length > 0);
assert.deepStrictEqual([...new Set(throttled.map(({ name }) => name))], ["ThrottlingException"]);
const patient = sender(client({ maxAttempts: 12 }));
const waited = [];
for (let at = 0; at < 2; at++) {
  waited.push((await patient("GetKeyLastUsage", { KeyId: key.KeyId })).$metadata.attempts);
}
assert.ok(Math.max(...waited) > 1, `${waited}`);

// Pages.
const found = [];
for await (const page of kms.paginateListKeys({ client: client(), pageSize: 1 }, {})) {
  found.push(...page.Keys.map(({ KeyId }) => KeyId));
}
assert.ok(found.includes(key.KeyId) && found.includes(other.KeyId));

// A replica in another Region, through a client of that Region.
const primary = await createKey({ MultiRegion: true });
const elsewhere = sender(client({ region: "us-east-1" }));
const { ReplicaKeyMetadata } = await send("ReplicateKey", { KeyId: primary.KeyId, ReplicaRegion: "us-east-1" });
assert.strictEqual(ReplicaKeyMetadata.MultiRegionConfiguration.MultiRegionKeyType, "REPLICA");
while ((await elsewhere("DescribeKey", { KeyId: primary.KeyId })).KeyMetadata.KeyState !== "Enabled") {
  await new Promise((resolve) => setTimeout(resolve, 50));
}
const made = await send("Encrypt", { KeyId: primary.KeyId, Plaintext: bytes("far") });
const read = await elsewhere("Decrypt", { CiphertextBlob: made.CiphertextBlob, KeyId: primary.KeyId });
assert.strictEqual(new TextDecoder().decode(read.Plaintext), "far");
assert.match(read.KeyId, /^arn:aws:kms:us-east-1:/);

// A grant to a user who was refused before.
const user = sender(
  client({
    credentials: {
      accessKeyId: process.env.USER_ACCESS_KEY_ID,
      secretAccessKey: process.env.USER_SECRET_ACCESS_KEY,
    },
  }),
);
const asked = { KeyId: key.Arn, Plaintext: bytes("x"), EncryptionContext: { tenant: "blau", more: "1" } };
await assert.rejects(user("Encrypt", asked), { name: "AccessDeniedException" });
const { GrantToken, GrantId } = await send("CreateGrant", {
  KeyId: key.KeyId,
  GranteePrincipal: process.env.USER_ARN,
  Operations: ["Encrypt", "RetireGrant"],
  Constraints: { EncryptionContextSubset: { tenant: "blau" } },
});
await user("Encrypt", { ...asked, GrantTokens: [GrantToken] });
await assert.rejects(user("Encrypt", { ...asked, EncryptionContext: { tenant: "rot" }, GrantTokens: [GrantToken] }), {
  name: "AccessDeniedException",
});
const { Grants } = await send("ListGrants", { KeyId: key.KeyId });
assert.deepStrictEqual(Grants.map((grant) => grant.GrantId), [GrantId]);
assert.ok(Grants[0].CreationDate instanceof Date);
await user("RetireGrant", { GrantToken });
await assert.rejects(user("Encrypt", asked), { name: "AccessDeniedException" });

console.log("every assertion held");
