"""GenerateMac, VerifyMac."""

from __future__ import annotations

from strongroom.aws import mac_refusals, refusals
from strongroom.aws.generated.enums import KeyUsageType
from strongroom.aws.generated.shapes import (
    GenerateMacRequest,
    GenerateMacResponse,
    VerifyMacRequest,
    VerifyMacResponse,
)
from strongroom.boundary.interface import SignatureRefused
from strongroom.operations.context import Call
from strongroom.operations.operation import Operation, on_key, records
from strongroom.resources.key import Key
from strongroom.resources.key_spec import KEY_SPECS
from strongroom.resources.key_state import USABLE_FOR_CRYPTOGRAPHY


def _require_algorithm(key: Key, algorithm: str) -> None:
    if algorithm not in KEY_SPECS[key.key_spec].mac_algorithms:
        raise refusals.algorithm_incompatible(algorithm, key.key_spec)


async def generate_mac(call: Call, request: GenerateMacRequest) -> GenerateMacResponse:
    key = call.key
    _require_algorithm(key, request.mac_algorithm)
    mac = await call.rooms.boundary.generate_mac(key.current_token, key.key_id, request.message)
    return GenerateMacResponse(mac=mac, mac_algorithm=request.mac_algorithm, key_id=key.arn)


async def verify_mac(call: Call, request: VerifyMacRequest) -> VerifyMacResponse:
    key = call.key
    _require_algorithm(key, request.mac_algorithm)
    try:
        await call.rooms.boundary.verify_mac(key.current_token, key.key_id, request.message, request.mac)
    except SignatureRefused:
        raise mac_refusals.invalid_mac() from None
    return VerifyMacResponse(key_id=key.arn, mac_valid=True, mac_algorithm=request.mac_algorithm)


GENERATE_MAC = Operation(
    service="kms",
    name="GenerateMac",
    input=GenerateMacRequest,
    output=GenerateMacResponse,
    check=None,
    access=on_key("kms:GenerateMac", aliases=True, cross_account=True),
    states=USABLE_FOR_CRYPTOGRAPHY,
    usage=KeyUsageType.GENERATE_VERIFY_MAC,
    read_only=True,
    records=records("mac_algorithm", "key_id", "dry_run"),  # Developer Guide, ct-generatemac
    response_records=(),
    run=generate_mac,
)

VERIFY_MAC = Operation(
    service="kms",
    name="VerifyMac",
    input=VerifyMacRequest,
    output=VerifyMacResponse,
    check=None,
    access=on_key("kms:VerifyMac", aliases=True, cross_account=True),
    states=USABLE_FOR_CRYPTOGRAPHY,
    usage=KeyUsageType.GENERATE_VERIFY_MAC,
    read_only=True,
    records=records("mac_algorithm", "key_id", "dry_run"),  # Developer Guide, ct-verifymac
    response_records=(),
    run=verify_mac,
)

OPERATIONS = (GENERATE_MAC, VERIFY_MAC)
