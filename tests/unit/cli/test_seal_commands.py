"""strongroom init and strongroom seal, run as a user runs them, without a server."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import termios
import time
from pathlib import Path

import pytest
from tests.support.seal_commands import PASSPHRASE, make_seal, run_strongroom, shares_in
from tests.support.server import STRONGROOM
from tests.support.softhsm import TestToken


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def test_init_makes_slots_shows_shares_once_and_all_verify(data: Path, tmp_path: Path) -> None:
    key_file = tmp_path / "keys" / "seal.key"
    made = run_strongroom(
        "init", "--data-dir", data, "--key-file", key_file, "--shares", "2of3",
        secrets={"--passphrase-fd": PASSPHRASE},
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    shares = shares_in(made.stdout)
    assert len(shares) == 3
    assert (key_file.stat().st_size, key_file.stat().st_mode & 0o777) == (32, 0o600)
    record = (data / "seal.record").read_bytes()
    assert (data / "seal.record").stat().st_mode & 0o777 == 0o600
    verified = run_strongroom(
        "seal", "verify", "--data-dir", data, "--key-file", key_file,
        secrets={"--passphrase-fd": PASSPHRASE, "--shares-fd": "\n".join(shares[1:])},
    )  # fmt: skip
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert "3 of 3 slots opened, 0 not tried." in verified.stdout
    status = run_strongroom("seal", "status", "--data-dir", data)
    assert "any 2 of 3 shares" in status.stdout
    assert "Warning" not in status.stdout
    for share in shares:
        assert share not in verified.stdout + status.stdout
    assert (data / "seal.record").read_bytes() == record


def test_init_over_a_seal_is_refused_and_changes_nothing(data: Path, tmp_path: Path) -> None:
    make_seal(data, "--key-file", tmp_path / "one.key")
    before = (data / "seal.record").read_bytes()
    again = run_strongroom("init", "--data-dir", data, "--key-file", tmp_path / "two.key")
    assert again.returncode == 255
    assert "There is a seal already" in again.stderr
    assert "Nothing was changed." in again.stderr
    assert (data / "seal.record").read_bytes() == before
    assert not (tmp_path / "two.key").exists()


def test_init_without_a_slot_says_which_there_are(data: Path) -> None:
    refused = run_strongroom("init", "--data-dir", data)
    assert refused.returncode == 252
    assert "name one slot or more" in refused.stderr
    assert not data.exists()


def test_init_with_the_key_file_inside_the_data_is_refused(data: Path) -> None:
    refused = run_strongroom("init", "--data-dir", data, "--key-file", data / "seal.key")
    assert refused.returncode == 253
    assert "inside the data directory" in refused.stderr


def test_status_warns_of_one_slot_that_is_on_a_machine(data: Path, tmp_path: Path) -> None:
    make_seal(data, "--key-file", tmp_path / "seal.key")
    status = run_strongroom("seal", "status", "--data-dir", data)
    assert "There is one slot" in status.stdout
    assert "No slot is offline" in status.stdout
    assert "Server: not running" in status.stdout


def test_verify_names_the_slots_that_it_could_not_try(data: Path, tmp_path: Path) -> None:
    make_seal(data, "--key-file", tmp_path / "seal.key", "--shares", "2of2")
    verified = run_strongroom("seal", "verify", "--data-dir", data, "--key-file", tmp_path / "seal.key")
    assert verified.returncode == 0
    assert "key file: opens" in verified.stdout
    assert "not tried: its shares were not given" in verified.stdout
    nothing = run_strongroom("seal", "verify", "--data-dir", data)
    assert nothing.returncode == 1
    assert "0 of 2 slots opened, 2 not tried." in nothing.stdout


def test_verify_of_a_tampered_slot_fails_in_a_sentence(data: Path, tmp_path: Path) -> None:
    make_seal(data, "--key-file", tmp_path / "seal.key")
    record = bytearray((data / "seal.record").read_bytes())
    record[-1] ^= 1
    (data / "seal.record").write_bytes(record)
    verified = run_strongroom("seal", "verify", "--data-dir", data, "--key-file", tmp_path / "seal.key")
    assert verified.returncode == 1
    assert "DOES NOT OPEN: The key file does not open its slot" in verified.stdout
    (data / "seal.record").write_bytes(record[:-3])
    cut = run_strongroom("seal", "status", "--data-dir", data)
    assert cut.returncode == 255
    assert "The seal record is damaged" in cut.stderr


def test_add_slot_needs_one_that_opens_and_then_the_new_one_opens(data: Path, tmp_path: Path) -> None:
    key_file = tmp_path / "seal.key"
    make_seal(data, "--key-file", key_file)
    before = (data / "seal.record").read_bytes()
    secrets = {"--new-passphrase-fd": PASSPHRASE}
    unproven = run_strongroom("seal", "add-slot", "--data-dir", data, secrets=secrets)
    assert unproven.returncode == 255
    assert "No slot of the seal could be tried" in unproven.stderr
    assert (data / "seal.record").read_bytes() == before
    added = run_strongroom("seal", "add-slot", "--data-dir", data, "--key-file", key_file, secrets=secrets)
    assert added.returncode == 0, added.stderr
    verified = run_strongroom(
        "seal", "verify", "--data-dir", data, "--key-file", key_file, secrets={"--passphrase-fd": PASSPHRASE}
    )
    assert "2 of 2 slots opened" in verified.stdout


def test_add_slot_with_a_wrong_passphrase_or_shares_changes_nothing(data: Path) -> None:
    shares = make_seal(data, "--shares", "2of3", secrets={"--passphrase-fd": PASSPHRASE})
    others = make_seal(data.with_name("other"), "--shares", "2of3")
    before = (data / "seal.record").read_bytes()
    for flag, secret, sentence in (
        ("--passphrase-fd", PASSPHRASE + "!", "The passphrase does not open its slot"),
        ("--shares-fd", shares[0], "1 of the 2 shares that are needed were given"),
        ("--shares-fd", f"{shares[0]}\n{others[1]}", r"Share 2 (set "),
        ("--shares-fd", f"{shares[0]}\n{shares[1][:-1]}A{shares[1][:0]}x", "Line 2 of the shares"),
    ):
        refused = run_strongroom(
            "seal", "add-slot", "--new-shares", "2of2", "--data-dir", data, secrets={flag: secret}
        )
        assert refused.returncode == 255
        assert sentence in refused.stderr
        assert "Nothing was changed." in refused.stderr
        assert secret not in refused.stdout + refused.stderr
        assert shares_in(refused.stdout) == []
        assert (data / "seal.record").read_bytes() == before


def test_remove_slot_needs_one_that_stays_and_refuses_the_last(data: Path, tmp_path: Path) -> None:
    key_file = tmp_path / "seal.key"
    make_seal(data, "--key-file", key_file, secrets={"--passphrase-fd": PASSPHRASE})
    locked_out = run_strongroom("seal", "remove-slot", "2", "--data-dir", data)
    assert "A slot that stays must be opened first" in locked_out.stderr
    by_the_one_that_goes = run_strongroom(
        "seal", "remove-slot", "2", "--data-dir", data, secrets={"--passphrase-fd": PASSPHRASE}
    )
    assert by_the_one_that_goes.returncode == 255
    removed = run_strongroom("seal", "remove-slot", "2", "--data-dir", data, "--key-file", key_file)
    assert removed.returncode == 0, removed.stderr
    assert "Removed slot 2, passphrase" in removed.stdout
    last = run_strongroom("seal", "remove-slot", "1", "--data-dir", data, "--key-file", key_file)
    assert "This is the last slot" in last.stderr
    absent = run_strongroom("seal", "remove-slot", "9", "--data-dir", data, "--key-file", key_file)
    assert "There is no slot 9" in absent.stderr
    assert run_strongroom("seal", "verify", "--data-dir", data, "--key-file", key_file).stdout.endswith(
        "1 of 1 slots opened, 0 not tried.\n"
    )


def test_passphrase_file_that_others_may_read_is_refused(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "passphrase"
    file.write_text(PASSPHRASE)
    file.chmod(0o644)
    with file.open("rb") as stream:
        refused = subprocess.run(
            [STRONGROOM, "init", "--data-dir", data, "--passphrase-fd", str(stream.fileno())],
            pass_fds=[stream.fileno()], capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert refused.returncode == 255
    assert "can be read or changed by others" in refused.stderr
    assert not (data / "seal.record").exists()


def test_file_number_that_is_not_open_is_refused(data: Path) -> None:
    refused = run_strongroom("init", "--data-dir", data, "--passphrase-fd", "873")
    assert refused.returncode == 252
    assert "File 873 is not open" in refused.stderr


def test_without_a_terminal_a_passphrase_cannot_be_asked_for(data: Path) -> None:
    refused = run_strongroom("init", "--data-dir", data, "--passphrase")
    assert refused.returncode == 255
    assert "There is no terminal" in refused.stderr


def test_commands_without_a_seal_say_how_to_make_one(data: Path, tmp_path: Path) -> None:
    data.mkdir()
    for command in ("status", "verify", "unseal"):
        refused = run_strongroom("seal", command, "--data-dir", data)
        assert refused.returncode == 255
        assert "strongroom init makes one" in refused.stderr
    absent = run_strongroom("seal", "status", "--data-dir", tmp_path / "absent")
    assert "Cannot use the data directory" in absent.stderr


def test_unseal_without_a_server_says_so(data: Path) -> None:
    make_seal(data, secrets={"--passphrase-fd": PASSPHRASE})
    refused = run_strongroom("seal", "unseal", "--data-dir", data, secrets={"--passphrase-fd": PASSPHRASE})
    assert refused.returncode == 255
    assert "No sealed server waits" in refused.stderr


def _talk(arguments: list[str], answers: list[str]) -> str:
    """Run a command at a terminal of its own, and type an answer at each prompt; what the terminal showed."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(STRONGROOM, [str(STRONGROOM), *arguments])  # noqa: S606
    shown = ""
    deadline = time.monotonic() + 30
    try:
        while time.monotonic() < deadline:
            if not select.select([terminal], [], [], 0.5)[0]:
                continue
            try:
                chunk = os.read(terminal, 4096)
            except OSError:
                break
            if not chunk:
                break
            shown += chunk.decode()
            if shown.endswith(": ") and answers:
                assert not termios.tcgetattr(terminal)[3] & termios.ECHO
                os.write(terminal, answers.pop(0).encode() + b"\n")
        assert not answers, shown
    finally:
        os.close(terminal)
        os.waitpid(pid, 0)
    return shown


