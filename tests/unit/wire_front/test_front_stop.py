from __future__ import annotations

import asyncio
import datetime
import ipaddress
import signal
import socket
import ssl
import threading
import time
import warnings
from pathlib import Path

import pytest
from bench.load import run_load
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.support.certificates import Authority
from tests.support.http_front import (
    HeldService,
    RunningFront,
    always_ready,
    echo,
    refuse_other,
    refuse_presigned,
    render_request,
)
from tests.support.strength import promised

from strongroom.identity.http_request import HttpRequest
from strongroom.pipeline import Answer
from strongroom.wire.app import build_app
from strongroom.wire.http_front import HttpFront
from strongroom.wire.limits import Limits
from strongroom.wire.tls import TlsFiles


def test_stop_idle_connections_close_and_the_front_ends() -> None:
    with RunningFront() as front, front.connect() as idle, front.connect() as fresh:
        assert idle.ask(render_request()).status == 200
        began = time.monotonic()
        front.stop()
        assert idle.is_closed_by_server()
        assert fresh.is_closed_by_server()
        front.join(15)
        assert time.monotonic() - began < promised(2.0, among_others=10.0)
        with pytest.raises(ConnectionRefusedError):
            front.connect()


def test_stop_request_under_way_is_answered_then_the_connection_closes() -> None:
    service = HeldService()
    with RunningFront(service) as front, front.connect() as client:
        client.send(render_request(b"one"))
        service.wait_for_request()
        front.stop()
        assert client.is_silent(0.3)
        service.release(b"one")
        response = client.receive()
        assert (response.body, response.fields["connection"]) == (b"answer to one", "close")
        assert client.is_closed_by_server()
        front.join(15)


def test_stop_request_half_received_is_still_taken_and_answered() -> None:
    request = render_request(b"half")
    with RunningFront() as front, front.connect() as client:
        client.send(request[:-2])
        assert client.is_silent(0.1)
        front.stop()
        assert client.is_silent(0.2)
        response = client.ask(request[-2:])
        assert (response.json["body"], response.fields["connection"]) == ("half", "close")
        front.join(15)


def test_stop_slow_app_request_is_answered_with_close() -> None:
    entered = threading.Event()

    async def slowly() -> bool:
        entered.set()
        await asyncio.sleep(0.4)
        return True

    with RunningFront(is_ready=slowly) as front, front.connect() as client:
        client.send(render_request(b"", method=b"GET", target=b"/readyz"))
        assert entered.wait(5)
        front.stop()
        response = client.receive()
        assert (response.status, response.fields["connection"]) == (200, "close")
        front.join(15)


def test_stop_request_without_end_is_cut_when_the_bound_is_reached() -> None:
    service = HeldService()
    running = RunningFront(service, Limits(stop_seconds_max=1), faults_expected=True)
    with running as front, front.connect() as client:
        client.send(render_request(b"endless"))
        service.wait_for_request()
        began = time.monotonic()
        front.stop()
        assert client.is_closed_by_server()
        front.join(15)
        assert 0.9 < time.monotonic() - began < promised(3.0, among_others=10.0)
        assert service.finished == []


def test_stop_before_serve_serves_nothing() -> None:
    async def main() -> None:
        app = build_app(is_ready=always_ready, other=refuse_other, presigned=refuse_presigned)
        front = HttpFront(echo, app, Limits(), on_ready=lambda: ready.append(1))
        front.stop()
        with pytest.raises(ValueError, match="bound"):
            await front.serve([])

    ready: list[int] = []
    asyncio.run(main())
    assert ready == []


def test_serve_leaves_signal_handlers_alone() -> None:
    def handlers() -> list[object]:
        return [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]

    async def main() -> None:
        app = build_app(is_ready=always_ready, other=refuse_other, presigned=refuse_presigned)
        during: list[object] = []
        front = HttpFront(echo, app, Limits(), on_ready=lambda: during.extend(handlers()))
        before = handlers()
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        serving = asyncio.create_task(front.serve([listener]))
        await asyncio.sleep(0.1)
        front.stop()
        await serving
        assert during == before == handlers()

    asyncio.run(main())


def test_serve_cancelled_closes_its_connections() -> None:
    with RunningFront(faults_expected=True) as front, front.connect() as client:
        assert client.ask(render_request()).status == 200
        assert front.loop is not None
        front.loop.call_soon_threadsafe(lambda: [task.cancel() for task in asyncio.all_tasks(front.loop)])
        assert client.is_closed_by_server()


@pytest.fixture
def tls_files(tmp_path: Path) -> TlsFiles:
    return write_certificate(tmp_path, "first")


def write_certificate(folder: Path, name: str) -> TlsFiles:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    files = TlsFiles(folder / "certificate.pem", folder / "key.pem")
    files.certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    files.key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return files


