"""Which key specs stand for algorithms that NIST approves: all that `approved_only` leaves.

Built on approved algorithms is not a validated module: neither this program nor the libraries under it, as
they are used here, have a FIPS 140 certificate.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from strongroom.boundary.software.families import Families

APPROVED: Final[Mapping[str, str]] = {
    "SYMMETRIC_DEFAULT": "FIPS 197; SP 800-38D (AES-GCM); SP 800-108r1 (message keys)",
    "RSA_2048": "FIPS 186-5, 5 (PSS, PKCS #1 v1.5); SP 800-56B rev. 2 (OAEP)",
    "RSA_3072": "FIPS 186-5, 5 (PSS, PKCS #1 v1.5); SP 800-56B rev. 2 (OAEP)",
    "RSA_4096": "FIPS 186-5, 5 (PSS, PKCS #1 v1.5); SP 800-56B rev. 2 (OAEP)",
    "ECC_NIST_P256": "FIPS 186-5, 6; SP 800-186, 3.2.1; SP 800-56A rev. 3 (ECDH)",
    "ECC_NIST_P384": "FIPS 186-5, 6; SP 800-186, 3.2.1; SP 800-56A rev. 3 (ECDH)",
    "ECC_NIST_P521": "FIPS 186-5, 6; SP 800-186, 3.2.1; SP 800-56A rev. 3 (ECDH)",
    "ECC_NIST_EDWARDS25519": "FIPS 186-5, 7 (EdDSA and, 7.8, HashEdDSA)",
    "ML_DSA_44": "FIPS 204",
    "ML_DSA_65": "FIPS 204",
    "ML_DSA_87": "FIPS 204",
    "ML_KEM_512": "FIPS 203",
    "ML_KEM_768": "FIPS 203",
    "ML_KEM_1024": "FIPS 203",
    "HMAC_224": "FIPS 198-1",
    "HMAC_256": "FIPS 198-1",
    "HMAC_384": "FIPS 198-1",
    "HMAC_512": "FIPS 198-1",
}
"""By key spec: what approves it. A spec that stands in neither table is refused as well.

RSAES_OAEP_SHA_1 stays: SP 800-131A rev. 2, 9, accepts SHA-1 where nothing is signed. PKCS #1 v1.5 encryption,
which it does not accept, is offered nowhere.
"""

NOT_APPROVED: Final[Mapping[str, str]] = {
    "ECC_SECG_P256K1": "SP 800-186, 3: secp256k1 is no recommended curve (allowed for blockchains alone)",
    "SM2": "a standard of China's (GB/T 32918), in none of NIST's",
}


def approved_families(families: Families) -> Families:
    """Those of approved key specs."""
    return {
        (key_spec, usage): family for (key_spec, usage), family in families.items() if key_spec in APPROVED
    }
