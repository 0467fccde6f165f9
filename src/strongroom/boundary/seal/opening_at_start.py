"""Opening the seal for a server that starts, with what its settings name: no operator has to be there.

The supervisor gives the start packet (start_packet.py) with the seal record and open files, and gets a `U`
packet with one end of a socket pair, which it passes on to the boundary; or `E` with a sentence.
"""

from __future__ import annotations

import functools
import os
import socket
from collections.abc import Callable

from strongroom.boundary.control_socket import receive_packet
from strongroom.boundary.seal.kms_client import KmsClient, parse_credentials
from strongroom.boundary.seal.means import Means, open_any_slot
from strongroom.boundary.seal.refusal import PinNotTaken, SealRefused
from strongroom.boundary.seal.root_key_handing import ask_to_open
from strongroom.boundary.seal.secret_input import read_secret_file
from strongroom.boundary.seal.token_keys import ModuleKeys
from strongroom.boundary.seal.wrapping import load_slots
from strongroom.boundary.start_packet import StartPacket, parse_start_packet

EXIT_NOT_AGAIN = 3
"""To the supervisor (processes/sealing.py): trying again with the same would do harm."""
AUTHORITIES_BYTES_MAX = 1 << 20


def open_at_start(control_fd: int) -> int:
    """The whole of it; returns the exit code."""
    control = socket.socket(fileno=control_fd)
    packet, fds = receive_packet(control)
    if not packet:
        return 1
    try:
        start = parse_start_packet(packet, fds)
        slot, root_key = open_any_slot(load_slots(start.seal_record), _means_of(start))
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with ours:
            with theirs:
                socket.send_fds(control, [b"U"], [theirs.fileno()])
            ask_to_open(ours, slot, root_key, by_settings=True)
    except SealRefused as refused:
        control.send(b"E" + str(refused).encode()[:4096])
        return EXIT_NOT_AGAIN if isinstance(refused, PinNotTaken) else 1
    except ValueError:
        control.send(b"EThe seal program was started wrongly; this is a fault of the supervisor.")
        return 1
    return 0


def _means_of(start: StartPacket) -> Means:
    passphrase: Callable[[], bytes] | None = None
    if "passphrase" in start.files:
        passphrase = functools.cache(
            functools.partial(read_secret_file, start.files["passphrase"], "passphrase")
        )
    kms: KmsClient | None = None
    if "kms_endpoint" in start.options:
        text = read_secret_file(start.files["kms_credentials"], "credentials for the KMS")
        kms = KmsClient(
            start.options["kms_endpoint"],
            parse_credentials(text.decode("utf-8", "replace")),
            _read_authorities(start.files["kms_ca"]) if "kms_ca" in start.files else None,
        )
    tokens: ModuleKeys | None = None
    if "pkcs11_module" in start.options:
        for setting in filter(None, start.options["pkcs11_environment"].split(",")):
            name, _, value = setting.partition("=")
            os.environ[name] = value  # the module reads it with getenv
        read_pin = functools.partial(read_secret_file, start.files["pin"], "PIN")
        tokens = ModuleKeys(
            start.options["pkcs11_module"], functools.cache(read_pin), start.options["pkcs11_arguments"]
        )
    return Means(passphrase=passphrase, tokens=tokens, kms=kms)


def _read_authorities(fd: int) -> str:
    with open(fd, "rb") as stream:
        return stream.read(AUTHORITIES_BYTES_MAX).decode("utf-8", "replace")
