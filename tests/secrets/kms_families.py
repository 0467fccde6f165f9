"""What the driver does with each family of KMS operations: rounds of calls, good ones and refused ones.

A round is a coroutine `(caller, world, number)`; a call that it cannot go on without raises RoundOver.
The families are those of operations/table.py, by the name of their module.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from tests.secrets.signed_calls import Caller

CONTEXT: Final = {"purpose": "proof"}
NOT_THERE: Final = "1234abcd-12ab-34cd-56ef-1234567890ab"
OTHER_REGION: Final = "us-west-2"
SIGNING: Final = {
    "RSA_2048": "RSASSA_PSS_SHA_256",
    "RSA_3072": "RSASSA_PKCS1_V1_5_SHA_384",
    "RSA_4096": "RSASSA_PSS_SHA_512",
    "ECC_NIST_P256": "ECDSA_SHA_256",
    "ECC_NIST_P384": "ECDSA_SHA_384",
    "ECC_NIST_P521": "ECDSA_SHA_512",
    "ECC_SECG_P256K1": "ECDSA_SHA_256",
    "ECC_NIST_EDWARDS25519": "ED25519_SHA_512",
    "ML_DSA_44": "ML_DSA_SHAKE_256",
    "SM2": "SM2DSA",
}
"""Of the specs that the server offers: SM2 hangs on the machine's OpenSSL."""
MACS: Final = {"HMAC_224": "HMAC_SHA_224", "HMAC_256": "HMAC_SHA_256", "HMAC_384": "HMAC_SHA_384",
               "HMAC_512": "HMAC_SHA_512"}  # fmt: skip
AES: Final = ("AES 0", "AES 1", "AES 2", "AES 3", "AES of several Regions")


@dataclass
class World:
    """What the driver was told, and what it made: key ids by what they are for, and no material."""

    keys: dict[str, str]
    account: str
    recipient: dict[str, str]
    """A Recipient member of an enclave that the server trusts."""
    remembered: dict[str, str] = field(default_factory=dict)

    @property
    def signing_specs(self) -> list[str]:
        return [spec for spec in SIGNING if spec in self.keys]


Round: TypeAlias = Callable[[Caller, World, int], Awaitable[None]]


def damaged(blob: str, at: int = -6) -> str:
    """Base64 with one character changed."""
    return blob[:at] + ("A" if blob[at] != "A" else "B") + blob[at + 1 :]


async def kept(caller: Caller, world: World, family: str, number: int, **members: Any) -> str:
    """A key that a family uses for twenty of its rounds."""
    name = f"{family} {number // 20}"
    if name not in world.remembered:
        world.remembered[name] = (await caller.need("CreateKey", **members))["KeyMetadata"]["KeyId"]
    return world.remembered[name]


async def encryption(caller: Caller, world: World, number: int) -> None:
    outside = {15: "external", 7: "hsm"}
    key_id = world.keys[outside.get(number % 16, AES[number % len(AES)])]
    plaintext = os.urandom(1 + number % 4096)
    sealed = await caller.need("Encrypt", KeyId=key_id, Plaintext=plaintext, EncryptionContext=CONTEXT)
    blob = sealed["CiphertextBlob"]
    await caller.need("Decrypt", CiphertextBlob=blob, EncryptionContext=CONTEXT)
    named = {"CiphertextBlob": blob, "EncryptionContext": CONTEXT}
    await caller.kms("Decrypt", **named, Recipient=world.recipient)
    await caller.kms("Decrypt", CiphertextBlob=blob, EncryptionContext={"purpose": "another"})
    await caller.kms("Decrypt", **{**named, "CiphertextBlob": damaged(blob, -6 - number % 100)})
    await caller.kms("Decrypt", **named, KeyId=world.keys["AES 0"])
    await caller.kms(
        "ReEncrypt",
        CiphertextBlob=blob,
        SourceEncryptionContext=CONTEXT,
        DestinationKeyId=world.keys[AES[(number + 1) % len(AES)]],
    )
    pair = {"KeyId": world.keys["RSA_2048 for encryption"], "EncryptionAlgorithm": "RSAES_OAEP_SHA_256"}
    sealed = await caller.need("Encrypt", **pair, Plaintext=plaintext[:190])
    await caller.kms("Decrypt", **pair, CiphertextBlob=sealed["CiphertextBlob"])
    await caller.kms("Decrypt", **pair, CiphertextBlob=damaged(sealed["CiphertextBlob"]))


