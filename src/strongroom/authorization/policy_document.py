"""A policy document as it was read: frozen statements, nothing decided yet."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class PolicyKind(StrEnum):
    """What a policy is attached to, and so which elements it has."""

    KEY = "key policy"
    IDENTITY = "identity-based policy"
    """Of a user, group or role; permissions boundaries and session policies too."""
    TRUST = "trust policy"
    """Of a role: who may assume it."""


class Effect(StrEnum):
    """What a statement does when it applies."""

    ALLOW = "Allow"
    DENY = "Deny"


class PrincipalKind(StrEnum):
    """The keys of a Principal element."""

    AWS = "AWS"
    SERVICE = "Service"
    FEDERATED = "Federated"
    CANONICAL_USER = "CanonicalUser"


@dataclass(frozen=True, slots=True)
class PrincipalElement:
    """Principal, or NotPrincipal when `negated`.

    Shape: (kind, name) pairs in the order of the text. "Principal": "*" is the pair (AWS, "*").
    """

    names: tuple[tuple[PrincipalKind, str], ...]
    negated: bool


@dataclass(frozen=True, slots=True)
class PatternElement:
    """Action or Resource, or NotAction or NotResource when `negated`: patterns as written."""

    patterns: tuple[str, ...]
    negated: bool


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition key under one operator.

    Shape: `operator` as written, with its ForAllValues:/ForAnyValue: and IfExists; numbers and
    booleans among the values have become their JSON text.
    """

    operator: str
    key: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement. All conditions must hold for it to apply."""

    sid: str | None
    effect: Effect
    principal: PrincipalElement | None
    """None in an identity-based policy: it speaks of whom it is attached to."""
    action: PatternElement
    resource: PatternElement | None
    """None in a trust policy: it speaks of its role."""
    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class PolicyDocument:
    """A policy."""

    version: str
    id: str | None
    statements: tuple[Statement, ...]
