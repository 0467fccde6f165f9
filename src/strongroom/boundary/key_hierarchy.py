"""Exported key tokens: how a wrapped key looks outside the boundary.

Seal slot -> root key -> domain keys -> exported key tokens. One layout serves every kind of token;
its header is in clear and is the AAD of the wrapping, so that a token moved to another key
does not open (INVARIANT B2). No cryptography here: software/ wraps and unwraps.
The table for readers is docs/formats/exported-key-token.md.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

VERSION: Final = 2
VERSION_WITHOUT_ORIGIN: Final = 1
"""Still opened: what it wraps came to be before tokens were bound to an origin."""
WRAPPING_KEY_ID_AT: Final = 2
WRAPPING_KEY_ID_BYTES: Final = 16
MATERIAL_ID_BYTES: Final = 32
IV_BYTES: Final = 12
TAG_BYTES: Final = 16
DOMAIN_KEY_BYTES: Final = 32
TOKEN_BYTES_MAX: Final = 8192
"""An RSA-4096 private key in PKCS #8 takes about 2,400."""

GLOBAL_REGION: Final = "aws-global"
"""The Region name under which secret access keys are wrapped: IAM knows no Regions."""

SESSION_KEY_ID: Final = "ASIA"
"""How the access key ids of sessions begin. Their secrets are in session tokens, in no store."""

LABEL_MESSAGE_KEY: Final = b"strongroom message key"
LABEL_MATERIAL_ID: Final = b"strongroom material id"
LABEL_ROOT_KEY_ID: Final = b"strongroom root key id"
LABEL_KEY_FILE_SLOT: Final = b"strongroom key file slot"
LABEL_PASSPHRASE_SLOT: Final = b"strongroom passphrase slot"
LABEL_SHAMIR_SLOT: Final = b"strongroom shamir slot"
LABEL_SHAMIR_SHARE: Final = b"strongroom shamir share"
LABEL_PKCS11_SLOT: Final = b"strongroom pkcs11 slot"
LABEL_KMS_SLOT: Final = b"strongroom kms slot"
LABEL_TICKET: Final = b"strongroom ticket"
LABEL_EXTERNAL_MESSAGE_KEY: Final = b"strongroom external key message key"
LABEL_REPLICATION_SOURCE: Final = b"strongroom replication source"
LABEL_AUDIT_CHECKPOINT: Final = b"strongroom audit checkpoint"

_STARTS = {VERSION_WITHOUT_ORIGIN: struct.Struct(">BB16s32s5B"), VERSION: struct.Struct(">BB16s32s6B")}
_GENERATION = re.compile(r"[1-9][0-9]{0,9}", re.ASCII)
_ACCOUNT_ID = re.compile(r"[0-9]{12}", re.ASCII)
_REGION = re.compile(r"[a-z0-9-]{1,32}", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9_-]{1,128}", re.ASCII)


class TokenKind(IntEnum):
    """What a token wraps, and so which key it is wrapped under."""

    BACKING_KEY = 1
    """Under the Region's domain key."""
    DOMAIN_KEY = 2
    """Under the root key."""
    SECRET_ACCESS_KEY = 3
    """Under the domain key of GLOBAL_REGION."""
    IMPORT_KEY = 4
    """Under the Region's domain key: an import token, which its caller keeps."""
    STORE_SECRET = 10
    """A secret of a custom key store; under the domain key of the store's Region."""
    TOKEN_KEY = 12
    """A backing key that only a PKCS#11 token opens, under the Region's domain key in that token."""
    PROXY_CREDENTIAL = 11
    """A secret with which callers of the external key store proxy sign; under the domain key of
    GLOBAL_REGION."""
    REPLICATION_KEY = 9
    """A Region's key pair that key material is sealed to; under the Region's domain key."""


_WITHOUT_ACCOUNT: Final = (TokenKind.DOMAIN_KEY, TokenKind.REPLICATION_KEY, TokenKind.PROXY_CREDENTIAL)


@dataclass(frozen=True, slots=True)
class TokenHeader:
    """What a token says in clear and is bound to; fields that do not apply to its kind are empty."""

    kind: TokenKind
    wrapping_key_id: bytes
    material_id: bytes
    account_id: str
    region: str
    key_id: str
    """A KMS key id, a domain or replication key id in hex, or an access key id."""
    key_spec: str
    """Of an import token: the wrapping key spec. Of a domain key: its generation, in decimal."""
    key_usage: str
    """Of an import token: the wrapping algorithm."""
    origin: str = ""
    """Of a backing key: where its material comes from. Empty in tokens of version 1."""

    @property
    def is_kept_by_callers(self) -> bool:
        """Whether it is nowhere in the store, so that nothing re-wraps it. It ends within days by itself."""
        return self.kind is TokenKind.IMPORT_KEY or (
            self.kind is TokenKind.SECRET_ACCESS_KEY and self.key_id.startswith(SESSION_KEY_ID)
        )

    @property
    def generation(self) -> int:
        """Which of its Region's domain keys it is; version 1 was written for first ones only."""
        return int(self.key_spec or "1")


