"""A PKCS#11 module: a shared library, loaded into this process and initialised once.

A module is code of its maker that runs with all that this process holds: the operator chooses it, and nobody
but its owner may be able to write it. The process must not fork while a module is initialised: the child
would share its logins.
"""

from __future__ import annotations

import ctypes
import os
import stat
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from strongroom.boundary.pkcs11.errors import (
    Ckr,
    ModuleUnusable,
    ModuleWouldNotStart,
    ReturnedError,
    error_of,
    name_of,
)
from strongroom.boundary.pkcs11.numbers import OS_LOCKING_OK
from strongroom.boundary.pkcs11.structures import (
    FUNCTIONS,
    FunctionList,
    Info,
    InitializeArguments,
    MechanismInfo,
    TokenInfo,
    Ulong,
)

_SLOTS_MAX: Final = 1024
_MECHANISMS_MAX: Final = 4096
_OTHERS_MAY_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True, slots=True)
class TokenDescription:
    """What a token says of itself."""

    slot: int
    label: str
    manufacturer: str
    model: str
    serial_number: str
    flags: int


class Module:
    """An initialised PKCS#11 module.

    Concurrency: any thread, as the module was told (CKF_OS_LOCKING_OK); the calls of one that cannot lock
    take turns.
    """

    def __init__(self, path: str, init_arguments: str) -> None:
        """Use `load_module`. Raises ModuleUnusable."""
        self.path = path
        self.init_arguments = init_arguments
        self.tokens_open = 0
        self._lock = threading.Lock()
        self._others = 0
        self._is_over = False
        self._functions = _load_functions(path)
        code = self._initialize(OS_LOCKING_OK)
        if code == Ckr.CANT_LOCK:
            # Without the flag no two threads may be in the module at once (PKCS#11, C_Initialize).
            code = self._initialize(0)
            turn = threading.Lock()
            self._functions = {name: _in_turn(turn, one) for name, one in self._functions.items()}
        if code != Ckr.OK:
            raise ModuleWouldNotStart(f"{path} would not start: C_Initialize returned {name_of(code)}.")

    def _initialize(self, flags: int) -> int:
        reserved = self.init_arguments.encode("utf-8") or None
        arguments = InitializeArguments(None, None, None, None, flags, reserved, None)
        code: int = self._functions["Initialize"](ctypes.byref(arguments))
        return code

    def call(self, function: str, *arguments: object) -> None:
        """Call C_<function>. Raises ReturnedError unless it returns CKR_OK."""
        code = self._functions[function](*arguments)
        if code:
            raise error_of(f"C_{function}", code)

    def function(self, name: str) -> Callable[..., int]:
        """C_<name> itself, for what is called all the time: it returns its code, and nobody looks at it."""
        found: Callable[..., int] = self._functions[name]
        return found

    def describe(self) -> str:
        """Who made the library, and its version."""
        info = Info()
        self.call("GetInfo", ctypes.byref(info))
        version = f"{info.library_version.major}.{info.library_version.minor}"
        return f"{_text(info.description)} {version} ({_text(info.manufacturer)})"

    def tokens(self) -> list[TokenDescription]:
        """All tokens that are present."""
        # Asked without room first: some modules look for new tokens only then.
        count = Ulong()
        self.call("GetSlotList", 1, None, ctypes.byref(count))
        slots = (Ulong * min(count.value + 8, _SLOTS_MAX))()
        count = Ulong(len(slots))
        self.call("GetSlotList", 1, slots, ctypes.byref(count))
        return [self._describe_token(slot) for slot in slots[: count.value]]

    def _describe_token(self, slot: int) -> TokenDescription:
        info = TokenInfo()
        self.call("GetTokenInfo", slot, ctypes.byref(info))
        return TokenDescription(
            slot,
            _text(info.label),
            _text(info.manufacturer),
            _text(info.model),
            _text(info.serial_number),
            info.flags,
        )

    def mechanisms(self, slot: int) -> Mapping[int, int]:
        """The flags of each mechanism that the slot's token lists."""
        count = Ulong()
        self.call("GetMechanismList", slot, None, ctypes.byref(count))
        kinds = (Ulong * min(count.value, _MECHANISMS_MAX))()
        count = Ulong(len(kinds))
        self.call("GetMechanismList", slot, kinds, ctypes.byref(count))
        flags: dict[int, int] = {}
        for kind in kinds[: count.value]:
            info = MechanismInfo()
            self.call("GetMechanismInfo", slot, kind, ctypes.byref(info))
            flags[kind] = info.flags
        return flags

    @property
    def others_inside(self) -> int:
        """How many further threads are in the module."""
        return self._others

    def enter(self) -> None:
        """Of a further thread, until `leave`: the module does not end meanwhile. Raises SessionLost."""
        with self._lock:
            if self._is_over:
                raise error_of("C_OpenSession", Ckr.CRYPTOKI_NOT_INITIALIZED)
            self._others += 1

    def leave(self) -> None:
        """The thread is done."""
        with self._lock:
            self._others -= 1

    def finalize_unless_used(self) -> None:
        """End the module if no token of it is open: it can be loaded again afterwards, and starts anew.

        A module that is ended under a thread that is in it takes the process with it.
        """
        with self._lock:
            if self.tokens_open or self._others or self._is_over:
                return
            self._is_over = True
            _loaded.pop(self.path, None)
            try:
                self.call("Finalize", None)
            except ReturnedError:
                return  # it is of no use any more either way


