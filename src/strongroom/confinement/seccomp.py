"""A seccomp filter: the system calls that pass, some of them with certain arguments only.

All others fail with EPERM. Source: seccomp(2); include/uapi/linux/{filter,bpf_common,seccomp}.h.
"""

from __future__ import annotations

import ctypes
import errno
import struct
from collections.abc import Sequence
from typing import Final, TypeAlias

from strongroom.confinement.libc import NotAllowed, architecture, system_call
from strongroom.confinement.system_calls import ALWAYS, Architecture, CallTable, Check, Rule

_SET_MODE_FILTER: Final = 1
_TSYNC: Final = 1
_ALLOW: Final = 0x7FFF0000
_FAIL: Final = 0x00050000
_KILL_PROCESS: Final = 0x80000000
_LOAD_WORD: Final = 0x20
_AND: Final = 0x54
_JUMP_IF_EQUAL: Final = 0x15
_RETURN: Final = 0x06
_OFFSET_OF_NUMBER: Final = 0
_OFFSET_OF_ARCHITECTURE: Final = 4
_OFFSET_OF_ARGUMENTS: Final = 16

_Step: TypeAlias = tuple[int, int, int, int]


def restrict(groups: Sequence[CallTable], rules: Sequence[Rule]) -> None:
    """Put every thread of this process under a filter, for ever.

    Raises NotAllowed where the host has none; OSError where it has, and the filter is not taken.
    """
    machine = architecture()
    _install(machine, render_filter(machine, groups, rules))


def _install(machine: Architecture, rendered: bytes) -> None:
    code = ctypes.create_string_buffer(rendered)
    # struct sock_fprog: a 16-bit count, padding, a pointer
    program = struct.pack("@HP", (len(code) - 1) // 8, ctypes.addressof(code))
    try:
        refused = system_call(
            machine.seccomp, ctypes.c_uint(_SET_MODE_FILTER), ctypes.c_uint(_TSYNC), program
        )
    except OSError as error:
        if error.errno in (errno.ENOSYS, errno.EPERM):  # the kernel itself never answers EPERM
            raise NotAllowed("the host allows no seccomp filter") from None
        raise
    if refused:
        raise OSError(errno.EAGAIN, "a thread could not be put under the filter")


def forbid(calls: CallTable) -> None:
    """Have these calls fail as if the kernel had none of them; all others stay as they are.

    Raises as `restrict` does.
    """
    machine = architecture()
    steps = _beginning(machine)
    for number in machine.numbers(calls):
        steps += [(_JUMP_IF_EQUAL, 0, 1, number), (_RETURN, 0, 0, _FAIL | errno.ENOSYS)]
    steps.append((_RETURN, 0, 0, _ALLOW))
    _install(machine, _assemble(steps))


def render_filter(machine: Architecture, groups: Sequence[CallTable], rules: Sequence[Rule]) -> bytes:
    """A classic BPF program."""
    steps = _beginning(machine)
    for number in machine.numbers(ALWAYS, *groups):
        steps += [(_JUMP_IF_EQUAL, 0, 1, number), (_RETURN, 0, 0, _ALLOW)]
    for rule in rules:
        body = [step for checks in rule.alternatives for step in _alternative(checks)]
        body.append((_RETURN, 0, 0, _FAIL | rule.error))
        for number in machine.numbers(rule.calls):
            steps += [(_JUMP_IF_EQUAL, 0, len(body), number), *body]
    steps.append((_RETURN, 0, 0, _FAIL | errno.EPERM))
    return _assemble(steps)


def _beginning(machine: Architecture) -> list[_Step]:
    return [
        (_LOAD_WORD, 0, 0, _OFFSET_OF_ARCHITECTURE),
        (_JUMP_IF_EQUAL, 1, 0, machine.audit_number),
        (_RETURN, 0, 0, _KILL_PROCESS),
        (_LOAD_WORD, 0, 0, _OFFSET_OF_NUMBER),
    ]


def _assemble(steps: Sequence[_Step]) -> bytes:
    return b"".join(struct.pack("=HBBI", *step) for step in steps)


def _alternative(checks: Sequence[Check]) -> list[_Step]:
    """Allow where all checks hold; else go on behind it."""
    length = sum(2 + len(check.values) for check in checks) + 1
    steps: list[_Step] = []
    for check in checks:
        # The lower half of an argument, on machines that store it first: both that there are tables of.
        steps += [
            (_LOAD_WORD, 0, 0, _OFFSET_OF_ARGUMENTS + 8 * check.argument),
            (_AND, 0, 0, check.mask),
        ]
        for position, value in enumerate(check.values, 1):
            is_last = position == len(check.values)
            otherwise = length - len(steps) - 1 if is_last else 0
            steps.append((_JUMP_IF_EQUAL, len(check.values) - position, otherwise, value))
    steps.append((_RETURN, 0, 0, _ALLOW))
    return steps
