"""Nothing damaged is ever taken: every kind of token and blob, bits and bytes changed, in the real module.

`DAMAGES` says how many bits are flipped in all, one at a time; two thirds as many other damages come on top.
`make torture` flips 100,000.
"""

from __future__ import annotations

import base64
import os
import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import pytest
from tests.operations.external_key_scene import ExternalScene
from tests.support.import_tokens import ENDS_AT, NOW, import_binding, key_binding
from tests.support.key_imports import wrap
from tests.support.road import Refusal
from tests.support.running_boundary import ACCOUNT, KEY_ID, MULTI_REGION_KEY_ID, REGION
from tests.support.xks_proxy import XksProxy

from strongroom.boundary.backing_keys import AsymmetricEncryptionKey, MacKey, ProxiedKey
from strongroom.boundary.dispatch import DomainKeyUnknown
from strongroom.boundary.interface import BoundaryError, KeyBinding
from strongroom.boundary.key_hierarchy import GLOBAL_REGION, TokenKind
from strongroom.boundary.software.module import SoftwareModule

DAMAGES: Final = int(os.environ.get("DAMAGES", "3000"))
OTHER_REGION: Final = "us-west-2"
STORE_ID: Final = "cks-0123456789abcdef0"
CREDENTIAL_ID: Final = "AKIAIOSFODNN7EXAMPLE"
CONTEXT: Final = b"\x81\xa1a\xa1b"
OF_TOKENS: Final = {TokenKind.TOKEN_KEY}
"""Kinds that the module in software neither makes nor takes: not damaged here."""
DAMAGES_BY_ROAD: Final = 20
"""Of so many, one goes through the whole road, which takes longer."""
OF_A_BLOB: Final = {
    "InvalidCiphertextException",
    "KMSInvalidStateException",  # what the proxy gave back is not what was sealed
    "AccessDeniedException",  # it names another key
    "ValidationException",  # nothing is left of it
}
REFUSALS: Final = (BoundaryError, DomainKeyUnknown)
"""DomainKeyUnknown: the damage is in the domain key's id; the worker looks it up and finds none."""


@dataclass(frozen=True)
class Specimen:
    """Something that only its maker may have made, and the one call that takes it."""

    name: str
    sound: bytes
    take: Callable[[bytes], object]
    kind: TokenKind | None = None


def specimens() -> list[Specimen]:
    """One of every kind of token and blob, all of one module."""
    module = SoftwareModule(os.urandom(32), b"PlantedRootSecretAccessKey0123456789abcd")
    domain_tokens = {
        region: module.create_domain_key(region)[1] for region in (REGION, OTHER_REGION, GLOBAL_REGION)
    }
    for token in domain_tokens.values():
        module.load_domain_key(token, activate=True)
    return [
        Specimen(
            "domain key",
            domain_tokens[REGION],
            lambda token: module.load_domain_key(token, activate=False),
            TokenKind.DOMAIN_KEY,
        ),
        *_of_keys(module),
        *_of_secrets(module),
        *_of_imports(module),
        *_of_replication(module),
    ]


def _generated(spec: str = "SYMMETRIC_DEFAULT", usage: str = "ENCRYPT_DECRYPT") -> KeyBinding:
    return replace(key_binding(spec, usage), origin="AWS_KMS")


def _of_keys(module: SoftwareModule) -> list[Specimen]:
    key_id = KEY_ID.encode()
    made = module.generate_key(_generated()).exported_token
    mac = module.generate_key(_generated("HMAC_256", "GENERATE_VERIFY_MAC")).exported_token
    rsa = module.generate_key(_generated("RSA_2048")).exported_token
    blob = module.encrypt(made, key_id, b"plaintext", CONTEXT)
    external = module.key_of(ProxiedKey, made, key_id).encrypt_external(b"plaintext", CONTEXT)
    pair = module.key_of(AsymmetricEncryptionKey, rsa, key_id)
    return [
        Specimen(
            "AES key", made, lambda token: module.decrypt(token, key_id, blob, CONTEXT), TokenKind.BACKING_KEY
        ),
        Specimen("HMAC key", mac, lambda token: module.key_of(MacKey, token, key_id)),
        Specimen("RSA key", rsa, lambda token: module.key_of(AsymmetricEncryptionKey, token, key_id)),
        Specimen("blob of version 1", blob, lambda sent: module.decrypt(made, key_id, sent, CONTEXT)),
        Specimen("encryption context", CONTEXT, lambda context: module.decrypt(made, key_id, blob, context)),
        Specimen(
            "ciphertext of an external key",
            external,
            lambda sent: module.key_of(ProxiedKey, made, key_id).decrypt_external(sent, CONTEXT),
        ),
        Specimen(
            "RSA ciphertext",
            pair.encrypt_asymmetric(b"plaintext", "RSAES_OAEP_SHA_256"),
            lambda sent: pair.decrypt_asymmetric(sent, "RSAES_OAEP_SHA_256"),
        ),
    ]


def _of_secrets(module: SoftwareModule) -> list[Specimen]:
    date, region = b"20260101", REGION.encode()
    _, access_key = module.create_access_key_secret(CREDENTIAL_ID, ACCOUNT)
    _, proxy_secret = module.create_proxy_secret(CREDENTIAL_ID)
    store_secret = module.wrap_store_secret(ACCOUNT, REGION, STORE_ID, b"planted")
    return [
        Specimen(
            "secret access key",
            access_key,
            lambda token: module.derive_signing_key(token, CREDENTIAL_ID, date, region, b"kms"),
            TokenKind.SECRET_ACCESS_KEY,
        ),
        Specimen(
            "proxy credential",
            proxy_secret,
            lambda token: module.derive_proxy_signing_key(token, CREDENTIAL_ID, date, region),
            TokenKind.PROXY_CREDENTIAL,
        ),
        Specimen(
            "store secret",
            store_secret,
            lambda token: module.derive_store_signing_key(token, ACCOUNT, REGION, STORE_ID, date),
            TokenKind.STORE_SECRET,
        ),
        Specimen(
            "ticket",
            module.make_ticket(b"grant", b"context", b"what it says"),
            lambda ticket: module.read_ticket(b"grant", b"context", ticket),
        ),
    ]


