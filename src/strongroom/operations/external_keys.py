"""Keys of custom key stores: what the boundary sealed is encrypted once more by a key outside.

That is the external key of an external key store, or the key in the HSM cluster of a CloudHSM key store.
Double encryption (Developer Guide, "External key stores": KMS encrypts first, then the external key
manager). Neither side alone opens a ciphertext; what a lying proxy gives back, the boundary does not take.
"""

from __future__ import annotations

import hmac
from hashlib import sha256

from strongroom.aws import key_store_refusals, proxy_refusals, refusals
from strongroom.aws.errors import ApiError
from strongroom.aws.generated.enums import ConnectionStateType, OriginType
from strongroom.aws.proxy_refusals import ProxyFailure
from strongroom.boundary.ciphertext_format import EXTERNAL_HEADER_BYTES, render_external_header
from strongroom.operations.context import Call
from strongroom.operations.key_availability import store_of_key
from strongroom.operations.key_store_backend import (
    CiphertextNotOpened,
    KeyStoreBackend,
    KeyStoreError,
    LoginRefused,
    OnBehalf,
    ProxyFailed,
)
from strongroom.operations.refused_logins import note_refused_login
from strongroom.operations.token_origins import has_switched_origin
from strongroom.resources.custom_key_store import CustomKeyStore
from strongroom.resources.key import Key


def is_external(key: Key) -> bool:
    """Whether a key outside takes part in its cryptography.

    The exported key token, which the boundary made, must say so too: who can write the database does not make
    a key of a key store one that needs no key outside. Raises: ApiError.
    """
    if has_switched_origin(key):
        raise refusals.internal()
    return key.origin in (OriginType.EXTERNAL_KEY_STORE, OriginType.AWS_CLOUDHSM)


def on_behalf_of(call: Call, key_arn: str | None = None) -> OnBehalf:
    """What a backend may tell of the request."""
    principal = call.principal
    return OnBehalf(
        operation=call.operation,
        request_id=call.request_id,
        principal_arn=principal.role_arn or principal.arn,
        key_arn=key_arn,
        via_service=None if principal.forwarding is None else principal.forwarding.service,
    )


def ciphertext_invalid(key: Key) -> ApiError:
    """What came back from outside is not what the boundary had sealed."""
    if key.origin is OriginType.AWS_CLOUDHSM:
        return refusals.invalid_ciphertext()
    return proxy_refusals.of_use(ProxyFailure.CIPHERTEXT_INVALID)


async def seal_outside(call: Call, key: Key, blob: bytes, context: bytes) -> bytes:
    """The ciphertext blob for the caller: `blob` itself unless the key is in a custom key store.

    `context` is the canonical encryption context; the proxy is told its hash. Raises: ApiError.
    """
    if not is_external(key):
        return blob
    store, backend, xks_key_id = await _place(call, key)
    header = render_external_header(blob)
    try:
        wrapped = await backend.wrap(
            store, xks_key_id, blob, _aad(header, context), on_behalf_of(call, key.arn)
        )
    except KeyStoreError as error:
        await note_refused_login(call.rooms.store, store, error)
        raise _as_refusal(error) from None
    return header + wrapped


async def open_outside(call: Call, key: Key, blob: bytes, context: bytes) -> bytes:
    """What the boundary opens: from a proxy it may be anything, and the boundary sees. Raises: ApiError."""
    if not is_external(key):
        return blob
    store, backend, xks_key_id = await _place(call, key)
    header, wrapped = blob[:EXTERNAL_HEADER_BYTES], blob[EXTERNAL_HEADER_BYTES:]
    try:
        inner = await backend.unwrap(
            store, xks_key_id, wrapped, _aad(header, context), on_behalf_of(call, key.arn)
        )
    except KeyStoreError as error:
        await note_refused_login(call.rooms.store, store, error)
        raise _as_refusal(error) from None
    # INVARIANT X2: it is the very blob that was wrapped, not another one of the same key.
    if not hmac.compare_digest(render_external_header(inner), header):
        raise ciphertext_invalid(key)
    return inner


async def _place(call: Call, key: Key) -> tuple[CustomKeyStore, KeyStoreBackend, str]:
    store = await store_of_key(call.rooms.store, key)
    backend = None if store is None else call.rooms.key_stores.get(store.type)
    if store is None or store.connection_state is not ConnectionStateType.CONNECTED:
        raise refusals.unavailable(key.arn)  # disconnected since the road looked
    name = key.key_id if key.origin is OriginType.AWS_CLOUDHSM else key.xks_key_id
    if backend is None or name is None:
        raise refusals.internal()
    return store, backend, name


def _aad(header: bytes, context: bytes) -> bytes:
    return header + sha256(context).digest()


def _as_refusal(error: KeyStoreError) -> ApiError:
    if isinstance(error, ProxyFailed):
        return proxy_refusals.of_use(error.failure)
    if isinstance(error, CiphertextNotOpened):
        return refusals.invalid_ciphertext()
    if isinstance(error, LoginRefused):
        return key_store_refusals.login_refused(error.reason)
    return (
        refusals.internal() if type(error) is KeyStoreError else key_store_refusals.cluster_failed(error.code)
    )
