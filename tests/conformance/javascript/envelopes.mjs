// The AWS Encryption SDK. Arguments: two key ARNs. Standard input: a message made elsewhere, in Base64.
// Standard output: JSON with what was in that message, and a message made here with the context tenant=blau.
import assert from "node:assert";
import { readFileSync } from "node:fs";
import { buildClient, CommitmentPolicy, KmsKeyringNode } from "@aws-crypto/client-node";

const [generatorKeyId, second] = process.argv.slice(2);
const { decrypt, encrypt } = buildClient(CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT);
const both = new KmsKeyringNode({ generatorKeyId, keyIds: [second] });
const context = { tenant: "blau" };

const content = Buffer.from("envelope ".repeat(5000));
const { result } = await encrypt(both, content, { encryptionContext: context });
for (const keyring of [
  both,
  new KmsKeyringNode({ generatorKeyId }),
  new KmsKeyringNode({ keyIds: [second] }),
  new KmsKeyringNode({ discovery: true, discoveryFilter: { accountIDs: [process.env.ACCOUNT], partition: "aws" } }),
]) {
  const { plaintext, messageHeader } = await decrypt(keyring, result);
  assert.ok(plaintext.equals(content));
  assert.strictEqual(messageHeader.encryptionContext.tenant, "blau");
}
const elsewhere = new KmsKeyringNode({ discovery: true, discoveryFilter: { accountIDs: ["999999999999"], partition: "aws" } });
await assert.rejects(decrypt(elsewhere, result));
const changed = Buffer.from(result);
changed[changed.length >> 1] ^= 1;
await assert.rejects(decrypt(both, changed));

const { plaintext } = await decrypt(both, Buffer.from(readFileSync(0, "utf8"), "base64"));
console.log(JSON.stringify({ opened: plaintext.toString(), message: result.toString("base64") }));
