"""Key material on its way from Region to Region, as an attacker in a front worker would try it."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, MLKEM768X25519PrivateKey, Suite
from tests.secrets.unwrap_hierarchy import open_token
from tests.secrets.unwrap_seal import derive
from tests.support.running_boundary import (
    KEY_ID,
    MULTI_REGION_KEY_ID,
    REGION,
    MemoryDomainKeyStore,
    RunningBoundary,
    attached_client,
    binding,
)

from strongroom.boundary.dispatch import Dispatcher, DomainKeyUnknown, NoActiveDomainKey
from strongroom.boundary.interface import (
    BoundaryError,
    BoundaryRefused,
    CiphertextRefused,
    KeyBinding,
    MaterialRefused,
    TokenRefused,
)
from strongroom.boundary.key_hierarchy import TokenHeader, TokenKind, parse_token, render_header
from strongroom.boundary.messages import Opcode, Status, render_fields
from strongroom.boundary.replication_format import parse_message
from strongroom.boundary.replication_format import render_header as render_message_header
from strongroom.boundary.software.module import SoftwareModule

OTHER_REGION = "us-west-2"
THIRD_REGION = "ap-south-1"
K = MULTI_REGION_KEY_ID.encode()
OTHER_MULTI_REGION_KEY_ID = "mrk-" + "f" * 32


def module_with(*regions: str, root_key: bytes | None = None) -> SoftwareModule:
    module = SoftwareModule(root_key or os.urandom(32), None)
    for region in regions or (REGION, OTHER_REGION, THIRD_REGION):
        module.load_domain_key(module.create_domain_key(region)[1], activate=True)
    return module


def there(region: str = OTHER_REGION, key_id: str = MULTI_REGION_KEY_ID) -> KeyBinding:
    return binding(key_id, region)


@pytest.fixture
def module() -> SoftwareModule:
    return module_with()


@pytest.fixture
def token(module: SoftwareModule) -> bytes:
    return module.generate_key(binding(MULTI_REGION_KEY_ID)).exported_token


@pytest.fixture
def receiving(module: SoftwareModule) -> bytes:
    return module.create_replication_key(OTHER_REGION)


@pytest.fixture
def message(module: SoftwareModule, token: bytes, receiving: bytes) -> bytes:
    return module.export_for_region(token, K, receiving)


def test_replicated_key_opens_what_the_first_sealed_and_the_other_way_round(
    module: SoftwareModule, token: bytes, receiving: bytes, message: bytes
) -> None:
    replica = module.import_from_region(message, receiving, there())
    header = parse_token(replica.exported_token).header
    first = parse_token(token).header
    assert (header.key_id, header.material_id) == (first.key_id, first.material_id)
    assert (header.region, first.region) == (OTHER_REGION, REGION)
    assert header.wrapping_key_id != first.wrapping_key_id
    assert replica.material_id == first.material_id.hex()
    blob = module.encrypt(token, K, b"hello", b"aad")
    assert module.decrypt(replica.exported_token, K, blob, b"aad") == b"hello"
    assert module.decrypt(token, K, module.encrypt(replica.exported_token, K, b"back", b""), b"") == b"back"
    with pytest.raises(CiphertextRefused):
        module.decrypt(replica.exported_token, K, blob, b"other")


def test_message_says_what_it_carries_and_hides_the_material(message: bytes, token: bytes) -> None:
    header = parse_message(message).header
    assert (header.source_region, header.receiving_region) == (REGION, OTHER_REGION)
    assert (header.account_id, header.key_id) == (binding().account_id, MULTI_REGION_KEY_ID)
    assert (header.key_spec, header.key_usage) == ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT")
    assert header.material_id == parse_token(token).header.material_id


def test_export_twice_gives_two_messages(module: SoftwareModule, token: bytes, receiving: bytes) -> None:
    assert module.export_for_region(token, K, receiving) != module.export_for_region(token, K, receiving)


def test_export_of_a_single_region_key_is_refused(module: SoftwareModule, receiving: bytes) -> None:
    """INVARIANT B10, whatever the service thinks of the key."""
    single = module.generate_key(binding()).exported_token
    with pytest.raises(BoundaryRefused):
        module.export_for_region(single, KEY_ID.encode(), receiving)
    with pytest.raises(TokenRefused):
        module.export_for_region(single, K, receiving)


def test_export_of_another_keys_token_is_refused(
    module: SoftwareModule, token: bytes, receiving: bytes
) -> None:
    """INVARIANT B2."""
    with pytest.raises(TokenRefused):
        module.export_for_region(token, OTHER_MULTI_REGION_KEY_ID.encode(), receiving)


def test_export_to_the_keys_own_region_is_refused(module: SoftwareModule, token: bytes) -> None:
    with pytest.raises(BoundaryRefused):
        module.export_for_region(token, K, module.create_replication_key(REGION))


def own_key_pair() -> tuple[bytes, bytes]:
    """A worker's own key pair: its private bytes, as a token wraps them, and its public bytes."""
    mlkem, x25519 = MLKEM768PrivateKey.generate(), X25519PrivateKey.generate()
    public = mlkem.public_key().public_bytes_raw() + x25519.public_key().public_bytes_raw()
    return mlkem.private_bytes_raw() + x25519.private_bytes_raw(), public


