"""Domain keys that follow each other: what wraps, what is re-wrapped, and what is opened no more."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
from tests.support.import_tokens import ENDS_AT, import_binding, key_binding
from tests.support.running_boundary import ACCOUNT, KEY_ID, REGION, binding

from strongroom.boundary.dispatch import DomainKeyUnknown, NoActiveDomainKey
from strongroom.boundary.interface import BoundaryRefused, TokenRefused
from strongroom.boundary.key_hierarchy import GLOBAL_REGION, parse_token, wrapping_key_id_of
from strongroom.boundary.software.key_wrapping import WrappingKey, root_key_id
from strongroom.boundary.software.module import SoftwareModule

K = KEY_ID.encode()
OTHER_REGION = "us-west-2"
ACCESS_KEY_ID = "AKIAIOSFODNN7EXAMPLE"
STORE_ID = "cks-1234567890abcdef0"


class Rotating:
    """A module whose domain keys are kept as the store keeps them."""

    def __init__(self) -> None:
        self.root_key = os.urandom(32)
        self.module = SoftwareModule(self.root_key, b"root-secret")
        self.domain_keys: dict[str, list[tuple[bytes, bytes]]] = {}
        for region in (REGION, GLOBAL_REGION, OTHER_REGION):
            self.rotate(region)

    def rotate(self, region: str = REGION) -> bytes:
        kept = self.domain_keys.setdefault(region, [])
        kept.append(self.module.create_domain_key(region, len(kept) + 1))
        self.module.load_domain_key(kept[-1][1], activate=True)
        return kept[-1][0]

    def restarted(self) -> SoftwareModule:
        module = SoftwareModule(self.root_key, None)
        for kept in self.domain_keys.values():
            module.load_domain_key(kept[-1][1], activate=True)
        return module


@pytest.fixture
def rotating() -> Rotating:
    return Rotating()


def test_rewrapped_backing_key_opens_what_it_sealed_under_the_new_domain_key_alone(
    rotating: Rotating,
) -> None:
    module = rotating.module
    token = module.generate_key(binding()).exported_token
    blob = module.encrypt(token, K, b"plaintext", b"context")
    new = rotating.rotate()
    rewrapped = module.rewrap(token, "AWS_KMS", new)
    assert wrapping_key_id_of(rewrapped) == new
    assert replace(parse_token(rewrapped).header, wrapping_key_id=b"") == replace(
        parse_token(token).header, wrapping_key_id=b""
    )
    assert module.decrypt(token, K, blob, b"context") == b"plaintext"
    restarted = rotating.restarted()
    assert restarted.decrypt(rewrapped, K, blob, b"context") == b"plaintext"
    with pytest.raises(DomainKeyUnknown):
        restarted.decrypt(token, K, blob, b"context")


def test_every_kind_that_the_store_keeps_is_rewrapped_and_works(rotating: Rotating) -> None:
    module = rotating.module
    secret = module.wrap_root_secret(ACCESS_KEY_ID, ACCOUNT)
    store = module.wrap_store_secret(ACCOUNT, REGION, STORE_ID, b"proxy-secret")
    receiving = module.create_replication_key(OTHER_REGION)
    signing = module.derive_signing_key(secret, ACCESS_KEY_ID, b"20260101", b"eu-central-1", b"kms")
    proxy_signing = module.derive_store_signing_key(store, ACCOUNT, REGION, STORE_ID, b"20260101")
    new = {region: rotating.rotate(region) for region in (REGION, GLOBAL_REGION, OTHER_REGION)}
    secret = module.rewrap(secret, "", new[GLOBAL_REGION])
    store = module.rewrap(store, "", new[REGION])
    receiving = module.rewrap(receiving, "", new[OTHER_REGION])
    later = rotating.restarted()
    assert later.derive_signing_key(secret, ACCESS_KEY_ID, b"20260101", b"eu-central-1", b"kms") == signing
    assert later.derive_store_signing_key(store, ACCOUNT, REGION, STORE_ID, b"20260101") == proxy_signing
    multi_region = replace(binding(), key_id="mrk-" + "0" * 32)
    token = later.generate_key(multi_region).exported_token
    assert later.export_for_region(token, multi_region.key_id.encode(), receiving)


def test_rewrap_of_a_domain_key_an_import_token_or_anything_damaged_is_refused(rotating: Rotating) -> None:
    module = rotating.module
    imported = module.get_import_parameters(import_binding("RSAES_OAEP_SHA_256"), ENDS_AT).import_token
    token = module.generate_key(binding()).exported_token
    new = rotating.rotate()
    for wrong in (imported, rotating.domain_keys[REGION][0][1], token[:-1], b"", token[:40]):
        with pytest.raises(TokenRefused):
            module.rewrap(wrong, "AWS_KMS", new)
    for bit in range(0, len(token) * 8, 3):
        flipped = bytearray(token)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises((TokenRefused, DomainKeyUnknown, NoActiveDomainKey)):
            module.rewrap(bytes(flipped), "AWS_KMS", new)


def test_rewrap_to_another_domain_key_than_the_active_one_names_the_region(rotating: Rotating) -> None:
    module = rotating.module
    token = module.generate_key(binding()).exported_token
    new_id, new_token = module.create_domain_key(REGION, 2)  # in the store, and not yet here
    with pytest.raises(NoActiveDomainKey) as caught:
        module.rewrap(token, "AWS_KMS", new_id)
    assert caught.value.region == REGION
    module.load_domain_key(new_token, activate=True)
    assert wrapping_key_id_of(module.rewrap(token, "AWS_KMS", new_id)) == new_id


def test_rewrap_with_another_origin_than_the_token_has_is_refused(rotating: Rotating) -> None:
    token = rotating.module.generate_key(replace(binding(), origin="EXTERNAL_KEY_STORE")).exported_token
    new = rotating.rotate()
    for origin in ("AWS_KMS", "", "EXTERNAL"):
        with pytest.raises(TokenRefused):
            rotating.module.rewrap(token, origin, new)
    assert rotating.module.rewrap(token, "EXTERNAL_KEY_STORE", new)


def test_token_of_version_1_is_bound_to_its_origin_when_it_is_rewrapped(rotating: Rotating) -> None:
    """As a server before this version wrote it: five texts, under the Region's first domain key."""
    module = rotating.module
    domain_key_id = rotating.domain_keys[REGION][0][0]
    domain_key = _domain_key_of(rotating, domain_key_id)
    made = parse_token(module.generate_key(binding()).exported_token)
    material = domain_key.unwrap(made)
    header = made.header_bytes
    old_header = b"\x01" + header[1:55] + header[56 : -len("AWS_KMS")]
    iv = os.urandom(12)
    token = old_header + iv + domain_key._cipher.encrypt(iv, material, old_header)
    blob = module.encrypt(token, K, b"plaintext", b"")
    new = rotating.rotate()
    for origin in ("", "not an origin"):
        with pytest.raises(TokenRefused):
            module.rewrap(token, origin, new)
    rewrapped = module.rewrap(token, "EXTERNAL", new)
    assert parse_token(rewrapped).header.origin == "EXTERNAL"
    assert rotating.restarted().decrypt(rewrapped, K, blob, b"") == b"plaintext"


