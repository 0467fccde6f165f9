"""What becomes of a CloudHSM key store whose cluster refuses the password while the store is CONNECTED.

"FAILED" is the state of a store whose attempt to connect failed (Developer Guide, "How to fix a connection
failure"), and a login that had to be renewed is such an attempt. So the store tells its operator the truth,
with the ConnectionErrorCode, and no process tries the password again: after five wrong ones "AWS CloudHSM
locks the user account" ("How to fix invalid kmsuser credentials").
"""

from __future__ import annotations

import logging
from dataclasses import replace

from strongroom.aws.generated.enums import ConnectionStateType
from strongroom.operations.key_store_backend import KeyStoreError, LoginRefused
from strongroom.resources.custom_key_store import CustomKeyStore
from strongroom.store.interface import Store, StoreError

logger = logging.getLogger("strongroom.operations")


async def note_refused_login(store: Store, custom_key_store: CustomKeyStore, error: KeyStoreError) -> None:
    """Make the custom key store FAILED if that is what the error says; else nothing.

    One that was changed meanwhile (connected again, disconnected) stays as it is. Never raises: whoever asked
    is about to be refused anyhow, and the next one finds out again.
    """
    if not isinstance(error, LoginRefused):
        return
    failed = replace(
        custom_key_store,
        connection_state=ConnectionStateType.FAILED,
        connection_error_code=error.reason,
    )
    try:
        await store.update_custom_key_store(failed)
    except StoreError:
        return
    logger.warning(
        "The custom key store %s lost its login and is FAILED (%s): mend its password, disconnect it, and "
        "connect it again.",
        custom_key_store.custom_key_store_id,
        error.reason.value,
    )
