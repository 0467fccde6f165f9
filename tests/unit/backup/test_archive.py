"""The backup file, attacked: every bit of a small one, and archives that other programs would unpack."""

from __future__ import annotations

import io
import os
import random
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from strongroom.backup.archive import (
    MANIFEST,
    PARTS,
    WITH_TICKET,
    WITHOUT_TICKET,
    BackupRefused,
    Manifest,
    hash_file,
    parse_manifest,
    read_archive,
    write_archive,
)

TICKET = random.Random(6).randbytes(39)
FLIPS = int(os.environ.get("STRONGROOM_BACKUP_FLIPS", "3000"))


def _archive(directory: Path, ticket: bytes | None = TICKET) -> tuple[bytes, Manifest]:
    generator = random.Random(5)
    for name, size in zip(PARTS, (3000, 1024), strict=True):
        (directory / name).write_bytes(generator.randbytes(size))
    hashes = {name: hash_file(directory / name) for name in PARTS}
    manifest = Manifest(
        format=WITHOUT_TICKET if ticket is None else WITH_TICKET,
        version="0.1.0",
        created_at="2026-11-26T19:00:00Z",
        schema_revision="0007",
        audit_block=7,
        audit_hash="ab" * 32,
        domain_key_ids=("eu-central-1/0102",),
        keys=3,
        deletions=1,
        ledger_hash="cd" * 32,
        part_bytes={name: size for name, (size, _) in hashes.items()},
        part_sha256={name: digest for name, (_, digest) in hashes.items()},
    )
    whole = io.BytesIO()
    write_archive(whole, manifest, ticket, {name: directory / name for name in PARTS})
    return whole.getvalue(), manifest


@pytest.mark.parametrize("ticket", [TICKET, None])
def test_archive_read_back_gives_manifest_ticket_and_parts(tmp_path: Path, ticket: bytes | None) -> None:
    content, manifest = _archive(tmp_path, ticket)
    (tmp_path / "out").mkdir()
    assert read_archive(io.BytesIO(content), tmp_path / "out") == (manifest, ticket)
    for name in PARTS:
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / name).read_bytes()
        assert (tmp_path / "out" / name).stat().st_mode & 0o777 == 0o600


def test_archive_is_a_tar_that_other_programs_read(tmp_path: Path) -> None:
    content, _ = _archive(tmp_path)
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        assert tar.getnames() == [MANIFEST, "manifest.sha256", "manifest.ticket", *PARTS]


def test_archive_with_flipped_bits_is_refused_always(tmp_path: Path) -> None:
    content, _ = _archive(tmp_path)
    generator = random.Random()
    for at in range(FLIPS):
        changed = bytearray(content)
        for _ in range((1, 1, 2, 8)[at % 4]):
            changed[generator.randrange(len(changed))] ^= 1 << generator.randrange(8)
        if bytes(changed) == content:
            continue
        with pytest.raises(BackupRefused, match=r"Use another copy of this backup, or an earlier one\.$"):
            read_archive(io.BytesIO(bytes(changed)))
    assert read_archive(io.BytesIO(content))


