"""The self-tests: nothing is left out, a wrong answer is noticed, and it stops the process by its name."""

from __future__ import annotations

import select
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.running_boundary import ACCOUNT, KEY_ID, REGION, Refused, RunningBoundary, binding

from strongroom.aws.generated.enums import (
    EncryptionAlgorithmSpec,
    KeyAgreementAlgorithmSpec,
    MacAlgorithmSpec,
    SigningAlgorithmSpec,
)
from strongroom.boundary.backing_keys import SigningKey
from strongroom.boundary.dispatch import Dispatcher
from strongroom.boundary.interface import KeyBinding, SignatureRefused
from strongroom.boundary.key_hierarchy import TokenHeader
from strongroom.boundary.messages import Opcode, render_fields
from strongroom.boundary.slow_work import Deferred, SlowWork, Task
from strongroom.boundary.software.elliptic_curves import EllipticCurveSigningKey
from strongroom.boundary.software.families import BUILT_IN_FAMILIES, FAMILIES, Family
from strongroom.boundary.software.module import SoftwareModule
from strongroom.boundary.software.pair_consistency import Inconsistent, require_consistent
from strongroom.boundary.software.self_tests.known_answer import KnownAnswer, run_self_tests
from strongroom.boundary.software.self_tests.rehearsal import rehearse
from strongroom.boundary.software.self_tests.table import KNOWN_ANSWERS
from strongroom.boundary.soundness import SelfTestFailed

_WITH_A_WRONG_ANSWER = """
import sys; sys.path.insert(0, sys.argv.pop(1))
from dataclasses import replace
from strongroom.boundary import process
def spoil(one):
    return replace(one, answer=bytes([one.answer[0] ^ 1]) + one.answer[1:])
process.main(sys.argv[1:], [
    spoil(one) if one.algorithm == "ECDSA_SHA_384" else one for one in process.KNOWN_ANSWERS
])
"""


def _spoiled(known_answer: KnownAnswer) -> KnownAnswer:
    return replace(known_answer, answer=bytes([known_answer.answer[0] ^ 1]) + known_answer.answer[1:])


def test_every_key_spec_and_usage_has_a_known_answer() -> None:
    covered = {known_answer.covers for known_answer in KNOWN_ANSWERS}
    assert set(BUILT_IN_FAMILIES) - covered == set()


def test_every_algorithm_of_the_api_has_a_known_answer() -> None:
    algorithms = {
        algorithm.value
        for kind in (
            SigningAlgorithmSpec,
            EncryptionAlgorithmSpec,
            MacAlgorithmSpec,
            KeyAgreementAlgorithmSpec,
        )
        for algorithm in kind
    }
    of_the_library = {"SM2DSA", "SM2PKE"}  # sm2_self_test.py
    tested = {known_answer.algorithm for known_answer in KNOWN_ANSWERS}
    assert algorithms - of_the_library - tested == set()


@pytest.mark.parametrize("number", range(len(KNOWN_ANSWERS)))
def test_another_answer_is_noticed_and_named(number: int) -> None:
    known_answer = KNOWN_ANSWERS[number]
    assert known_answer.is_given()
    with pytest.raises(SelfTestFailed) as caught:
        run_self_tests([_spoiled(known_answer)])
    assert f"The self-test of {known_answer.algorithm} failed" in str(caught.value)


def test_an_algorithm_that_takes_any_answer_is_noticed() -> None:
    with pytest.raises(SelfTestFailed, match="of blind failed"):
        run_self_tests([KnownAnswer("blind", "nowhere", b"answer", accept=lambda answer: None)])


def test_rehearsal_passes_and_can_be_run_again() -> None:
    rehearse()
    rehearse()


def test_process_with_a_wrong_answer_stops_and_says_which(tmp_path: Path) -> None:
    with pytest.raises(Refused) as caught:
        RunningBoundary(tmp_path / "key", program=_WITH_A_WRONG_ANSWER)
    assert str(caught.value) == (
        "The self-test of ECDSA_SHA_384 failed (its answer is not that of RFC 6979, A.2.6): the boundary"
        " serves nothing. The machine or a library is broken. Nothing was changed."
    )
    assert not (tmp_path / "key").exists() or (tmp_path / "key").read_bytes() == b""


