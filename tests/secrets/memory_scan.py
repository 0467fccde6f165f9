"""Looking for secrets from outside: in a process's memory, environment and arguments, and in files.

The scanner must not be one of the scanned processes, or it would find its own needles.
"""

from __future__ import annotations

import base64
import struct
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

CHUNK_BYTES = 4 << 20
SHARED_BYTES_MIN = 16
"""What counts as a leak: this many consecutive bytes of a secret."""
BASE64_SHARED_MIN = SHARED_BYTES_MIN * 8 // 6 - 1
"""So many characters depend on 16 bytes alone, at whatever alignment."""
WORD_BYTES = 8
BLOCK_BYTES = 64
"""Of HMAC-SHA-256. A longer key is hashed first."""


@dataclass(frozen=True)
class Trace:
    """One form of a secret. It is found where `shared` consecutive bytes of it stand, whichever they are."""

    data: bytes
    shared: int = SHARED_BYTES_MIN


def traces_of(secret: bytes) -> dict[str, Trace]:
    """What a leak of the secret would look like: raw, from its end to its beginning (as OpenSSL keeps
    numbers), in hex, in base64 at any alignment, and as the forms that HMAC-SHA-256 makes of a key.

    Raises ValueError for a secret too short to tell apart.
    """
    if len(secret) < SHARED_BYTES_MIN:
        raise ValueError("too short to be looked for")
    traces = {"raw": Trace(secret), "reversed": Trace(secret[::-1])}
    for name, text in (("hex", secret.hex()), ("HEX", secret.hex().upper())):
        traces[name] = Trace(text.encode(), 2 * SHARED_BYTES_MIN)
    for shift in range(3):
        # The characters that depend on this secret alone, whatever stands before and after it.
        encoded = base64.b64encode(bytes(shift) + secret)
        start, end = (0, 2, 3)[shift], (shift + len(secret)) * 8 // 6
        traces[f"base64 at {shift}"] = Trace(encoded[start:end], BASE64_SHARED_MIN)
        if b"+" in encoded or b"/" in encoded:
            other = encoded[start:end].translate(bytes.maketrans(b"+/", b"-_"))
            traces[f"base64url at {shift}"] = Trace(other, BASE64_SHARED_MIN)
    if len(secret) <= BLOCK_BYTES:
        traces |= {name: Trace(data) for name, data in hmac_traces_of(secret).items()}
    return traces


def hmac_traces_of(key: bytes) -> dict[str, bytes]:
    """A key as HMAC-SHA-256 uses it: masked, and as the hash's state after the masked block.

    The states are as good as the key for whoever wants to use it, and all that a program that keeps a
    keyed HMAC ready needs to keep.
    """
    traces = {}
    for name, mask in (("inner", 0x36), ("outer", 0x5C)):
        block = bytes(byte ^ mask for byte in key.ljust(BLOCK_BYTES, b"\x00"))
        traces[f"HMAC {name} block"] = block[: len(key)]
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
    """Named secrets, and where their traces were found.

    Searching takes one pass however many secrets there are: what is searched is read as words of 8 bytes
    at multiples of 8, and looked up among the words of all traces at all offsets. A run of 15 bytes holds
    such a word wherever it begins, so nothing is missed; what a word points at is then compared.
    """

    def __init__(self, secrets: Mapping[str, bytes]) -> None:
        self._traces = [
            (f"{name}: {kind}", trace)
            for name, secret in secrets.items()
            for kind, trace in traces_of(secret).items()
        ]
        self._longest = max(len(trace.data) for _, trace in self._traces)
        self._places: dict[int, list[tuple[int, int]]] = {}
        """By word: which traces it is in, and where."""
        for number, (_, trace) in enumerate(self._traces):
            # Of a run so long that it holds several words, one at each alignment is enough.
            period = (trace.shared - WORD_BYTES + 1) // WORD_BYTES * WORD_BYTES
            for at in range(len(trace.data) - WORD_BYTES + 1):
                if at % period < WORD_BYTES:
                    word = int.from_bytes(trace.data[at : at + WORD_BYTES], sys.byteorder)
                    self._places.setdefault(word, []).append((number, at))
        self._words = frozenset(self._places)

    def find_in(self, chunks: Iterable[bytes]) -> Counter[str]:
        """How many chunks hold each trace. Chunks are taken for consecutive; an empty one is a gap."""
        found: Counter[str] = Counter()
        tail = b""
        for chunk in chunks:
            window = tail + chunk
            found.update(self._names_in(window))
            tail = window[-(self._longest - 1) :] if chunk else b""
        return found

    def _names_in(self, window: bytes) -> set[str]:
        words = memoryview(window)[: len(window) // WORD_BYTES * WORD_BYTES].cast("Q")
        if self._words.isdisjoint(words):
            return set()
        names = set()
        for word in self._words.intersection(words):
            for number, at in self._places[word]:
                name, trace = self._traces[number]
                if name not in names and _shares_run(window, trace, at):
                    names.add(name)
        return names

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


def _shares_run(window: bytes, trace: Trace, at: int) -> bool:
    """Whether the word of the trace that begins at `at` stands in the window, within a run that is shared."""
    data = trace.data
    place = -1
    while (place := window.find(data[at : at + WORD_BYTES], place + 1)) >= 0:
        before = after = 0
        while before < min(at, place) and data[at - before - 1] == window[place - before - 1]:
            before += 1
        longest = min(len(data) - at, len(window) - place)
        while after < longest and data[at + after] == window[place + after]:
            after += 1
        if before + after >= trace.shared:
            return True
    return False


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
