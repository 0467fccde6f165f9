"""Which operations a grant may permit on a KMS key of each kind, as one table.

Source: AWS KMS Developer Guide, "Grant operations"; CreateGrant in the KMS API reference.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from strongroom.aws.generated.enums import GrantOperation, KeySpec, KeyUsageType
from strongroom.resources.key_spec import KEY_SPECS, KeyType

_ON_EVERY_KEY = frozenset(
    {GrantOperation.CREATE_GRANT, GrantOperation.DESCRIBE_KEY, GrantOperation.RETIRE_GRANT}
)
_ENCRYPTION = frozenset(
    {
        GrantOperation.DECRYPT,
        GrantOperation.ENCRYPT,
        GrantOperation.RE_ENCRYPT_FROM,
        GrantOperation.RE_ENCRYPT_TO,
    }
)
SYMMETRIC_ENCRYPTION = _ENCRYPTION | {
    GrantOperation.GENERATE_DATA_KEY,
    GrantOperation.GENERATE_DATA_KEY_WITHOUT_PLAINTEXT,
    GrantOperation.GENERATE_DATA_KEY_PAIR,
    GrantOperation.GENERATE_DATA_KEY_PAIR_WITHOUT_PLAINTEXT,
}
"""The operations that take an encryption context."""

_BY_USAGE: Mapping[KeyUsageType, frozenset[GrantOperation]] = MappingProxyType(
    {
        KeyUsageType.ENCRYPT_DECRYPT: _ENCRYPTION,
        KeyUsageType.SIGN_VERIFY: frozenset({GrantOperation.SIGN, GrantOperation.VERIFY}),
        KeyUsageType.GENERATE_VERIFY_MAC: frozenset({GrantOperation.GENERATE_MAC, GrantOperation.VERIFY_MAC}),
        KeyUsageType.KEY_AGREEMENT: frozenset({GrantOperation.DERIVE_SHARED_SECRET}),
        KeyUsageType.ENCAPSULATE_DECAPSULATE: frozenset(
            {GrantOperation.ENCAPSULATE, GrantOperation.DECAPSULATE}
        ),
    }
)


def grantable_operations(key_spec: KeySpec, key_usage: KeyUsageType) -> frozenset[GrantOperation]:
    """What grants on such a key may permit."""
    match KEY_SPECS[key_spec].type:
        case KeyType.SYMMETRIC:
            return SYMMETRIC_ENCRYPTION | _ON_EVERY_KEY
        case KeyType.HMAC:
            return _BY_USAGE[key_usage] | _ON_EVERY_KEY
        case KeyType.ASYMMETRIC:
            return _BY_USAGE[key_usage] | _ON_EVERY_KEY | {GrantOperation.GET_PUBLIC_KEY}
