"""What the authorizer asks of the store, in memory; the same objects until a test changes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from strongroom.authorization.ask import AmbiguousCondition
from strongroom.resources.grant import Grant
from strongroom.resources.iam import Identity
from strongroom.resources.identifiers import AccountId, KeyId, Region


class FactsInMemory:
    """Implements `PolicyFacts`, and counts what is asked."""

    def __init__(self) -> None:
        self.identities: dict[str, Identity] = {}
        self.policies: dict[str, str] = {}
        self.grants: dict[str, tuple[Grant, ...]] = {}
        self.asked: list[str] = []

    async def find_identity(self, account_id: AccountId, unique_id: str) -> Identity | None:
        self.asked.append(f"identity {unique_id}")
        found = self.identities.get(unique_id)
        return found if found is not None and found.account_id == account_id else None

    async def find_policy_text(self, arn: str) -> str | None:
        self.asked.append(f"policy {arn}")
        return self.policies.get(arn)

    async def list_grants_to(self, region: Region, key_id: KeyId, grantee_principal: str) -> Sequence[Grant]:
        self.asked.append(f"grants {grantee_principal}")
        return self.grants.get(grantee_principal, ())

    def grant(self, *grants: Grant) -> None:
        """Put grants under their grantees' names and ids."""
        for one in grants:
            for name in {one.grantee_principal, one.grantee_service_principal, one.grantee_id} - {None}:
                self.grants[name or ""] = (*self.grants.get(name or "", ()), one)


class GivenValues:
    """Condition keys that a test gives; none may be asked for that was not prepared."""

    def __init__(
        self, values: Mapping[str, tuple[str, ...] | str] | None = None, *, ambiguous: str | None = None
    ) -> None:
        self._values = {
            key.lower(): (given,) if isinstance(given, str) else given
            for key, given in (values or {}).items()
        }
        self._ambiguous = ambiguous
        self.prepared: set[str] = set()
        self.asked: set[str] = set()

    def values_of(self, key: str) -> tuple[str, ...] | None:
        if key == self._ambiguous:
            raise AmbiguousCondition
        assert key in self.prepared, f"{key} was not prepared"
        self.asked.add(key)
        return self._values.get(key)

    def needs_store(self, keys: frozenset[str]) -> bool:
        return True

    async def prepare(self, keys: frozenset[str]) -> None:
        self.prepared |= keys
