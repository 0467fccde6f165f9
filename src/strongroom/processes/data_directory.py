"""The directory that holds a server's data: who may use it, and the two files that open the seal."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from strongroom.config import ConfigurationError, Settings, require_apart
from strongroom.processes.errors import StartRefused

LOCK_WAIT_SECONDS = 2.0
SEAL_RECORD_BYTES_MAX = 32 * 1024
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC

SEAL_RECORD_FILE = "seal.record"
ANCHOR_FILE = "domain-keys.anchor"
ANCHOR_BYTES_MAX = 48 * 1024
AUDIT_DIRECTORY = "audit"


class DataDirectory:
    """An open, locked data directory. One server at a time: INVARIANT P1."""

    def __init__(self, path: Path, lock_fd: int) -> None:
        self.path = path
        self._lock_fd = lock_fd

    @property
    def lock_fd(self) -> int:
        """The open file that holds the lock, for a program that takes it over."""
        return self._lock_fd

    def close(self) -> None:
        """Let another server have the directory."""
        os.close(self._lock_fd)

    def load_seal_record(self) -> bytes:
        """What the boundary sealed its root key into; empty when the directory is new.

        Raises: StartRefused.
        """
        path = self.path / SEAL_RECORD_FILE
        fd = _open_own_file(path)
        if fd is None:
            return b""
        with open(fd, "rb") as stream:
            record = stream.read(SEAL_RECORD_BYTES_MAX + 1)
        if not 0 < len(record) <= SEAL_RECORD_BYTES_MAX:
            raise StartRefused(f"The seal record {path} is damaged: put it back from a backup.")
        return record

    @contextlib.contextmanager
    def open_domain_key_anchor(self) -> Iterator[dict[str, int]]:
        """The file of what the boundary has said of the domain keys, by its name, if there is one.

        Raises: StartRefused.
        """
        fd = _open_own_file(self.path / ANCHOR_FILE)
        try:
            yield {} if fd is None else {"domain_key_anchor": fd}
        finally:
            if fd is not None:
                os.close(fd)

    def save_seal_record(self, record: bytes) -> None:
        """Replace the seal record; it is on disk when this returns. Raises: OSError."""
        _replace(self.path / SEAL_RECORD_FILE, record)

    def replace_file(self, name: str, content: bytes) -> None:
        """Put a small file in place whole, or leave the older one; it is on disk then. Raises: OSError."""
        _replace(self.path / name, content)


def _replace(target: Path, content: bytes) -> None:
    draft = target.with_name(f"{target.name}.new")
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with open(fd, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(draft, target)
    _sync_directory(target.parent)


def read_domain_key_anchor(directory: Path) -> bytes:
    """The file of a data directory, which the boundary judges; empty where there is none.

    Raises: StartRefused.
    """
    fd = _open_own_file(directory / ANCHOR_FILE)
    if fd is None:
        return b""
    with open(fd, "rb") as stream:
        return stream.read(ANCHOR_BYTES_MAX + 1)


def _open_own_file(path: Path) -> int | None:
    """A file that the server itself has made in its data directory; None where there is none.

    Raises: StartRefused.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):  # whoever opens the directory says that it is none
        return None
    except OSError as error:
        raise StartRefused(f"Cannot read {path}: {error.strerror}.") from None
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise StartRefused(f"{path} is not a file: bring back the one that was there.")
    return fd


