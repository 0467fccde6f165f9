"""Which refusal a caller hears where a request is wrong in more than one way.

The road (pipeline.py) takes the steps in this order; tests/operations/test_refusal_order.py provokes both
refusals of every pair at once. Source tags as in aws/refusals.py; docs/refusals.md is made from this.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Step(StrEnum):
    """What a request is judged for, in order."""

    VALIDATION = "validation"
    """The request alone: its shape, and members that do not go together."""
    REQUEST_QUOTA = "request quota"
    LOOKUP = "lookup"
    """Whether the key or alias exists."""
    ACCESS = "access"
    USAGE = "usage"
    """The key's KeyUsage."""
    STATE = "state"
    KIND = "kind of key"
    """What is particular to the operation: key type, origin, algorithm, ciphertext."""
    DRY_RUN = "dry run"


@dataclass(frozen=True, slots=True)
class Order:
    """`earlier` is heard where `later` would be said, too."""

    earlier: Step
    later: Step
    source: str


ORDER = (
    Order(Step.VALIDATION, Step.REQUEST_QUOTA, "[nv]: whether AWS counts malformed requests was not seen"),
    Order(Step.REQUEST_QUOTA, Step.LOOKUP, "[nv]: throttled requests should cost nothing"),
    Order(Step.VALIDATION, Step.LOOKUP, "[LS]: enum and length errors for keys of any kind"),
    Order(Step.LOOKUP, Step.ACCESS, "[LS]: an absent key of the own account is NotFoundException"),
    Order(Step.ACCESS, Step.USAGE, "[nv]: whoever is not allowed learns nothing of the key"),
    Order(Step.USAGE, Step.STATE, "[FL]: a disabled key of another usage is InvalidKeyUsageException"),
    Order(Step.STATE, Step.KIND, "[LS]: RotateKeyOnDemand of a disabled RSA key is DisabledException"),
    Order(Step.KIND, Step.DRY_RUN, "[M]: DryRunOperationException says that all else would have succeeded"),
)
"""INVARIANT T2. The usage comes before the state, but a key's type, which only some operations mind, after
it: RotateKeyOnDemand minds the type, not the usage."""
