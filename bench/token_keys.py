"""Keys in a PKCS#11 token: Encrypt through a whole server with one boundary, beside the token by itself."""

from __future__ import annotations

import os
import statistics
import sys
import time
from pathlib import Path

from bench.load import processor_seconds, run_load_process
from bench.run import Target, kms_requests, strict_client
from tests.support.server import Server, strict_environment
from tests.support.softhsm import TestToken, make_softhsm

from strongroom.boundary.pkcs11.families import ALL_FAMILIES
from strongroom.boundary.pkcs11.mechanisms import plain
from strongroom.boundary.pkcs11.probe import SESSION_SECRET, require_sound_token
from strongroom.boundary.pkcs11.resident_keys import WRAPS


def token_alone_per_second(token: TestToken, seconds: float) -> tuple[float, float]:
    """What the token gives one process in a second of processor time: unwrap, AES-GCM, destroy; and AES-GCM.

    Of the processor, for others may have it meanwhile: the rate itself where nobody has.
    """
    os.environ.update(token.environment)
    opened = token.open()
    mechanism = plain(require_sound_token(opened))
    family = ALL_FAMILIES["SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT"]
    domain_key = opened.generate_aes_key("", {**SESSION_SECRET, **WRAPS})
    wrapped = family.generate(opened, domain_key, mechanism).wrapped
    plaintext, aad = bytes(64), bytes(90)

    def unwrap_and_encrypt() -> None:
        key = family.unwrap(opened, domain_key, mechanism, wrapped)
        opened.encrypt_gcm(key, os.urandom(16), plaintext, aad)
        opened.destroy(key)

    held = family.unwrap(opened, domain_key, mechanism, wrapped)
    rates = []
    for work in (unwrap_and_encrypt, lambda: opened.encrypt_gcm(held, os.urandom(16), plaintext, aad)):
        count, started, used = 0, time.perf_counter(), time.process_time()
        while time.perf_counter() - started < seconds:
            work()
            count += 1
        rates.append(count / (time.process_time() - used))
    opened.close()
    return rates[0], rates[1]


def encrypt_rate(target: Target, connections: int, seconds: float) -> float:
    """Requests per second with a client that sleeps while it waits: of two processors both serve then."""
    requests = target.requests["Encrypt"]
    result = run_load_process("127.0.0.1", target.port, requests, connections=connections, seconds=seconds)
    if result.non_200 or result.failed:
        raise SystemExit(f"{target.name} Encrypt: {result.non_200} refused, {result.failed} failed")
    return result.requests_per_second


def bench_token_keys(rounds: int, seconds: float, directory: Path) -> None:
    token = make_softhsm(directory / "softhsm")
    pin_file, configuration = directory / "pin", directory / "strongroom.toml"
    pin_file.touch(0o600)
    pin_file.write_bytes(token.pin)
    configuration.write_text(
        f'[pkcs11]\nmodule = "{token.module}"\ntoken_label = "{token.label}"\npin_file = "{pin_file}"\n'
        f'directories = ["{token.directory}"]\n[pkcs11.environment]\n'
        + "".join(f'{name} = "{value}"\n' for name, value in token.environment.items())
    )
    flags = ("--auth", "strict", "--config", str(configuration))
    with Server(*flags, environment=strict_environment(), data_dir=directory / "token") as server:
        target = Target(
            "SoftHSM", server.port, server.process.pid, kms_requests(server.port, strict_client(server))
        )
        target.measure("Encrypt", 0.3)
        target.cpu_us.clear()
        target.results.clear()
        (boundary,) = server.processes()["strongroom: boundary"]
        alone, of_boundary = [], []
        rates: dict[int, list[float]] = {16: [], 64: []}
        for _ in range(rounds):
            before = processor_seconds(boundary)
            target.measure("Encrypt", seconds)
            used = processor_seconds(boundary) - before
            of_boundary.append(used / target.results["Encrypt"][-1].count * 1e6)
            target.measure("Decrypt", seconds)
            for connections, measured in rates.items():
                measured.append(encrypt_rate(target, connections, seconds))
            alone.append(token_alone_per_second(token, seconds / 2))
    whole, gcm = (statistics.median(each) for each in zip(*alone, strict=True))
    few, many = (statistics.median(measured) for measured in rates.values())
    sys.stdout.write(
        f"\nKeys in SoftHSM, one worker and one boundary, medians of {rounds} rounds:\n"
        f"Encrypt {few:.0f}/s over 16 connections, {many:.0f}/s over 64; the token by itself: unwrap and "
        f"AES-GCM {whole:.0f}/s, AES-GCM {gcm:.0f}/s.\n"
        f"With a client that takes a processor for itself: Encrypt {target.rate('Encrypt'):.0f}/s, Decrypt "
        f"{target.rate('Decrypt'):.0f}/s.\n"
        f"CPU us an Encrypt: all processes {target.median('Encrypt'):.1f}, of which the boundary "
        f"{statistics.median(of_boundary):.1f}; the token by itself, unwrap and AES-GCM {1e6 / whole:.1f}\n"
    )
