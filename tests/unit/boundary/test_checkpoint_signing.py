"""The boundary's signature under checkpoints of the audit trail."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from strongroom.audit import checkpoints as audit_checkpoints
from strongroom.boundary.dispatch import Dispatcher
from strongroom.boundary.interface import BoundaryRefused
from strongroom.boundary.messages import Opcode, Status, parse_fields, parse_number, render_fields
from strongroom.boundary.software import checkpoints
from strongroom.boundary.software.module import SoftwareModule

ROOT_KEY = bytes(range(32))
TEXT = checkpoints.TITLE + b"number 1\n"


def test_signature_is_verified_by_whoever_has_the_public_key() -> None:
    signing = SoftwareModule(ROOT_KEY, None).checkpoints
    signature = signing.sign(TEXT)
    assert len(signature) == audit_checkpoints.SIGNATURE_BYTES
    Ed25519PublicKey.from_public_bytes(signing.public_key).verify(signature, TEXT)
    assert signing.key_id == audit_checkpoints.key_id_of(signing.public_key)
    assert signing.has_signed(TEXT, signature)
    assert not signing.has_signed(TEXT + b"x", signature)
    assert not signing.has_signed(TEXT, bytes(64))
    assert not signing.has_signed(TEXT, b"")


def test_key_is_the_same_in_every_boundary_with_this_root_key_and_no_other() -> None:
    first, second = (SoftwareModule(ROOT_KEY, None).checkpoints for _ in range(2))
    assert first.public_key == second.public_key
    assert second.has_signed(TEXT, first.sign(TEXT))
    other = SoftwareModule(bytes(32), None).checkpoints
    assert other.public_key != first.public_key
    assert not other.has_signed(TEXT, first.sign(TEXT))


@pytest.mark.parametrize(
    "text", [b"", b"strongroom audit checkpoint 1", b"\n" + TEXT, b"x", TEXT + bytes(1024)]
)
def test_nothing_but_checkpoints_is_signed(text: bytes) -> None:
    with pytest.raises(BoundaryRefused):
        SoftwareModule(ROOT_KEY, None).checkpoints.sign(text)


def test_title_is_the_one_of_the_audit_trail() -> None:
    assert checkpoints.TITLE == audit_checkpoints.TITLE
    assert checkpoints.TEXT_BYTES_MAX >= audit_checkpoints.CHECKPOINT_BYTES_MAX


def test_job_runner_alone_may_ask() -> None:
    module = SoftwareModule(ROOT_KEY, None)
    dispatcher = Dispatcher(module, {}, lambda _: None)
    sign = render_fields(TEXT)
    assert dispatcher.start(Opcode.SIGN_AUDIT_CHECKPOINT, sign) == (Status.REFUSED, b"")
    status, answer = dispatcher.start_for_jobs(Opcode.SIGN_AUDIT_CHECKPOINT, sign)
    assert status == Status.OK
    assert isinstance(answer, bytes)
    public_key, signature = parse_fields(answer, 2)
    assert public_key == module.checkpoints.public_key
    for given, known in ((signature, 1), (bytes(64), 0)):
        know = render_fields(TEXT, given)
        assert dispatcher.start(Opcode.KNOW_AUDIT_CHECKPOINT, know) == (Status.REFUSED, b"")
        status, answer = dispatcher.start_for_jobs(Opcode.KNOW_AUDIT_CHECKPOINT, know)
        assert status == Status.OK
        assert isinstance(answer, bytes)
        assert parse_number(answer) == known
    assert (
        dispatcher.start_for_jobs(Opcode.SIGN_AUDIT_CHECKPOINT, render_fields(b"other"))[0] == Status.REFUSED
    )


def test_private_key_stands_in_no_repr() -> None:
    signing = SoftwareModule(ROOT_KEY, None).checkpoints
    private = signing._key.private_bytes_raw()
    for shown in (repr(signing), str(signing), repr(vars(SoftwareModule(ROOT_KEY, None)))):
        assert private.hex() not in shown
        assert repr(private) not in shown