async def data_keys(caller: Caller, world: World, number: int) -> None:
    key_id = world.keys[AES[number % len(AES)]]
    made = await caller.need("GenerateDataKey", KeyId=key_id, KeySpec="AES_256", EncryptionContext=CONTEXT)
    await caller.need("Decrypt", CiphertextBlob=made["CiphertextBlob"], EncryptionContext=CONTEXT)
    await caller.kms("GenerateDataKey", KeyId=key_id, NumberOfBytes=64, Recipient=world.recipient)
    await caller.kms("GenerateDataKey", KeyId=key_id, NumberOfBytes=64, KeySpec="AES_128")
    await caller.kms("GenerateDataKeyWithoutPlaintext", KeyId=key_id, NumberOfBytes=1 + number % 1024)
    await caller.kms("GenerateRandom", NumberOfBytes=1 + number % 1024)
    await caller.kms("GenerateRandom", NumberOfBytes=32, Recipient=world.recipient)
    await caller.kms("GenerateDataKey", KeyId=world.keys["HMAC_256"], KeySpec="AES_256")


async def key_creation(caller: Caller, world: World, number: int) -> None:
    spec, usage = (
        ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT"),
        ("HMAC_256", "GENERATE_VERIFY_MAC"),
        ("ECC_NIST_P256", "SIGN_VERIFY"),
        ("ECC_NIST_EDWARDS25519", "SIGN_VERIFY"),
        ("ML_DSA_44", "SIGN_VERIFY"),
        ("ML_KEM_768", "ENCAPSULATE_DECAPSULATE"),
    )[number % 6]
    await caller.need("CreateKey", KeySpec=spec, KeyUsage=usage, Tags=[{"TagKey": "a", "TagValue": "b"}])
    await caller.kms("CreateKey", Origin="EXTERNAL", Description="waits for ever")
    await caller.kms("CreateKey", KeySpec=spec, KeyUsage="KEY_AGREEMENT")
    await caller.kms("CreateKey", KeySpec=spec, KeyUsage=usage, DryRun=True, Policy="{")
    await caller.kms("CreateKey", Origin="AWS_CLOUDHSM")


async def key_lifecycle(caller: Caller, world: World, number: int) -> None:
    key_id = await kept(caller, world, "key_lifecycle", number)
    await caller.need("DescribeKey", KeyId=key_id)
    await caller.kms("ListKeys", Limit=10)
    await caller.kms("UpdateKeyDescription", KeyId=key_id, Description=f"round {number}")
    await caller.kms("DisableKey", KeyId=key_id)
    await caller.kms("Encrypt", KeyId=key_id, Plaintext=b"refused")
    await caller.kms("EnableKey", KeyId=key_id)
    await caller.kms("Encrypt", KeyId=key_id, Plaintext=b"allowed")
    await caller.kms("DescribeKey", KeyId=NOT_THERE)


async def key_deletion(caller: Caller, world: World, number: int) -> None:
    key_id = await kept(caller, world, "key_deletion", number)
    await caller.need("ScheduleKeyDeletion", KeyId=key_id, PendingWindowInDays=7)
    await caller.kms("Encrypt", KeyId=key_id, Plaintext=b"refused")
    await caller.kms("ScheduleKeyDeletion", KeyId=key_id, PendingWindowInDays=7)
    await caller.kms("CancelKeyDeletion", KeyId=key_id)
    await caller.kms("CancelKeyDeletion", KeyId=key_id)
    await caller.kms("EnableKey", KeyId=key_id)


async def aliases(caller: Caller, world: World, number: int) -> None:
    name = f"alias/proof-{number}"
    await caller.need("CreateAlias", AliasName=name, TargetKeyId=world.keys["AES 0"])
    await caller.kms("CreateAlias", AliasName=name, TargetKeyId=world.keys["AES 0"])
    await caller.kms("Encrypt", KeyId=name, Plaintext=b"by its name")
    await caller.kms("UpdateAlias", AliasName=name, TargetKeyId=world.keys["AES 1"])
    await caller.kms("UpdateAlias", AliasName=name, TargetKeyId=world.keys["HMAC_256"])
    await caller.kms("ListAliases", KeyId=world.keys["AES 1"])
    await caller.kms("DeleteAlias", AliasName=name)
    await caller.kms("CreateAlias", AliasName="alias/aws/proof", TargetKeyId=world.keys["AES 0"])


async def tags(caller: Caller, world: World, number: int) -> None:
    key_id = await kept(caller, world, "tags", number)
    await caller.need("TagResource", KeyId=key_id, Tags=[{"TagKey": "round", "TagValue": str(number)}])
    await caller.kms("ListResourceTags", KeyId=key_id)
    await caller.kms("UntagResource", KeyId=key_id, TagKeys=["round"])
    await caller.kms("TagResource", KeyId=key_id, Tags=[{"TagKey": "aws:a", "TagValue": "b"}])


