"""The table [pkcs11] of a configuration file: the token that holds this server's keys, and how it is opened.

Raises ValueError with words that finish the sentence "Setting pkcs11 ...", as setting_values.py does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from strongroom.setting_values import PARSERS, quoted

WEAKNESSES: Final = ("wraps-unextractable",)
"""What the probe of a token finds and an operator may accept (boundary/pkcs11/probe.py)."""
LABEL_BYTES_MAX: Final = 32
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]{0,63}", re.ASCII)
_FORBIDDEN: Final = ("LD_", "PYTHON", "GLIBC_", "MALLOC_")
"""Variables that change what code the boundary runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenSettings:
    """The PKCS#11 token of the boundary. No member holds a secret."""

    module: Path
    """The maker's library. It runs in the boundary's process."""
    token_label: str
    pin_file: Path
    """Opened by the supervisor, read by the boundary."""
    directories: tuple[Path, ...] = ()
    """What the module reads and writes after the start: its token's directory."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables that the module reads, SOFTHSM2_CONF say."""
    init_arguments: str = ""
    """The reserved argument of C_Initialize, for modules that want one."""
    accepted_weaknesses: tuple[str, ...] = ()
    network: bool = False
    """Whether the module reaches its token by the network."""


def parse_pkcs11(value: object) -> TokenSettings:
    """The table, judged as a whole. Raises ValueError."""
    if not isinstance(value, Mapping):
        raise ValueError("must be a table in a configuration file")
    for name in value:
        if name not in _PARSERS:
            raise ValueError(f"has no setting {quoted(name)}; it knows {', '.join(_PARSERS)}")
    for name in ("module", "token_label", "pin_file"):
        if name not in value:
            raise ValueError(f"needs {name}")
    parsed: dict[str, Any] = {}
    for name, parse in _PARSERS.items():
        if name in value:
            try:
                parsed[name] = parse(value[name])
            except ValueError as reason:
                raise ValueError(f"has a setting {name}, which {reason}") from None
    return TokenSettings(**parsed)


def _parse_label(value: object) -> str:
    label: str = PARSERS["host"](value)
    if len(label.encode("utf-8")) > LABEL_BYTES_MAX or label != label.strip(" "):
        raise ValueError(f"must have 1 to {LABEL_BYTES_MAX} bytes and no blanks at its ends")
    return label


def _parse_directories(value: object) -> tuple[Path, ...]:
    if not isinstance(value, list):
        raise ValueError("must be a list of directories")
    return tuple(PARSERS["data_directory"](one) for one in value)


def _parse_environment(value: object) -> Mapping[str, str]:
    if not isinstance(value, Mapping):
        raise ValueError("must be a table of variables")
    for name, text in value.items():
        if _VARIABLE.fullmatch(name) is None or name.startswith(_FORBIDDEN):
            raise ValueError(f"must not have the variable {quoted(name)}")
        PARSERS["host"](text)
    return dict(value)


def _parse_weaknesses(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or any(one not in WEAKNESSES for one in value):
        raise ValueError(f"must be a list of {', '.join(WEAKNESSES)}")
    return tuple(value)


_PARSERS: Final[Mapping[str, Callable[[object], Any]]] = {
    "module": PARSERS["data_directory"],
    "token_label": _parse_label,
    "pin_file": PARSERS["data_directory"],
    "directories": _parse_directories,
    "environment": _parse_environment,
    "init_arguments": PARSERS["host"],
    "accepted_weaknesses": _parse_weaknesses,
    "network": PARSERS["xks_private_addresses"],
}
