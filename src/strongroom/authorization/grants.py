"""Does a grant permit this? Found without looking at every grant of the grantee.

Grants only allow. A grant permits what its operations list, to the very user or role that its grantee's ARN
meant when it was made, under its constraints. Source: KMS API reference, GrantConstraints and CreateGrant;
KMS Developer Guide, "Grants in AWS KMS".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from strongroom.authorization.decision import Decision
from strongroom.authorization.letters import lower_ascii
from strongroom.aws.generated.enums import GrantOperation
from strongroom.resources.grant import Grant, GrantConstraints, GrantTerms
from strongroom.resources.grant_operations import SYMMETRIC_ENCRYPTION

Pair = tuple[str, str]


class GrantUse(NamedTuple):
    """What a grant is asked to permit."""

    operation: GrantOperation
    encryption_context: Mapping[str, str] | None
    """Of a cryptographic operation with a symmetric key, empty where the request has none; None: the
    operation takes no encryption context."""
    source_arn: str | None
    """aws:SourceArn of the request."""
    child: GrantTerms | None = None
    """What CreateGrant would grant."""


def folded(context: Mapping[str, str]) -> list[Pair]:
    """The pairs as grant constraints compare them: the case of keys does not count, that of values does."""
    return [(lower_ascii(key), value) for key, value in context.items()]


def unambiguous(pairs: list[Pair]) -> frozenset[Pair]:
    """The pairs without those of a name that has several values: names that differ only in case.

    Whichever counted, a grant for one could be used for the other. Policies deny such a request.
    """
    whole = frozenset(pairs)
    if len(whole) < 2 or len(dict(whole)) == len(whole):
        return whole
    times = Counter(name for name, _ in whole)
    return frozenset(pair for pair in whole if times[pair[0]] == 1)


def is_no_wider(child: GrantTerms, parent: Grant) -> bool:
    """Whether a grant on these terms permits only what its parent does.

    Source: KMS Developer Guide, "Granting CreateGrant permission": the same operations or fewer, constraints
    as strict or stricter.
    """
    if not child.operations.issubset(parent.operations):
        return False
    own, of_parent = child.constraints, parent.constraints
    if of_parent.source_arn is not None and own.source_arn != of_parent.source_arn:
        return False
    equals, subset = own.encryption_context_equals, own.encryption_context_subset
    if of_parent.encryption_context_equals is not None:
        return equals is not None and sorted(folded(equals)) == sorted(
            folded(of_parent.encryption_context_equals)
        )
    if of_parent.encryption_context_subset:
        pairs = equals if equals is not None else subset
        return pairs is not None and unambiguous(folded(pairs)).issuperset(
            folded(of_parent.encryption_context_subset)
        )
    return True


@dataclass(slots=True)
class _Alike:
    """Grants of one operation to one grantee on behalf of one source, by their encryption context."""

    unconstrained: Grant | None = None
    equals: dict[tuple[Pair, ...], Grant] = field(default_factory=dict)
    subsets: dict[frozenset[Pair], Grant] = field(default_factory=dict)
    by_pair: dict[Pair, list[tuple[frozenset[Pair], Grant]]] = field(default_factory=dict)
    """Each subset under the one of its pairs that the fewest others have."""

    def add(self, grant: Grant, operation: GrantOperation) -> None:
        """Take a grant in; of grants that permit the same, the first stays."""
        constraints = grant.constraints
        if operation in _WITHOUT_CONTEXT:
            self.unconstrained = self.unconstrained or grant
        elif constraints.encryption_context_equals is not None:
            self.equals.setdefault(tuple(sorted(folded(constraints.encryption_context_equals))), grant)
        elif constraints.encryption_context_subset:
            self.subsets.setdefault(frozenset(folded(constraints.encryption_context_subset)), grant)
        else:
            self.unconstrained = self.unconstrained or grant

    def finish(self) -> None:
        """Put each subset where it is found."""
        shared: dict[Pair, int] = {}
        for pairs in self.subsets:
            for pair in pairs:
                shared[pair] = shared.get(pair, 0) + 1
        for pairs, grant in self.subsets.items():
            rarest = min(pairs, key=lambda pair: (shared[pair], pair))
            self.by_pair.setdefault(rarest, []).append((pairs, grant))

    def find(self, context: Mapping[str, str] | None) -> Grant | None:
        """A grant whose constraint the encryption context meets."""
        if self.unconstrained is not None:
            return self.unconstrained
        if context is None or not (self.equals or self.by_pair):
            return None
        pairs = folded(context)
        if self.equals and (equal := self.equals.get(tuple(sorted(pairs)))) is not None:
            return equal
        whole = unambiguous(pairs)
        for pair in whole:
            for wanted, grant in self.by_pair.get(pair, ()):
                if wanted <= whole:
                    return grant
        return None


_WITHOUT_CONTEXT = frozenset({GrantOperation.DESCRIBE_KEY, GrantOperation.RETIRE_GRANT})
"""A grant with an encryption context constraint may list them, and they are permitted without one."""


class GrantIndex:
    """A grantee's grants on one key, arranged for finding. Not changed once made."""

    __slots__ = ("_alike", "_creating", "decisions", "has_sources", "size")

    def __init__(self, grants: Iterable[Grant]) -> None:
        self._alike: dict[tuple[GrantOperation, str | None, str | None], _Alike] = {}
        self._creating: list[Grant] = []
        self.decisions: dict[Hashable, Decision | None] = {}
        """What was decided by these grants, kept for whoever asks (grant_permission.py)."""
        self.has_sources = False
        """Whether any permits only on behalf of some AWS resource: then aws:SourceArn is looked at."""
        self.size = 0
        for grant in grants:
            self.size += 1
            source = grant.constraints.source_arn
            self.has_sources = self.has_sources or source is not None
            for operation in grant.operations:
                if operation is GrantOperation.CREATE_GRANT:
                    self._creating.append(grant)
                    continue
                # "However, it does not apply to RetireGrant operation."
                of_source = None if operation is GrantOperation.RETIRE_GRANT else source
                place = (operation, of_source, grant.grantee_id)
                self._alike.setdefault(place, _Alike()).add(grant, operation)
        for alike in self._alike.values():
            alike.finish()

    def find(self, use: GrantUse, grantee_id: str | None) -> Grant | None:
        """A grant that permits this use to the user or role of this unique id (None: a root, a service).

        INVARIANT Z7: a grant whose grantee was bound to another id, or to none, is not found.
        """
        if use.operation is GrantOperation.CREATE_GRANT:
            return self._find_parent(use, grantee_id)
        context = use.encryption_context if use.operation in SYMMETRIC_ENCRYPTION else None
        for source in (None, use.source_arn) if use.source_arn is not None else (None,):
            alike = self._alike.get((use.operation, source, grantee_id))
            if alike is not None and (found := alike.find(context)) is not None:
                return found
        return None

    def _find_parent(self, use: GrantUse, grantee_id: str | None) -> Grant | None:
        if use.child is None:
            return None
        for grant in self._creating:
            if (
                grant.grantee_id == grantee_id
                and grant.constraints.source_arn in (None, use.source_arn)
                and is_no_wider(use.child, grant)
            ):
                return grant
        return None


def constraints_met(constraints: GrantConstraints, use: GrantUse) -> bool:
    """Whether one grant's constraints let this use pass; the plain reading of what GrantIndex finds."""
    if use.operation is not GrantOperation.RETIRE_GRANT and constraints.source_arn not in (
        None,
        use.source_arn,
    ):
        return False
    if use.operation not in SYMMETRIC_ENCRYPTION:
        return use.operation in _WITHOUT_CONTEXT or (
            constraints.encryption_context_equals is None and not constraints.encryption_context_subset
        )
    given = None if use.encryption_context is None else folded(use.encryption_context)
    if constraints.encryption_context_equals is not None:
        return given is not None and sorted(given) == sorted(folded(constraints.encryption_context_equals))
    if constraints.encryption_context_subset:
        return given is not None and unambiguous(given).issuperset(
            folded(constraints.encryption_context_subset)
        )
    return True