async def key_policies(caller: Caller, world: World, number: int) -> None:
    key_id = await kept(caller, world, "key_policies", number)
    policy = (await caller.need("GetKeyPolicy", KeyId=key_id))["Policy"]
    await caller.kms("PutKeyPolicy", KeyId=key_id, Policy=policy)
    await caller.kms("PutKeyPolicy", KeyId=key_id, Policy=policy[:-2])
    await caller.kms("PutKeyPolicy", KeyId=key_id, Policy='{"Version":"2012-10-17","Statement":[]}')
    await caller.kms("ListKeyPolicies", KeyId=key_id)


async def signing(caller: Caller, world: World, number: int) -> None:
    spec = world.signing_specs[number % len(world.signing_specs)]
    message = {"KeyId": world.keys[spec], "SigningAlgorithm": SIGNING[spec], "Message": os.urandom(64)}
    signature = (await caller.need("Sign", **message))["Signature"]
    await caller.need("Verify", **message, Signature=signature)
    await caller.kms("Verify", **message, Signature=damaged(signature))
    await caller.kms(
        "Sign", **{**message, "SigningAlgorithm": "ECDSA_SHA_512" if spec == "SM2" else "SM2DSA"}
    )
    await caller.kms("Sign", **message, MessageType="DIGEST")
    await caller.kms("Sign", **{**message, "KeyId": world.keys["AES 0"]})


async def public_keys(caller: Caller, world: World, number: int) -> None:
    spec = world.signing_specs[number % len(world.signing_specs)]
    await caller.need("GetPublicKey", KeyId=world.keys[spec])
    await caller.kms("GetPublicKey", KeyId=world.keys["AES 0"])
    await caller.kms("GetPublicKey", KeyId=world.keys["ML_KEM_768"])


async def data_key_pairs(caller: Caller, world: World, number: int) -> None:
    spec = ("ECC_NIST_P256", "ECC_NIST_P521", "ECC_SECG_P256K1", "ECC_NIST_EDWARDS25519")[number % 4]
    pair = {"KeyId": world.keys["AES 2"], "KeyPairSpec": "RSA_2048" if number % 100 == 0 else spec}
    made = await caller.need("GenerateDataKeyPair", **pair, EncryptionContext=CONTEXT)
    blob = made["PrivateKeyCiphertextBlob"]
    await caller.kms("Decrypt", CiphertextBlob=blob, EncryptionContext=CONTEXT)
    await caller.kms("GenerateDataKeyPairWithoutPlaintext", **{**pair, "KeyPairSpec": spec})
    await caller.kms("GenerateDataKeyPair", **{**pair, "KeyPairSpec": spec}, Recipient=world.recipient)
    await caller.kms("GenerateDataKeyPair", **{**pair, "KeyPairSpec": "DSA_1024"})
    await caller.kms("GenerateDataKeyPair", **{**pair, "KeyId": world.keys["RSA_2048"]})


async def rotation(caller: Caller, world: World, number: int) -> None:
    key_id = await kept(caller, world, "rotation", number)
    sealed = await caller.need("Encrypt", KeyId=key_id, Plaintext=b"by the older material")
    await caller.kms("EnableKeyRotation", KeyId=key_id, RotationPeriodInDays=90 + number % 2000)
    await caller.kms("RotateKeyOnDemand", KeyId=key_id)
    await caller.kms("GetKeyRotationStatus", KeyId=key_id)
    await caller.kms("ListKeyRotations", KeyId=key_id, IncludeKeyMaterial="ALL_KEY_MATERIAL")
    await caller.kms("Encrypt", KeyId=key_id, Plaintext=b"by the newest material")
    await caller.kms("Decrypt", CiphertextBlob=sealed["CiphertextBlob"])
    await caller.kms("DisableKeyRotation", KeyId=key_id)
    await caller.kms("EnableKeyRotation", KeyId=world.keys["HMAC_256"])
    await caller.kms("RotateKeyOnDemand", KeyId=world.keys["AES 0"])


