// JSON Web Tokens that a KMS key signs and `jose` verifies.
import assert from "node:assert";
import crypto from "node:crypto";
import * as jose from "jose";
import { bytes, createKey, publicKeyOf, send } from "./clients.mjs";

// A JWS has r and s in as many bytes as the curve's; KMS answers with DER.
function joinedEcdsaSignature(der, size) {
  const fields = [];
  for (let at = der[1] & 0x80 ? 3 : 2; fields.length < 2; at += 2 + der[at + 1]) {
    const number = BigInt("0x" + der.subarray(at + 2, at + 2 + der[at + 1]).toString("hex"));
    fields.push(Buffer.from(number.toString(16).padStart(2 * size, "0"), "hex"));
  }
  return Buffer.concat(fields);
}

const keys = [];
const tokens = [];
for (const [alg, KeySpec, SigningAlgorithm, size] of [
  ["ES256", "ECC_NIST_P256", "ECDSA_SHA_256", 32],
  ["ES512", "ECC_NIST_P521", "ECDSA_SHA_512", 66],
  ["PS256", "RSA_2048", "RSASSA_PSS_SHA_256", 0],
  ["RS256", "RSA_2048", "RSASSA_PKCS1_V1_5_SHA_256", 0],
  ["EdDSA", "ECC_NIST_EDWARDS25519", "ED25519_SHA_512", 0],
]) {
  const { KeyId: kid } = await createKey({ KeySpec, KeyUsage: "SIGN_VERIFY" });
  const key = crypto.createPublicKey({ key: await publicKeyOf(kid), format: "der", type: "spki" });
  keys.push({ ...(await jose.exportJWK(key)), alg, kid });
  const now = Math.floor(Date.now() / 1000);
  const parts = [{ alg, kid }, { sub: alg, iss: "strongroom", iat: now, exp: now + 60 }];
  const content = parts.map((part) => jose.base64url.encode(JSON.stringify(part))).join(".");
  const answer = await send("Sign", { KeyId: kid, Message: bytes(content), SigningAlgorithm });
  const der = Buffer.from(answer.Signature);
  tokens.push([alg, `${content}.${jose.base64url.encode(size ? joinedEcdsaSignature(der, size) : der)}`]);
}

const keySet = jose.createLocalJWKSet({ keys });
for (const [alg, token] of tokens) {
  const { payload, protectedHeader } = await jose.jwtVerify(token, keySet, { issuer: "strongroom" });
  assert.deepStrictEqual([payload.sub, protectedHeader.alg], [alg, alg]);
  const [header, , signature] = token.split(".");
  const forged = [header, jose.base64url.encode('{"iss":"strongroom","sub":"root"}'), signature].join(".");
  await assert.rejects(jose.jwtVerify(forged, keySet), jose.errors.JWSSignatureVerificationFailed);
}

console.log("every assertion held");
