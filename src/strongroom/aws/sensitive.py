"""What is never shown: structures that carry a caller's plaintext, passwords or secret keys."""

from __future__ import annotations

import msgspec


class SensitiveStruct(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False):
    """An input or output with a member that the model calls sensitive.

    Secrets: its repr names the structure and nothing else, so no log or traceback shows a value.
    """

    # INVARIANT A3: no repr of a shape shows a value that the model calls sensitive.
    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"