def _of_imports(module: SoftwareModule) -> list[Specimen]:
    parameters = module.get_import_parameters(import_binding("RSA_AES_KEY_WRAP_SHA_256"), ENDS_AT)
    wrapped = wrap(parameters.public_key, "RSA_AES_KEY_WRAP_SHA_256", os.urandom(32))

    def import_(token: bytes, material: bytes) -> object:
        return module.import_key_material(token, NOW, material, key_binding())

    return [
        Specimen(
            "import token",
            parameters.import_token,
            lambda token: import_(token, wrapped),
            TokenKind.IMPORT_KEY,
        ),
        Specimen(
            "wrapped key material", wrapped, lambda material: import_(parameters.import_token, material)
        ),
    ]


def _of_replication(module: SoftwareModule) -> list[Specimen]:
    key_id = MULTI_REGION_KEY_ID.encode()
    binding = replace(_generated(), key_id=MULTI_REGION_KEY_ID)
    token = module.generate_key(binding).exported_token
    receiving = module.create_replication_key(OTHER_REGION)
    message = module.export_for_region(token, key_id, receiving)
    there = replace(binding, region=OTHER_REGION)
    return [
        Specimen(
            "replication key",
            receiving,
            lambda token: module.import_from_region(message, token, there),
            TokenKind.REPLICATION_KEY,
        ),
        Specimen(
            "replication message", message, lambda sent: module.import_from_region(sent, receiving, there)
        ),
    ]


def flip(sound: bytes, chance: random.Random) -> bytes:
    """One bit."""
    at = chance.randrange(len(sound))
    return sound[:at] + bytes([sound[at] ^ 1 << chance.randrange(8)]) + sound[at + 1 :]


def damage(sound: bytes, chance: random.Random) -> bytes:
    """Bytes put elsewhere, cut, added or overwritten. Never what it was."""
    at = chance.randrange(len(sound))
    there = chance.randrange(len(sound))
    damaged = chance.choice((
        sound[:at],
        sound + chance.randbytes(1 + chance.randrange(40)),
        sound[:at] + sound[there : there + 16] + sound[at + 16 :],
        sound[:at] + chance.randbytes(16) + sound[at + 16 :],
    ))  # fmt: skip
    return damaged if damaged != sound else flip(sound, chance)


def damages_of(sound: bytes, chance: random.Random, flips: int) -> Iterator[bytes]:
    for _ in range(flips):
        yield flip(sound, chance)
    for _ in range(flips * 2 // 3):
        yield damage(sound, chance)


def test_nothing_that_was_damaged_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    """0 accepted, 0 uncaught; and each specimen is taken when it is sound, before and after."""
    chance = random.Random(DAMAGES)
    of_each = specimens()
    assert {specimen.kind for specimen in of_each if specimen.kind is not None} == set(TokenKind) - OF_TOKENS
    counted: Counter[str] = Counter()
    accepted = []
    flips = -(-DAMAGES // len(of_each))
    for specimen in of_each:
        specimen.take(specimen.sound)
        for damaged in damages_of(specimen.sound, chance, flips):
            try:
                specimen.take(damaged)
            except REFUSALS as refusal:
                counted[type(refusal).__name__] += 1
            else:
                accepted.append((specimen.name, specimen.sound.hex(), damaged.hex()))
        specimen.take(specimen.sound)
    with capsys.disabled():
        print(  # noqa: T201
            f"\n{flips * len(of_each)} bits flipped and {counted.total() - flips * len(of_each)} other "
            f"damages of {len(of_each)} kinds: {dict(counted)}, {len(accepted)} accepted"
        )
    assert accepted == []


def test_specimen_of_another_kind_is_never_taken() -> None:
    """Each where each other is wanted."""
    of_each = specimens()
    for specimen in of_each:
        for other in of_each:
            if other is not specimen:
                with pytest.raises(REFUSALS):
                    specimen.take(other.sound)


def test_blob_of_version_2_that_was_damaged_is_refused_on_the_whole_road(tmp_path: Path) -> None:
    """Of a key in an external key store, before a real proxy that authenticates its half."""
    chance = random.Random(DAMAGES)
    with XksProxy(tmp_path) as proxy:
        scene = ExternalScene(tmp_path, proxy)
        with scene.road as road:
            key_id = scene.create_key(scene.connected())["KeyId"]
            text = base64.b64encode(b"plaintext").decode()
            sound = base64.b64decode(road.call("Encrypt", KeyId=key_id, Plaintext=text)["CiphertextBlob"])
            refusals: Counter[str] = Counter()
            for damaged in damages_of(sound, chance, DAMAGES // DAMAGES_BY_ROAD):
                with pytest.raises(Refusal) as refused:
                    road.call("Decrypt", CiphertextBlob=base64.b64encode(damaged).decode())
                refusals[refused.value.code] += 1
            assert refusals.keys() <= OF_A_BLOB, refusals
            opened = road.call("Decrypt", CiphertextBlob=base64.b64encode(sound).decode())
            assert opened["Plaintext"] == text
            scene.backend.close()
