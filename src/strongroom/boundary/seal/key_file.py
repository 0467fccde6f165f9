"""The key file: 32 random bytes outside the data directory that open the seal."""

from __future__ import annotations

import os
import stat
from typing import Final

from strongroom.boundary.seal.refusal import SealRefused

KEY_FILE_BYTES: Final = 32


def load_key_file(fd: int, may_fill: bool, owner_uid: int | None = None) -> bytes:
    """The key file's 32 bytes; an empty file is filled with new random bytes when `may_fill`.

    `owner_uid` is whose it must be: this process's user, if not given.
    `may_fill` is whether there is no seal record yet: a new key file could not open an existing one.
    Raises: SealRefused with a sentence when the file is not fit to hold a key.
    Secrets: the bytes are the seal key; they must not leave the boundary process.
    """
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        raise SealRefused("The key file is not a regular file: name a file that holds nothing else.")
    owner_uid = os.geteuid() if owner_uid is None else owner_uid
    if status.st_uid != owner_uid:
        raise SealRefused(
            f"The key file belongs to user {status.st_uid}, but the server runs as user {owner_uid}:"
            " change the file's owner."
        )
    if status.st_mode & 0o077:
        raise SealRefused(
            f"The key file can be read or changed by others (mode {stat.S_IMODE(status.st_mode):04o}):"
            " set its mode to 0600, and consider whether somebody has copied it."
        )
    if status.st_size == 0:
        if may_fill:
            return _fill(fd)
        raise SealRefused(
            "The key file is empty, but the data was sealed with a key file: put back the key file that was"
            " in use when the data was made. Nothing was changed."
        )
    if status.st_size != KEY_FILE_BYTES:
        raise SealRefused(
            f"The key file is {status.st_size} bytes long, but a key file has exactly {KEY_FILE_BYTES}:"
            " put back the right file, or name a new one if there is no data yet."
        )
    key = os.pread(fd, KEY_FILE_BYTES, 0)
    if len(key) != KEY_FILE_BYTES:
        raise SealRefused("The key file could not be read whole: try again, and check the disk.")
    return key


def _fill(fd: int) -> bytes:
    key = os.urandom(KEY_FILE_BYTES)
    try:
        written = os.pwrite(fd, key, 0)
        if written != KEY_FILE_BYTES:
            os.ftruncate(fd, 0)
            raise SealRefused("The new key file could not be written whole: check for space on its disk.")
        os.fsync(fd)
    except OSError as error:
        raise SealRefused(
            f"The new key file could not be written ({error.strerror}): check that its directory and disk"
            " take files."
        ) from None
    return key