def test_passphrase_typed_on_the_terminal_is_not_shown(data: Path) -> None:
    shown = _talk(["init", "--data-dir", str(data), "--passphrase"], [PASSPHRASE, PASSPHRASE])
    assert "The seal of" in shown
    assert PASSPHRASE not in shown
    shown = _talk(["seal", "verify", "--data-dir", str(data), "--passphrase"], [PASSPHRASE])
    assert "1 of 1 slots opened" in shown
    assert PASSPHRASE not in shown


def test_share_with_a_slip_is_asked_for_again_on_the_terminal(data: Path) -> None:
    shares = make_seal(data, "--shares", "2of3")
    slip = ("A" if shares[0][0] != "A" else "B") + shares[0][1:]
    typed = [slip, shares[2], shares[2], shares[1].lower()]
    shown = _talk(["seal", "verify", "--data-dir", str(data), "--shares"], typed)
    assert "This is not a share" in shown
    assert "Share 3 was given already" in shown
    assert "1 of 1 slots opened" in shown
    assert shares[2] not in shown


def test_token_slot_on_softhsm_opens_with_the_pin_and_with_no_other(data: Path, softhsm: TestToken) -> None:
    module = ["--pkcs11-module", softhsm.module]
    pin = {"--pin-fd": softhsm.pin.decode()}
    conf = softhsm.environment
    made = run_strongroom(
        "init",
        "--data-dir",
        data,
        "--pkcs11-token",
        softhsm.label,
        *module,
        secrets=pin,
        environment=conf,
    )
    assert made.returncode == 0, made.stderr
    assert f'PKCS #11 token "{softhsm.label}", key "strongroom seal"' in made.stdout
    verified = run_strongroom("seal", "verify", "--data-dir", data, *module, secrets=pin, environment=conf)
    assert "1 of 1 slots opened" in verified.stdout, verified.stdout + verified.stderr
    wrong = run_strongroom(
        "seal",
        "verify",
        "--data-dir",
        data,
        *module,
        secrets={"--pin-fd": "9999-wrong"},
        environment=conf,
    )
    assert wrong.returncode == 1
    assert "The token refuses the PIN" in wrong.stdout
    absent = run_strongroom(
        "seal", "verify", "--data-dir", data, *module, secrets=pin,
        environment={"SOFTHSM2_CONF": str(data / "absent")},
    )  # fmt: skip
    assert absent.returncode == 1
    assert "The token cannot be used" in absent.stdout
    record = bytearray((data / "seal.record").read_bytes())
    record[-70] ^= 1  # in what the token sealed
    (data / "seal.record").write_bytes(record)
    tampered = run_strongroom("seal", "verify", "--data-dir", data, *module, secrets=pin, environment=conf)
    assert "DOES NOT OPEN: The token's key does not open its slot" in tampered.stdout
