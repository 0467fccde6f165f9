"""The implementations of the boundary: in software, and with a PKCS#11 token."""

from __future__ import annotations

import asyncio
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest
from tests.support.boundary_contract import Run, Test
from tests.support.running_boundary import MemoryDomainKeyStore, RunningBoundary, attached_client
from tests.support.softhsm import TestToken, make_softhsm

from strongroom.boundary.interface import BoundaryRefused, KeySpecNotOffered

ON_A_TOKEN = frozenset(
    (
        "test_generate_key_of_a_symmetric_key_gives_a_token_and_a_material_id",
        "test_decrypt_of_a_blob_gives_the_plaintext_and_its_header_the_key",
        "test_decrypt_of_a_blob_with_any_bit_flipped_is_refused",
        "test_operations_with_the_token_of_another_key_are_refused",
        "test_encrypt_with_any_bit_of_the_token_flipped_is_refused",
        "test_encrypt_with_garbage_for_a_token_is_refused",
        "test_re_encrypt_moves_a_plaintext_to_another_key_and_context",
        "test_forget_key_leaves_its_token_and_all_others_working",
        "test_derive_store_signing_key_is_of_the_secret_and_for_proxies_only",
        "test_sign_and_verify_agree_and_the_public_key_stays_the_same",
        "test_mac_verifies_and_no_other_does",
        "test_two_keys_agree_on_a_secret_and_on_none_with_another_curve",
        "test_xks_decrypt_of_what_was_sealed_gives_the_plaintext_and_the_metadata_the_material",
        "test_xks_encrypt_twice_has_nothing_in_common_but_the_material",
        "test_xks_encrypt_of_nothing_or_too_much_is_refused",
        "test_xks_decrypt_of_any_changed_bit_is_refused",
        "test_xks_decrypt_where_metadata_and_aad_trade_places_is_refused",
        "test_xks_decrypt_under_another_key_or_material_is_refused",
        "test_external_keys_and_ciphertext_blobs_open_nothing_of_each_other",
        "test_answers_for_a_recipient_open_with_its_key_and_hold_no_plaintext",
    )
)
"""What a boundary with a PKCS#11 token does as every other. All else is the software module's there, too."""

REFUSED_BY_SOFTHSM = frozenset(
    (
        "test_asymmetric_ciphertext_opens_and_anything_else_is_refused",
        "test_imported_material_encrypts_and_keeps_its_id",
        "test_encapsulated_secret_is_decapsulated_and_a_wrong_one_rejected_implicitly",
    )
)
"""What this token cannot do: there the test ends where it is refused by name."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each implementation of the boundary runs its tests."""
    is_about_boundary = Path(str(metafunc.module.__file__)).name.startswith("test_boundary_")
    if is_about_boundary and "run" in metafunc.fixturenames:
        name = metafunc.function.__name__
        has_token = name in ON_A_TOKEN | REFUSED_BY_SOFTHSM
        metafunc.parametrize("run", ["software", "pkcs11"] if has_token else ["software"], indirect=True)


@pytest.fixture(scope="session")
def shared_softhsm(tmp_path_factory: pytest.TempPathFactory) -> TestToken:
    """One token for all boundaries: each makes domain keys of its own there."""
    return make_softhsm(tmp_path_factory.mktemp("softhsm"))


@pytest.fixture
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Run:
    """Runs a test against a boundary of its own."""
    token: TestToken | None = None
    refusal: AbstractContextManager[object] = nullcontext()
    if request.param == "pkcs11":
        token = request.getfixturevalue("shared_softhsm")
        if request.node.originalname in REFUSED_BY_SOFTHSM or "SM2" in request.node.callspec.id:
            refusal = pytest.raises((BoundaryRefused, KeySpecNotOffered))

    def run_test(test: Test) -> None:
        async def body(running: RunningBoundary) -> None:
            client = attached_client(running, MemoryDomainKeyStore())
            try:
                await asyncio.wait_for(test(client), 30)
            finally:
                client.close()

        with RunningBoundary(tmp_path / "key", token=token, is_nursed=token is None) as running, refusal:
            asyncio.run(body(running))

    return run_test
