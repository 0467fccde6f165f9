"""Looking for secrets from outside: in a process's memory, environment and arguments, and in files.

The scanner must not be one of the scanned processes, or it would find its own needles.
"""

from __future__ import annotations

import base64
import struct
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

CHUNK_BYTES = 4 << 20
SHARED_BYTES_MIN = 16
"""What counts as a leak: this many consecutive bytes of a secret."""


def traces_of(secret: bytes) -> dict[str, bytes]:
    """What a leak of the secret would look like: either half of it, raw, in hex, in base64 at any
    alignment, and as the two forms that HMAC-SHA-256 makes of a key.

    Shape: a name for each trace and its bytes. Raises ValueError for a secret too short to tell apart.
    """
    if len(secret) < SHARED_BYTES_MIN:
        raise ValueError("too short to be looked for")
    first, last = secret[:SHARED_BYTES_MIN], secret[-SHARED_BYTES_MIN:]
    traces = {"first 16 bytes": first, "last 16 bytes": last}
    traces["hex"] = first.hex().encode()
    traces["hex of the end"] = last.hex().encode()
    traces["HEX"] = first.hex().upper().encode()
    for shift in range(3):
        # The characters that depend on this secret alone, whatever stands before and after it.
        encoded = base64.b64encode(bytes(shift) + secret)
        start, end = (0, 2, 3)[shift], (shift + len(secret)) // 3 * 4
        traces[f"base64 at {shift}"] = encoded[start:end]
        if b"+" in encoded or b"/" in encoded:
            traces[f"base64url at {shift}"] = encoded[start:end].translate(bytes.maketrans(b"+/", b"-_"))
    return traces | hmac_traces_of(secret)


def hmac_traces_of(key: bytes) -> dict[str, bytes]:
    """A key as HMAC-SHA-256 uses it: masked, and as the hash's state after the masked block.

    The states are as good as the key for whoever wants to use it, and all that a program that keeps a
    keyed HMAC ready needs to keep.
    """
    traces = {}
    for name, mask in (("inner", 0x36), ("outer", 0x5C)):
        block = bytes(byte ^ mask for byte in key.ljust(64, b"\x00"))
        traces[f"HMAC {name} block"] = block[:SHARED_BYTES_MIN]
        # OpenSSL keeps the eight words in the machine's own order.
        traces[f"HMAC {name} state"] = struct.pack("=8I", *compress(INITIAL_STATE, block))
    return traces


def _roots_of_primes(count: int, power: int) -> list[int]:
    """The first 32 bits of the fractional parts of the primes' square or cube roots (FIPS 180-4)."""
    primes = [n for n in range(2, 312) if all(n % divisor for divisor in range(2, n))][:count]
    roots = []
    for prime in primes:
        wanted, low, high = prime << (32 * power), 0, prime << 32
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if middle**power <= wanted else (low, middle)
        roots.append(low & 0xFFFFFFFF)
    return roots


INITIAL_STATE = tuple(_roots_of_primes(8, 2))
_ROUNDS = tuple(_roots_of_primes(64, 3))


def _rotate(word: int, *amounts: int) -> int:
    result = 0
    for amount in amounts:
        result ^= (word >> amount | word << 32 - amount) & 0xFFFFFFFF
    return result


def compress(state: tuple[int, ...], block: bytes) -> tuple[int, ...]:
    """SHA-256's state after one more block of 64 bytes (FIPS 180-4, 6.2.2), which hashlib does not show."""
    words = list(struct.unpack(">16I", block))
    for at in range(16, 64):
        early, late = words[at - 15], words[at - 2]
        sigma0, sigma1 = _rotate(early, 7, 18) ^ early >> 3, _rotate(late, 17, 19) ^ late >> 10
        words.append((words[at - 16] + sigma0 + words[at - 7] + sigma1) & 0xFFFFFFFF)
    a, b, c, d, e, f, g, h = state
    for word, constant in zip(words, _ROUNDS, strict=True):
        first = h + _rotate(e, 6, 11, 25) + (e & f ^ ~e & g) + constant + word
        second = _rotate(a, 2, 13, 22) + (a & b ^ a & c ^ b & c)
        a, b, c, d, e, f, g, h = (first + second) & 0xFFFFFFFF, a, b, c, d + first & 0xFFFFFFFF, e, f, g
    return tuple((old + new) & 0xFFFFFFFF for old, new in zip(state, (a, b, c, d, e, f, g, h), strict=True))


class Needles:
    """Named secrets, and where their traces were found."""

    def __init__(self, secrets: Mapping[str, bytes]) -> None:
        self._needles = [
            (f"{name}: {trace}", needle)
            for name, secret in secrets.items()
            for trace, needle in traces_of(secret).items()
        ]
        self._longest = max(len(needle) for _, needle in self._needles)

    def find_in(self, chunks: Iterable[bytes]) -> Counter[str]:
        """How many chunks hold each trace. Chunks are taken for consecutive; an empty one is a gap."""
        found: Counter[str] = Counter()
        tail = b""
        for chunk in chunks:
            window = tail + chunk
            found.update(name for name, needle in self._needles if needle in window)
            tail = window[-(self._longest - 1) :] if chunk else b""
        return found

    def find_in_process(self, pid: int) -> Counter[str]:
        """Memory, environment and arguments. Raises PermissionError where the process is closed to us."""
        found = self.find_in(read_memory(pid))
        for name in ("environ", "cmdline", "comm"):
            found += self.find_in([Path(f"/proc/{pid}/{name}").read_bytes()])
        return found

    def find_in_files(self, directory: Path, leave_out: Iterable[Path] = ()) -> dict[Path, Counter[str]]:
        """Every file under a directory that holds a trace."""
        found = {}
        for path in sorted(directory.rglob("*")):
            if path.is_file() and path not in leave_out:
                hits = self.find_in(read_file(path))
                if hits:
                    found[path] = hits
        return found


def read_file(path: Path) -> Iterator[bytes]:
    """A file in chunks."""
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk


def read_memory(pid: int) -> Iterator[bytes]:
    """All readable memory of a process, area by area, an empty chunk between areas."""
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            area, permissions, *_ = line.split()
            if not permissions.startswith("r"):
                continue
            position, end = (int(part, 16) for part in area.split("-"))
            while position < end:
                try:
                    memory.seek(position)
                    chunk = memory.read(min(CHUNK_BYTES, end - position))
                except (OSError, ValueError, OverflowError):  # [vvar] and the like cannot be read
                    break
                if not chunk:
                    break
                yield chunk
                position += len(chunk)
            yield b""