def test_export_to_a_key_of_the_workers_own_is_refused(module: SoftwareModule, token: bytes) -> None:
    """INVARIANT B10: nothing but a token of this boundary's own making receives key material."""
    private, public = own_key_pair()
    wrapped_under = parse_token(token).header.wrapping_key_id
    header = TokenHeader(TokenKind.REPLICATION_KEY, wrapped_under, bytes(32), "", REGION, "0" * 64, "", "")
    forged = render_header(header) + os.urandom(12) + private + os.urandom(16)
    for own in (public, private, forged, b"", public + private):
        with pytest.raises(TokenRefused):
            module.export_for_region(token, K, own)


def test_export_to_the_token_of_another_server_is_refused(module: SoftwareModule, token: bytes) -> None:
    elsewhere = module_with().create_replication_key(OTHER_REGION)
    with pytest.raises(DomainKeyUnknown):  # and no store of ours has that domain key
        module.export_for_region(token, K, elsewhere)


def test_tokens_of_other_kinds_do_not_stand_for_a_replication_key(
    module: SoftwareModule, token: bytes, receiving: bytes, message: bytes
) -> None:
    _, domain_key = module.create_domain_key(OTHER_REGION)
    for other in (token, domain_key, message):
        with pytest.raises(TokenRefused):
            module.export_for_region(token, K, other)
        with pytest.raises(TokenRefused):
            module.import_from_region(message, other, there())
    with pytest.raises(TokenRefused):
        module.encrypt(receiving, K, b"x", b"")
    with pytest.raises(TokenRefused):
        module.export_for_region(receiving, K, receiving)
    with pytest.raises(TokenRefused):
        module.load_domain_key(receiving, activate=True)


def test_replication_key_token_with_any_byte_changed_is_refused(
    module: SoftwareModule, token: bytes, receiving: bytes
) -> None:
    for at in range(len(receiving)):
        changed = receiving[:at] + bytes([receiving[at] ^ 1]) + receiving[at + 1 :]
        with pytest.raises((TokenRefused, DomainKeyUnknown)):
            module.export_for_region(token, K, changed)


