"""What KMS says when an external key store proxy fails. Source tags as in refusals.py, and

  [XKS]  External Key Store Proxy API Specification 1.0.3, "Error codes", KMS Considerations

The sentence tells the failure; the exception follows from the operation that needed the proxy.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

from strongroom.aws.errors import ApiError


class ProxyFailure(StrEnum):
    """The failure scenarios of the specification's table."""

    INVALID_RESPONSE = "invalid response"
    """A ValidationException of the proxy, or an answer that is none."""
    KEY_NOT_ENABLED = "InvalidStateException"
    CIPHERTEXT_REFUSED = "InvalidCiphertextException"
    CIPHERTEXT_INVALID = "invalid ciphertext"
    """The proxy returned something that is not what was encrypted."""
    KEY_USAGE = "InvalidKeyUsageException"
    AUTHENTICATION = "AuthenticationFailedException"
    ACCESS_DENIED = "AccessDeniedException"
    KEY_NOT_FOUND = "KeyNotFoundException"
    URI_PATH = "InvalidUriPathException"
    UNSUPPORTED = "UnsupportedOperationException"
    DEPENDENCY_TIMEOUT = "DependencyTimeoutException"
    THROTTLED = "ThrottlingException"
    INTERNAL = "InternalException"
    UNREACHABLE = "no TCP connection"
    TLS = "no TLS connection"
    TIMED_OUT = "socket timeout"


class _Row(NamedTuple):
    of_store: str
    """The exception of Create- and UpdateCustomKeyStore."""
    of_key: str
    """The exception of CreateKey."""
    sentence: str


_UNREACHABLE = "XksProxyUriUnreachableException"
_RESPONSE = "XksProxyInvalidResponseException"
_CONFIGURATION = "XksProxyInvalidConfigurationException"
_STORE_STATE = "CustomKeyStoreInvalidStateException"
_KEY_CONFIGURATION = "XksKeyInvalidConfigurationException"
_KEY_STATE = "KMSInvalidStateException"

# [XKS], but for of_store of the rows of keys and ciphertexts, which GetHealthStatus does not give: [nv].
_ROWS: Mapping[ProxyFailure, _Row] = MappingProxyType(
    {
        ProxyFailure.INVALID_RESPONSE: _Row(
            _RESPONSE,
            _STORE_STATE,
            "AWS KMS cannot interpret the response from the external key store proxy. If you see this error "
            "repeatedly, report it to your external key store proxy administrator.",
        ),
        ProxyFailure.KEY_NOT_ENABLED: _Row(
            _RESPONSE,
            _KEY_CONFIGURATION,
            "The external key associated with this KMS key in an external key store is not enabled in the "
            "external key manager. Enable the external key in the external key manager and retry the "
            "request.",
        ),
        ProxyFailure.CIPHERTEXT_REFUSED: _Row(
            _RESPONSE,
            _KEY_STATE,
            "The external key store proxy rejected the request because the specified ciphertext or "
            "encryption context is corrupted, missing, or otherwise invalid.",
        ),
        ProxyFailure.CIPHERTEXT_INVALID: _Row(
            _RESPONSE,
            _KEY_STATE,
            "The ciphertext that the external key store proxy submitted for decryption, or the encryption "
            "context, is corrupted, missing, or otherwise invalid.",
        ),
        ProxyFailure.KEY_USAGE: _Row(
            _RESPONSE,
            _KEY_CONFIGURATION,
            "The external key associated with this KMS key in an external key store does not support the "
            "requested operation. Enable the operation on the key in your external key manager, and try the "
            "request again.",
        ),
        ProxyFailure.AUTHENTICATION: _Row(
            "XksProxyIncorrectAuthenticationCredentialException",
            _STORE_STATE,
            "The external key store proxy rejected the request because it could not authenticate AWS KMS. "
            "Verify the XKS proxy authentication credentials for your external key store and update if "
            "necessary.",
        ),
        ProxyFailure.ACCESS_DENIED: _Row(
            _RESPONSE,
            _KEY_STATE,
            "The external key store proxy denied access to the operation. Verify that the user and the "
            "external key are both authorized for this operation, and try the request again.",
        ),
        ProxyFailure.KEY_NOT_FOUND: _Row(
            _RESPONSE,
            "XksKeyNotFoundException",
            "The external key associated with this KMS key in an external key store was not found in its "
            "external key manager. If the external key ID associated with this KMS key is incorrect, create "
            "a new KMS key with the correct external key ID.",
        ),
        ProxyFailure.URI_PATH: _Row(
            _CONFIGURATION,
            _STORE_STATE,
            "The external key store proxy rejected the request because of an invalid URI path. Verify the "
            "URI path for your external key store and update if necessary.",
        ),
        # The table's XksKeyInvalidResponseException is not in the service model.
        ProxyFailure.UNSUPPORTED: _Row(
            _RESPONSE,
            _KEY_CONFIGURATION,
            "The external key store proxy rejected the request because it does not support the requested "
            "operation. If you see this error repeatedly, report it to your external key store proxy "
            "administrator.",
        ),
        ProxyFailure.DEPENDENCY_TIMEOUT: _Row(
            _UNREACHABLE,
            _STORE_STATE,
            "The external key store proxy did not respond to the request in the time allotted. Retry the "
            "request. If you see this error repeatedly, report it to your external key store proxy "
            "administrator.",
        ),
        ProxyFailure.THROTTLED: _Row(
            _UNREACHABLE,
            _STORE_STATE,
            "The external key store proxy rejected the request due to a very high request rate. Reduce the "
            "frequency of your calls using KMS keys in this external key store.",
        ),
        ProxyFailure.INTERNAL: _Row(
            _RESPONSE,
            _STORE_STATE,
            "The external key store proxy rejected the request because it cannot communicate with the "
            "external key manager. Verify that the external key store proxy configuration is correct and "
            "that the external key manager is available.",
        ),
        ProxyFailure.UNREACHABLE: _Row(
            _UNREACHABLE,
            _STORE_STATE,
            "AWS KMS cannot communicate with the external key store proxy. This might be a transient network "
            "issue. If you see this error repeatedly, verify that your external key store proxy is active "
            "and is connected to the network, and that its endpoint URI is correct in your external "
            "keystore.",
        ),
        ProxyFailure.TLS: _Row(
            _UNREACHABLE,
            _STORE_STATE,
            "AWS KMS cannot establish a TLS connection to the external key store proxy. Verify the TLS "
            "configuration, including its certificate.",
        ),
        ProxyFailure.TIMED_OUT: _Row(
            _UNREACHABLE,
            _STORE_STATE,
            "AWS KMS rejected the request because the external key store proxy did not respond in time. "
            "Retry the request. If you see this error repeatedly, report it to your external key store proxy "
            "administrator.",
        ),
    }
)


def of_store(failure: ProxyFailure) -> ApiError:
    """Create- or UpdateCustomKeyStore could not see that the proxy is there and takes its credential."""
    return ApiError(_ROWS[failure].of_store, _ROWS[failure].sentence)  # [XKS]


def of_new_key(failure: ProxyFailure) -> ApiError:
    """CreateKey could not see that the external key is there and fit."""
    return ApiError(_ROWS[failure].of_key, _ROWS[failure].sentence)  # [XKS]


def of_use(failure: ProxyFailure) -> ApiError:
    """A cryptographic operation with a key of an external key store."""
    return ApiError(_KEY_STATE, _ROWS[failure].sentence)  # [XKS]
