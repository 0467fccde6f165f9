"""A custom key store: where the key material of its KMS keys lives outside AWS KMS's own boundary."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from strongroom.aws.generated.enums import (
    ConnectionErrorCodeType,
    ConnectionStateType,
    CustomKeyStoreType,
    XksProxyConnectivityType,
)
from strongroom.resources.identifiers import AccountId, Region


@dataclass(frozen=True, slots=True)
class CustomKeyStore:
    """A custom key store's record. Frozen: a change is a new record with the next version.

    Secrets: the two secrets are tokens that only the boundary opens.
    """

    account_id: AccountId
    region: Region
    custom_key_store_id: str
    """`cks-` and 17 hex digits."""
    name: str
    type: CustomKeyStoreType
    connection_state: ConnectionStateType
    connection_error_code: ConnectionErrorCodeType | None
    created_at: datetime
    version: int
    cloud_hsm_cluster_id: str | None = None
    trust_anchor_certificate: str | None = None
    key_store_password_token: bytes | None = field(default=None, repr=False)
    xks_proxy_connectivity: XksProxyConnectivityType | None = None
    xks_proxy_uri_endpoint: str | None = None
    xks_proxy_uri_path: str | None = None
    xks_proxy_vpc_endpoint_service_name: str | None = None
    xks_proxy_vpc_endpoint_service_owner: str | None = None
    xks_proxy_access_key_id: str | None = None
    xks_proxy_secret_token: bytes | None = field(default=None, repr=False)