def test_status_says_that_the_self_tests_passed(tmp_path: Path) -> None:
    with RunningBoundary(tmp_path / "key") as boundary:
        assert f"{len(KNOWN_ANSWERS)} known answers" in boundary.facts()["self-tests"]


class _BrokenKey(EllipticCurveSigningKey):
    """Its public half is another key's, as it were."""

    def verify(self, message: bytes, message_type: str, algorithm: str, signature: bytes) -> None:
        raise SignatureRefused


def _module(load: type[SigningKey]) -> SoftwareModule:
    spec = ("ECC_NIST_P256", "SIGN_VERIFY")

    def load_it(header: TokenHeader, material: bytes) -> SigningKey:
        return load(header, material)  # type: ignore[call-arg]

    families: Mapping[tuple[str, str], Family] = {**FAMILIES, spec: replace(FAMILIES[spec], load=load_it)}
    module = SoftwareModule(bytes(32), None, families)
    module.load_domain_key(module.create_domain_key(REGION)[1], activate=True)
    return module


def test_new_key_pair_whose_halves_do_not_fit_ends_the_process() -> None:
    """It passes through what turns errors into answers."""
    dispatcher = Dispatcher(_module(_BrokenKey), {}, lambda line: None)
    texts = (ACCOUNT, REGION, KEY_ID, "ECC_NIST_P256", "SIGN_VERIFY", "AWS_KMS")
    body = render_fields(*map(str.encode, texts))
    with pytest.raises(SelfTestFailed, match="A new ECC_NIST_P256 key pair failed"):
        dispatcher.answer(Opcode.GENERATE_KEY, body)
    sound = Dispatcher(_module(EllipticCurveSigningKey), {}, lambda line: None)
    assert sound.answer(Opcode.GENERATE_KEY, body)[0] == 0


def test_new_data_key_pair_whose_halves_do_not_fit_ends_the_process() -> None:
    module = _module(_BrokenKey)
    token = module.generate_key(binding()).exported_token
    with pytest.raises(SelfTestFailed, match="A new ECC_NIST_P256 key pair failed"):
        module.prepare_data_key_pair(token, KEY_ID.encode(), "ECC_NIST_P256")()


def test_failure_beside_the_loop_ends_the_loop() -> None:
    def work() -> bytes:
        raise SelfTestFailed("broken")

    slow_work = SlowWork(lambda line: None, threads=1)
    slow_work.start()
    assert slow_work.submit(Task(Deferred(work, lambda result: b""), None, lambda: True))
    readable, _, _ = select.select([slow_work.fileno()], [], [], 10)
    assert readable
    with pytest.raises(SelfTestFailed, match="broken"):
        slow_work.take_done()


@pytest.mark.parametrize(("key_spec", "key_usage"), sorted(FAMILIES))
def test_new_key_of_every_family_passes(key_spec: str, key_usage: str) -> None:
    module = _module(EllipticCurveSigningKey)
    made = module.generate_key(KeyBinding(ACCOUNT, REGION, KEY_ID, key_spec, key_usage))
    assert made.exported_token


def test_pair_that_is_none_is_inconsistent() -> None:
    material = FAMILIES["ECC_NIST_P256", "SIGN_VERIFY"].generate()
    module = _module(EllipticCurveSigningKey)
    token = module.export_key(replace(binding(), key_spec="ECC_NIST_P256", key_usage="SIGN_VERIFY"), material)
    key = module.key_of(SigningKey, token.exported_token, KEY_ID.encode())
    require_consistent("ECC_NIST_P256", key)
    broken = _module(_BrokenKey)
    token = broken.export_key(replace(binding(), key_spec="ECC_NIST_P256", key_usage="SIGN_VERIFY"), material)
    with pytest.raises(Inconsistent):
        require_consistent("ECC_NIST_P256", broken.key_of(SigningKey, token.exported_token, KEY_ID.encode()))
