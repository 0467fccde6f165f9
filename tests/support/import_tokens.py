"""A software module in this process, an import token and material to unwrap: for tests of the boundary."""

from __future__ import annotations

import os

from tests.support.key_imports import wrap
from tests.support.running_boundary import ACCOUNT, KEY_ID, REGION

from strongroom.boundary.interface import ImportBinding, ImportParameters, KeyBinding
from strongroom.boundary.software.module import SoftwareModule

ENDS_AT = 1_800_000_000_000_000
"""Microseconds."""
NOW = ENDS_AT - 3_600_000_000


def module_with_domain_keys(*regions: str) -> SoftwareModule:
    module = SoftwareModule(os.urandom(32), None)
    for region in (REGION, *regions):
        module.load_domain_key(module.create_domain_key(region)[1], activate=True)
    return module


def import_binding(
    wrapping_algorithm: str, *, account: str = ACCOUNT, region: str = REGION, key_id: str = KEY_ID
) -> ImportBinding:
    wrapping_key_spec = "SM2" if wrapping_algorithm == "SM2PKE" else "RSA_2048"
    return ImportBinding(account, region, key_id, wrapping_key_spec, wrapping_algorithm)


def key_binding(
    spec: str = "SYMMETRIC_DEFAULT",
    usage: str = "ENCRYPT_DECRYPT",
    *,
    account: str = ACCOUNT,
    region: str = REGION,
    key_id: str = KEY_ID,
) -> KeyBinding:
    return KeyBinding(account, region, key_id, spec, usage, "EXTERNAL")


def wrapped_for(module: SoftwareModule, algorithm: str, material: bytes) -> tuple[ImportParameters, bytes]:
    """Import parameters of the key KEY_ID, and the material wrapped under them."""
    parameters = module.get_import_parameters(import_binding(algorithm), ENDS_AT)
    return parameters, wrap(parameters.public_key, algorithm, material)
