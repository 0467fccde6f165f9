"""From what was brought on the command line to the means that open slots: files read, questions asked."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from strongroom.boundary.seal.key_file import load_key_file
from strongroom.boundary.seal.kms_client import Credentials, KmsClient, credentials_of, parse_credentials
from strongroom.boundary.seal.means import Means
from strongroom.boundary.seal.pkcs11_slot import TokenKeys
from strongroom.boundary.seal.refusal import SealRefused
from strongroom.boundary.seal.request import Brought
from strongroom.boundary.seal.secret_input import Terminal, open_terminal, read_secret_file
from strongroom.boundary.seal.shamir_slot import Quorum, require_genuine
from strongroom.boundary.seal.shares import Share, parse_share
from strongroom.boundary.seal.token_keys import ModuleKeys

SHARES_GIVEN_MAX = 64
TEXT_FILE_BYTES_MAX = 1 << 20


def means_of(brought: Brought, environment: Mapping[str, str]) -> Means:
    """The means; passphrases and shares are read or asked for once, when a slot needs them.

    Raises: SealRefused.
    """
    passphrase: Callable[[], bytes] | None = None
    if brought.passphrase_fd is not None:
        passphrase = functools.cache(functools.partial(read_secret_file, brought.passphrase_fd, "passphrase"))
    elif brought.asks_passphrase:
        passphrase = functools.cache(lambda: open_terminal("passphrase").ask("Passphrase"))
    shares: Callable[[Quorum], Sequence[Share]] | None = None
    if brought.shares_fd is not None:
        read = functools.cache(functools.partial(_read_shares, brought.shares_fd))
        shares = lambda _: read()  # noqa: E731
    elif brought.asks_shares:
        shares = lambda quorum: ask_shares(open_terminal("shares"), quorum)  # noqa: E731
    return Means(
        key_file=None if brought.key_file is None else read_key_file(brought.key_file),
        passphrase=passphrase,
        shares=shares,
        tokens=_tokens_of(brought),
        kms=kms_of(brought, environment),
    )


def read_key_file(path: Path, may_create: bool = False) -> bytes:
    """The key file's content, made and filled where there is none and `may_create`. Raises SealRefused."""
    flags = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    try:
        if may_create:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            fd = os.open(path, os.O_RDWR | os.O_CREAT | flags, 0o600)
        else:
            fd = os.open(path, os.O_RDONLY | flags)
    except OSError as error:
        raise SealRefused(
            f"Cannot open the key file {path}: {error.strerror}. Nothing was changed."
        ) from None
    try:
        return load_key_file(fd, may_fill=may_create)
    finally:
        os.close(fd)


def kms_of(brought: Brought, environment: Mapping[str, str]) -> KmsClient | None:
    """A client of the KMS that was named. Raises SealRefused."""
    if brought.kms_endpoint is None:
        return None
    credentials: Credentials | None
    if brought.kms_credentials_file is not None:
        credentials = parse_credentials(_read_text(brought.kms_credentials_file, is_secret=True))
    else:
        credentials = credentials_of(environment)
    if credentials is None:
        raise SealRefused(
            "There are no credentials for the KMS: name a file (--kms-credentials-file), or set"
            " AWS_ACCESS_KEY_ID"
            " and AWS_SECRET_ACCESS_KEY in the environment. Nothing was changed."
        )
    file = brought.kms_ca_file
    return KmsClient(brought.kms_endpoint, credentials, None if file is None else _read_text(file))


def _tokens_of(brought: Brought) -> TokenKeys | None:
    if brought.pkcs11_module is None:
        return None
    module, pin_fd = str(brought.pkcs11_module), brought.pin_fd

    def ask_pin() -> bytes:
        if pin_fd is not None:
            return read_secret_file(pin_fd, "PIN")
        return open_terminal("PIN").ask("PIN of the token")

    return ModuleKeys(module, functools.cache(ask_pin), brought.pkcs11_arguments or "")


def _read_text(path: Path, is_secret: bool = False) -> str:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        if is_secret:
            return read_secret_file(fd, "credentials for the KMS").decode()
        with open(fd, "rb") as stream:
            return stream.read(TEXT_FILE_BYTES_MAX).decode()
    except OSError as error:
        raise SealRefused(f"Cannot read {path}: {error.strerror}. Nothing was changed.") from None
    except UnicodeDecodeError:
        raise SealRefused(f"The file {path} is not text in UTF-8. Nothing was changed.") from None


def take_share(brought: Brought) -> Share:
    """The one share that was brought. Raises SealRefused."""
    if brought.share_fd is None:
        return parse_share(open_terminal("share").ask("Share").decode("ascii", "replace"))
    shares = _read_shares(brought.share_fd)
    if len(shares) != 1:
        raise SealRefused(f"One share was to be given, and there are {len(shares)}. Nothing was changed.")
    return shares[0]


def _read_shares(fd: int) -> list[Share]:
    lines = read_secret_file(fd, "shares").decode("ascii", "replace").splitlines()
    texts = [line for line in lines if line.strip()]
    if len(texts) > SHARES_GIVEN_MAX:
        raise SealRefused(f"More than {SHARES_GIVEN_MAX} shares were given. Nothing was changed.")
    shares: list[Share] = []
    for place, text in enumerate(texts, 1):
        try:
            shares.append(parse_share(text))
        except SealRefused as refused:
            raise SealRefused(f"Line {place} of the shares: {refused}") from None
    return shares


def ask_shares(terminal: Terminal, quorum: Quorum) -> list[Share]:
    """As many genuine shares as are needed, each asked for again until it is one; an empty line gives up.

    Raises: SealRefused.
    """
    shares: dict[int, Share] = {}
    while len(shares) < quorum.needed:
        typed = terminal.ask(f"Share ({len(shares) + 1} of {quorum.needed} that are needed)")
        try:
            share = parse_share(typed.decode("ascii", "replace"))
            require_genuine(quorum, share)
        except SealRefused as refused:
            terminal.say(str(refused))
            continue
        if share.number in shares:
            terminal.say(f"Share {share.number} was given already: another one is needed.")
        shares[share.number] = share
    return list(shares.values())
