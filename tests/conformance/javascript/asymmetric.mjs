import assert from "node:assert";
import crypto from "node:crypto";
import { bytes, createKey, kms, publicKeyOf, send } from "./clients.mjs";

const spki = (key) => crypto.createPublicKey({ key: Buffer.from(key), format: "der", type: "spki" });
const pkcs8 = (key) => crypto.createPrivateKey({ key: Buffer.from(key), format: "der", type: "pkcs8" });

// Signatures that node verifies.
const Message = bytes("signed for node");
const PSS = { padding: crypto.constants.RSA_PKCS1_PSS_PADDING, saltLength: crypto.constants.RSA_PSS_SALTLEN_DIGEST };
for (const [KeySpec, SigningAlgorithm, hash, options] of [
  ["ECC_NIST_P256", "ECDSA_SHA_256", "sha256", {}],
  ["ECC_NIST_P521", "ECDSA_SHA_512", "sha512", {}],
  ["RSA_2048", "RSASSA_PKCS1_V1_5_SHA_384", "sha384", {}],
  ["RSA_2048", "RSASSA_PSS_SHA_256", "sha256", PSS],
  ["ECC_NIST_EDWARDS25519", "ED25519_SHA_512", null, {}],
]) {
  const { KeyId } = await createKey({ KeySpec, KeyUsage: "SIGN_VERIFY" });
  const { Signature } = await send("Sign", { KeyId, Message, SigningAlgorithm });
  const key = { key: spki(await publicKeyOf(KeyId)), ...options };
  assert.ok(crypto.verify(hash, Message, key, Signature), SigningAlgorithm);
  assert.ok(!crypto.verify(hash, bytes("other"), key, Signature), SigningAlgorithm);
  await assert.rejects(
    send("Verify", { KeyId, Message: bytes("other"), Signature, SigningAlgorithm }),
    kms.KMSInvalidSignatureException,
  );
}

// What node encrypts with a public key.
{
  const { KeyId } = await createKey({ KeySpec: "RSA_2048", KeyUsage: "ENCRYPT_DECRYPT" });
  const key = { key: spki(await publicKeyOf(KeyId)), oaepHash: "sha256" };
  const CiphertextBlob = crypto.publicEncrypt(key, bytes("for the key only"));
  const EncryptionAlgorithm = "RSAES_OAEP_SHA_256";
  const { Plaintext } = await send("Decrypt", { KeyId, CiphertextBlob, EncryptionAlgorithm });
  assert.strictEqual(Buffer.from(Plaintext).toString(), "for the key only");
}

// A data key pair.
{
  const { KeyId } = await createKey();
  const pair = await send("GenerateDataKeyPair", { KeyId, KeyPairSpec: "ECC_NIST_P384" });
  const signature = crypto.sign("sha384", Message, pkcs8(pair.PrivateKeyPlaintext));
  assert.ok(crypto.verify("sha384", Message, spki(pair.PublicKey), signature));
  const { Plaintext } = await send("Decrypt", { CiphertextBlob: pair.PrivateKeyCiphertextBlob });
  assert.deepStrictEqual(Buffer.from(Plaintext), Buffer.from(pair.PrivateKeyPlaintext));
  const sealed = await send("GenerateDataKeyPairWithoutPlaintext", { KeyId, KeyPairSpec: "RSA_2048" });
  assert.strictEqual(sealed.PrivateKeyPlaintext, undefined);
}

// ECDH: the same secret on both sides.
{
  const { KeyId } = await createKey({ KeySpec: "ECC_NIST_P256", KeyUsage: "KEY_AGREEMENT" });
  const ours = crypto.generateKeyPairSync("ec", { namedCurve: "P-256" });
  const { SharedSecret } = await send("DeriveSharedSecret", {
    KeyId,
    KeyAgreementAlgorithm: "ECDH",
    PublicKey: ours.publicKey.export({ format: "der", type: "spki" }),
  });
  const publicKey = spki(await publicKeyOf(KeyId));
  const expected = crypto.diffieHellman({ privateKey: ours.privateKey, publicKey });
  assert.deepStrictEqual(Buffer.from(SharedSecret), expected);
}