def test_tls_serves_lane_and_app_and_says_secure(tls_files: TlsFiles) -> None:
    trust = ssl.create_default_context(cafile=tls_files.certificate_file)
    trust.set_alpn_protocols(["h2", "http/1.1"])
    service = HeldService()

    async def answer(request: HttpRequest) -> Answer:
        return await (service(request) if request.body == b"held" else echo(request))

    with RunningFront(answer, tls=tls_files) as front:
        with front.connect(trust) as client:
            assert client.ask(render_request()).json["secure"] is True
            assert client.ask(render_request(b"", method=b"GET", target=b"/healthz")).status == 200
            assert client.ask(render_request(b"x" * 500_000)).status == 200
            assert isinstance(client.socket, ssl.SSLSocket)
            assert client.socket.selected_alpn_protocol() == "http/1.1"
            client.send(render_request(b"held"))
            service.wait_for_request()
            service.release(b"held")
            assert client.receive().body == b"answer to held"
            assert client.ask(b"BREW / HTTP/1.1\r\n\r\n").status == 400
        result = run_load("127.0.0.1", front.port, [render_request()], connections=4, count=200, tls=trust)
        assert (result.count, result.non_200, result.failed) == (200, 0, 0)


def test_tls_1_1_is_refused(tls_files: TlsFiles) -> None:
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.load_verify_locations(tls_files.certificate_file)
    old.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        old.minimum_version = ssl.TLSVersion.TLSv1
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    with RunningFront(tls=tls_files) as front, pytest.raises(OSError):
        front.connect(old)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize(
    ("shown", "alert"),
    [
        ("expired", "CERTIFICATE_EXPIRED"),
        ("of another authority", "UNKNOWN_CA"),
        ("none", "CERTIFICATE_REQUIRED|HANDSHAKE_FAILURE"),
    ],
)
def test_tls_refused_client_certificate_is_told_by_an_alert(
    tmp_path: Path, version: ssl.TLSVersion, shown: str, alert: str
) -> None:
    server, clients, others = (Authority(tmp_path, name) for name in ("server", "clients", "others"))
    certificate, key = server.issue("localhost")
    trust = ssl.create_default_context(cafile=server.ca_file)
    trust.minimum_version = trust.maximum_version = version
    if shown == "expired":
        trust.load_cert_chain(*clients.issue("client", days=-1))
    elif shown == "of another authority":
        trust.load_cert_chain(*others.issue("client"))
    with (
        RunningFront(tls=TlsFiles(certificate, key, clients.ca_file)) as front,
        socket.create_connection(("127.0.0.1", front.port), timeout=5) as plain,
        pytest.raises(ssl.SSLError, match=alert),
    ):
        trust.wrap_socket(plain, server_hostname="localhost").recv(1)


def test_tls_port_asked_in_plain_http_closes_at_once(tls_files: TlsFiles) -> None:
    with RunningFront(tls=tls_files) as front, front.connect() as client:
        client.send(render_request())
        assert client.is_closed_by_server()


def test_tls_client_that_stays_after_the_alert_is_ended(tmp_path: Path) -> None:
    server, clients = Authority(tmp_path, "server"), Authority(tmp_path, "clients")
    tls = TlsFiles(*server.issue("localhost"), clients.ca_file)
    trust = ssl.create_default_context(cafile=server.ca_file)
    limits = Limits(tls_handshake_seconds_max=0.3)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = trust.wrap_bio(incoming, outgoing, server_hostname="localhost")
    with (
        RunningFront(tls=tls, limits=limits) as front,
        socket.create_connection(("127.0.0.1", front.port), timeout=5) as plain,
    ):
        while True:
            try:
                client.do_handshake()
                break
            except ssl.SSLWantReadError:
                plain.sendall(outgoing.read())
                incoming.write(plain.recv(65536))
        plain.sendall(outgoing.read())
        assert plain.recv(65536), "the alert"
        while plain.recv(65536):
            pass


def test_tls_handshake_that_does_not_get_on_is_ended(tls_files: TlsFiles) -> None:
    limits = Limits(tls_handshake_seconds_max=0.3)
    with RunningFront(tls=tls_files, limits=limits) as front, front.connect() as client:
        client.send(b"\x16\x03\x01")
        assert client.is_closed_by_server()


def test_tls_certificate_renewed_is_used_for_new_connections(tls_files: TlsFiles) -> None:
    with RunningFront(tls=tls_files) as front:
        assert front.front is not None
        write_certificate(tls_files.certificate_file.parent, "second")
        trust = ssl.create_default_context(cafile=tls_files.certificate_file)
        with pytest.raises(ssl.SSLCertVerificationError):
            front.connect(trust)
        front.front.renew_tls(tls_files)
        with front.connect(trust) as client:
            assert client.ask(render_request()).status == 200
        tls_files.certificate_file.write_text("not a certificate")
        with pytest.raises(ssl.SSLError):
            front.front.renew_tls(tls_files)
        with front.connect(trust) as client:
            assert client.ask(render_request()).status == 200


def test_tls_unusable_files_are_refused_before_serving(tmp_path: Path) -> None:
    app = build_app(is_ready=always_ready, other=refuse_other, presigned=refuse_presigned)
    with pytest.raises(FileNotFoundError):
        HttpFront(echo, app, Limits(), tls=TlsFiles(tmp_path / "none.pem", tmp_path / "none.key"))
