"""Who may use a data directory, and what is fit to open its seal."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from strongroom.config import ConfigurationError, Settings, load_settings
from strongroom.processes.data_directory import (
    open_data_directory,
    open_pin_file,
    open_seal_key_file,
    read_domain_key_anchor,
)
from strongroom.processes.errors import StartRefused


def _dev(data: Path, key: Path | None = None) -> Settings:
    flags = {"data_directory": str(data)}
    if key is not None:
        flags["seal_key_file"] = str(key)
    return load_settings("dev", flags=flags, environment={}, file=None)


def test_open_new_directory_is_private(tmp_path: Path) -> None:
    directory = open_data_directory(tmp_path / "a" / "data")
    assert stat.S_IMODE(directory.path.stat().st_mode) == 0o700
    assert stat.S_IMODE((directory.path / "audit").stat().st_mode) == 0o700
    assert stat.S_IMODE((directory.path / "lock").stat().st_mode) == 0o600
    directory.close()


def test_open_locked_directory_is_refused_and_free_after_close(tmp_path: Path) -> None:
    """INVARIANT P1."""
    first = open_data_directory(tmp_path / "data")
    with pytest.raises(StartRefused, match=rf"Another server \(process {os.getpid()}\)"):
        open_data_directory(tmp_path / "data", wait_seconds=0.05)
    first.close()
    open_data_directory(tmp_path / "data", wait_seconds=0).close()


def test_open_directory_that_others_may_write_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data").chmod(0o770)
    with pytest.raises(StartRefused, match="Others may write"):
        open_data_directory(tmp_path / "data")


def test_open_file_as_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    with pytest.raises(StartRefused, match="Not a directory"):
        open_data_directory(tmp_path / "data")


def test_open_lock_that_is_a_symbolic_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir(mode=0o700)
    (tmp_path / "elsewhere").write_text("precious")
    (tmp_path / "data" / "lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StartRefused, match="Cannot use the data directory"):
        open_data_directory(tmp_path / "data")
    assert (tmp_path / "elsewhere").read_text() == "precious"


def test_seal_record_saved_is_loaded_and_private(tmp_path: Path) -> None:
    directory = open_data_directory(tmp_path / "data")
    assert directory.load_seal_record() == b""
    directory.save_seal_record(b"one")
    directory.save_seal_record(b"two")
    assert directory.load_seal_record() == b"two"
    assert stat.S_IMODE((directory.path / "seal.record").stat().st_mode) == 0o600
    assert not (directory.path / "seal.record.new").exists()
    directory.close()


@pytest.mark.parametrize("content", [b"", b"x" * (32 * 1024 + 1)])
def test_seal_record_of_impossible_length_is_refused(tmp_path: Path, content: bytes) -> None:
    directory = open_data_directory(tmp_path / "data")
    (directory.path / "seal.record").write_bytes(content)
    with pytest.raises(StartRefused, match="damaged"):
        directory.load_seal_record()
    directory.close()


def test_seal_record_that_is_a_symbolic_link_is_refused(tmp_path: Path) -> None:
    directory = open_data_directory(tmp_path / "data")
    (tmp_path / "other").write_bytes(b"record")
    (directory.path / "seal.record").symlink_to(tmp_path / "other")
    with pytest.raises(StartRefused, match=r"Cannot read .*seal\.record"):
        directory.load_seal_record()
    directory.close()


def test_seal_key_file_missing_is_made_empty_and_private(tmp_path: Path) -> None:
    fd = open_seal_key_file(_dev(tmp_path, tmp_path / "keys" / "seal.key"), has_seal_record=False)
    assert fd is not None
    os.close(fd)
    status = (tmp_path / "keys" / "seal.key").stat()
    assert (stat.S_IMODE(status.st_mode), status.st_size) == (0o600, 0)
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700


def test_seal_key_file_missing_with_a_sealed_directory_is_not_made(tmp_path: Path) -> None:
    """Whether the seal can be opened without it the boundary decides."""
    assert open_seal_key_file(_dev(tmp_path), has_seal_record=True) is None
    assert not (tmp_path / "seal.key").exists()


def test_seal_key_file_empty_with_a_sealed_directory_is_refused(tmp_path: Path) -> None:
    os.close(os.open(tmp_path / "seal.key", os.O_CREAT | os.O_WRONLY, 0o600))
    with pytest.raises(StartRefused, match="is empty"):
        open_seal_key_file(_dev(tmp_path), has_seal_record=True)


def _write_key(path: Path, mode: int = 0o600) -> None:
    path.write_bytes(b"k" * 32)
    path.chmod(mode)


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_seal_key_file_of_ours_alone_is_opened(tmp_path: Path, mode: int) -> None:
    _write_key(tmp_path / "seal.key", mode)
    fd = open_seal_key_file(_dev(tmp_path), has_seal_record=True)
    assert fd is not None
    assert not os.get_inheritable(fd)
    os.close(fd)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o660])
def test_seal_key_file_that_others_may_touch_is_refused(tmp_path: Path, mode: int) -> None:
    _write_key(tmp_path / "seal.key", mode)
    with pytest.raises(StartRefused, match="Others may read or change"):
        open_seal_key_file(_dev(tmp_path), has_seal_record=True)


def _mount_secret(directory: Path, mode: int = 0o600) -> None:
    """As Kubernetes does it, so that all files of a secret change at once."""
    (directory / "..2026_11_27").mkdir()
    _write_key(directory / "..2026_11_27" / "seal.key", mode)
    (directory / "..data").symlink_to("..2026_11_27")
    (directory / "seal.key").symlink_to("..data/seal.key")


def test_seal_key_file_in_a_mounted_secret_is_opened(tmp_path: Path) -> None:
    _mount_secret(tmp_path)
    tmp_path.chmod(0o1777)
    fd = open_seal_key_file(_dev(tmp_path), has_seal_record=True)
    assert fd is not None
    assert os.read(fd, 64) == b"k" * 32
    os.close(fd)


def test_seal_key_file_in_a_mounted_secret_that_others_may_read_is_refused(tmp_path: Path) -> None:
    _mount_secret(tmp_path, 0o644)
    with pytest.raises(StartRefused, match="Others may read or change"):
        open_seal_key_file(_dev(tmp_path), has_seal_record=True)


@pytest.mark.parametrize("mode", [0o770, 0o707])
def test_seal_key_file_by_a_link_that_another_user_could_have_made_is_refused(
    tmp_path: Path, mode: int
) -> None:
    _mount_secret(tmp_path)
    tmp_path.chmod(mode)
    with pytest.raises(StartRefused, match="could have made: name the file itself"):
        open_seal_key_file(_dev(tmp_path), has_seal_record=True)
    tmp_path.chmod(0o700)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a link to somebody else")
def test_seal_key_file_by_a_link_of_another_user_is_refused(tmp_path: Path) -> None:
    _mount_secret(tmp_path)
    os.chown(tmp_path / "seal.key", 65534, 65534, follow_symlinks=False)
    with pytest.raises(StartRefused, match="could have made: name the file itself"):
        open_seal_key_file(_dev(tmp_path), has_seal_record=True)


def test_seal_key_file_by_a_link_to_nothing_is_not_made(tmp_path: Path) -> None:
    (tmp_path / "seal.key").symlink_to(tmp_path / "none")
    with pytest.raises(StartRefused, match="Cannot create the seal key file"):
        open_seal_key_file(_dev(tmp_path), has_seal_record=False)
    assert not (tmp_path / "none").exists()


def test_seal_key_file_by_a_link_into_the_data_directory_is_refused_in_serve(tmp_path: Path) -> None:
    """INVARIANT C2: the real path counts."""
    (tmp_path / "data").mkdir()
    _write_key(tmp_path / "data" / "seal.key")
    (tmp_path / "seal.key").symlink_to(tmp_path / "data" / "seal.key")
    names = {"DATA_DIRECTORY": tmp_path / "data", "SEAL_KEY_FILE": tmp_path / "seal.key"}
    environment = {f"STRONGROOM_{name}": str(path) for name, path in names.items()}
    with pytest.raises((StartRefused, ConfigurationError), match="inside the data directory"):
        open_seal_key_file(load_settings("serve", flags={}, environment=environment, file=None), False)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to somebody else")
def test_pin_file_of_another_user_is_refused(tmp_path: Path) -> None:
    pin_file = tmp_path / "pin"
    pin_file.write_bytes(b"1234")
    pin_file.chmod(0o600)
    (tmp_path / "module.so").touch()
    configuration = tmp_path / "strongroom.toml"
    configuration.write_text(
        f'[pkcs11]\nmodule = "{tmp_path}/module.so"\ntoken_label = "t"\npin_file = "{pin_file}"\n'
    )
    settings = load_settings("dev", flags={}, environment={}, file=configuration)
    fd = open_pin_file(settings)
    assert fd is not None
    os.close(fd)
    os.chown(pin_file, 65534, 65534)
    with pytest.raises(StartRefused, match="belongs to another user"):
        open_pin_file(settings)


def test_seal_key_file_that_is_a_fifo_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "seal.key", 0o600)
    with pytest.raises(StartRefused, match="not a regular file"):
        open_seal_key_file(_dev(tmp_path), has_seal_record=True)


def test_seal_key_file_with_a_second_name_is_refused(tmp_path: Path) -> None:
    _write_key(tmp_path / "seal.key")
    (tmp_path / "copy").hardlink_to(tmp_path / "seal.key")
    with pytest.raises(StartRefused, match="second name"):
        open_seal_key_file(_dev(tmp_path), has_seal_record=True)


def test_seal_key_file_reached_through_a_link_into_the_data_directory_is_refused_in_serve(
    tmp_path: Path,
) -> None:
    """INVARIANT C2: the real path counts."""
    (tmp_path / "keys").symlink_to(tmp_path / "data")
    settings = load_settings(
        "serve",
        flags={},
        environment={
            "STRONGROOM_DATA_DIRECTORY": str(tmp_path / "data"),
            "STRONGROOM_SEAL_KEY_FILE": str(tmp_path / "other" / "seal.key"),
        },
        file=None,
    )
    (tmp_path / "data").mkdir()
    (tmp_path / "other").symlink_to(tmp_path / "data")
    with pytest.raises(StartRefused, match="inside the data directory"):
        open_seal_key_file(settings, has_seal_record=False)


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_directory_or_pipe_where_a_file_should_be_is_refused_with_a_sentence(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    directory = open_data_directory(tmp_path / "data")
    make(directory.path / "seal.record")
    make(directory.path / "domain-keys.anchor")
    with pytest.raises(StartRefused, match=r"seal\.record is not a file"):
        directory.load_seal_record()
    with pytest.raises(StartRefused, match=r"domain-keys\.anchor is not a file"):
        read_domain_key_anchor(directory.path)
    with (
        pytest.raises(StartRefused, match=r"domain-keys\.anchor is not a file"),
        directory.open_domain_key_anchor(),
    ):
        pass
    directory.close()