// Imports: node wraps material, and computes the same with it.
async function importInto(KeyId, material, direct) {
  const asked = { KeyId, WrappingKeySpec: "RSA_2048" };
  const WrappingAlgorithm = direct ? "RSAES_OAEP_SHA_256" : "RSA_AES_KEY_WRAP_SHA_256";
  const { ImportToken, PublicKey } = await send("GetParametersForImport", { ...asked, WrappingAlgorithm });
  const wrap = (content) => crypto.publicEncrypt({ key: spki(PublicKey), oaepHash: "sha256" }, content);
  let EncryptedKeyMaterial;
  if (direct) {
    EncryptedKeyMaterial = wrap(material);
  } else {
    const wrapping = crypto.randomBytes(32);
    const cipher = crypto.createCipheriv("id-aes256-wrap-pad", wrapping, Buffer.from("a65959a6", "hex"));
    EncryptedKeyMaterial = Buffer.concat([wrap(wrapping), cipher.update(material), cipher.final()]);
  }
  const ExpirationModel = "KEY_MATERIAL_DOES_NOT_EXPIRE";
  await send("ImportKeyMaterial", { KeyId, ImportToken, EncryptedKeyMaterial, ExpirationModel });
}
{
  const { KeyId, KeyState } = await createKey({ Origin: "EXTERNAL" });
  assert.strictEqual(KeyState, "PendingImport");
  await importInto(KeyId, crypto.randomBytes(32), true);
  const { CiphertextBlob } = await send("Encrypt", { KeyId, Plaintext: bytes("imported") });
  await send("DeleteImportedKeyMaterial", { KeyId });
  await assert.rejects(send("Decrypt", { CiphertextBlob }), kms.KMSInvalidStateException);
  await assert.rejects(importInto(KeyId, crypto.randomBytes(32), true), kms.IncorrectKeyMaterialException);
}
{
  const input = { Origin: "EXTERNAL", KeySpec: "HMAC_256", KeyUsage: "GENERATE_VERIFY_MAC" };
  const { KeyId } = await createKey(input);
  const material = crypto.randomBytes(32);
  await importInto(KeyId, material, true);
  const { Mac } = await send("GenerateMac", { KeyId, Message, MacAlgorithm: "HMAC_SHA_256" });
  assert.deepStrictEqual(Buffer.from(Mac), crypto.createHmac("sha256", material).update(Message).digest());
  assert.ok((await send("VerifyMac", { KeyId, Message, Mac, MacAlgorithm: "HMAC_SHA_256" })).MacValid);
  await assert.rejects(
    send("VerifyMac", { KeyId, Message: bytes("other"), Mac, MacAlgorithm: "HMAC_SHA_256" }),
    kms.KMSInvalidMacException,
  );
}
for (const [KeySpec, SigningAlgorithm, hash, kind, options] of [
  ["ECC_NIST_P256", "ECDSA_SHA_256", "sha256", "ec", { namedCurve: "P-256" }],
  ["RSA_2048", "RSASSA_PKCS1_V1_5_SHA_256", "sha256", "rsa", { modulusLength: 2048 }],
]) {
  const { KeyId } = await createKey({ Origin: "EXTERNAL", KeySpec, KeyUsage: "SIGN_VERIFY" });
  const { privateKey, publicKey } = crypto.generateKeyPairSync(kind, options);
  await importInto(KeyId, privateKey.export({ format: "der", type: "pkcs8" }), false);
  const { Signature } = await send("Sign", { KeyId, Message, SigningAlgorithm });
  assert.ok(crypto.verify(hash, Message, publicKey, Signature));
}

console.log("every assertion held");
