"""Why the root key cannot be had."""

from __future__ import annotations


class SealRefused(Exception):
    """The root key cannot be had; the sentence tells the operator what to do and holds no secret."""


class PinNotTaken(SealRefused):
    """A token refused the PIN. It counts wrong ones and locks itself: nothing may try again by itself."""