def _domain_key_of(rotating: Rotating, domain_key_id: bytes) -> WrappingKey:
    root = WrappingKey(root_key_id(rotating.root_key), "", rotating.root_key)
    tokens = dict(rotating.domain_keys[REGION])
    return WrappingKey(domain_key_id, REGION, root.unwrap(parse_token(tokens[domain_key_id])))


def test_activating_an_earlier_generation_leaves_the_later_one(rotating: Rotating) -> None:
    """INVARIANT B12: whoever puts an older database back, or was late, changes nothing while this runs."""
    first = rotating.domain_keys[REGION][0][1]
    second = rotating.rotate()
    third = rotating.rotate()
    for token in (first, rotating.domain_keys[REGION][1][1]):
        rotating.module.load_domain_key(token, activate=True)
    assert wrapping_key_id_of(rotating.module.generate_key(binding()).exported_token) == third != second


def test_forgotten_domain_key_opens_nothing_any_more_and_the_active_one_stays(rotating: Rotating) -> None:
    module = rotating.module
    first_id, first = rotating.domain_keys[REGION][0]
    token = module.generate_key(binding()).exported_token
    blob = module.encrypt(token, K, b"plaintext", b"")  # and so it is in memory, unwrapped
    with pytest.raises(BoundaryRefused):
        module.forget_domain_key(first)
    rewrapped = module.rewrap(token, "AWS_KMS", rotating.rotate())
    assert module.forget_domain_key(first) == first_id
    with pytest.raises(DomainKeyUnknown):
        module.decrypt(token, K, blob, b"")
    assert module.decrypt(rewrapped, K, blob, b"") == b"plaintext"
    assert module.forget_domain_key(first) == first_id  # as often as one likes


def test_domain_key_that_no_later_one_is_known_to_follow_is_not_forgotten(rotating: Rotating) -> None:
    """What forgets it may destroy it: after a start the newest is asked for first, whatever comes."""
    first = rotating.domain_keys[REGION][0][1]
    second = rotating.module.create_domain_key(REGION, 2)[1]
    started = SoftwareModule(rotating.root_key, None)
    with pytest.raises(NoActiveDomainKey):
        started.forget_domain_key(first)
    started.load_domain_key(second, activate=True)
    started.forget_domain_key(first)
    for wrong in (second, rotating.module.create_domain_key(REGION, 3)[1]):
        with pytest.raises(BoundaryRefused):
            started.forget_domain_key(wrong)
    for wrong in (bytes(16), first[:-1], first[:-1] + bytes([first[-1] ^ 1])):
        with pytest.raises(TokenRefused):
            started.forget_domain_key(wrong)


def test_generated_material_is_never_external_and_imported_material_always_is(rotating: Rotating) -> None:
    with pytest.raises(BoundaryRefused):
        rotating.module.generate_key(key_binding())
    with pytest.raises(BoundaryRefused):
        rotating.module.import_key_material(b"", 0, b"", binding())


def test_material_of_another_origin_than_aws_kms_does_not_leave_its_region(rotating: Rotating) -> None:
    module = rotating.module
    receiving = module.create_replication_key(OTHER_REGION)
    multi_region = replace(binding(), key_id="mrk-" + "0" * 32, origin="EXTERNAL_KEY_STORE")
    token = module.generate_key(multi_region).exported_token
    with pytest.raises(BoundaryRefused):
        module.export_for_region(token, multi_region.key_id.encode(), receiving)


def test_domain_key_of_no_generation_is_not_made(rotating: Rotating) -> None:
    for generation in (0, -1, 10**10):
        with pytest.raises(BoundaryRefused):
            rotating.module.create_domain_key(REGION, generation)
