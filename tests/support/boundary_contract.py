"""What the contract tests of the boundary share: how a test is run, and the encryption context used."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias

from strongroom.boundary.interface import Boundary

Test: TypeAlias = Callable[[Boundary], Coroutine[Any, Any, None]]
Run: TypeAlias = Callable[[Test], None]

AAD = b"\x81\xa1a\xa1b"
