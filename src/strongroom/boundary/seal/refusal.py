"""Why the root key cannot be had."""

from __future__ import annotations


class SealRefused(Exception):
    """The root key cannot be had; the sentence tells the operator what to do and holds no secret."""
