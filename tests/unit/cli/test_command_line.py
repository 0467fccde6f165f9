"""The command `strongroom` as a program: exit codes, one sentence on stderr, and no secret left behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from strongroom import __version__
from strongroom.audit.trail import Trail
from strongroom.cli.arguments import UsageError, parse_arguments
from strongroom.cli.kms_client import CallerNotConfigured, call_kms
from strongroom.cli.root_secret import FD_VARIABLE, RootSecretError, take_root_secret

SOURCE = Path(__file__).resolve().parents[3] / "src"


def _run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("STRONGROOM_")}
    return subprocess.run(
        [sys.executable, "-m", "strongroom.cli.main", *arguments],
        env={**inherited, "PYTHONPATH": str(SOURCE), **environment},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_version_is_printed() -> None:
    result = _run("--version")
    assert (result.returncode, result.stdout, result.stderr) == (0, f"strongroom {__version__}\n", "")


def test_version_loads_no_heavy_module() -> None:
    program = (
        "import sys; sys.argv = ['strongroom', '--version']\n"
        "from strongroom.cli.main import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print(sorted(name for name in sys.modules if name.split('.')[0] in"
        " ('asyncio', 'uvloop', 'sqlalchemy', 'cryptography', 'msgspec', 'uvicorn', 'starlette', 'tomllib')))"
    )
    result = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert result.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    "arguments", [["--help"], ["dev", "--help"], ["serve", "--help"], ["audit", "verify", "--help"]]
)
def test_help_is_printed(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        parse_arguments(arguments)
    assert end.value.code == 0
    assert "usage: strongroom" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["develop"],
        ["dev", "--prot", "1"],
        ["dev", "--port"],
        ["dev", "x"],
        ["audit"],
        ["audit", "verify"],
    ],
)
def test_wrong_usage_is_refused(arguments: list[str]) -> None:
    with pytest.raises(UsageError, match="--help") as refusal:
        parse_arguments(arguments)
    assert refusal.value.exit_code == 252


def test_wrong_usage_is_one_sentence_and_exit_code_252() -> None:
    result = _run("dev", "--prot", "1")
    assert (result.returncode, result.stdout) == (252, "")
    assert result.stderr == "strongroom: unrecognized arguments: --prot 1 (see strongroom --help)\n"


def test_wrong_flag_value_is_one_sentence_and_exit_code_252() -> None:
    result = _run("dev", "--port", "http")
    assert (result.returncode, result.stdout) == (252, "")
    assert result.stderr == (
        "strongroom: Setting port (flag --port) must be a whole number from 0 to 65535, not 'http'.\n"
    )


def test_wrong_configuration_is_one_sentence_and_exit_code_253(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text('auth = "open"\n')
    result = _run("serve", "--config", str(tmp_path / "x.toml"))
    assert (result.returncode, result.stdout) == (253, "")
    assert result.stderr.startswith("strongroom: strongroom serve verifies every signature")
    assert len(result.stderr.splitlines()) == 1


def test_secret_without_its_id_is_refused_without_a_trace_of_it() -> None:
    """INVARIANT C1: this runs through the move out of the environment."""
    result = _run("dev", STRONGROOM_ROOT_SECRET_ACCESS_KEY="planted/secret")
    assert (result.returncode, result.stdout) == (253, "")
    assert "go together" in result.stderr
    assert "planted" not in result.stderr


def test_empty_secret_counts_as_none() -> None:
    result = _run("dev", "--auth", "strict", STRONGROOM_ROOT_SECRET_ACCESS_KEY="")
    assert result.returncode == 253
    assert "Strict authentication needs" in result.stderr


@pytest.mark.parametrize("text", ["", "0", "2", "x", "-1", "999999", "1" * 30, "٣"])
def test_secret_file_number_that_is_none_is_refused(text: str) -> None:
    result = _run("dev", **{FD_VARIABLE: text})
    assert result.returncode == 253
    assert result.stderr.startswith(f"strongroom: {FD_VARIABLE} must be the number of an open file")


@pytest.mark.parametrize("size", [0, 1025])
def test_secret_file_of_impossible_size_is_refused(size: int) -> None:
    fd = os.memfd_create("test", 0)
    os.write(fd, b"x" * size)
    before = os.environ.get(FD_VARIABLE)
    os.environ[FD_VARIABLE] = str(fd)
    try:
        with pytest.raises(RootSecretError):
            take_root_secret()
    finally:
        assert FD_VARIABLE not in os.environ
        if before is not None:
            os.environ[FD_VARIABLE] = before
        os.close(fd)


def _trail(data: Path) -> Path:
    """A trail of two blocks; returns its segment file."""
    (data / "audit").mkdir(parents=True)
    trail = Trail(str(data / "audit"))
    for number in range(2):
        trail.append(b'{"eventVersion":"1.11","n":%d}\n' % number, 1, {b"0" * 32: number + 1})
    trail.sync()
    trail.close()
    [segment] = [path for path in (data / "audit").iterdir() if b"eventVersion" in path.read_bytes()]
    return segment


def test_audit_verify_of_a_whole_trail_succeeds(tmp_path: Path) -> None:
    _trail(tmp_path)
    result = _run("audit", "verify", "--data-dir", str(tmp_path))
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("The audit trail holds: 2 records in 2 blocks.\n")


def test_audit_verify_of_a_changed_trail_is_one_sentence_and_exit_code_1(tmp_path: Path) -> None:
    segment = _trail(tmp_path)
    segment.write_bytes(segment.read_bytes().replace(b'"n":0', b'"n":7'))
    result = _run("audit", "verify", "--data-dir", str(tmp_path))
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith(f"strongroom: The audit trail in {tmp_path}/audit does not hold: ")
    assert len(result.stderr.splitlines()) == 1


def test_audit_verify_of_nothing_fails(tmp_path: Path) -> None:
    result = _run("audit", "verify", "--data-dir", str(tmp_path))
    assert result.returncode == 255
    assert "There is no audit trail" in result.stderr


def test_audit_verify_of_a_directory_that_cannot_be_entered_is_one_sentence(tmp_path: Path) -> None:
    long = tmp_path / ("a" * 300)  # root may enter every directory, but this
    result = _run("audit", "verify", "--data-dir", str(long))
    sentence = f"strongroom: Cannot read the audit trail in {long}/audit: File name too long.\n"
    assert (result.returncode, result.stderr) == (255, sentence)


def test_data_directory_that_is_a_file_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = _run("dev", "--port", "0", "--data-dir", str(tmp_path / "file"))
    sentence = f"strongroom: Cannot use the data directory {tmp_path}/file: Not a directory.\n"
    assert (result.returncode, result.stderr) == (255, sentence)


def test_database_that_is_none_is_one_sentence_and_nothing_of_the_processes(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    (data / "strongroom.db").write_bytes(b"no database" * 10_000)
    result = _run("dev", "--port", "0", "--data-dir", str(data))
    sentence = "cannot be used: the file is not a database (SQLITE_NOTADB).\n"
    assert (result.returncode, result.stderr) == (
        255,
        f"strongroom: The database {data}/strongroom.db {sentence}",
    )


@pytest.mark.parametrize("environment", [{}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}])
def test_data_directory_that_the_locale_cannot_read_is_one_sentence(environment: dict[str, str]) -> None:
    result = _run("dev", "--port", "0", "--data-dir", os.fsdecode(b"/nowhere/\xff"), **environment)
    assert result.returncode == 252
    assert "Setting data_directory (flag --data-dir) must be text that this locale can read" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_call_of_kms_trusts_the_bundle_of_the_environment(tmp_path: Path) -> None:
    (tmp_path / "bundle.pem").write_text("no certificate")
    environment = {
        "AWS_ENDPOINT_URL_KMS": "https://127.0.0.1:9",
        "AWS_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "id",
        "AWS_SECRET_ACCESS_KEY": "secret",
    }
    for bundle, reason in (("bundle.pem", "no certificates in PEM"), ("absent", "No such file or directory")):
        with pytest.raises(CallerNotConfigured, match=f"AWS_CA_BUNDLE, {tmp_path}/{bundle}: {reason}"):
            call_kms("ListKeys", {}, {**environment, "AWS_CA_BUNDLE": str(tmp_path / bundle)})


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "Cannot read {}: No such file or directory."),
        (b"\xff", "{} is no key policy: it is not text in UTF-8."),
        (b" " * 262145, "{} is no key policy: one has at most 32768 characters."),
    ],
)
def test_policy_test_of_what_is_no_text_is_one_sentence(
    tmp_path: Path, content: bytes | None, reason: str
) -> None:
    file = tmp_path / "policy"
    if content is not None:
        file.write_bytes(content)
    result = _run("policy", "test", "--key", "k", "--policy", str(file), "--data-dir", str(tmp_path))
    assert (result.returncode, result.stderr) == (255, f"strongroom: {reason.format(file)}\n")