@dataclass(frozen=True, slots=True)
class Token:
    """A token taken apart; nothing in it is authenticated yet."""

    header: TokenHeader
    header_bytes: bytes
    iv: bytes
    wrapped: bytes


def render_header(header: TokenHeader) -> bytes:
    """The header's one byte form. Raises ValueError when a field cannot be in a token of that kind."""
    _require_fields(header, VERSION)
    texts = [
        text.encode("ascii")
        for text in (
            header.account_id,
            header.region,
            header.key_id,
            header.key_spec,
            header.key_usage,
            header.origin,
        )
    ]
    start = _STARTS[VERSION].pack(
        VERSION, header.kind, header.wrapping_key_id, header.material_id, *(len(text) for text in texts)
    )
    return start + b"".join(texts)


def parse_token(token: bytes) -> Token:
    """Take a token apart. Raises ValueError for anything that no version has written."""
    start = _STARTS.get(token[0]) if token else None
    if start is None:
        raise ValueError("not a token: version")
    if not start.size < len(token) <= TOKEN_BYTES_MAX:
        raise ValueError("not a token: length")
    version, kind, wrapping_key_id, material_id, *lengths = start.unpack_from(token)
    texts: list[str] = []
    position = start.size
    for length in lengths:
        texts.append(token[position : position + length].decode("ascii"))
        position += length
    if len(token) <= position + IV_BYTES + TAG_BYTES:
        raise ValueError("not a token: length")
    header = TokenHeader(TokenKind(kind), wrapping_key_id, material_id, *texts)
    _require_fields(header, version)
    return Token(
        header, token[:position], token[position : position + IV_BYTES], token[position + IV_BYTES :]
    )


def wrapping_key_id_of(token: bytes) -> bytes:
    """The id of the key that a token says it is wrapped under, in every version at the same place."""
    return token[WRAPPING_KEY_ID_AT : WRAPPING_KEY_ID_AT + WRAPPING_KEY_ID_BYTES]


def is_in_pkcs11_token(domain_key: Token) -> bool:
    """Whether a domain key lives in a PKCS#11 token: then an HMAC of that token follows the wrapped key."""
    return len(domain_key.wrapped) > DOMAIN_KEY_BYTES + TAG_BYTES


def _require_fields(header: TokenHeader, version: int) -> None:
    if len(header.wrapping_key_id) != WRAPPING_KEY_ID_BYTES or len(header.material_id) != MATERIAL_ID_BYTES:
        raise ValueError("not a token: ids")
    has_account = header.kind not in _WITHOUT_ACCOUNT
    has_spec = header.kind in (TokenKind.BACKING_KEY, TokenKind.IMPORT_KEY, TokenKind.TOKEN_KEY)
    require_region(header.region)
    if has_account:
        require_account_id(header.account_id)
    elif header.account_id:
        raise ValueError("not a token: account")
    if _NAME.fullmatch(header.key_id) is None:
        raise ValueError("not a token: key id")
    is_backing_key = header.kind in (TokenKind.BACKING_KEY, TokenKind.TOKEN_KEY)
    has_origin = is_backing_key and version != VERSION_WITHOUT_ORIGIN
    texts = [(header.key_usage, has_spec), (header.origin, has_origin)]
    if header.kind is not TokenKind.DOMAIN_KEY:
        texts.append((header.key_spec, has_spec))
    elif version == VERSION_WITHOUT_ORIGIN:
        texts.append((header.key_spec, False))
    elif _GENERATION.fullmatch(header.key_spec) is None:
        raise ValueError("not a token: generation")
    for text, is_there in texts:
        if (_NAME.fullmatch(text) is None) if is_there else text:
            raise ValueError("not a token: spec, usage or origin")


def require_region(region: str) -> None:
    """Raises ValueError unless `region` has the form of a Region name."""
    if _REGION.fullmatch(region) is None:
        raise ValueError("not a Region")


def require_name(text: str) -> None:
    """Raises ValueError unless `text` can be a key id, key spec or key usage."""
    if _NAME.fullmatch(text) is None:
        raise ValueError("not a name")


def require_account_id(account_id: str) -> None:
    """Raises ValueError unless `account_id` is 12 digits."""
    if _ACCOUNT_ID.fullmatch(account_id) is None:
        raise ValueError("not an account id")
