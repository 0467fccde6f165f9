"""libcrypto by ctypes: when it is taken, when not, and that nothing is left behind."""

from __future__ import annotations

import gc
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.key_pairs import loaded
from tests.support.sm2 import needs_sm2, without_libcrypto

from strongroom.boundary.interface import CiphertextRefused, SignatureRefused
from strongroom.boundary.software.libcrypto import Libcrypto, LibcryptoRefused, open_library
from strongroom.boundary.software.sm2_self_test import POINT, SCALAR, sound_libcrypto


def test_library_that_is_not_there_or_has_no_sm2_is_none(tmp_path: Path) -> None:
    without_libcrypto(tmp_path)
    (tmp_path / "text").write_text("no library")
    for name in ("libcrypto.so.none", str(tmp_path / "libcrypto.so.3"), str(tmp_path / "text"), "libc.so.6"):
        assert open_library((name,)) is None
        assert sound_libcrypto((name,)) is None
    assert open_library(()) is None


@pytest.mark.skipif(shutil.which("cc") is None, reason="no compiler: a library without SM2 was NOT tried")
def test_library_built_without_sm2_is_none(tmp_path: Path) -> None:
    """As distributions build it: all functions are there, and the curve is not."""
    from strongroom.boundary.software.libcrypto import _FUNCTIONS

    source = "\n".join(f"long {name}(void) {{ return {int('GROUP' not in name)}; }}" for name in _FUNCTIONS)
    (tmp_path / "library.c").write_text(source)
    command = ["cc", "-shared", "-fPIC", "-w", "-o", "libcrypto.so.3", "library.c"]
    subprocess.run(command, cwd=tmp_path, check=True)
    with pytest.raises(LibcryptoRefused):
        Libcrypto(str(tmp_path / "libcrypto.so.3"))
    assert open_library((str(tmp_path / "libcrypto.so.3"),)) is None


@needs_sm2
def test_first_library_that_has_it_is_taken() -> None:
    found = open_library(("libcrypto.so.none", "libcrypto.so.3"))
    assert found is not None
    assert found.version.startswith("OpenSSL 3.")


@needs_sm2
def test_configuration_of_the_host_has_no_part(tmp_path: Path) -> None:
    """An openssl.cnf that allows nothing but FIPS would make every algorithm unknown."""
    (tmp_path / "openssl.cnf").write_text(
        "openssl_conf = start\n[start]\nalg_section = algorithms\n"
        "[algorithms]\ndefault_properties = fips=yes\n"
    )
    code = (
        "import sys; from strongroom.boundary.software.libcrypto import open_library\n"
        "library = open_library()\n"
        "point = library.multiply(bytes(31) + b'2')\n"
        "key = library.load(point, bytes(31) + b'2')\n"
        "is_sound = key.decrypt(key.encrypt(b'x')) == b'x' and key.verify(key.sign(bytes(32)), bytes(32))\n"
        "sys.exit(not is_sound)"
    )
    environment = {"OPENSSL_CONF": str(tmp_path / "openssl.cnf"), "PATH": "/usr/bin:/bin"}
    refused = subprocess.run(
        ["openssl", "genpkey", "-algorithm", "SM2"], env=environment, capture_output=True, check=False
    )
    assert refused.returncode != 0, "the configuration is not what this test takes it for"
    path = str(Path(sys.modules["strongroom"].__file__ or "").parent.parent)
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**environment, "PYTHONPATH": path},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@needs_sm2
def test_point_off_the_curve_or_scalar_zero_is_refused() -> None:
    library = open_library()
    assert library is not None
    wrong = POINT[:-1] + bytes([POINT[-1] ^ 1])
    with pytest.raises(LibcryptoRefused) as caught:
        library.load(wrong)
    assert (caught.value.args, caught.value.__cause__) == ((), None)
    with pytest.raises(LibcryptoRefused):
        library.load(wrong, SCALAR)
    for scalar, point in ((SCALAR, wrong), (bytes(32), None), (bytes(32), POINT)):
        with pytest.raises(LibcryptoRefused):
            library.multiply(scalar, point)
    assert library.multiply(SCALAR) == POINT
    assert library.multiply((1).to_bytes(32, "big"), POINT) == POINT


@needs_sm2
def test_thousands_of_keys_and_refusals_leave_no_memory_behind() -> None:
    def use() -> None:
        for _ in range(500):
            key = loaded("SM2")
            signature = key.sign(b"x", "RAW", "SM2DSA")
            with pytest.raises(SignatureRefused):
                key.verify(b"y", "RAW", "SM2DSA", signature)
            encryption = loaded("SM2", key_usage="ENCRYPT_DECRYPT")
            sealed = encryption.encrypt_asymmetric(bytes(1000), "SM2PKE")
            encryption.decrypt_asymmetric(sealed, "SM2PKE")
            with pytest.raises(CiphertextRefused):
                encryption.decrypt_asymmetric(sealed[:-1] + bytes([sealed[-1] ^ 1]), "SM2PKE")
        gc.collect()

    use()
    before = resident_kib()
    use()
    assert resident_kib() - before < 1024  # one key takes about 2 KiB: 1,000 that are not freed, 2 MiB


def resident_kib() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() // 1024
