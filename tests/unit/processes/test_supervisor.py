"""The supervisor with real processes. Its services are stand-ins; everything else is as it ships."""

from __future__ import annotations

import os
import signal
import stat
import time
from pathlib import Path

from tests.support.strength import promised
from tests.unit.processes.stand_in_server import (
    RunningServer,
    child_pids,
    is_running,
    running_server,
    start_process,
    wait_until_ended,
)

RESPAWN_SECONDS_MAX = promised(1.0, among_others=10.0)
"""The promise is 0.5 s; the rest is for a busy machine."""


def test_start_with_two_workers_says_ready_and_both_answer(tmp_path: Path) -> None:
    with running_server(tmp_path, workers="2") as server:
        assert server.ready_lines[-1] == "Ready."
        assert f"export AWS_ENDPOINT_URL_KMS=http://127.0.0.1:{server.port}" in server.ready_lines
        first = server.report()
        second = server.report_when(lambda report: report["worker"] != first["worker"])
        assert {first["worker"], second["worker"]} == {1, 2}
        assert first["boundary"]["pid"] == second["boundary"]["pid"]
        assert first["audit"]["kind"] == "audit"
        assert first["boundary"]["client"] == f"worker {first['worker']}"
        names = {"boundary", "audit", "worker 1", "worker 2", "jobs"}
        assert set(server.children_when(*names)) == names


def test_start_hands_each_process_only_its_own_files(tmp_path: Path) -> None:
    """INVARIANT P3."""
    with running_server(tmp_path, data_directory=str(tmp_path / "data")) as server:
        report = server.report()
        for service in ("boundary", "audit"):
            control = [fd for fd in report[service]["fds_at_start"] if fd > 2]
            assert len(control) == 1
            assert set(report[service]["environment"]) <= {"PATH", "LANG", "LC_CTYPE"}
        assert not [link for link in report["fds"] if "seal.key" in link or link.endswith("/lock")]
        supervisor_files = [
            os.readlink(f"/proc/{server.pid}/fd/{fd}") for fd in os.listdir(f"/proc/{server.pid}/fd")
        ]
        assert any(link.endswith("/lock") for link in supervisor_files)  # the look itself works


def test_boundary_killed_is_replaced_and_workers_get_new_channels(tmp_path: Path) -> None:
    with running_server(tmp_path) as server:
        before = server.report()
        old = before["boundary"]["pid"]
        begun = time.monotonic()
        os.kill(old, signal.SIGKILL)
        after = server.report_when(lambda report: (report["boundary"] or {}).get("pid", old) != old)
        assert time.monotonic() - begun < RESPAWN_SECONDS_MAX
        assert after["pid"] == before["pid"]
        assert after["channels_received"] == before["channels_received"] + 1
        assert after["epoch"] == before["epoch"]
        assert after["audit"]["pid"] == before["audit"]["pid"]