async def grants(caller: Caller, world: World, number: int) -> None:
    key_id = await kept(caller, world, "grants", number)
    root = f"arn:aws:iam::{world.account}:root"
    operations = ["Encrypt", "Decrypt", "RetireGrant"]
    made = await caller.need(
        "CreateGrant",
        KeyId=key_id,
        GranteePrincipal=root,
        RetiringPrincipal=root,
        Operations=operations,
        Constraints={"EncryptionContextSubset": CONTEXT},
    )
    token = [made["GrantToken"]]
    await caller.kms("Encrypt", KeyId=key_id, Plaintext=b"x", EncryptionContext=CONTEXT, GrantTokens=token)
    await caller.kms("Encrypt", KeyId=key_id, Plaintext=b"x", GrantTokens=[damaged(token[0], -9)])
    await caller.kms("ListGrants", KeyId=key_id)
    await caller.kms("ListRetirableGrants", RetiringPrincipal=root, Limit=5)
    if number % 2:
        await caller.kms("RetireGrant", GrantToken=token[0])
    else:
        await caller.kms("RevokeGrant", KeyId=key_id, GrantId=made["GrantId"])
    await caller.kms("RevokeGrant", KeyId=key_id, GrantId=made["GrantId"])
    await caller.kms("CreateGrant", KeyId=key_id, GranteePrincipal=root, Operations=["Sign"])


async def key_usage(caller: Caller, world: World, number: int) -> None:
    await caller.need("GetKeyLastUsage", KeyId=world.keys[AES[number % len(AES)]])
    await caller.kms("GetKeyLastUsage", KeyId=NOT_THERE)


async def imported_material(caller: Caller, world: World, number: int) -> None:
    """The importer is who imports well. RSA keys are slow to make: few tokens, and many abuses of them."""
    key_id = await kept(caller, world, "imported_material", number, Origin="EXTERNAL")
    name = f"import token {number // 20}"
    wrapping = {"KeyId": key_id, "WrappingAlgorithm": "RSAES_OAEP_SHA_256"}
    if name not in world.remembered:
        parameters = await caller.need("GetParametersForImport", **wrapping, WrappingKeySpec="RSA_2048")
        world.remembered[name] = parameters["ImportToken"]
    token = world.remembered[name]
    wrapped = {"EncryptedKeyMaterial": os.urandom(256), "ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE"}
    await caller.kms("ImportKeyMaterial", KeyId=key_id, ImportToken=token, **wrapped)
    await caller.kms("ImportKeyMaterial", KeyId=key_id, ImportToken=damaged(token), **wrapped)
    await caller.kms("ImportKeyMaterial", KeyId=world.keys["AES 0"], ImportToken=token, **wrapped)
    await caller.kms("ImportKeyMaterial", KeyId=key_id, ImportToken=os.urandom(900), **wrapped)
    await caller.kms("DeleteImportedKeyMaterial", KeyId=key_id)
    await caller.kms("DeleteImportedKeyMaterial", KeyId=world.keys["external"])
    await caller.kms("GetParametersForImport", **wrapping, WrappingKeySpec="SM2")


async def macs(caller: Caller, world: World, number: int) -> None:
    spec = list(MACS)[number % len(MACS)]
    message = {"KeyId": world.keys[spec], "MacAlgorithm": MACS[spec], "Message": os.urandom(64)}
    mac = (await caller.need("GenerateMac", **message))["Mac"]
    await caller.need("VerifyMac", **message, Mac=mac)
    await caller.kms("VerifyMac", **message, Mac=damaged(mac))
    await caller.kms("GenerateMac", **{**message, "KeyId": world.keys["AES 0"]})


async def key_agreement(caller: Caller, world: World, number: int) -> None:
    agreement = {"KeyId": world.keys["ECC_NIST_P384 for agreement"], "KeyAgreementAlgorithm": "ECDH"}
    if "peer" not in world.remembered:
        answer = await caller.need("GetPublicKey", KeyId=agreement["KeyId"])
        world.remembered["peer"] = answer["PublicKey"]
    peer = world.remembered["peer"]
    await caller.need("DeriveSharedSecret", **agreement, PublicKey=peer)
    await caller.kms("DeriveSharedSecret", **agreement, PublicKey=peer, Recipient=world.recipient)
    await caller.kms("DeriveSharedSecret", **agreement, PublicKey=damaged(peer, -20))
    await caller.kms("DeriveSharedSecret", **{**agreement, "KeyId": world.keys["RSA_2048"]}, PublicKey=peer)


async def key_encapsulation(caller: Caller, world: World, number: int) -> None:
    spec = ("ML_KEM_512", "ML_KEM_768")[number % 2]
    named = {"KeyId": world.keys[spec], "EncapsulationAlgorithm": "ML_KEM"}
    blob = (await caller.need("Encapsulate", **named))["SharedSecretCiphertextBlob"]
    await caller.need("Decapsulate", **named, SharedSecretCiphertextBlob=blob)
    await caller.kms("Decapsulate", **named, SharedSecretCiphertextBlob=damaged(blob))
    await caller.kms("Decapsulate", **named, SharedSecretCiphertextBlob=blob[:-4])


