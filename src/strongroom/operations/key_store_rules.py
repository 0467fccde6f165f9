"""Which members go with which custom key store, and what must differ from store to store.

Source: API reference, CreateCustomKeyStore and UpdateCustomKeyStore.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from strongroom.aws import key_store_refusals as refusals
from strongroom.aws import proxy_refusals
from strongroom.aws.errors import ApiError
from strongroom.aws.generated.enums import CustomKeyStoreType, XksProxyConnectivityType
from strongroom.aws.generated.shapes import CreateCustomKeyStoreRequest, UpdateCustomKeyStoreRequest
from strongroom.aws.proxy_refusals import ProxyFailure
from strongroom.aws.refusals import internal
from strongroom.operations.key_store_backend import KeyStoreError, ProxyFailed
from strongroom.resources.custom_key_store import CustomKeyStore

STORES_MAX: Final = 10
"""Of both types together, in an account and Region. AWS: "10", adjustable."""

_VPC: Final = XksProxyConnectivityType.VPC_ENDPOINT_SERVICE
_WIRE: Final = {
    "cloud_hsm_cluster_id": "CloudHsmClusterId",
    "trust_anchor_certificate": "TrustAnchorCertificate",
    "key_store_password": "KeyStorePassword",
    "xks_proxy_uri_endpoint": "XksProxyUriEndpoint",
    "xks_proxy_uri_path": "XksProxyUriPath",
    "xks_proxy_authentication_credential": "XksProxyAuthenticationCredential",
    "xks_proxy_connectivity": "XksProxyConnectivity",
    "xks_proxy_vpc_endpoint_service_name": "XksProxyVpcEndpointServiceName",
    "xks_proxy_vpc_endpoint_service_owner": "XksProxyVpcEndpointServiceOwner",
}
_CLUSTER: Final = ("cloud_hsm_cluster_id", "trust_anchor_certificate", "key_store_password")
_PROXY: Final = tuple(_WIRE)[3:7]
_SERVICE: Final = tuple(_WIRE)[7:]


def require_members_of(
    request: CreateCustomKeyStoreRequest | UpdateCustomKeyStoreRequest, store_type: CustomKeyStoreType
) -> None:
    """Refuse members of the other type; of a new store, also that one of its own is missing."""
    is_cluster = store_type is CustomKeyStoreType.AWS_CLOUDHSM
    if isinstance(request, CreateCustomKeyStoreRequest):
        for member in _CLUSTER if is_cluster else _PROXY:
            if getattr(request, member) is None:
                raise refusals.member_required(_WIRE[member], store_type)
    for member in (*_PROXY, *_SERVICE) if is_cluster else _CLUSTER:
        if getattr(request, member, None) is not None:
            raise refusals.member_not_valid(_WIRE[member], store_type)


def require_connectivity(store: CustomKeyStore) -> None:
    """An endpoint service with VPC_ENDPOINT_SERVICE, and with nothing else."""
    connectivity = store.xks_proxy_connectivity
    if connectivity is None:
        return
    if connectivity is _VPC:
        if store.xks_proxy_vpc_endpoint_service_name is None:
            raise refusals.member_needs_connectivity(_WIRE[_SERVICE[0]], connectivity, required=True)
        return
    for member in _SERVICE:
        if getattr(store, member) is not None:
            raise refusals.member_needs_connectivity(_WIRE[member], connectivity, required=False)


def uniqueness_of(
    store: CustomKeyStore, stores_max: int | None
) -> Callable[[Sequence[CustomKeyStore]], None]:
    """What judges it against the others of its account and Region, in the transaction that writes it."""

    def check(others: Sequence[CustomKeyStore]) -> None:
        if stores_max is not None and len(others) >= stores_max:
            raise refusals.too_many_stores()
        for other in others:
            code = _clash(store, other)
            if code is not None:
                raise refusals.rejected(code)

    return check


def _clash(store: CustomKeyStore, other: CustomKeyStore) -> str | None:
    if store.name == other.name:
        return "CustomKeyStoreNameInUseException"
    if store.type is not other.type:
        return None
    if store.type is CustomKeyStoreType.EXTERNAL_KEY_STORE:
        return _proxy_clash(store, other)
    is_same = store.cloud_hsm_cluster_id == other.cloud_hsm_cluster_id
    return "CloudHsmClusterInUseException" if is_same else None


def _proxy_clash(store: CustomKeyStore, other: CustomKeyStore) -> str | None:
    service = store.xks_proxy_vpc_endpoint_service_name
    if service is not None and service == other.xks_proxy_vpc_endpoint_service_name:
        return "XksProxyVpcEndpointServiceInUseException"
    if _host(store) != _host(other):
        return None
    if store.xks_proxy_uri_path == other.xks_proxy_uri_path:
        return "XksProxyUriInUseException"
    # Only stores with PUBLIC_ENDPOINT connectivity may share an endpoint.
    is_private = _VPC in (store.xks_proxy_connectivity, other.xks_proxy_connectivity)
    return "XksProxyUriEndpointInUseException" if is_private else None


def _host(store: CustomKeyStore) -> str:
    return (store.xks_proxy_uri_endpoint or "").lower()  # a name of the DNS knows no capitals


def as_refusal(
    error: KeyStoreError, of_proxy: Callable[[ProxyFailure], ApiError] = proxy_refusals.of_store
) -> ApiError:
    """AWS's answer for what a backend says. ConnectionFailed is none: it becomes a connection state.

    `of_proxy` is the answer of the operation for a failure of a proxy.
    """
    if isinstance(error, ProxyFailed):
        return of_proxy(error.failure)
    if type(error) is KeyStoreError:
        return internal()
    return refusals.rejected(error.code)
