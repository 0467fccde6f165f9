"""What signing and MACs cost beside the bare primitive on the same machine, in the same run.

The primitive is timed twice: by `openssl speed` where the system's OpenSSL has it, and in this process
with the library that the boundary uses. The limit is the primitive and twice the null handler.
"""

from __future__ import annotations

import base64
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from bench.run import DISTINCT_REQUESTS, Target, null_server, strict_client, strict_request
from cryptography.hazmat.primitives.asymmetric import ec, mldsa, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from tests.support.server import Server, strict_environment

MESSAGE = os.urandom(64)
KINDS = {
    "Sign ECC_NIST_P256": ("ECC_NIST_P256", "SIGN_VERIFY", "Sign", {"SigningAlgorithm": "ECDSA_SHA_256"}),
    "Sign RSA_2048": ("RSA_2048", "SIGN_VERIFY", "Sign", {"SigningAlgorithm": "RSASSA_PSS_SHA_256"}),
    "Sign ML_DSA_65": ("ML_DSA_65", "SIGN_VERIFY", "Sign", {"SigningAlgorithm": "ML_DSA_SHAKE_256"}),
    "GenerateMac HMAC_256": (
        "HMAC_256",
        "GENERATE_VERIFY_MAC",
        "GenerateMac",
        {"MacAlgorithm": "HMAC_SHA_256"},
    ),
}


def _primitives() -> dict[str, Callable[[], object]]:
    curve_key = ec.generate_private_key(ec.SECP256R1())
    rsa_key = rsa.generate_private_key(65537, 2048)
    lattice_key = mldsa.MLDSA65PrivateKey.generate()
    keyed = HMAC(os.urandom(32), SHA256())

    def mac() -> bytes:
        copy = keyed.copy()
        copy.update(MESSAGE)
        return copy.finalize()

    return {
        "Sign ECC_NIST_P256": lambda: curve_key.sign(MESSAGE, ec.ECDSA(SHA256())),
        "Sign RSA_2048": lambda: rsa_key.sign(MESSAGE, padding.PSS(padding.MGF1(SHA256()), 32), SHA256()),
        "Sign ML_DSA_65": lambda: lattice_key.sign(MESSAGE),
        "GenerateMac HMAC_256": mac,
    }


def _cpu_us(primitive: Callable[[], object], seconds: float = 0.5) -> float:
    count, started = 0, time.process_time()
    while time.process_time() - started < seconds:
        for _ in range(20):
            primitive()
        count += 20
    return (time.process_time() - started) / count * 1e6


def _openssl_us(algorithm: str) -> float | None:
    """One operation by `openssl speed`; None where it has no such algorithm."""
    program = shutil.which("openssl")
    if program is None:
        return None
    done = subprocess.run(
        [program, "speed", "-seconds", "1", algorithm], capture_output=True, text=True, check=False
    )
    found = re.search(r"[0-9.]+s +[0-9.]+s +([0-9.]+) +[0-9.]+\s*$", done.stdout)  # sign, verify, sign/s
    return None if found is None else 1e6 / float(found.group(1))


def bench_asymmetric(rounds: int, seconds: float, directory: Path) -> None:
    """Print a line for each kind: CPU per request, the primitive, the null handler, the limit."""
    openssl = {"Sign ECC_NIST_P256": _openssl_us("ecdsap256"), "Sign RSA_2048": _openssl_us("rsa2048")}
    primitives = {name: _cpu_us(primitive) for name, primitive in _primitives().items()}
    with (
        null_server() as null,
        Server("--auth", "strict", environment=strict_environment(), data_dir=directory / "asym") as server,
    ):
        client = strict_client(server)
        requests = {}
        for name, (spec, usage, operation, more) in KINDS.items():
            key_id = client.create_key(KeySpec=spec, KeyUsage=usage)["KeyMetadata"]["KeyId"]
            members = {"KeyId": key_id, "Message": base64.b64encode(MESSAGE).decode(), **more}
            requests[name] = [
                strict_request(server.port, operation, members) for _ in range(DISTINCT_REQUESTS)
            ]
        target = Target("asymmetric", server.port, server.process.pid, requests)
        for name in KINDS:
            target.measure(name, 0.3)
        target.cpu_us.clear()
        for _ in range(rounds):
            null.measure("null", seconds)
            for name in KINDS:
                target.measure(name, seconds)
        floor = null.median("null")
    print(f"\nSigning and MACs, CPU us per signed request, 16 connections (null handler {floor:.1f} us)")
    print(f"{'':24}{'CPU us':>9}{'primitive':>11}{'openssl':>9}{'limit':>8}{'over primitive':>16}")
    for name in KINDS:
        cost, bare, speed = target.median(name), primitives[name], openssl.get(name)
        shown = "-" if speed is None else f"{speed:.1f}"
        print(
            f"{name:24}{cost:9.1f}{bare:11.1f}{shown:>9}{bare + 2 * floor:8.1f}"
            f"{(cost - bare) / floor:13.2f} x null"
        )
