"""What stands behind custom key stores of one type: an HSM cluster, or an external key store proxy.

A backend is registered by type in `context.Rooms.key_stores`. Where there is none, a custom key store of the
type cannot be made (kms/custom_key_stores.py); nothing pretends to be connected.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from strongroom.aws.generated.enums import ConnectionErrorCodeType
from strongroom.aws.proxy_refusals import ProxyFailure
from strongroom.resources.custom_key_store import CustomKeyStore


class KeyStoreError(Exception):
    """What a backend raises; `code` is AWS's name of it. No message: it could hold a secret. As a tree:

    KeyStoreError
     ├─ ConnectionFailed                      connect: with a ConnectionErrorCode
     ├─ ClusterNotFound, ClusterNotActive, ClusterInvalidConfiguration, ClusterNotRelated, ClusterInUse
     ├─ IncorrectTrustAnchor
     ├─ ProxyUnreachable, ProxyCredentialRefused, ProxyInvalidConfiguration, ProxyInvalidResponse
     ├─ EndpointServiceNotFound, EndpointServiceInvalidConfiguration
     ├─ ExternalKeyNotFound, ExternalKeyInvalidConfiguration
     ├─ ClusterUnreachable, ClusterKeyNotFound, CiphertextNotOpened
     ├─ ClusterUnusable
     │   └─ LoginRefused                     only the operator can mend it: with a ConnectionErrorCode
     └─ ProxyFailed                           what went wrong with a proxy: the operation chooses AWS's name
    """

    code = "KMSInternalException"


class ConnectionFailed(KeyStoreError):
    """The store could not be connected; DescribeCustomKeyStores tells the reason."""

    def __init__(self, reason: ConnectionErrorCodeType) -> None:
        super().__init__(reason.value)
        self.reason = reason


class ClusterNotFound(KeyStoreError):
    code = "CloudHsmClusterNotFoundException"


class ClusterNotActive(KeyStoreError):
    code = "CloudHsmClusterNotActiveException"


class ClusterInvalidConfiguration(KeyStoreError):
    code = "CloudHsmClusterInvalidConfigurationException"


class ClusterNotRelated(KeyStoreError):
    code = "CloudHsmClusterNotRelatedException"


class ClusterInUse(KeyStoreError):
    """It shares a backup history with the cluster of another store."""

    code = "CloudHsmClusterInUseException"


class IncorrectTrustAnchor(KeyStoreError):
    code = "IncorrectTrustAnchorException"


class ClusterUnreachable(KeyStoreError):
    """The cluster did not answer: it may be asked again."""

    code = "DependencyTimeoutException"


class ClusterUnusable(KeyStoreError):
    """The login is gone and cannot be had again, or the token failed."""

    code = "CustomKeyStoreInvalidStateException"


class LoginRefused(ClusterUnusable):
    """The login was gone, and the cluster refused the password for another.

    Nobody may try again by himself, since clusters count refused passwords: the store is FAILED.
    """

    def __init__(self, reason: ConnectionErrorCodeType) -> None:
        super().__init__(reason.value)
        self.reason = reason


class ClusterKeyNotFound(KeyStoreError):
    """The key of a KMS key is not in the cluster any more."""

    code = "KMSInvalidStateException"


class CiphertextNotOpened(KeyStoreError):
    """The key in the cluster does not open it; all causes look the same."""

    code = "InvalidCiphertextException"


class ProxyUnreachable(KeyStoreError):
    code = "XksProxyUriUnreachableException"


class ProxyCredentialRefused(KeyStoreError):
    code = "XksProxyIncorrectAuthenticationCredentialException"


class ProxyInvalidConfiguration(KeyStoreError):
    code = "XksProxyInvalidConfigurationException"


class ProxyInvalidResponse(KeyStoreError):
    code = "XksProxyInvalidResponseException"


class EndpointServiceNotFound(KeyStoreError):
    code = "XksProxyVpcEndpointServiceNotFoundException"


class EndpointServiceInvalidConfiguration(KeyStoreError):
    code = "XksProxyVpcEndpointServiceInvalidConfigurationException"


class ExternalKeyNotFound(KeyStoreError):
    code = "XksKeyNotFoundException"


class ExternalKeyInvalidConfiguration(KeyStoreError):
    code = "XksKeyInvalidConfigurationException"


class ProxyFailed(KeyStoreError):
    """A request to an external key store proxy failed; aws/proxy_refusals.py has what a caller is told."""

    def __init__(self, failure: ProxyFailure) -> None:
        super().__init__(failure.value)
        self.failure = failure


@dataclass(frozen=True, slots=True)
class OnBehalf:
    """For which request a backend is asked: external key stores are told (requestMetadata)."""

    operation: str
    """`Encrypt`."""
    request_id: str
    principal_arn: str
    """As aws:PrincipalArn has it."""
    key_arn: str | None = None
    """The KMS key; None where there is none yet."""
    via_service: str | None = None
    """The integrated service that acts for the caller: `s3`."""


class KeyStoreBackend(Protocol):
    """Every call may be made twice without harm, and may raise KeyStoreError.

    Secrets: a store's password or proxy credential comes as a token that only the boundary opens.
    """

    async def check_configuration(
        self, store: CustomKeyStore, before: CustomKeyStore | None, on_behalf: OnBehalf
    ) -> None:
        """Whether the store could be made, or changed from `before`, as it stands."""
        ...

    async def check_connection(self, store: CustomKeyStore) -> None:
        """What ConnectCustomKeyStore refuses before it answers: a cluster that is not ready."""
        ...

    async def connect(self, store: CustomKeyStore) -> None:
        """May take minutes. Raises ConnectionFailed."""
        ...

    async def disconnect(self, store: CustomKeyStore) -> None:
        """Give up sessions. The store is disconnected whatever this raises."""
        ...

    async def create_key(
        self, store: CustomKeyStore, key_id: str, xks_key_id: str | None, on_behalf: OnBehalf
    ) -> None:
        """Make the key of a KMS key, named by its id; or see that the external key is there and fit."""
        ...

    async def delete_key(self, store: CustomKeyStore, key_id: str, xks_key_id: str | None) -> None:
        """Undo `create_key`. An external key stays as it is."""
        ...

    async def generate_random(self, store: CustomKeyStore, number_of_bytes: int) -> bytes:
        """Random bytes of an HSM cluster."""
        ...

    async def wrap(
        self, store: CustomKeyStore, xks_key_id: str, plaintext: bytes, aad: bytes, on_behalf: OnBehalf
    ) -> bytes:
        """Have the external key encrypt 1 to 4300 bytes; returns what `unwrap` takes.

        `xks_key_id` names the key outside: in a cluster that is the KMS key's own id.
        """
        ...

    async def unwrap(
        self, store: CustomKeyStore, xks_key_id: str, wrapped: bytes, aad: bytes, on_behalf: OnBehalf
    ) -> bytes:
        """What `wrap` was given, or anything at all: a proxy is not trusted. Raises KeyStoreError."""
        ...
