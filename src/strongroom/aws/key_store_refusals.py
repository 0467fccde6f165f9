"""What KMS says of custom key stores. Source tags as in refusals.py."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from strongroom.aws.errors import ApiError

# [M]: the first sentences of each exception's documentation in the service model.
_REJECTED: Mapping[str, str] = MappingProxyType(
    {
        "CloudHsmClusterNotFoundException": "KMS cannot find the CloudHSM cluster with the specified cluster "
        "ID. Retry the request with a different cluster ID.",
        "CloudHsmClusterNotActiveException": "the CloudHSM cluster associated with the CloudHSM key store is "
        "not active. Initialize and activate the cluster and try the command again.",
        "CloudHsmClusterInvalidConfigurationException": "the associated CloudHSM cluster did not meet the "
        "configuration requirements for an CloudHSM key store.",
        "CloudHsmClusterInUseException": "the specified CloudHSM cluster is already associated with an "
        "CloudHSM key store in the account, or it shares a backup history with an CloudHSM key store in the "
        "account.",
        "CloudHsmClusterNotRelatedException": "the specified CloudHSM cluster has a different cluster "
        "certificate than the original cluster.",
        "IncorrectTrustAnchorException": "the trust anchor certificate in the request to create an CloudHSM "
        "key store is not the trust anchor certificate for the specified CloudHSM cluster.",
        "CustomKeyStoreNameInUseException": "the specified custom key store name is already assigned to "
        "another custom key store in the account. Try again with a custom key store name that is unique in "
        "the account.",
        "CustomKeyStoreHasCMKsException": "the custom key store contains KMS keys.",
        "XksProxyUriInUseException": "the concatenation of the XksProxyUriEndpoint and XksProxyUriPath is "
        "already associated with another external key store in this Amazon Web Services Region.",
        "XksProxyUriEndpointInUseException": "the XksProxyUriEndpoint is already associated with another "
        "external key store in this Amazon Web Services Region.",
        "XksProxyVpcEndpointServiceInUseException": "the specified Amazon VPC endpoint service is already "
        "associated with another external key store in this Amazon Web Services Region.",
        "XksProxyVpcEndpointServiceInvalidConfigurationException": "the Amazon VPC endpoint service "
        "configuration does not fulfill the requirements for an external key store.",
        "XksProxyIncorrectAuthenticationCredentialException": "the proxy credentials failed to authenticate "
        "to the specified external key store proxy.",
        "XksProxyInvalidConfigurationException": "the external key store proxy is not configured correctly.",
        "XksKeyAlreadyInUseException": "the (XksKeyId) is already associated with another KMS key in this "
        "external key store.",
        "XksKeyInvalidConfigurationException": "the external key specified by the XksKeyId parameter did not "
        "meet the configuration requirements for an external key store.",
        "XksKeyNotFoundException": "the external key store proxy could not find the external key.",
    }
)
_WHOLE: Mapping[str, str] = MappingProxyType(
    {
        "DependencyTimeoutException": "The system timed out while trying to fulfill the request. You can "
        "retry the request.",
        # [M] for the code; the sentence [nv]
        "CustomKeyStoreInvalidStateException": "KMS cannot use the CloudHSM cluster of this custom key "
        "store. Disconnect the custom key store, and connect it again with the current password of kmsuser.",
        "KMSInvalidStateException": "The key material of the KMS key cannot be found in the CloudHSM "
        "cluster.",
        "XksProxyUriUnreachableException": "KMS was unable to reach the specified XksProxyUriPath.",
        "XksProxyInvalidResponseException": "KMS cannot interpret the response it received from the external "
        "key store proxy.",
        "XksProxyVpcEndpointServiceNotFoundException": "The request was rejected because KMS could not find "
        "the specified VPC endpoint service.",
    }
)


def rejected(code: str) -> ApiError:
    """A refusal of the model that says what is wrong with a cluster, a proxy, an external key or a name."""
    whole = _WHOLE.get(code)
    return ApiError(code, whole or f"The request was rejected because {_REJECTED[code]}")  # [M]


_CLUSTER_FAILURES: Mapping[str, str] = MappingProxyType(
    {  # [DG] for the first sentence, [nv] for the others
        "DependencyTimeoutException": "KMS cannot communicate with your CloudHSM cluster. This might be a "
        "transient issue. If you see this error repeatedly, verify that the cluster is active.",
    }
)
_LOGIN_FAILURES: Mapping[str, str] = MappingProxyType(
    {  # [nv]
        "USER_LOCKED_OUT": "KMS cannot communicate with your CloudHSM cluster because the kmsuser is locked "
        "out. If you see this error repeatedly, disconnect the CloudHSM key store and reset the kmsuser "
        "account password. Update the kmsuser password for the custom key store and try the request again.",
    }
)


def cluster_failed(code: str) -> ApiError:
    """A key of a CloudHSM key store that its cluster cannot use now.

    Source: Developer Guide, "Troubleshooting a custom key store": a cryptographic operation fails with
    KMSInvalidStateException, and the sentence tells why.
    """
    sentence = _CLUSTER_FAILURES.get(code) or rejected(code).message
    return ApiError("KMSInvalidStateException", sentence)


def login_refused(reason: str) -> ApiError:
    """A key of a CloudHSM key store whose cluster refuses the password; `reason`: a ConnectionErrorCode.

    Source: as cluster_failed.
    """
    sentence = _LOGIN_FAILURES.get(reason) or _WHOLE["CustomKeyStoreInvalidStateException"]
    return ApiError("KMSInvalidStateException", sentence)


def not_found_by_name(name: str) -> ApiError:
    """DescribeCustomKeyStores by a name that no store has."""
    return ApiError(  # [nv]
        "CustomKeyStoreNotFoundException", f"Custom key store with name {name} cannot be found."
    )


def invalid_store_state(custom_key_store_id: str, state: str) -> ApiError:
    """The operation is not for a store in that connection state."""
    return ApiError(  # [M] for the rule, [nv]
        "CustomKeyStoreInvalidStateException",
        f"The request was rejected because the ConnectionState of custom key store {custom_key_store_id} "
        f"is {state}.",
    )


def too_many_stores() -> ApiError:
    """10 custom key stores of an account in a Region."""
    return ApiError(  # [nv]
        "LimitExceededException",
        "The limit of custom key stores in the account and Region has been reached.",
    )


def member_required(member: str, store_type: str) -> ApiError:
    """A member that a custom key store of the type needs."""
    return ApiError(  # [M] for the rule, [nv]
        "ValidationException", f"{member} is required for custom key stores of type {store_type}."
    )


def member_not_valid(member: str, store_type: str) -> ApiError:
    """A member that is for custom key stores of the other type."""
    return ApiError(  # [M] for the rule, [nv]
        "ValidationException", f"{member} is not valid for custom key stores of type {store_type}."
    )


def member_needs_connectivity(member: str, connectivity: str, required: bool) -> ApiError:
    """A VPC endpoint service belongs to VPC_ENDPOINT_SERVICE connectivity, and to no other."""
    rule = "required" if required else "not valid"
    return ApiError(  # [M] for the rule, [nv]
        "ValidationException", f"{member} is {rule} with an XksProxyConnectivity of {connectivity}."
    )


def id_and_name() -> ApiError:
    """DescribeCustomKeyStores: "either the CustomKeyStoreId or CustomKeyStoreName parameter, not both"."""
    return ApiError(  # [M] for the rule, [nv]
        "ValidationException", "You cannot specify both CustomKeyStoreId and CustomKeyStoreName."
    )


def nothing_to_update() -> ApiError:
    """UpdateCustomKeyStore without a member to change."""
    return ApiError("ValidationException", "At least one property to update must be specified.")  # [nv]


def origin_needs_store(origin: str) -> ApiError:
    """CreateKey with the origin of a custom key store, and none named."""
    return ApiError(  # [M] for the rule, [nv]
        "ValidationException", f"CustomKeyStoreId is required for KMS keys with an Origin of {origin}."
    )


def store_needs_origin(origin: str) -> ApiError:
    """CreateKey in a custom key store whose keys have another origin."""
    return ApiError(  # [M] for the rule, [nv]
        "ValidationException", f"KMS keys in this custom key store must have an Origin of {origin}."
    )


def xks_key_id_required() -> ApiError:
    """CreateKey in an external key store."""
    return ApiError(  # [M] for the rule, [nv]
        "ValidationException", "XksKeyId is required for KMS keys with an Origin of EXTERNAL_KEY_STORE."
    )


def not_in_custom_key_store(what: str) -> ApiError:
    """Custom key stores hold single-Region symmetric encryption keys only."""
    return ApiError(  # [M] for the rule, [nv]
        "UnsupportedOperationException", f"{what} is not supported in a custom key store."
    )
