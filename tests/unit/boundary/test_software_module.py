"""The software module in this process: bindings, bounds and refusals, checked at every bit."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
from tests.support.running_boundary import ACCOUNT, KEY_ID, OTHER_KEY_ID, REGION, binding

from strongroom.boundary.backing_keys import MacKey
from strongroom.boundary.dispatch import Dispatcher, DomainKeyUnknown, NoActiveDomainKey
from strongroom.boundary.interface import BoundaryRefused, CiphertextRefused, KeySpecNotOffered, TokenRefused
from strongroom.boundary.key_hierarchy import parse_token
from strongroom.boundary.messages import Opcode, Status, render_fields
from strongroom.boundary.software import module as module_under_test
from strongroom.boundary.software.families import FAMILIES
from strongroom.boundary.software.key_wrapping import WrappingKey
from strongroom.boundary.software.module import SoftwareModule
from strongroom.boundary.software.secret_access_keys import derive_signing_key

K = KEY_ID.encode()
ACCESS_KEY_ID = "AKIAIOSFODNN7EXAMPLE"


def ready_module(root_key: bytes | None = None, root_secret: bytes | None = None) -> SoftwareModule:
    module = SoftwareModule(root_key or os.urandom(32), root_secret)
    for region in (REGION, "aws-global"):
        module.load_domain_key(module.create_domain_key(region)[1], activate=True)
    return module


def token_of(module: SoftwareModule, key_id: str = KEY_ID) -> bytes:
    return module.generate_key(binding(key_id)).exported_token


def test_generate_key_names_the_material_that_the_blob_names() -> None:
    module = ready_module()
    key = module.generate_key(binding())
    blob = module.encrypt(key.exported_token, K, b"x", b"")
    assert blob[20:52].hex() == key.material_id
    assert parse_token(key.exported_token).header.material_id.hex() == key.material_id


@pytest.mark.parametrize(
    "wrong",
    [
        replace(binding(), key_spec="RSA_1024"),
        replace(binding(), key_usage="SIGN_VERIFY"),
        replace(binding(), key_spec="", key_usage=""),
        replace(binding(), account_id="1"),
        replace(binding(), account_id="１" * 12),
        replace(binding(), region=""),
        replace(binding(), key_id="alias/x"),
        replace(binding(), key_id=""),
    ],
)
def test_generate_key_of_an_unsupported_or_malformed_binding_is_refused(wrong: object) -> None:
    module = ready_module()
    with pytest.raises(BoundaryRefused):
        module.generate_key(wrong)  # type: ignore[arg-type]


def test_encrypt_with_the_token_of_another_key_is_refused() -> None:
    """INVARIANT B2, from the cache and without it."""
    module = ready_module()
    mine, others = token_of(module), token_of(module, OTHER_KEY_ID)
    for _ in range(2):
        with pytest.raises(TokenRefused):
            module.encrypt(others, K, b"x", b"")
        with pytest.raises(TokenRefused):
            module.decrypt(others, K, module.encrypt(mine, K, b"x", b""), b"")


def test_decrypt_of_another_keys_blob_is_refused() -> None:
    module = ready_module()
    mine, others = token_of(module), token_of(module, OTHER_KEY_ID)
    blob = module.encrypt(others, OTHER_KEY_ID.encode(), b"x", b"")
    with pytest.raises(CiphertextRefused):
        module.decrypt(mine, K, blob, b"")


def test_decrypt_of_another_material_of_the_same_key_is_refused() -> None:
    module = ready_module()
    first, second = token_of(module), token_of(module)
    with pytest.raises(CiphertextRefused):
        module.decrypt(second, K, module.encrypt(first, K, b"x", b""), b"")


def test_decrypt_with_shifted_context_bytes_is_refused() -> None:
    """{"ab": "c"} and {"a": "bc"} as the worker renders them."""
    module = ready_module()
    token = token_of(module)
    blob = module.encrypt(token, K, b"x", b"\x81\xa2ab\xa1c")
    assert module.decrypt(token, K, blob, b"\x81\xa2ab\xa1c") == b"x"
    for other in (b"\x81\xa1a\xa2bc", b"\x80", b"", b"\x81\xa2ab\xa1c\x00"):
        with pytest.raises(CiphertextRefused):
            module.decrypt(token, K, blob, other)


def test_encrypt_with_any_bit_of_the_token_flipped_is_refused() -> None:
    """INVARIANT B2. A changed domain key id is one that nobody has."""
    module = ready_module()
    token = token_of(module)
    module.encrypt(token, K, b"x", b"")
    for bit in range(len(token) * 8):
        flipped = bytearray(token)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises((TokenRefused, DomainKeyUnknown)) as caught:
            module.encrypt(bytes(flipped), K, b"x", b"")
        assert (caught.type is DomainKeyUnknown) == (2 <= bit // 8 < 18)


def test_encrypt_with_every_truncation_of_the_token_is_refused() -> None:
    module = ready_module()
    token = token_of(module)
    for damaged in [token[:length] for length in range(len(token))] + [token + b"\x00"]:
        with pytest.raises(TokenRefused):
            module.encrypt(damaged, K, b"x", b"")


def test_operations_with_a_token_of_another_kind_are_refused() -> None:
    module = ready_module(root_secret=b"secret")
    _, domain_token = module.create_domain_key(REGION)
    secret_token = module.wrap_root_secret(ACCESS_KEY_ID, ACCOUNT)
    backing_token = token_of(module)
    for wrong in (domain_token, secret_token):
        with pytest.raises(TokenRefused):
            module.encrypt(wrong, K, b"x", b"")
    for wrong in (backing_token, secret_token):
        with pytest.raises(TokenRefused):
            module.load_domain_key(wrong, activate=True)
    for wrong in (backing_token, domain_token):
        with pytest.raises(TokenRefused):
            module.derive_signing_key(wrong, ACCESS_KEY_ID, b"20150830", b"us-east-1", b"kms")


def test_load_domain_key_of_another_root_key_is_refused() -> None:
    module, other = ready_module(), ready_module()
    with pytest.raises(TokenRefused):
        module.load_domain_key(other.create_domain_key(REGION)[1], activate=True)


def test_load_domain_key_with_any_bit_flipped_is_refused() -> None:
    module = ready_module()
    _, token = module.create_domain_key(REGION)
    for bit in range(len(token) * 8):
        flipped = bytearray(token)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(TokenRefused):
            module.load_domain_key(bytes(flipped), activate=False)


def test_generate_key_before_a_domain_key_is_active_names_the_region() -> None:
    module = SoftwareModule(os.urandom(32), None)
    module.load_domain_key(module.create_domain_key(REGION)[1], activate=False)
    with pytest.raises(NoActiveDomainKey) as caught:
        module.generate_key(binding())
    assert caught.value.region == REGION


def test_generate_key_uses_the_domain_key_activated_last_and_older_ones_still_unwrap() -> None:
    module = ready_module()
    old_token = token_of(module)
    blob = module.encrypt(old_token, K, b"x", b"")
    new_id, new_domain_token = module.create_domain_key(REGION)
    module.load_domain_key(new_domain_token, activate=True)
    assert parse_token(token_of(module)).header.wrapping_key_id == new_id
    module.forget_key(K, REGION)
    assert module.decrypt(old_token, K, blob, b"") == b"x"


def test_load_domain_key_without_activation_leaves_the_active_one() -> None:
    module = ready_module()
    before = parse_token(token_of(module)).header.wrapping_key_id
    module.load_domain_key(module.create_domain_key(REGION)[1], activate=False)
    assert parse_token(token_of(module)).header.wrapping_key_id == before


def test_unwrap_after_a_restart_names_the_domain_key_to_load() -> None:
    root_key = os.urandom(32)
    module = ready_module(root_key)
    domain_key_id, domain_token = module.create_domain_key(REGION)
    module.load_domain_key(domain_token, activate=True)
    token = token_of(module)
    restarted = SoftwareModule(root_key, None)
    with pytest.raises(DomainKeyUnknown) as caught:
        restarted.encrypt(token, K, b"x", b"")
    assert caught.value.domain_key_id == domain_key_id
    restarted.load_domain_key(domain_token, activate=False)
    assert module.decrypt(token, K, restarted.encrypt(token, K, b"x", b""), b"") == b"x"


def test_module_without_a_family_makes_none_of_its_keys_and_uses_none_of_another_modules() -> None:
    root_key = os.urandom(32)
    module = ready_module(root_key)
    domain_token = module.create_domain_key(REGION)[1]
    fewer = {names: family for names, family in FAMILIES.items() if names[0] != "HMAC_256"}
    lesser = SoftwareModule(root_key, None, fewer)
    for each in (module, lesser):
        each.load_domain_key(domain_token, activate=True)
    of = replace(binding(), key_spec="HMAC_256", key_usage="GENERATE_VERIFY_MAC")
    token = module.generate_key(of).exported_token
    module.require_key_spec("HMAC_256")
    for refused in (
        lambda: lesser.generate_key(of),
        lambda: lesser.require_key_spec("HMAC_256"),
        lambda: lesser.import_key_material(token, 0, b"", of),
    ):
        with pytest.raises(BoundaryRefused):
            refused()
    with pytest.raises(KeySpecNotOffered):
        lesser.key_of(MacKey, token, K)
    lesser.require_key_spec("HMAC_384")
    lesser.encrypt(lesser.generate_key(binding()).exported_token, K, b"x", b"")


def test_forget_key_drops_that_key_in_that_region_only() -> None:
    module = ready_module()
    for key_id in (KEY_ID, KEY_ID, OTHER_KEY_ID):
        module.encrypt(token_of(module, key_id), key_id.encode(), b"x", b"")
    assert module.describe()["backing keys in memory"] == "3"
    module.forget_key(K, "us-east-1")
    assert module.describe()["backing keys in memory"] == "3"
    module.forget_key(K, REGION)
    assert module.describe()["backing keys in memory"] == "1"


def test_backing_keys_beyond_the_bound_are_dropped_least_recently_used_first() -> None:
    module = ready_module()
    bound = module_under_test.BACKING_KEYS_MAX
    tokens = [token_of(module) for _ in range(bound + 1)]
    for token in tokens[:bound]:
        module.encrypt(token, K, b"x", b"")
    module.encrypt(tokens[0], K, b"x", b"")
    module.encrypt(tokens[bound], K, b"x", b"")
    held = module._backing_keys
    assert len(held) == bound
    assert tokens[0] in held
    assert tokens[1] not in held


@pytest.mark.parametrize("count", [0, 1025])
def test_generate_data_key_and_random_of_a_length_out_of_range_are_refused(count: int) -> None:
    module = ready_module()
    token = token_of(module)
    with pytest.raises(BoundaryRefused):
        module.generate_data_key(token, K, count, b"")
    with pytest.raises(BoundaryRefused):
        module.generate_random(count)


def test_derive_signing_key_gives_the_documented_key() -> None:
    """Source: AWS General Reference, "Examples of how to derive a signing key for Signature Version 4"."""
    secret = b"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
    expected = "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9"
    assert derive_signing_key(secret, b"20150830", b"us-east-1", b"iam").hex() == expected
    module = ready_module(root_secret=secret)
    token = module.wrap_root_secret(ACCESS_KEY_ID, ACCOUNT)
    assert secret not in token
    derived = module.derive_signing_key(token, ACCESS_KEY_ID, b"20150830", b"us-east-1", b"iam")
    assert derived.hex() == expected


def test_derive_signing_key_for_another_access_key_is_refused() -> None:
    module = ready_module()
    _, token = module.create_access_key_secret(ACCESS_KEY_ID, ACCOUNT)
    with pytest.raises(TokenRefused):
        module.derive_signing_key(token, "AKIAI44QH8DHBEXAMPLE", b"20150830", b"us-east-1", b"kms")


def test_derive_signing_key_of_an_overlong_scope_is_refused() -> None:
    module = ready_module()
    _, token = module.create_access_key_secret(ACCESS_KEY_ID, ACCOUNT)
    with pytest.raises(BoundaryRefused):
        module.derive_signing_key(token, ACCESS_KEY_ID, b"20150830", b"r" * 256, b"kms")


def test_create_access_key_secret_makes_40_characters_that_sign() -> None:
    module = ready_module()
    secret, token = module.create_access_key_secret(ACCESS_KEY_ID, ACCOUNT)
    assert len(secret) == 40
    assert secret != module.create_access_key_secret(ACCESS_KEY_ID, ACCOUNT)[0]
    derived = module.derive_signing_key(token, ACCESS_KEY_ID, b"20150830", b"us-east-1", b"kms")
    assert derived == derive_signing_key(secret, b"20150830", b"us-east-1", b"kms")


def test_wrap_root_secret_without_one_is_refused() -> None:
    with pytest.raises(BoundaryRefused):
        ready_module().wrap_root_secret(ACCESS_KEY_ID, ACCOUNT)


@pytest.mark.parametrize("secret", [b"", b"a b", b"x" * 129, "ü".encode(), b"a\nb"])
def test_module_with_a_root_secret_that_cannot_be_one_is_refused(secret: bytes) -> None:
    with pytest.raises(ValueError, match="not a secret access key"):
        SoftwareModule(os.urandom(32), secret)


def test_reprs_of_keys_show_no_key() -> None:
    root_key = os.urandom(32)
    module = ready_module(root_key, b"root-secret-value")
    token = token_of(module)
    module.encrypt(token, K, b"x", b"")
    shown = repr(module) + repr(WrappingKey(bytes(16), "", root_key)) + repr(module._symmetric_key(token, K))
    assert root_key.hex() not in shown
    assert repr(root_key)[2:-1] not in shown
    assert "root-secret-value" not in shown
    assert KEY_ID in shown


class BrokenModule(SoftwareModule):
    """Fails as a bug would, with a secret in the text of the error."""

    def generate_random(self, number_of_bytes: int) -> bytes:
        raise RuntimeError("the key is hunter2")


def test_dispatch_of_an_unexpected_failure_is_refused_and_logs_the_type_alone() -> None:
    """INVARIANT B5."""
    logged: list[str] = []
    dispatcher = Dispatcher(BrokenModule(os.urandom(32), None), {}, logged.append)
    body = render_fields(b"\x00\x20")
    assert dispatcher.answer(Opcode.GENERATE_RANDOM, body) == (Status.REFUSED, b"")
    assert len(logged) == 1
    assert "RuntimeError" in logged[0]
    assert "hunter2" not in logged[0]


@pytest.mark.parametrize("opcode", [0, 127, 255])
def test_dispatch_of_an_unknown_opcode_is_refused(opcode: int) -> None:
    dispatcher = Dispatcher(ready_module(), {}, lambda line: None)
    assert dispatcher.answer(opcode, b"anything") == (Status.REFUSED, b"")


def test_dispatch_of_text_that_is_not_ascii_is_refused() -> None:
    dispatcher = Dispatcher(ready_module(), {}, lambda line: None)
    body = render_fields(
        b"111122223333", "é".encode(), K, b"SYMMETRIC_DEFAULT", b"ENCRYPT_DECRYPT", b"AWS_KMS"
    )
    assert dispatcher.answer(Opcode.GENERATE_KEY, body) == (Status.REFUSED, b"")
