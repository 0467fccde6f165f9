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
HMAC_KEY_BYTES_MAX = 64
"""A longer key of HMAC-SHA-256 is hashed first."""


@dataclass(frozen=True)
class Trace:
    """One form of a secret. It is found where `shared` consecutive bytes of it stand, whichever they are."""

    data: bytes
    shared: int = SHARED_BYTES_MIN


def traces_of(secret: bytes) -> dict[str, Trace]:
    """What a leak of the secret would look like: raw, from its end to its beginning (as OpenSSL keeps
    numbers), in hex, in base64 at any alignment, and as the forms that HMAC makes of a key.

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
    if len(secret) <= HMAC_KEY_BYTES_MAX:
        traces |= {name: Trace(data) for name, data in hmac_traces_of(secret).items()}
    return traces


def hmac_traces_of(key: bytes) -> dict[str, bytes]:
    """A key as HMAC uses it: masked, and as the hash's state after the masked block, for each SHA-2.

    The states are as good as the key for whoever wants to use it, and all that a program that keeps a
    keyed HMAC ready needs to keep.
    """
    traces = {}
    for name, mask in (("inner", 0x36), ("outer", 0x5C)):
        traces[f"HMAC {name} block"] = bytes(byte ^ mask for byte in key)
        for sha in SHA2.values():
            block = bytes(byte ^ mask for byte in key.ljust(sha.block_bytes, b"\x00"))
            state = compress(sha, sha.initial, block)
            # OpenSSL keeps the eight words in the machine's own order.
            traces[f"{sha.name} HMAC {name} state"] = struct.pack("=8" + sha.code, *state)
    return traces


def _roots_of_primes(power: int, bits: int, first: int, count: int) -> tuple[int, ...]:
    """The first bits of the fractional parts of the primes' square or cube roots (FIPS 180-4)."""
    primes = [n for n in range(2, 410) if all(n % divisor for divisor in range(2, n))][first : first + count]
    roots = []
    for prime in primes:
        wanted, low, high = prime << (bits * power), 0, prime << bits
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if middle**power <= wanted else (low, middle)
        roots.append(low % (1 << bits))
    return tuple(roots)


@dataclass(frozen=True)
class Sha2:
    """One of the family: FIPS 180-4, sections 4.1 to 6.4."""

    name: str
    code: str
    """Of a word, as `struct` has it."""
    initial: tuple[int, ...]
    constants: tuple[int, ...]
    turns: tuple[tuple[int, ...], ...]
    """Rotations of the two large and the two small sigmas; the last number of a small one is a shift."""

    @property
    def bits(self) -> int:
        return 8 * struct.calcsize("=" + self.code)

    @property
    def block_bytes(self) -> int:
        return 2 * self.bits


_TURNS_32 = ((2, 13, 22), (6, 11, 25), (7, 18, 3), (17, 19, 10))
_TURNS_64 = ((28, 34, 39), (14, 18, 41), (1, 8, 7), (19, 61, 6))
_ROUNDS_32, _ROUNDS_64 = _roots_of_primes(3, 32, 0, 64), _roots_of_primes(3, 64, 0, 80)
_LATER_ROOTS = _roots_of_primes(2, 64, 8, 8)
SHA2 = {
    "sha224": Sha2("SHA-224", "I", tuple(root % (1 << 32) for root in _LATER_ROOTS), _ROUNDS_32, _TURNS_32),
    "sha256": Sha2("SHA-256", "I", _roots_of_primes(2, 32, 0, 8), _ROUNDS_32, _TURNS_32),
    "sha384": Sha2("SHA-384", "Q", _LATER_ROOTS, _ROUNDS_64, _TURNS_64),
    "sha512": Sha2("SHA-512", "Q", _roots_of_primes(2, 64, 0, 8), _ROUNDS_64, _TURNS_64),
}


def compress(sha: Sha2, state: tuple[int, ...], block: bytes) -> tuple[int, ...]:
    """The hash's state after one more block, which hashlib does not show."""
    bits, mask = sha.bits, (1 << sha.bits) - 1

    def rotated(word: int, amounts: tuple[int, ...]) -> int:
        result = 0
        for amount in amounts:
            result ^= (word >> amount | word << bits - amount) & mask
        return result

    large_0, large_1, small_0, small_1 = sha.turns
    words = list(struct.unpack(">16" + sha.code, block))
    for at in range(16, len(sha.constants)):
        early, late = words[at - 15], words[at - 2]
        sigma0 = rotated(early, small_0[:2]) ^ early >> small_0[2]
        sigma1 = rotated(late, small_1[:2]) ^ late >> small_1[2]
        words.append((words[at - 16] + sigma0 + words[at - 7] + sigma1) & mask)
    a, b, c, d, e, f, g, h = state
    for word, constant in zip(words, sha.constants, strict=True):
        first = h + rotated(e, large_1) + (e & f ^ ~e & g) + constant + word
        second = rotated(a, large_0) + (a & b ^ a & c ^ b & c)
        a, b, c, d, e, f, g, h = (first + second) & mask, a, b, c, d + first & mask, e, f, g
    return tuple((old + new) & mask for old, new in zip(state, (a, b, c, d, e, f, g, h), strict=True))


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