def test_archive_cut_short_anywhere_or_longer_is_refused(tmp_path: Path) -> None:
    content, _ = _archive(tmp_path)
    for length in (*range(0, len(content), 61), len(content) - 1):
        with pytest.raises(BackupRefused):
            read_archive(io.BytesIO(content[:length]))
    for more in (b"\0", b"\0" * 512, content):
        with pytest.raises(BackupRefused):
            read_archive(io.BytesIO(content + more))


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE]
)
@pytest.mark.parametrize("name", ["../escaped", "/tmp/escaped", MANIFEST, "strongroom.db"])
def test_archive_of_links_devices_and_foreign_names_is_refused_and_writes_nothing(
    tmp_path: Path, kind: bytes, name: str
) -> None:
    content, _ = _archive(tmp_path)
    hostile = io.BytesIO()
    with tarfile.open(fileobj=hostile, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        member = tarfile.TarInfo(name)
        member.type, member.linkname = kind, "/etc/passwd"
        tar.addfile(member)
    out = tmp_path / "out"
    out.mkdir()
    for attack in (hostile.getvalue(), hostile.getvalue()[:512] + content):
        with pytest.raises(BackupRefused):
            read_archive(io.BytesIO(attack), out)
    assert list(out.iterdir()) == []
    assert not (tmp_path / "escaped").exists()


def test_archive_with_a_part_twice_or_out_of_order_is_refused(tmp_path: Path) -> None:
    content, manifest = _archive(tmp_path)
    database = content.index(b"strongroom.db\0")
    seal = content.index(b"seal.record\0")
    end = len(content) - 1024
    before, parts = content[:database], (content[database:seal], content[seal:end])
    for order in ((0, 0, 1), (1, 0), (0, 1, 1), (0,), ()):
        with pytest.raises(BackupRefused):
            read_archive(io.BytesIO(before + b"".join(parts[part] for part in order) + bytes(1024)))
    assert read_archive(io.BytesIO(before + parts[0] + parts[1] + bytes(1024))) == (manifest, TICKET)


def test_archive_whose_ticket_is_left_out_or_spelled_otherwise_is_refused(tmp_path: Path) -> None:
    content, _ = _archive(tmp_path)
    begin, end = content.index(b"manifest.ticket\0"), content.index(b"strongroom.db\0")
    with pytest.raises(BackupRefused):
        read_archive(io.BytesIO(content[:begin] + content[end:]))
    bare, _ = _archive(tmp_path, None)
    database = bare.index(b"strongroom.db\0")
    with pytest.raises(BackupRefused):  # a ticket where the manifest speaks of none
        read_archive(io.BytesIO(bare[:database] + content[begin:end] + bare[database:]))
    text = content[begin + 512 : end].rstrip(b"\0")
    for other in (text[:-1] + b"=\n", b"!" + text[1:], b"-" + text[1:], text[1:] + b"\n", b"\n" * len(text)):
        changed = content[: begin + 512] + other.ljust(512, b"\0")[:512] + content[end:]
        with pytest.raises(BackupRefused):
            read_archive(io.BytesIO(changed))


@pytest.mark.parametrize(
    "octal", [b"77777777777", b"00077777777", b"-0000000001", b"0x000000010", b"00000000000"]
)
def test_archive_that_claims_a_hostile_size_is_refused(tmp_path: Path, octal: bytes) -> None:
    content, _ = _archive(tmp_path)
    changed = bytearray(content)
    changed[124:135] = octal
    header = changed[:512]
    header[148:156] = b" " * 8
    changed[148:156] = b"%06o\0 " % sum(header)
    with pytest.raises(BackupRefused):
        read_archive(io.BytesIO(bytes(changed)))


def test_manifest_with_members_of_other_types_is_refused(tmp_path: Path) -> None:
    _, manifest = _archive(tmp_path)
    good = manifest.render()
    assert parse_manifest(good) == manifest
    for was, now in (
        (b'"keys":3', b'"keys":-3'),
        (b'"keys":3', b'"keys":true'),
        (b'"keys":3', b'"keys":3.0'),
        (b'"keys":3', b'"keys":"3"'),
        (b'"backup":2', b'"backup":3'),
        (b'"backup":2', b'"backup":true'),
        (b'"version":"0.1.0"', b'"version":"a\\nb"'),
        (b'"audit":{', b'"audit":[{'),
        (b'{"backup"', b'{"more":1,"backup"'),
        (b'"block":7', b'"block":7,"block":8'),
        (good, b"[" * 100_000),
        (good, b"\xff"),
        (good, b"null"),
    ):
        assert was in good
        with pytest.raises(BackupRefused):
            parse_manifest(good.replace(was, now))
    with pytest.raises(BackupRefused):
        parse_manifest(replace(manifest, audit_hash="AB" * 32).render())