async def multi_region(caller: Caller, world: World, number: int) -> None:
    key_id = await kept(caller, world, "multi_region", number, MultiRegion=True)
    if number % 20 == 0:
        await caller.need("ReplicateKey", KeyId=key_id, ReplicaRegion=OTHER_REGION)
    await caller.kms("ReplicateKey", KeyId=key_id, ReplicaRegion=OTHER_REGION)
    await caller.kms("ReplicateKey", KeyId=world.keys["AES 0"], ReplicaRegion=OTHER_REGION)
    await caller.kms("ReplicateKey", KeyId=key_id, ReplicaRegion="nowhere")
    await caller.kms("UpdatePrimaryRegion", KeyId=key_id, PrimaryRegion="ap-southeast-1")
    await caller.kms("Encrypt", KeyId=key_id, Plaintext=b"here")
    if number % 20 == (3 if number < 20 else 19):  # the first so early that a short run has it
        await caller.kms("UpdatePrimaryRegion", KeyId=key_id, PrimaryRegion=OTHER_REGION)


async def custom_key_stores(caller: Caller, world: World, number: int) -> None:
    store = {"CustomKeyStoreId": world.keys["external store"]}
    await caller.need("DescribeCustomKeyStores", **store)
    await caller.kms("ConnectCustomKeyStore", **store)
    await caller.kms("UpdateCustomKeyStore", **store, NewCustomKeyStoreName="another name")
    await caller.kms("DeleteCustomKeyStore", **store)
    await caller.kms("DisconnectCustomKeyStore", CustomKeyStoreId="cks-0123456789abcdef0")
    await caller.kms(
        "CreateCustomKeyStore",
        CustomKeyStoreName=f"store {number}",
        CloudHsmClusterId="cluster-2a23b4cdefg",
        TrustAnchorCertificate="-----BEGIN CERTIFICATE-----",
        KeyStorePassword="pass-w0rd",
    )
    await caller.kms("CreateKey", Origin="EXTERNAL_KEY_STORE", **store, XksKeyId="not-there")


ROUNDS: Final[dict[str, Round]] = {
    round_.__name__: round_
    for round_ in (
        encryption, data_keys, key_creation, key_lifecycle, key_deletion, aliases, tags, key_policies,
        signing, public_keys, data_key_pairs, rotation, grants, key_usage, imported_material, macs,
        key_agreement, key_encapsulation, multi_region, custom_key_stores,
    )
}  # fmt: skip


async def make_keys_that_cannot_be_imported(caller: Caller, world: World) -> None:
    """Key pairs of the kinds that AWS KMS makes and does not import."""
    for spec, usage in (
        ("ECC_NIST_EDWARDS25519", "SIGN_VERIFY"),
        ("ML_DSA_44", "SIGN_VERIFY"),
        ("ML_KEM_512", "ENCAPSULATE_DECAPSULATE"),
        ("ML_KEM_768", "ENCAPSULATE_DECAPSULATE"),
    ):
        made = await caller.need("CreateKey", KeySpec=spec, KeyUsage=usage)
        world.keys[spec] = made["KeyMetadata"]["KeyId"]


async def use_every_key(caller: Caller, world: World) -> None:
    """Each key once: what serves now holds them all."""
    for name in (*AES, "external", "hsm"):
        await caller.need("Encrypt", KeyId=world.keys[name], Plaintext=b"last")
    for spec in itertools.chain(world.signing_specs, MACS):
        operation, algorithm = (
            ("Sign", "SigningAlgorithm") if spec in SIGNING else ("GenerateMac", "MacAlgorithm")
        )
        using = {algorithm: (SIGNING | MACS)[spec], "Message": b"last"}
        await caller.need(operation, KeyId=world.keys[spec], **using)
    sealing = {"KeyId": world.keys["RSA_2048 for encryption"], "EncryptionAlgorithm": "RSAES_OAEP_SHA_256"}
    sealed = await caller.need("Encrypt", **sealing, Plaintext=b"last")
    await caller.need("Decrypt", **sealing, CiphertextBlob=sealed["CiphertextBlob"])
    agreement = {"KeyId": world.keys["ECC_NIST_P384 for agreement"], "KeyAgreementAlgorithm": "ECDH"}
    await caller.need("DeriveSharedSecret", **agreement, PublicKey=world.remembered["peer"])
    for number in range(2):
        await key_encapsulation(caller, world, number)
