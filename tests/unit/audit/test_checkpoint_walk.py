"""Checkpoints of a trail: what `verify` makes of them, and of a trail whose hashes somebody computed anew."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from strongroom.audit.chain import GENESIS
from strongroom.audit.checkpoint_search import BlockArchived, find_block_hash, list_newest_checkpoints
from strongroom.audit.checkpoint_signatures import CheckpointKey
from strongroom.audit.checkpoints import (
    EVENT_NAME,
    Checkpoint,
    CheckpointRefused,
    SignedCheckpoint,
    key_id_of,
    parse_file,
    parse_record,
    parse_text,
    render_details,
    render_file,
    render_key_file,
    render_text,
)
from strongroom.audit.trail import Trail
from strongroom.audit.verify import VerifyReport, verify

TIME = "2026-11-28T00:00:00.000Z"
WORKER = b"ab" * 16
PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = PRIVATE.public_key().public_bytes_raw()
KEY = CheckpointKey(render_key_file(PUBLIC))


class SignedTrail:
    """A trail in the making, and the checkpoints of it that were signed."""

    def __init__(self, directory: Path, private: Ed25519PrivateKey = PRIVATE, segment: int = 1 << 20) -> None:
        self.directory = directory
        self.trail = Trail(str(directory), segment_bytes_max=segment)
        self.private = private
        self.last = Checkpoint(0, "", 0, 0, GENESIS, 0, GENESIS)
        self.signed: list[SignedCheckpoint] = []
        self._batch = 0

    def write(self, *events: dict[str, Any]) -> None:
        """One block."""
        self._batch += 1
        lines = [json.dumps({"eventVersion": "1.11"} | event, separators=(",", ":")) for event in events]
        block = "".join(f"{line}\n" for line in lines).encode()
        self.trail.append(block, len(lines), {WORKER: self._batch})

    def sign(self, **changed: Any) -> Checkpoint:
        """As the job runner does: one checkpoint of what there is, and its record."""
        end, last = self.trail.link, self.last
        checkpoint = Checkpoint(
            last.number + 1, TIME, end.block, end.records, end.hash, last.block, last.hash
        )._replace(**changed)
        text = render_text(checkpoint)
        signed = SignedCheckpoint(text, self.private.sign(text))
        self.write(event_of(signed, key_id_of(self.private.public_key().public_bytes_raw())))
        self.signed.append(signed)
        self.last = checkpoint
        return checkpoint

    def close(self) -> None:
        self.trail.close()


def event_of(signed: SignedCheckpoint, key_id: str = KEY.id) -> dict[str, Any]:
    return {
        "eventName": EVENT_NAME,
        "eventType": "AwsServiceEvent",
        "serviceEventDetails": render_details(signed, key_id),
    }


def request(number: int) -> dict[str, Any]:
    return {"eventName": "Encrypt", "eventType": "AwsApiCall", "n": number}


def write_signed(directory: Path, rounds: int = 4, segment: int = 1 << 20) -> SignedTrail:
    """A closed trail with a checkpoint after every three requests, in two blocks."""
    made = SignedTrail(directory, segment=segment)
    for number in range(rounds):
        made.write(request(number), request(number))
        made.write(request(number))
        made.sign()
    made.close()
    return made


def write_anew(source: Path, target: Path, change: Any) -> None:
    """What whoever can write the files does: each record changed or left out, and all hashes right again."""
    trail = Trail(str(target))
    batch = 0
    for segment in sorted(source.glob("*.jsonl")):
        for line in segment.read_bytes().splitlines():
            if line.startswith(b'{"chain"'):
                continue
            event = change(json.loads(line))
            if event is not None:
                batch += 1
                text = json.dumps(event, separators=(",", ":")).encode() + b"\n"
                trail.append(text, 1, {WORKER: batch})
    trail.close()


def check(directory: Path, known: Sequence[SignedCheckpoint] = (), **more: Any) -> VerifyReport:
    return verify(directory, key=KEY, known=known, **more)


def test_signed_trail_holds_up_to_the_last_checkpoint(tmp_path: Path) -> None:
    made = write_signed(tmp_path / "audit")
    report = check(tmp_path / "audit", made.signed)
    assert report.problem is None
    assert (report.checkpoints, report.foreign_checkpoints) == (4, 0)
    assert (report.signed_block, report.signed_records) == (report.blocks - 1, report.records - 1)
    assert report.signed_time == TIME
    unsigned = verify(tmp_path / "audit")
    assert unsigned.is_sound
    assert (unsigned.checkpoints, unsigned.signed_block) == (0, 0)


def test_record_changed_and_all_hashes_computed_anew_is_found_by_the_next_checkpoint(tmp_path: Path) -> None:
    write_signed(tmp_path / "audit")

    def change(event: dict[str, Any]) -> dict[str, Any]:
        return event | {"n": 77} if event.get("n") == 2 else event

    write_anew(tmp_path / "audit", tmp_path / "forged", change)
    assert verify(tmp_path / "forged").is_sound  # the chain alone does not tell
    report = check(tmp_path / "forged")
    assert report.problem is not None
    assert "rewritten" in report.problem


def test_rewritten_trail_without_its_checkpoints_is_found_by_one_that_was_kept(tmp_path: Path) -> None:
    made = write_signed(tmp_path / "audit")

    def change(event: dict[str, Any]) -> dict[str, Any] | None:
        return None if event["eventName"] == EVENT_NAME else event

    write_anew(tmp_path / "audit", tmp_path / "forged", change)
    report = check(tmp_path / "forged")
    assert report.is_sound  # nothing in it says that more was signed: whoever asks sees that nothing is
    assert report.checkpoints == report.signed_block == 0
    for kept in made.signed:
        assert not check(tmp_path / "forged", [kept]).is_sound


@pytest.mark.parametrize("left", [1, 5, 8])
def test_trail_put_back_to_an_older_state_is_found_by_a_later_checkpoint(tmp_path: Path, left: int) -> None:
    made = write_signed(tmp_path / "audit")
    trail = Trail(str(tmp_path / "older"))
    kept = [
        line
        for line in (tmp_path / "audit" / "00000001.jsonl").read_bytes().splitlines(keepends=True)
        if not line.startswith(b'{"chain"')
    ][:left]
    for number, line in enumerate(kept, 1):
        trail.append(line, 1, {WORKER: number})
    trail.close()
    report = check(tmp_path / "older", made.signed[-1:])
    assert report.problem is not None
    assert "ends before block" in report.problem or "rewritten" in report.problem


def test_checkpoints_after_a_rewriting_do_not_vouch_for_what_came_before(tmp_path: Path) -> None:
    """A server that started with the forged trail goes on: its next one names one that is not there."""
    write_signed(tmp_path / "audit")
    made = write_signed(tmp_path / "other")
    made.trail = Trail(str(tmp_path / "other"))
    last = made.last

    def change(event: dict[str, Any]) -> dict[str, Any] | None:
        return None if event["eventName"] == EVENT_NAME else event

    write_anew(tmp_path / "audit", tmp_path / "forged", change)
    forged = SignedTrail(tmp_path / "forged")
    forged.last = last
    forged._batch = 100
    forged.write(request(1))
    forged.sign()
    forged.close()
    made.close()
    report = check(tmp_path / "forged")
    assert report.problem is not None
    assert "names a checkpoint before it" in report.problem


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"hash": bytes(32)}, "does not name a block of this trail"),
        ({"records": 1}, "does not name a block of this trail"),
        ({"block": 999}, "does not name a block of this trail"),
        ({"number": 4}, "names a checkpoint before it"),
        ({"previous_hash": bytes(32)}, "names a checkpoint before it"),
        ({"previous_block": 7}, "names a checkpoint before it"),
    ],
)
def test_checkpoint_that_does_not_fit_is_a_problem_though_signed(
    tmp_path: Path, changed: dict[str, Any], told: str
) -> None:
    made = SignedTrail(tmp_path / "audit")
    made.write(request(1))
    made.sign()
    made.write(request(2))
    made.sign(**changed)
    made.close()
    report = check(tmp_path / "audit")
    assert report.problem is not None
    assert told in report.problem
    assert report.problem_file == "00000001.jsonl"


def test_false_signature_is_a_problem_and_another_key_is_counted(tmp_path: Path) -> None:
    made = write_signed(tmp_path / "audit", rounds=1)
    made.trail = Trail(str(tmp_path / "audit"))
    signed = made.signed[0]
    made.write(event_of(signed, key_id="00" * 32))
    made.trail.save_head()
    report = check(tmp_path / "audit")
    assert (report.problem, report.checkpoints, report.foreign_checkpoints) == (None, 1, 1)
    wrong = bytes([signed.signature[0] ^ 1]) + signed.signature[1:]
    made.write(event_of(SignedCheckpoint(signed.text, wrong)))
    made.close()
    report = check(tmp_path / "audit")
    assert report.problem is not None
    assert "signature is false" in report.problem


def test_checkpoint_whose_job_runner_died_is_signed_again_under_its_number(tmp_path: Path) -> None:
    made = SignedTrail(tmp_path / "audit")
    made.write(request(1))
    first = made.sign()
    made.write(request(2))
    made.sign()
    made.write(request(3))
    second = made.sign(number=2, previous_block=first.block, previous_hash=first.hash)
    made.write(request(4))
    made.sign()
    made.write(event_of(made.signed[0]))  # written once more
    made.write(event_of(made.signed[-1]))
    made.close()
    report = check(tmp_path / "audit", made.signed)
    assert report.problem is None
    assert report.checkpoints == 4
    assert second.number == 2


def test_archived_rest_begins_with_a_later_checkpoint(tmp_path: Path) -> None:
    made = write_signed(tmp_path / "audit", rounds=12, segment=2000)
    segments = sorted((tmp_path / "audit").glob("*.jsonl"))
    assert len(segments) > 4
    for segment in segments[:2]:
        segment.unlink()
    report = check(tmp_path / "audit", made.signed, is_archive_allowed=True)
    assert report.problem is None
    assert report.first_block > 1
    assert report.signed_block == made.last.block
    with pytest.raises(BlockArchived):
        find_block_hash(tmp_path / "audit", 1)


def test_callers_words_are_no_checkpoint(tmp_path: Path) -> None:
    made = SignedTrail(tmp_path / "audit")
    made.write(request(1) | {"requestParameters": {"encryptionContext": {"eventName": EVENT_NAME}}})
    made.write({"eventName": EVENT_NAME, "eventType": "AwsApiCall"})
    made.write({"a": [{"eventName": EVENT_NAME}]})
    made.close()
    report = check(tmp_path / "audit")
    assert (report.problem, report.checkpoints, report.foreign_checkpoints) == (None, 0, 0)


@pytest.mark.parametrize(
    "details",
    [
        None, [], {}, "x", {"checkpoint": 1}, {"checkpoint": "é", "signature": "", "keyId": ""},
        {"checkpoint": "strongroom audit checkpoint 1\n", "signature": "", "keyId": ""},
    ],
)  # fmt: skip
def test_record_of_the_event_without_a_checkpoint_is_a_problem(tmp_path: Path, details: object) -> None:
    made = SignedTrail(tmp_path / "audit")
    made.write({"eventName": EVENT_NAME, "eventType": "AwsServiceEvent", "serviceEventDetails": details})
    made.close()
    report = check(tmp_path / "audit")
    assert report.problem is not None
    assert "holds none" in report.problem
    assert list_newest_checkpoints(tmp_path / "audit") == []


def test_known_checkpoint_of_another_key_is_refused(tmp_path: Path) -> None:
    write_signed(tmp_path / "audit")
    other = SignedTrail(tmp_path / "other", Ed25519PrivateKey.generate())
    other.write(request(1))
    other.sign()
    other.close()
    report = check(tmp_path / "audit", other.signed)
    assert report.problem is not None
    assert "not signed by this key" in report.problem


def test_file_comes_back_and_every_byte_of_it_counts(tmp_path: Path) -> None:
    made = write_signed(tmp_path / "audit", rounds=1)
    content = render_file(made.signed[0])
    assert parse_file(content) == made.signed[0]
    assert parse_text(made.signed[0].text) == made.last
    for position in range(len(content)):
        for mask in (1, 0x20, 0x80):
            changed = bytearray(content)
            changed[position] ^= mask
            try:
                signed = parse_file(bytes(changed))
            except CheckpointRefused:
                continue
            assert not KEY.has_signed(signed), position
    for cut in range(len(content)):
        with pytest.raises(CheckpointRefused):
            parse_file(content[:cut])
    with pytest.raises(CheckpointRefused):
        parse_file(content + b"\n")
    with pytest.raises(CheckpointRefused):
        parse_file(content * 9)
    assert parse_record(event_of(made.signed[0])) == (made.signed[0], KEY.id)
    padded = event_of(made.signed[0])
    padded["serviceEventDetails"]["signature"] = base64.b64encode(made.signed[0].signature + b"0").decode()
    with pytest.raises(CheckpointRefused):
        parse_record(padded)


def test_key_file_is_pem_that_others_write_alike() -> None:
    public = PRIVATE.public_key()
    assert render_key_file(PUBLIC) == public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for wrong in (b"", b"-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n", b"\xff" * 40):
        with pytest.raises(ValueError):
            CheckpointKey(wrong)


def test_block_is_found_by_its_number_in_whichever_segment_it_stands(tmp_path: Path) -> None:
    made = write_signed(tmp_path / "audit", rounds=12, segment=2000)
    for signed in made.signed:
        checkpoint = parse_text(signed.text)
        assert find_block_hash(tmp_path / "audit", checkpoint.block) == checkpoint.hash
    assert find_block_hash(tmp_path / "audit", made.trail.link.block) == made.trail.link.hash
    assert find_block_hash(tmp_path / "audit", made.trail.link.block + 1) is None
    assert list_newest_checkpoints(tmp_path / "audit") == made.signed[::-1]
    (tmp_path / "audit" / "00000099.jsonl").touch()  # just begun, or left so by a crash
    assert find_block_hash(tmp_path / "audit", made.trail.link.block) == made.trail.link.hash
    assert find_block_hash(tmp_path / "audit", 1) is not None
    assert find_block_hash(tmp_path / "audit", made.trail.link.block + 1) is None
    (tmp_path / "empty").mkdir()
    assert find_block_hash(tmp_path / "empty", 0) is None
    assert list_newest_checkpoints(tmp_path / "empty") == []
