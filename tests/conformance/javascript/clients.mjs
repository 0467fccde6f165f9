// Clients of the server in the environment, and what every program here does.
import * as kms from "@aws-sdk/client-kms";

export { kms };
export const bytes = (text) => new TextEncoder().encode(text);
export const client = (settings = {}) => new kms.KMSClient(settings);
export const sender = (through) => (name, input) => through.send(new kms[name + "Command"](input));
export const send = sender(client());

export async function createKey(input = {}, through = send) {
  return (await through("CreateKey", input)).KeyMetadata;
}

export async function publicKeyOf(KeyId) {
  return Buffer.from((await send("GetPublicKey", { KeyId })).PublicKey);
}