def _in_turn(turn: threading.Lock, function: Callable[..., int]) -> Callable[..., int]:
    def call(*arguments: object) -> int:
        with turn:
            return function(*arguments)

    return call


_loaded: dict[str, Module] = {}


def load_module(path: str, init_arguments: str = "") -> Module:
    """The module at an absolute path; one that is loaded already is given again.

    `init_arguments` go to C_Initialize as its reserved argument; most modules want none, NSS's softokn does.
    Raises ModuleUnusable, ModuleWouldNotStart.
    """
    module = _loaded.get(path)
    if module is None:
        module = _loaded[path] = Module(path, init_arguments)
    elif module.init_arguments != init_arguments:
        raise ModuleUnusable(f"{path} runs in this process already, with other initialisation arguments.")
    return module


def _load_functions(path: str) -> dict[str, Any]:
    _require_safe_file(path)
    try:
        library = ctypes.CDLL(path)
        get_function_list = library.C_GetFunctionList
    except (OSError, AttributeError):
        raise ModuleUnusable(
            f"{path} is not a PKCS#11 module: it cannot be loaded, or has no C_GetFunctionList."
        ) from None
    get_function_list.restype = Ulong
    functions = ctypes.POINTER(FunctionList)()
    code = get_function_list(ctypes.byref(functions))
    if code != Ckr.OK or not functions:
        raise ModuleUnusable(
            f"{path} gives no list of its functions: C_GetFunctionList returned {name_of(code)}."
        )
    found = {name: getattr(functions.contents, name) for name in FUNCTIONS}
    missing = [name for name, function in found.items() if not function]
    if missing:
        raise ModuleUnusable(f"{path} lacks C_{missing[0]}.")
    return found


def _require_safe_file(path: str) -> None:
    if not os.path.isabs(path):
        raise ModuleUnusable(f"The PKCS#11 module {path!r} must be named by its absolute path.")
    try:
        status = os.stat(path)
    except OSError as error:
        raise ModuleUnusable(f"The PKCS#11 module {path} cannot be used: {error.strerror}.") from None
    if not stat.S_ISREG(status.st_mode):
        raise ModuleUnusable(f"The PKCS#11 module {path} is not a file.")
    if status.st_mode & _OTHERS_MAY_WRITE:
        raise ModuleUnusable(
            f"The PKCS#11 module {path} can be written by others than its owner: chmod go-w it first."
        )
    _require_no_other_owner(path, status)
    # Whoever may write a directory on the way can put another library in the place of this one.
    for directory in Path(os.path.realpath(path)).parents:
        status = directory.stat()
        if status.st_mode & _OTHERS_MAY_WRITE and not status.st_mode & stat.S_ISVTX:
            raise ModuleUnusable(
                f"The PKCS#11 module {path} can be replaced by others: the directory {directory} can be "
                "written by others than its owner. chmod go-w it first."
            )
        _require_no_other_owner(str(directory), status)


def _require_no_other_owner(path: str, status: os.stat_result) -> None:
    if status.st_uid not in (0, os.geteuid()):
        raise ModuleUnusable(
            f"{path} belongs to user {status.st_uid}, who could put code of his own into this process: a "
            "PKCS#11 module and its directories must belong to root or to the user that the server runs as."
        )


def _text(padded: bytes) -> str:
    return padded.decode("utf-8", "replace").rstrip(" ")