def wait_for_spare(server: RunningServer) -> int:
    """The process id of the boundary that does not serve yet."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        spares = set(filter(is_running, child_pids(server.pid))) - set(server.children().values())
        if len(spares) == 1:
            return spares.pop()
        time.sleep(0.005)
    raise AssertionError("no spare boundary")


def test_boundary_killed_has_the_spare_in_its_place_and_another_spare_follows(tmp_path: Path) -> None:
    with running_server(tmp_path) as server:
        for _ in range(3):
            old, spare = server.report()["boundary"]["pid"], wait_for_spare(server)
            os.kill(old, signal.SIGKILL)
            report = server.report_when(
                lambda report, old=old: (report["boundary"] or {}).get("pid", old) != old  # type: ignore[misc]
            )
            assert report["boundary"]["pid"] == spare


def test_spare_killed_is_replaced_and_nobody_else_notices(tmp_path: Path) -> None:
    with running_server(tmp_path) as server:
        before = server.report()
        spare = wait_for_spare(server)
        os.kill(spare, signal.SIGKILL)
        assert wait_until_ended([spare]) == []
        assert wait_for_spare(server) != spare
        after = server.report()
        for name in ("boundary", "pid", "epoch", "channels_received"):
            assert after[name] == before[name]


def test_boundary_and_spare_killed_together_are_both_replaced(tmp_path: Path) -> None:
    with running_server(tmp_path) as server:
        old, spare = server.report()["boundary"]["pid"], wait_for_spare(server)
        for pid in (spare, old):
            os.kill(pid, signal.SIGKILL)
        report = server.report_when(
            lambda report: (report["boundary"] or {}).get("pid", old) not in (old, spare)
        )
        assert wait_for_spare(server) not in (spare, report["boundary"]["pid"])


def test_boundary_killed_again_and_again_comes_back_each_time(tmp_path: Path) -> None:
    """What worked until it was killed is no crash loop."""
    with running_server(tmp_path) as server:
        for _ in range(6):
            old = server.report()["boundary"]["pid"]
            os.kill(old, signal.SIGKILL)
            server.report_when(lambda report, old=old: (report["boundary"] or {}).get("pid", old) != old)  # type: ignore[misc]


def test_boundary_is_not_replaced_where_the_seal_record_has_gone(tmp_path: Path) -> None:
    """Its successor would make a new root key, which opens no key that there is."""
    with running_server(tmp_path, data_directory=str(tmp_path / "data")) as server:
        (tmp_path / "data" / "seal.record").unlink()
        os.kill(server.report()["boundary"]["pid"], signal.SIGKILL)
        assert server.process.wait(10) == 255
    assert not (tmp_path / "data" / "seal.record").exists()


def test_boundary_replaced_gets_the_saved_seal_record(tmp_path: Path) -> None:
    """INVARIANT P5."""
    with running_server(tmp_path, data_directory=str(tmp_path / "data")) as server:
        first = server.report()["boundary"]
        assert first["begin"] == ""
        saved = (tmp_path / "data" / "seal.record").read_bytes()
        assert stat.S_IMODE((tmp_path / "data" / "seal.record").stat().st_mode) == 0o600
        os.kill(first["pid"], signal.SIGKILL)
        second = server.report_when(lambda report: (report["boundary"] or first)["pid"] != first["pid"])
        assert bytes.fromhex(second["boundary"]["begin"]) == saved


def test_audit_killed_is_replaced_and_workers_get_new_channels(tmp_path: Path) -> None:
    with running_server(tmp_path) as server:
        before = server.report()
        old = before["audit"]["pid"]
        begun = time.monotonic()
        os.kill(old, signal.SIGKILL)
        after = server.report_when(lambda report: (report["audit"] or {}).get("pid", old) != old)
        assert time.monotonic() - begun < RESPAWN_SECONDS_MAX
        assert after["boundary"]["pid"] == before["boundary"]["pid"]


def test_worker_killed_changes_the_epoch_and_is_replaced_on_the_same_port(tmp_path: Path) -> None:
    """INVARIANT P4."""
    with running_server(tmp_path) as server:
        before = server.report()
        begun = time.monotonic()
        os.kill(before["pid"], signal.SIGKILL)
        after = server.report_when(lambda report: report["pid"] != before["pid"])
        assert time.monotonic() - begun < RESPAWN_SECONDS_MAX
        assert after["worker"] == before["worker"]
        assert after["epoch"] != before["epoch"]
        connected = server.report_when(lambda report: bool(report["boundary"] and report["audit"]))
        assert connected["boundary"]["pid"] == before["boundary"]["pid"]


def test_jobs_killed_changes_the_epoch_and_is_replaced(tmp_path: Path) -> None:
    """INVARIANT P4."""
    with running_server(tmp_path) as server:
        before = server.report()
        old = server.children_when("jobs")["jobs"]
        os.kill(old, signal.SIGKILL)
        server.report_when(lambda report: report["epoch"] != before["epoch"])
        deadline = time.monotonic() + 30
        while server.children().get("jobs", old) == old and time.monotonic() < deadline:
            time.sleep(0.01)
        assert server.children()["jobs"] != old


def test_service_that_cannot_start_again_stops_the_server_with_a_sentence(tmp_path: Path) -> None:
    with running_server(tmp_path) as server:
        pids = child_pids(server.pid)
        (tmp_path / "boundary.crash").touch()
        os.kill(server.children()["boundary"], signal.SIGKILL)
        _, stderr = server.process.communicate(timeout=20)
        assert server.process.returncode == 255
        assert "The boundary process ended with exit code 3, as it has again and again" in stderr
        assert "Traceback" not in stderr
        assert wait_until_ended(pids) == []


def test_sigterm_stops_all_processes_and_removes_the_temporary_directory(tmp_path: Path) -> None:
    with running_server(tmp_path, workers="2") as server:
        pids = child_pids(server.pid)
        assert len(list(tmp_path.glob("strongroom-*"))) == 1
        server.process.terminate()
        _, stderr = server.process.communicate(timeout=30)
        assert (server.process.returncode, stderr) == (0, "")
        assert wait_until_ended(pids, 0) == []
        assert list(tmp_path.glob("strongroom-*")) == []


def test_second_signal_ends_a_worker_that_does_not_finish(tmp_path: Path) -> None:
    (tmp_path / "worker.stuck").touch()
    with running_server(tmp_path) as server:
        worker = server.children()["worker 1"]
        server.process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        assert is_running(worker)
        server.process.send_signal(signal.SIGINT)
        server.process.communicate(timeout=30)
        assert server.process.returncode == 0
        assert not is_running(worker)


def test_supervisor_killed_leaves_no_process(tmp_path: Path) -> None:
    """INVARIANT P2."""
    with running_server(tmp_path, workers="2") as server:
        pids = child_pids(server.pid)
        assert len(pids) >= 5
        server.process.kill()
        assert wait_until_ended(pids) == []


def test_second_server_on_the_same_directory_is_refused(tmp_path: Path) -> None:
    """INVARIANT P1."""
    data = str(tmp_path / "data")
    with running_server(tmp_path, data_directory=data) as server:
        other = start_process(tmp_path, data_directory=data)
        _, stderr = other.communicate(timeout=30)
        assert other.returncode == 255
        assert stderr == (
            f"strongroom: Another server (process {server.pid}) is using the data directory {data}: "
            "stop it, or name another directory.\n"
        )
        assert server.report()["boundary"]["kind"] == "boundary"


def test_server_restarted_after_a_kill_has_the_directory_and_its_seal_again(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running_server(tmp_path, data_directory=str(data)) as server:
        record, key = (data / "seal.record").read_bytes(), (data / "seal.key").read_bytes()
        server.process.kill()
        with running_server(tmp_path, data_directory=str(data)) as successor:
            assert bytes.fromhex(successor.report()["boundary"]["begin"]) == record
            assert (data / "seal.key").read_bytes() == key
            assert len(key) == 32
            assert stat.S_IMODE((data / "seal.key").stat().st_mode) == 0o600


def test_second_server_on_the_same_port_is_refused(tmp_path: Path) -> None:
    with running_server(tmp_path) as server:
        other = start_process(tmp_path, port=str(server.port), workers="2")
        stdout, stderr = other.communicate(timeout=30)
        assert (other.returncode, stdout) == (255, "")
        assert stderr == (
            f"strongroom: Cannot listen on 127.0.0.1 port {server.port}: Address already in use. "
            "Stop what listens there, or name another port (--port N; 0 takes any free one).\n"
        )


def test_boundary_that_refuses_ends_the_start_with_its_sentence(tmp_path: Path) -> None:
    (tmp_path / "boundary.refuse").write_text("The key file does not open this seal.")
    process = start_process(tmp_path)
    stdout, stderr = process.communicate(timeout=30)
    assert (process.returncode, stdout) == (255, "")
    assert stderr == "strongroom: The key file does not open this seal.\n"


def test_prepare_that_refuses_ends_the_start_with_its_sentence(tmp_path: Path) -> None:
    (tmp_path / "prepare.refuse").write_text("The data is of a later version.")
    process = start_process(tmp_path)
    stdout, stderr = process.communicate(timeout=30)
    assert (process.returncode, stdout) == (255, "")
    assert stderr == "strongroom: The data is of a later version.\n"


def test_root_secret_is_in_no_process_but_the_boundary(tmp_path: Path) -> None:
    """INVARIANT C1: environment, command line, open files and memory of every process."""
    secret = "planted+" + os.urandom(12).hex() + "/secret"
    environment = {
        "STRONGROOM_ROOT_ACCESS_KEY_ID": "AKIAEXAMPLE",
        "STRONGROOM_ROOT_SECRET_ACCESS_KEY": secret,
    }
    with running_server(tmp_path, environment, auth="strict") as server:
        # Asked for last: the stand-in boundary tells the worker, which no boundary ever would.
        holders = [
            name
            for name, pid in {"supervisor": server.pid, **server.children()}.items()
            if secret.encode() in _everything_of(pid)
        ]
        assert holders == ["boundary"]
        for name, pid in {"supervisor": server.pid, **server.children()}.items():
            links = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
            assert any("root-secret" in link for link in links) == (name in ("supervisor", "boundary"))
        first = server.report()["boundary"]
        assert first["secret"] == secret
        os.kill(first["pid"], signal.SIGKILL)
        second = server.report_when(lambda report: (report["boundary"] or first)["pid"] != first["pid"])
        assert second["boundary"]["secret"] == secret  # its successor gets it too


def _everything_of(pid: int) -> bytes:
    """Command line, environment and all readable memory of a process."""
    parts = [Path(f"/proc/{pid}/{name}").read_bytes() for name in ("cmdline", "environ")]
    with open(f"/proc/{pid}/mem", "rb") as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            span, rights = line.split()[:2]
            if not rights.startswith("rw"):
                continue
            start, end = (int(number, 16) for number in span.split("-"))
            try:
                memory.seek(start)
                parts.append(memory.read(end - start))
            except (OSError, OverflowError):
                continue
    return b"\0".join(parts)
