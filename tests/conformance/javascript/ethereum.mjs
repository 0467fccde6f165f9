// An Ethereum account whose private key is a KMS key: `viem` recovers its address from what it signs.
import assert from "node:assert";
import { hashMessage, hashTypedData, keccak256, recoverMessageAddress, recoverTransactionAddress } from "viem";
import { parseEther, recoverAddress, recoverTypedDataAddress, serializeSignature, serializeTransaction } from "viem";
import { publicKeyToAddress, toAccount } from "viem/accounts";
import { createKey, publicKeyOf, send } from "./clients.mjs";

const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
const { KeyId } = await createKey({ KeySpec: "ECC_SECG_P256K1", KeyUsage: "SIGN_VERIFY" });
const point = (await publicKeyOf(KeyId)).subarray(-65);
assert.strictEqual(point[0], 4);
const address = publicKeyToAddress(`0x${point.toString("hex")}`);
const hex = (number) => `0x${number.toString(16).padStart(64, "0")}`;

// Ethereum takes the lower of the two values of s, and wants to know which of two points r stands for.
async function signHash(hash) {
  const answer = await send("Sign", {
    KeyId,
    Message: Buffer.from(hash.slice(2), "hex"),
    MessageType: "DIGEST",
    SigningAlgorithm: "ECDSA_SHA_256",
  });
  const der = Buffer.from(answer.Signature);
  const number = (at) => BigInt("0x" + der.subarray(at + 2, at + 2 + der[at + 1]).toString("hex"));
  const r = number(2);
  let s = number(4 + der[3]);
  s = s > ORDER / 2n ? ORDER - s : s;
  for (const yParity of [0, 1]) {
    const signature = { r: hex(r), s: hex(s), yParity };
    if ((await recoverAddress({ hash, signature })) === address) return signature;
  }
  throw new Error("the signature is of another key");
}

const account = toAccount({
  address,
  signMessage: async ({ message }) => serializeSignature(await signHash(hashMessage(message))),
  signTypedData: async (data) => serializeSignature(await signHash(hashTypedData(data))),
  signTransaction: async (transaction) =>
    serializeTransaction(transaction, await signHash(keccak256(serializeTransaction(transaction)))),
});

for (const message of ["one", "two", "three", "four"]) {
  const signature = await account.signMessage({ message });
  assert.strictEqual(await recoverMessageAddress({ message, signature }), address);
  assert.notStrictEqual(await recoverMessageAddress({ message: message + "!", signature }), address);
}
const typed = {
  domain: { name: "Strongroom", chainId: 1 },
  types: { Order: [{ name: "amount", type: "uint256" }] },
  primaryType: "Order",
  message: { amount: 7n },
};
const signature = await account.signTypedData(typed);
assert.strictEqual(await recoverTypedDataAddress({ ...typed, signature }), address);
const transaction = { type: "eip1559", chainId: 1, nonce: 0, to: address, value: parseEther("1"), gas: 21000n };
const serializedTransaction = await account.signTransaction({ ...transaction, maxFeePerGas: 10n });
assert.strictEqual(await recoverTransactionAddress({ serializedTransaction }), address);

console.log("every assertion held");
