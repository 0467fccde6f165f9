"""Rules of the house that no linter knows: READMEs, sizes, names, and where requirements come from."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "strongroom"
PYTHON_FOLDERS = ("src", "tests", "tools", "bench")
ROOMS = sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))
REQUIREMENTS = sorted((ROOT / "requirements").glob("*"))

README_LINES_MAX = 60
FILE_LINES_MAX = 500
README_SECTIONS = (
    "What this room is for",
    "Who may come in",
    "Invariants",
    "Files in reading order",
    "How it is tested",
)
NAMELESS = {"utils", "util", "helpers", "helper", "common", "manager", "misc"}


def _python_files() -> list[Path]:
    return [
        path
        for folder in PYTHON_FOLDERS
        for path in (ROOT / folder).rglob("*.py")
        if "generated" not in path.relative_to(ROOT).parts
    ]


def test_there_are_rooms_and_files_to_look_at() -> None:
    """The other tests here look at lists, and an empty list would please them all."""
    assert {"wire", "boundary", "store", "processes", "cli"} <= set(ROOMS)
    assert len(_python_files()) > 50
    assert len(REQUIREMENTS) >= 6


@pytest.mark.parametrize("room", ROOMS)
def test_room_has_a_readme_of_the_house_form(room: str) -> None:
    lines = (PACKAGE / room / "README.md").read_text().splitlines()
    assert len(lines) <= README_LINES_MAX
    text = "\n".join(lines)
    missing = [section for section in README_SECTIONS if section not in text]
    assert missing == []


@pytest.mark.parametrize("room", ROOMS)
def test_room_readme_names_no_file_that_is_not_there(room: str) -> None:
    text = (PACKAGE / room / "README.md").read_text()
    listing = text[text.index("Files in reading order") : text.index("How it is tested")]
    named = re.findall(r"`([\w/]+\.py)`", listing)
    here = {path.name for path in (PACKAGE / room).rglob("*.py")}
    gone = [
        name
        for name in named
        if name not in here and not any((base / name).exists() for base in (PACKAGE / room, PACKAGE))
    ]
    assert gone == []


def test_no_python_file_is_longer_than_two_things() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for path in _python_files()
        if (lines := len(path.read_text().splitlines())) > FILE_LINES_MAX
    }
    assert long == {}


def test_no_module_has_a_name_that_says_nothing() -> None:
    named = [
        str(path.relative_to(ROOT))
        for path in _python_files()
        if NAMELESS & {path.stem, *path.stem.split("_")}
    ]
    assert named == []
    folders = [path for path in PACKAGE.rglob("*") if path.is_dir() and path.name in NAMELESS]
    assert folders == []


@pytest.mark.parametrize("path", REQUIREMENTS, ids=lambda path: path.name)
def test_requirements_do_not_say_where_they_were_found(path: Path) -> None:
    for line in path.read_text().splitlines():
        assert not re.match(r"\s*--?(index-url|extra-index-url|find-links|trusted-host|no-index|i|f)\b", line)
        assert "://" not in line
        # A host name: a word, a dot, a word that ends in letters; versions and file names are none.
        code = line.split("#")[0]
        assert not re.search(r"\b[a-z0-9-]+(\.[a-z0-9-]+)*\.(com|org|net|io|dev|internal|local|lan)\b", code)


def test_pinned_requirements_all_have_hashes() -> None:
    for path in REQUIREMENTS:
        if path.suffix != ".txt":
            continue
        text = path.read_text().replace("\\\n", " ")
        entries = [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]
        assert entries
        for entry in entries:
            assert re.match(r"[a-z0-9._-]+==[^ ]+ .*--hash=sha256:[0-9a-f]{64}", entry), entry


def _pins(name: str) -> dict[str, str]:
    text = (ROOT / "requirements" / name).read_text()
    return dict(re.findall(r"^([a-z0-9._-]+)==([^ ]+)", text, re.MULTILINE))


@pytest.mark.parametrize("name", ["dev.txt", "bench.txt"])
def test_requirements_installed_into_one_environment_agree(name: str) -> None:
    base, other = _pins("base.txt"), _pins(name)
    assert {
        package: (base[package], other[package])
        for package in base.keys() & other
        if base[package] != other[package]
    } == {}


def test_c_functions_are_called_where_the_house_says() -> None:
    """ctypes checks nothing: a wrong declaration corrupts memory."""
    found = {
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        if re.search(r"^\s*(import|from) (ctypes|cffi|_ctypes)\b", path.read_text(), re.MULTILINE)
    }
    assert found == {
        "audit/process.py",
        "boundary/pkcs11/binding.py",
        "boundary/pkcs11/gcm_calls.py",
        "boundary/pkcs11/mechanisms.py",
        "boundary/pkcs11/structures.py",
        "boundary/pkcs11/token.py",
        "boundary/own_user.py",
        "boundary/software/libcrypto.py",
        "confinement/landlock.py",
        "confinement/libc.py",
        "confinement/sandbox.py",
        "confinement/seccomp.py",
        "processes/spawn.py",
    }
