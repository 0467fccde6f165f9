"""A seal record that is not of the data beside it: the server says so before it makes anything under it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.server import Server

from strongroom.boundary.seal.key_file_slot import wrap_under_key_file
from strongroom.boundary.seal_format import parse_seal, render_seal

Change = Callable[[Path, Path], None]


@pytest.fixture(scope="module")
def directories(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The data of two servers, each with a key."""
    made = tmp_path_factory.mktemp("ours") / "data", tmp_path_factory.mktemp("theirs") / "data"
    for directory in made:
        with Server(data_dir=directory) as server:
            server.client().create_key()
    return made


def _bring_record_and_key_file_of_another_server(ours: Path, theirs: Path) -> None:
    """A backup put back in parts."""
    for name in ("seal.record", "seal.key"):
        shutil.copy2(theirs / name, ours / name)


def _add_a_slot_of_another_root_key(ours: Path, theirs: Path) -> None:
    """By somebody who can write the record, and would have the server take his own root key one day."""
    record = ours / "seal.record"
    record.write_bytes(
        render_seal((*parse_seal(record.read_bytes()), wrap_under_key_file(bytes(32), bytes(32))))
    )


@pytest.mark.parametrize(
    "change", [_bring_record_and_key_file_of_another_server, _add_a_slot_of_another_root_key]
)
def test_start_with_a_seal_record_of_another_root_key_is_refused_and_changes_nothing(
    directories: tuple[Path, Path], tmp_path: Path, change: Change
) -> None:
    ours = tmp_path / "data"
    shutil.copytree(directories[0], ours, ignore=shutil.ignore_patterns("*.sock"))
    change(ours, directories[1])
    before = (ours / "strongroom.db").read_bytes()
    with pytest.raises(RuntimeError, match=r"is of another root key than the keys in .*Nothing was changed"):
        Server(data_dir=ours).start()
    assert (ours / "strongroom.db").read_bytes() == before


def test_start_with_the_right_record_brought_back_opens_the_keys(
    directories: tuple[Path, Path], tmp_path: Path
) -> None:
    ours = tmp_path / "data"
    shutil.copytree(directories[0], ours, ignore=shutil.ignore_patterns("*.sock"))
    _bring_record_and_key_file_of_another_server(ours, directories[1])
    for name in ("seal.record", "seal.key"):
        shutil.copy2(directories[0] / name, ours / name)
    with Server(data_dir=ours) as server:
        (key,) = server.client().list_keys()["Keys"]
        assert server.client().encrypt(KeyId=key["KeyId"], Plaintext=b"x")["CiphertextBlob"]
