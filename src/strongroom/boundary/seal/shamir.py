"""Shamir's secret sharing over GF(256): any `needed` of the shares give the secret, fewer give nothing.

Each byte is shared by itself, by a random polynomial whose value at 0 it is. The field is that of AES
(x^8 + x^4 + x^3 + x + 1). No tables and no branches on secrets; Python promises no constant time beyond that.

Source: Adi Shamir, How to share a secret, Communications of the ACM 22 (1979).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final

_REDUCTION: Final = 0x1B
SHARES_MAX: Final = 20


def split_secret(secret: bytes, needed: int, shares: int) -> dict[int, bytes]:
    """The shares by their number, from 1. Raises ValueError unless 2 <= needed <= shares <= 20."""
    if not 2 <= needed <= shares <= SHARES_MAX:
        raise ValueError("at least 2 shares must be needed, and at most 20 made")
    coefficients = [secret, *(os.urandom(len(secret)) for _ in range(needed - 1))]
    return {number: _evaluate(coefficients, number) for number in range(1, shares + 1)}


def join_shares(shares: Mapping[int, bytes]) -> bytes:
    """The secret of exactly as many shares as were needed; any others give another value, or ValueError."""
    numbers = sorted(shares)
    length = len(shares[numbers[0]]) if numbers else 0
    if not numbers or not 1 <= numbers[0] <= numbers[-1] <= 255:
        raise ValueError("not numbers of shares")
    if any(len(share) != length for share in shares.values()):
        raise ValueError("shares of different lengths")
    secret = bytes(length)
    for number in numbers:
        weight = 1
        for other in numbers:
            if other != number:  # Lagrange at 0: the product of other / (other - number)
                weight = _multiply(weight, _multiply(other, _invert(other ^ number)))
        secret = bytes(
            byte ^ _multiply(weight, value) for byte, value in zip(secret, shares[number], strict=True)
        )
    return secret


def _evaluate(coefficients: list[bytes], at: int) -> bytes:
    values = bytes(len(coefficients[0]))
    for coefficient in reversed(coefficients):  # Horner
        values = bytes(_multiply(value, at) ^ byte for value, byte in zip(values, coefficient, strict=True))
    return values


def _multiply(left: int, right: int) -> int:
    product = 0
    for _ in range(8):
        product ^= -(right & 1) & left
        left = (left << 1 & 0xFF) ^ (-(left >> 7) & _REDUCTION)
        right >>= 1
    return product


def _invert(value: int) -> int:
    """value ** 254, which is 1 / value for all but 0."""
    inverse = 1
    for _ in range(7):
        value = _multiply(value, value)
        inverse = _multiply(inverse, value)
    return inverse
