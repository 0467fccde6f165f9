"""The audit directory as its one writer sees it: append blocks, sync, rotate, tell the head.

A trail whose blocks are each waited for can make room ahead: zeros after the end of the chain, which the
next blocks are written over. Their syncs then change neither the file's size nor where it lies on disk, and
cost half. Only the last segment of an open trail has such room.

Standard library only: the writer process imports this.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import stat
import time
from collections.abc import Callable, Mapping

from strongroom.audit.chain import (
    HEAD_FILE,
    LOCK_FILE,
    START,
    Head,
    Torn,
    render_block,
    render_head,
    segment_name,
)
from strongroom.audit.recovery import NO_FOLLOW, End, find_end

SEGMENT_BYTES_MAX = 32 << 20
"""From this size on a new segment is begun. A start reads the last one whole, and after a crash copies
it: that is half a second, in which no request is answered."""

ROOM_BYTES = 256 << 10
"""How much room is made ahead at a time."""

_COPY_BYTES = 1 << 20
_INSTANCES_MAX = 256


class TrailBusy(Exception):
    """Another process writes this trail."""


class SyncFailed(Exception):
    """The disk did not keep what it had accepted. The process must end: the kernel reports such a
    failure once and then calls the lost pages clean, so a second sync would succeed and lie."""


class Trail:
    """The open audit trail. One writer at a time, kept by a lock on the directory's lock file.

    INVARIANT A2: blocks are only ever added at the end, each bound to the one before it by its hash.
    INVARIANT A3: what `sync` returned for is on disk; a failed sync is never repeated.
    """

    def __init__(
        self,
        directory: str,
        *,
        segment_bytes_max: int = SEGMENT_BYTES_MAX,
        room_bytes: int = 0,
        fdatasync: Callable[[int], None] = os.fdatasync,
        epoch_seconds: Callable[[], float] = time.time,
        lock_wait_seconds: float = 2.0,
    ) -> None:
        """Open the trail and recover its end. Raises TrailDamaged, TrailBusy, SyncFailed, OSError.

        `room_bytes`: how much room to make ahead at a time; 0 for none.
        """
        self._segment_bytes_max = segment_bytes_max
        self._room_bytes = room_bytes
        self._fdatasync = fdatasync
        self._epoch_seconds = epoch_seconds
        self._file = -1
        self._offset = self._written_offset = 0
        self._room_end = 0
        """Up to where there are zeros after the end of the chain; less than `_offset`: there are none."""
        self._opens_segment = True
        self._segment = 0
        self.link = START
        self.last_batches: dict[bytes, int] = {}
        """The highest batch of each worker instance (hexadecimal) that is in the chain."""
        self.torn: Torn | None = None
        """What this start cut off."""
        self.is_synced = True
        self.is_head_current = True
        make_directory(directory)
        self._directory = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._lock = -1
        try:
            self._lock = _take_lock(self._directory, lock_wait_seconds)
            self._recover()
        except BaseException:
            self._release()
            raise

    # appending ---------------------------------------------------------------------------------

    def append(self, records: bytes, count: int, batches: Mapping[bytes, int]) -> None:
        """Write one block; it is on disk after the next `sync`.

        Shape: `batches` maps each worker's instance id (hexadecimal) to its highest batch in here.
        Raises OSError: nothing was added, the trail ends where it did, and the next call may succeed.
        """
        self._drop_partial_write()
        if self._offset >= self._segment_bytes_max:
            self._end_segment()
            self._open_segment(self._segment + 1)
        # Each segment begins with the last batch of every worker, so that a respawned writer, which
        # reads the last segment only, recognises every batch that it has.
        told = {**self.last_batches, **batches} if self._opens_segment else batches
        block, link = render_block(self.link, records, count, told, epoch_seconds=self._epoch_seconds())
        self._write(block)
        self.link = link
        for instance, batch in batches.items():
            self.last_batches.pop(instance, None)  # so that the longest silent stands first
            self.last_batches[instance] = batch
        while len(self.last_batches) > _INSTANCES_MAX:
            del self.last_batches[next(iter(self.last_batches))]

    def _write(self, block: bytes) -> None:
        self.is_synced = self.is_head_current = False
        rest = memoryview(block)
        while rest:
            written = os.pwrite(self._file, rest, self._written_offset)
            self._written_offset += written
            rest = rest[written:]
        self._offset = self._written_offset
        self._opens_segment = False
        if self._room_bytes and self._offset > self._room_end:
            self._make_room()

    def _make_room(self) -> None:
        """Only an economy: where the disk has no room to be made, the next block is tried without."""
        with contextlib.suppress(OSError):
            made = os.pwrite(self._file, bytes(self._room_bytes), self._offset)
            self._room_end = self._offset + made

    def _drop_room(self) -> None:
        if self._room_end > self._offset:
            os.ftruncate(self._file, self._offset)
            self._room_end = 0

    def _drop_partial_write(self) -> None:
        if self._written_offset != self._offset:
            os.ftruncate(self._file, self._offset)
            self._written_offset, self._room_end = self._offset, 0

    def undo_partial_write(self) -> None:
        """After a failed `append`: take away what was written of the block, if the disk lets us."""
        with contextlib.suppress(OSError):
            self._drop_partial_write()

    def sync(self) -> None:
        """Return when all blocks are on disk. Raises SyncFailed: end the process then."""
        if not self.is_synced:
            try:
                self._fdatasync(self._file)
            except OSError as error:
                raise SyncFailed(f"The audit trail could not be synced to disk: {error.strerror}.") from error
            self.is_synced = True

    def save_head(self) -> None:
        """Note in the head file how far the trail is on disk.

        Where the disk has no room for it the older head stays; it vouches for less and is not wrong.
        """
        self.sync()
        head = Head(self._segment, self._offset, self.link)
        with contextlib.suppress(OSError):
            _replace(self._directory, HEAD_FILE, render_head(head, self._epoch_seconds()))
            self.is_head_current = True

    def close(self) -> None:
        """Sync, write the head, let the lock go."""
        self.undo_partial_write()
        with contextlib.suppress(OSError):
            self._drop_room()
        if not self.is_head_current:
            self.save_head()
        self._release()

    def _release(self) -> None:
        for descriptor in (self._file, self._lock, self._directory):
            if descriptor >= 0:
                os.close(descriptor)

    # opening -----------------------------------------------------------------------------------

    def _recover(self) -> None:
        end = find_end(self._directory)
        self._segment, self.link, self.last_batches = end.segment, end.link, end.batches
        if end.segment == 0:
            self._begin()
        else:
            self._take_up(end)

    def _begin(self) -> None:
        """The very first start. The head comes first: a trail without one is a damaged trail."""
        head = render_head(Head(1, 0, self.link), self._epoch_seconds())
        _replace(self._directory, HEAD_FILE, head)
        self._open_segment(1)

    def _open_segment(self, number: int) -> None:
        """Begin a segment, or take up one that a crash left empty. Raises OSError, SyncFailed."""
        flags = os.O_RDWR | os.O_CREAT | NO_FOLLOW
        file = os.open(segment_name(number), flags, 0o600, dir_fd=self._directory)
        try:
            os.fsync(self._directory)
        except OSError as error:
            os.close(file)
            raise SyncFailed(f"A new audit segment could not be synced to disk: {error.strerror}.") from error
        if self._file >= 0:
            os.close(self._file)
        self._file, self._segment = file, number
        self._offset = self._written_offset = self._room_end = 0
        self._opens_segment = True

    def _end_segment(self) -> None:
        """Bring a full segment to its length, on disk before the next one is. Raises OSError, SyncFailed."""
        self.sync()
        if self._room_bytes:
            self._drop_room()
            try:
                os.fsync(self._file)
            except OSError as error:
                raise SyncFailed(f"The audit trail could not be synced to disk: {error.strerror}.") from error

    def _take_up(self, end: End) -> None:
        name = segment_name(self._segment)
        self._file = os.open(name, os.O_RDWR | NO_FOLLOW, dir_fd=self._directory)
        self._offset = self._written_offset = end.offset
        self._opens_segment = end.offset == 0
        if end.torn_bytes or end.offset > end.vouched_offset:
            self._write_anew(name, end.torn_bytes)
        elif end.size > end.offset:
            os.ftruncate(self._file, end.offset)  # room that was made by a writer that crashed
            os.fsync(self._file)

    def _write_anew(self, name: str, torn_bytes: int) -> None:
        """After a crash: put the segment's whole blocks into a new file, and that in the old one's place.

        After a failed sync the kernel may show blocks that the disk does not have, and call them clean;
        neither a second sync nor writing the same bytes over them brings them there (ext4 leaves their
        extents unwritten). Only a new file does, and its rename makes the repair one step.
        """
        note = b""
        if torn_bytes:
            # An unfinished end is set aside and noted in the chain; it was never acknowledged.
            torn_file = f"{self._segment:08d}-{self._offset:012d}-{os.urandom(4).hex()}.torn"
            digest = self._copy(torn_file, self._offset, self._offset + torn_bytes, b"")
            self.torn = Torn(torn_file, torn_bytes, digest)
            told = self.last_batches if self._opens_segment else {}
            note, self.link = render_block(
                self.link, b"", 0, told, epoch_seconds=self._epoch_seconds(), torn=self.torn
            )
        self._copy(name + ".new", 0, self._offset, note)
        os.replace(name + ".new", name, src_dir_fd=self._directory, dst_dir_fd=self._directory)
        os.fsync(self._directory)
        os.close(self._file)
        self._file = os.open(name, os.O_RDWR | NO_FOLLOW, dir_fd=self._directory)
        self._offset = self._written_offset = self._offset + len(note)
        self._opens_segment = self._offset == 0
        self.save_head()

    def _copy(self, name: str, position: int, end: int, more: bytes) -> str:
        """Copy a part of the open segment and `more` to a file of its own, on disk when this returns.

        Returns the SHA-256 of what the file holds.
        """
        digest = hashlib.sha256()
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | NO_FOLLOW
        with open(os.open(name, flags, 0o600, dir_fd=self._directory), "wb") as copy:
            while position < end:
                chunk = os.pread(self._file, min(_COPY_BYTES, end - position), position)
                digest.update(chunk)
                copy.write(chunk)
                position += len(chunk)
            digest.update(more)
            copy.write(more)
            copy.flush()
            try:
                os.fsync(copy.fileno())
            except OSError as error:
                raise SyncFailed(
                    f"The repaired audit trail could not be synced: {error.strerror}."
                ) from error
        return digest.hexdigest()


def make_directory(directory: str) -> None:
    """For its owner alone, whatever it was before. Raises OSError."""
    os.makedirs(directory, mode=0o700, exist_ok=True)
    if stat.S_IMODE(os.stat(directory).st_mode) != 0o700:
        os.chmod(directory, 0o700)


def _take_lock(directory: int, wait_seconds: float) -> int:
    lock = os.open(LOCK_FILE, os.O_RDWR | os.O_CREAT | NO_FOLLOW, 0o600, dir_fd=directory)
    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return lock
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise TrailBusy("Another process is writing this audit trail.") from None
            time.sleep(0.02)


def _replace(directory: int, name: str, content: bytes) -> None:
    """Put a small file in place whole, or leave the older one."""
    temporary = name + ".new"
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | NO_FOLLOW
    with open(os.open(temporary, flags, 0o600, dir_fd=directory), "wb", buffering=0) as file:
        if file.write(content) != len(content):
            raise OSError(28, "no space left for the head file")
        os.fsync(file.fileno())
    os.replace(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)
