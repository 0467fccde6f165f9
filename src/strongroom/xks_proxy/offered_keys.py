"""The keys that are offered, by external key id: found, and what of them may be done now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from strongroom.aws.generated.enums import KeyManagerType, KeySpec, KeyUsageType, OriginType
from strongroom.clock import Clock
from strongroom.operations.token_origins import require_at_home
from strongroom.resources.imported_material import state_as_of
from strongroom.resources.key import Key, KeyMaterial
from strongroom.resources.key_state import USABLE_FOR_CRYPTOGRAPHY, refusal_for
from strongroom.resources.proxied_key import ProxiedKey
from strongroom.store.interface import Store
from strongroom.xks_proxy.messages import ErrorName, ProxyRefused, ciphertext_refused

ENCRYPT: Final = "ENCRYPT"
DECRYPT: Final = "DECRYPT"
_OWN_ORIGINS = (OriginType.AWS_KMS, OriginType.EXTERNAL)
"""Origins whose material the boundary itself has."""


class OfferedKey:
    """One offered key as it stands now."""

    __slots__ = ("_clock", "_offer", "key")

    def __init__(self, key: Key, offer: ProxiedKey, clock: Clock) -> None:
        self.key = key
        self._offer = offer
        self._clock = clock

    @property
    def key_spec(self) -> str:
        """As the proxy API has it: KMS makes keys of AES_256 only."""
        return "AES_256" if self._is_fit() else self.key.key_spec.value

    @property
    def usages(self) -> tuple[str, ...]:
        """What it may be used for."""
        return self._offer.usages if self._is_fit() else ()

    @property
    def is_enabled(self) -> bool:
        """Whether its state allows its use."""
        state = state_as_of(self.key, self._clock.now())
        return refusal_for(USABLE_FOR_CRYPTOGRAPHY, state) is None

    def require_use(self, *usages: str) -> None:
        """Raises ProxyRefused: InvalidKeyUsageException, InvalidStateException."""
        if not set(usages) <= set(self.usages):
            raise ProxyRefused(
                ErrorName.INVALID_KEY_USAGE, "The external key does not support the requested operation."
            )
        if not self.is_enabled:
            raise _not_enabled()

    def current_material(self) -> tuple[str, bytes]:
        """Id and token of the material that encrypts. Raises ProxyRefused."""
        try:
            token = self.key.current_token
        except KeyError:
            raise _not_enabled() from None
        assert self.key.current_material_id is not None  # noqa: S101
        require_at_home(self.key, token)
        return self.key.current_material_id, token

    def material_named(self, prefix: str) -> tuple[str, bytes]:
        """Id and token of the material whose id begins so. Raises ProxyRefused."""
        found: KeyMaterial | None = next(
            (one for one in self.key.materials.values() if one.material_id.startswith(prefix)), None
        )
        if found is None:
            raise ciphertext_refused()
        if found.exported_token is None:  # imported, and deleted
            raise _not_enabled()
        require_at_home(self.key, found.exported_token)
        return found.material_id, found.exported_token

    def _is_fit(self) -> bool:
        key = self.key
        return (
            key.key_spec is KeySpec.SYMMETRIC_DEFAULT
            and key.key_usage is KeyUsageType.ENCRYPT_DECRYPT
            and key.origin in _OWN_ORIGINS
        )


def _not_enabled() -> ProxyRefused:
    return ProxyRefused(ErrorName.INVALID_STATE, "The external key is not enabled.")


class OfferedKeys:
    """All that the operator offers."""

    def __init__(self, store: Store, clock: Clock, offers: Mapping[str, ProxiedKey]) -> None:
        self._store = store
        self._clock = clock
        self._offers = offers

    async def require_key(self, external_key_id: str) -> OfferedKey:
        """Raises ProxyRefused: KeyNotFoundException, also for what is no customer's own key."""
        offer = self._offers.get(external_key_id)
        key = None if offer is None else await self._store.find_key(offer.region, offer.key_id)
        if (
            offer is None
            or key is None
            or key.key_manager is not KeyManagerType.CUSTOMER
            or offer.arn not in (None, key.arn)
        ):
            raise ProxyRefused(ErrorName.KEY_NOT_FOUND, "There is no external key of this id.")
        return OfferedKey(key, offer, self._clock)