def open_data_directory(path: Path, wait_seconds: float = LOCK_WAIT_SECONDS) -> DataDirectory:
    """Create the directory if needed and take its lock, waiting a moment for a server that is ending.

    Raises: StartRefused when it is not ours alone, or another server has it.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            path.mkdir(mode=0o700)
            _sync_directory(path.parent)
        except FileExistsError:
            pass
        _require_ours(path)
        lock_fd = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StartRefused(f"Cannot use the data directory {path}: {error.strerror}.") from None
    try:
        _take_lock(lock_fd, path, wait_seconds)
        (path / AUDIT_DIRECTORY).mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        os.close(lock_fd)
        raise StartRefused(f"Cannot use the data directory {path}: {error.strerror}.") from None
    except StartRefused:
        os.close(lock_fd)
        raise
    return DataDirectory(path, lock_fd)


def _require_ours(path: Path) -> None:
    status = path.stat()
    if not stat.S_ISDIR(status.st_mode):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    if status.st_uid != os.geteuid():
        raise StartRefused(f"The data directory {path} belongs to another user: this one must own it.")
    if status.st_mode & 0o022:
        raise StartRefused(
            f"Others may write in the data directory {path}: take that right away (chmod 700)."
        )


def _take_lock(lock_fd: int, path: Path, wait_seconds: float) -> None:
    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() >= deadline:
                holder = os.pread(lock_fd, 20, 0).decode("ascii", "replace").strip()
                raise StartRefused(
                    f"Another server (process {holder or 'unknown'}) is using the data directory {path}: "
                    "stop it, or name another directory."
                ) from None
            time.sleep(0.02)
    os.ftruncate(lock_fd, 0)
    os.pwrite(lock_fd, f"{os.getpid()}\n".encode(), 0)


def open_seal_key_file(settings: Settings, has_seal_record: bool) -> int | None:
    """Open the file whose content opens the seal, or make an empty one for the boundary to fill.

    None: it is not there, and there is a seal already; whether it has other slots the boundary knows.
    Secrets: it is opened, never read here. Raises: StartRefused.
    """
    path, data_directory = settings.seal_key_file, settings.data_directory
    if path is None or data_directory is None:
        raise StartRefused("The data directory must be known before its seal is opened.")
    if settings.mode == "serve":
        try:
            require_apart(path, data_directory)
        except ConfigurationError as error:
            raise StartRefused(str(error)) from None
    try:
        fd = _open_seal_key(path)
    except FileNotFoundError:
        if has_seal_record:
            return None
        return _create_seal_key_file(path)
    except OSError as error:
        raise StartRefused(f"Cannot open the seal key file {path}: {error.strerror}.") from None
    try:
        _require_private_file(fd, path)
        if has_seal_record and os.fstat(fd).st_size == 0:
            raise StartRefused(
                f"The seal key file {path} is empty: put back the one that sealed {data_directory}."
            )
    except StartRefused:
        os.close(fd)
        raise
    return fd


def open_pin_file(settings: Settings) -> int | None:
    """Open the file with the PIN of the PKCS#11 token, if there is to be one.

    Secrets: it is opened, never read here. Raises: StartRefused.
    """
    if settings.pkcs11 is None:
        return None
    path = settings.pkcs11.pin_file
    try:
        fd = _open_existing(path, os.O_RDONLY)
    except OSError as error:
        raise StartRefused(f"Cannot open the PIN file {path}: {error.strerror}.") from None
    if os.fstat(fd).st_uid not in (0, os.geteuid()):
        os.close(fd)
        raise StartRefused(f"The PIN file {path} belongs to another user: this one must own it.")
    return fd


def _open_seal_key(path: Path) -> int:
    try:
        return _open_existing(path, os.O_RDWR)
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EROFS):
            raise
        return _open_existing(path, os.O_RDONLY)  # mode 0400, or a read-only mount: enough once it is filled


def _open_existing(path: Path, access: int) -> int:
    """Raises: OSError; StartRefused for a symbolic link that somebody else could have made."""
    flags = access | os.O_CLOEXEC | os.O_NONBLOCK
    try:
        return os.open(path, flags | os.O_NOFOLLOW)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
    # Mounted secrets of Kubernetes are links of root's, in a directory where nobody else can replace them.
    directory, ours = os.stat(path.parent), (0, os.geteuid())
    is_open_to_others = directory.st_mode & 0o022 and not directory.st_mode & stat.S_ISVTX
    if os.lstat(path).st_uid not in ours or directory.st_uid not in ours or is_open_to_others:
        raise StartRefused(
            f"{path} is a symbolic link that another user could have made: name the file itself."
        )
    return os.open(path, flags)


def _create_seal_key_file(path: Path) -> int:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        _sync_directory(path.parent)
    except OSError as error:
        raise StartRefused(f"Cannot create the seal key file {path}: {error.strerror}.") from None
    return fd


def _require_private_file(fd: int, path: Path) -> None:
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        raise StartRefused(f"The seal key file {path} is not a regular file.")
    if status.st_uid != os.geteuid():
        raise StartRefused(f"The seal key file {path} belongs to another user: this one must own it.")
    if status.st_mode & 0o077:
        raise StartRefused(
            f"Others may read or change the seal key file {path}: take that right away (chmod 600)."
        )
    if status.st_nlink != 1:
        raise StartRefused(f"The seal key file {path} has a second name (hard link): remove it.")


def _sync_directory(path: Path) -> None:
    fd = os.open(path, _DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