def test_message_with_any_bit_changed_is_refused(
    module: SoftwareModule, receiving: bytes, message: bytes
) -> None:
    for at in range(len(message) * 8):
        changed = bytearray(message)
        changed[at // 8] ^= 1 << at % 8
        with pytest.raises(MaterialRefused):
            module.import_from_region(bytes(changed), receiving, there())


@pytest.mark.parametrize("cut", [0, 1, 72, 73, 200, -1, -32, -33])
def test_message_cut_short_or_made_longer_is_refused(
    module: SoftwareModule, receiving: bytes, message: bytes, cut: int
) -> None:
    for wrong in (message[:cut], message + b"\x00", message + bytes(65_536)):
        with pytest.raises(MaterialRefused):
            module.import_from_region(wrong, receiving, there())


@pytest.mark.parametrize(
    "wrong",
    [
        replace(there(), account_id="999999999999"),
        replace(there(), region=THIRD_REGION),
        replace(there(), region=REGION),
        replace(there(), key_id=OTHER_MULTI_REGION_KEY_ID),
        replace(there(), key_id=KEY_ID),
        replace(there(), key_spec="HMAC_256"),
        replace(there(), key_usage="GENERATE_VERIFY_MAC"),
    ],
)
def test_message_replayed_to_another_account_region_or_key_is_refused(
    module: SoftwareModule, receiving: bytes, message: bytes, wrong: KeyBinding
) -> None:
    with pytest.raises(MaterialRefused):
        module.import_from_region(message, receiving, wrong)


def test_message_given_to_another_regions_or_a_later_key_is_refused(
    module: SoftwareModule, message: bytes
) -> None:
    for region in (OTHER_REGION, THIRD_REGION):
        with pytest.raises(MaterialRefused):
            module.import_from_region(message, module.create_replication_key(region), there(region))


def test_message_that_a_worker_seals_itself_is_refused(
    module: SoftwareModule, receiving: bytes, message: bytes
) -> None:
    """Who knows a Region's public key can seal, but not authenticate: no chosen material comes in."""
    chosen = os.urandom(32)
    header = parse_message(message).header
    mlkem, x25519 = MLKEM768PrivateKey.generate(), X25519PrivateKey.generate()
    suite = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
    start = render_message_header(header)
    sealed = suite.encrypt(chosen, MLKEM768X25519PrivateKey(mlkem, x25519).public_key(), start)
    for guess in (bytes(32), message[-32:], hmac.digest(bytes(32), start + sealed, "sha256")):
        with pytest.raises(MaterialRefused):
            module.import_from_region(start + sealed + guess, receiving, there())
    # The sealed part of one message under the header and authentication of another.
    with pytest.raises(MaterialRefused):
        module.import_from_region(start + sealed + parse_message(message).authentication, receiving, there())


def test_message_of_another_root_key_is_refused(module: SoftwareModule, receiving: bytes) -> None:
    """Another server's messages need a statement of trust first (docs/formats/replication.md)."""
    root_key = os.urandom(32)
    other = SoftwareModule(root_key, None)
    for region in (REGION, OTHER_REGION):
        other.load_domain_key(other.create_domain_key(region)[1], activate=True)
    token = other.generate_key(binding(MULTI_REGION_KEY_ID)).exported_token
    message = other.export_for_region(token, K, other.create_replication_key(OTHER_REGION))
    with pytest.raises(MaterialRefused):
        module.import_from_region(message, receiving, there())


def test_unknown_version_suite_or_source_is_refused(
    module: SoftwareModule, receiving: bytes, message: bytes
) -> None:
    for at in range(3):
        for value in (0, 2, 255):
            wrong = message[:at] + bytes([value]) + message[at + 1 :]
            with pytest.raises(MaterialRefused):
                module.import_from_region(wrong, receiving, there())


def test_region_without_an_active_domain_key_asks_for_it(message: bytes) -> None:
    with pytest.raises(NoActiveDomainKey):
        module_with(REGION).create_replication_key(OTHER_REGION)


@pytest.mark.parametrize("region", ["", "X", "eu central", "a" * 33])
def test_replication_key_of_no_region_is_refused(module: SoftwareModule, region: str) -> None:
    with pytest.raises(BoundaryRefused):
        module.create_replication_key(region)


def test_dispatcher_answers_the_three_opcodes_with_fixed_statuses(
    module: SoftwareModule, token: bytes, receiving: bytes, message: bytes
) -> None:
    logged: list[str] = []
    dispatcher = Dispatcher(module, {}, logged.append)
    status, own = dispatcher.answer(Opcode.CREATE_REPLICATION_KEY, render_fields(OTHER_REGION.encode()))
    assert status == Status.OK
    status, sent = dispatcher.answer(Opcode.EXPORT_FOR_REGION, render_fields(token, K, own))
    assert status == Status.OK
    texts = [
        text.encode()
        for text in (
            there().account_id,
            there().region,
            there().key_id,
            there().key_spec,
            there().key_usage,
            there().origin,
        )
    ]
    status, body = dispatcher.answer(Opcode.IMPORT_FROM_REGION, render_fields(sent, own, *texts))
    assert status == Status.OK
    assert body[:32] == parse_token(token).header.material_id
    refused = dispatcher.answer(Opcode.IMPORT_FROM_REGION, render_fields(sent, receiving, *texts))
    assert refused == (Status.MATERIAL_REFUSED, b"")
    odd = render_fields(sent, own, "é".encode(), *texts[1:])
    assert dispatcher.answer(Opcode.IMPORT_FROM_REGION, odd) == (Status.REFUSED, b"")
    assert logged == []


def test_no_error_of_replication_says_anything(
    module: SoftwareModule, receiving: bytes, message: bytes
) -> None:
    with pytest.raises(BoundaryError) as caught:
        module.import_from_region(message[:-1] + b"?", receiving, there())
    assert caught.value.args == ()
    assert caught.value.__cause__ is None


def test_message_opens_by_the_published_format_alone() -> None:
    """docs/formats/replication.md, in the plainest code, by who has the root key and the tables."""
    root_key = os.urandom(32)
    module = module_with(root_key=root_key)
    tokens = {region: module.create_domain_key(region) for region in (REGION, OTHER_REGION)}
    for _, domain_key_token in tokens.values():
        module.load_domain_key(domain_key_token, activate=True)
    token = module.generate_key(binding(MULTI_REGION_KEY_ID)).exported_token
    receiving = module.create_replication_key(OTHER_REGION)
    message = module.export_for_region(token, K, receiving)

    material = open_token(token, open_token(tokens[REGION][1], root_key))
    private = open_token(receiving, open_token(tokens[OTHER_REGION][1], root_key))
    mlkem = MLKEM768PrivateKey.from_seed_bytes(private[:64])
    x25519 = X25519PrivateKey.from_private_bytes(private[64:])
    public = mlkem.public_key().public_bytes_raw() + x25519.public_key().public_bytes_raw()
    texts = 73 + sum(message[67:73])
    assert message[:3] == b"\x01\x01\x01"
    assert message[3:35] == hashlib.sha256(public).digest()
    assert message[73:texts].decode() == "".join(
        (
            binding().account_id,
            REGION,
            OTHER_REGION,
            MULTI_REGION_KEY_ID,
            "SYMMETRIC_DEFAULT",
            "ENCRYPT_DECRYPT",
        )
    )
    assert len(message) == texts + 1136 + len(material) + 32
    suite = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
    pair = MLKEM768X25519PrivateKey(mlkem, x25519)
    assert suite.decrypt(message[texts:-32], pair, message[:texts]) == material
    regions = f"{REGION}>{OTHER_REGION}".encode()
    authentication_key = derive(root_key, b"strongroom replication source", regions)
    assert message[-32:] == hmac.digest(authentication_key, message[:-32], "sha256")


def test_replication_goes_on_with_a_boundary_that_was_started_again(tmp_path: Path) -> None:
    """It knows no domain key yet: both Regions' are fetched, and the call is asked again."""
    store = MemoryDomainKeyStore()

    async def make(running: RunningBoundary) -> tuple[bytes, bytes, bytes]:
        client = attached_client(running, store)
        try:
            made = await client.generate_key(binding(MULTI_REGION_KEY_ID))
            receiving = await client.create_replication_key(OTHER_REGION)
            return (
                made.exported_token,
                receiving,
                await client.export_for_region(made.exported_token, MULTI_REGION_KEY_ID, receiving),
            )
        finally:
            client.close()

    with RunningBoundary(tmp_path / "key") as running:
        record = running.seal_record
        token, receiving, message = asyncio.run(make(running))

    async def go_on(running: RunningBoundary, *, exports: bool) -> bytes:
        client = attached_client(running, store)
        try:
            sent = message
            if exports:
                sent = await client.export_for_region(token, MULTI_REGION_KEY_ID, receiving)
            return (await client.import_from_region(sent, receiving, there())).exported_token
        finally:
            client.close()

    for exports in (True, False):
        with RunningBoundary(tmp_path / "key", record) as running:
            replica = asyncio.run(go_on(running, exports=exports))
        header = parse_token(replica).header
        assert (header.region, header.material_id) == (OTHER_REGION, parse_token(token).header.material_id)
