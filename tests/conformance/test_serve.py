"""`strongroom serve` as it stands in production: its configuration, TLS, and keys that survive it."""

from __future__ import annotations

import datetime
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, SSLError
from tests.conformance.raw_calls import control
from tests.support.aws_clients import new_client
from tests.support.server import (
    REGION,
    ROOT_ACCESS_KEY_ID,
    ROOT_SECRET_ACCESS_KEY,
    STRONGROOM,
    Server,
    strict_environment,
)

ROOT: dict[str, Any] = {"access_key_id": ROOT_ACCESS_KEY_ID, "secret_access_key": ROOT_SECRET_ACCESS_KEY}
WRONG_CONFIGURATION = 253


class Production:
    """The files of a production server in a directory of the test."""

    def __init__(self, directory: Path, **settings: object) -> None:
        self.data_directory = directory / "data"
        seal_directory = directory / "seal"
        seal_directory.mkdir(mode=0o700)
        self.seal_key_file = seal_directory / "seal.key"
        self.config = directory / "strongroom.toml"
        chosen: dict[str, object] = {
            "host": "127.0.0.1",
            "port": 0,
            "workers": 1,
            "data_directory": str(self.data_directory),
            "seal_key_file": str(self.seal_key_file),
            **settings,
        }
        lines = [
            f"{name} = {value}" if isinstance(value, int) else f'{name} = "{value}"'
            for name, value in chosen.items()
        ]
        self.config.write_text("\n".join(lines) + "\n")

    def server(self) -> Server:
        return Server("--config", str(self.config), command="serve", environment=strict_environment())

    def refusal(
        self, *, environment: Mapping[str, str] | None = None, flags: tuple[str, ...] = ()
    ) -> tuple[int, str]:
        """Exit code and last sentence of a server that does not start."""
        given = strict_environment() if environment is None else environment
        clean = {
            name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "STRONGROOM_"))
        }
        ended = subprocess.run(
            [str(STRONGROOM), "serve", "--config", str(self.config), *flags],
            env={**clean, **given},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert "Traceback" not in ended.stderr
        assert ended.stdout == ""
        return ended.returncode, ended.stderr.strip()


def test_serve_on_loopback_from_a_file_keeps_its_keys_over_a_restart(tmp_path: Path) -> None:
    production = Production(tmp_path)
    with production.server() as server:
        kms = server.client(**ROOT)
        key_id = kms.create_key()["KeyMetadata"]["KeyId"]
        blob = kms.encrypt(KeyId=key_id, Plaintext=b"kept")["CiphertextBlob"]
        with pytest.raises(ClientError, match="UnrecognizedClientException"):
            server.client().list_keys()
        assert server.stop() == 0
        assert production.seal_key_file.stat().st_mode & 0o777 == 0o600
        assert not list(production.data_directory.rglob("*seal.key"))
        server.start()
        assert server.client(**ROOT).decrypt(CiphertextBlob=blob)["Plaintext"] == b"kept"


def test_serve_has_no_development_controls(tmp_path: Path) -> None:
    with Production(tmp_path).server() as server:
        kms = server.client(**ROOT)
        key = kms.create_key()["KeyMetadata"]
        for name in ("clock", "reset"):
            answer = control(server, name, advance_seconds=86_400 * 365)
            assert answer.status == 404
            assert "does not run in development mode" in answer.content["message"]
        described = kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]
        assert described["KeyState"] == "Enabled"
        now = datetime.datetime.now(datetime.UTC)
        assert abs((kms.create_key()["KeyMetadata"]["CreationDate"] - now).total_seconds()) < 60


def _make_certificate(directory: Path, *key: str) -> tuple[Path, Path]:
    """`key`: how the private key is written."""
    certificate, key_file = directory / "server.pem", directory / "server.key"
    subprocess.run(
        [
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
            "-days", "2", "-subj", "/CN=strongroom test", "-addext", "subjectAltName=IP:127.0.0.1",
            "-keyout", str(key_file), "-out", str(certificate), *(key or ("-nodes",)),
        ],
        check=True,
        capture_output=True,
    )  # fmt: skip
    key_file.chmod(0o600)
    return certificate, key_file


@pytest.mark.parametrize("fault", ["absent", "no PEM", "the certificate twice", "with a passphrase"])
def test_serve_with_tls_files_that_cannot_be_used_is_refused(tmp_path: Path, fault: str) -> None:
    passphrase = ("-passout", "pass:secret") if fault == "with a passphrase" else ()
    certificate, key_file = _make_certificate(tmp_path, *passphrase)
    sentence = (
        f"strongroom: tls_certificate_file {certificate} and tls_key_file {key_file} cannot be used: they "
        "must be a certificate with its chain and its private key without a passphrase, in PEM."
    )
    if fault == "absent":
        key_file.unlink()
        sentence = f"strongroom: Cannot read tls_key_file {key_file}: No such file or directory."
    elif fault == "no PEM":
        certificate.write_text("no certificate")
    elif fault == "the certificate twice":
        key_file.write_bytes(certificate.read_bytes())
    production = Production(tmp_path, tls_certificate_file=certificate, tls_key_file=key_file)
    assert production.refusal() == (255, sentence)


def test_serve_over_tls_is_verified_by_boto3(tmp_path: Path) -> None:
    certificate, key_file = _make_certificate(tmp_path)
    production = Production(
        tmp_path, tls_certificate_file=certificate, tls_key_file=key_file, host="127.0.0.1"
    )
    with production.server() as server:
        assert server.url.startswith("https://127.0.0.1:")

        def client(verify: str | bool) -> Any:
            return new_client(
                "kms",
                endpoint_url=server.url,
                region_name=REGION,
                aws_access_key_id=ROOT_ACCESS_KEY_ID,
                aws_secret_access_key=ROOT_SECRET_ACCESS_KEY,
                verify=verify,
                config=Config(retries={"total_max_attempts": 1}),
            )

        kms = client(str(certificate))
        key_id = kms.create_key()["KeyMetadata"]["KeyId"]
        blob = kms.encrypt(KeyId=key_id, Plaintext=b"over TLS")["CiphertextBlob"]
        assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == b"over TLS"
        with pytest.raises(SSLError):
            client(True).list_keys()


def test_serve_plain_http_off_loopback_is_refused(tmp_path: Path) -> None:
    code, sentence = Production(tmp_path, host="0.0.0.0").refusal()
    assert code == WRONG_CONFIGURATION
    assert sentence == (
        "strongroom: strongroom serve does not answer plain HTTP on 0.0.0.0, where others could listen: "
        "set tls_certificate_file and tls_key_file, or host to 127.0.0.1."
    )
    assert not (tmp_path / "data").exists()


def test_serve_with_half_a_root_credential_is_refused(tmp_path: Path) -> None:
    production = Production(tmp_path)
    sentence = (
        "strongroom: STRONGROOM_ROOT_ACCESS_KEY_ID and STRONGROOM_ROOT_SECRET_ACCESS_KEY go together: "
        "give both or none."
    )
    for name in strict_environment():
        half = {name: strict_environment()[name]}
        assert production.refusal(environment=half) == (WRONG_CONFIGURATION, sentence)


def test_dev_strict_without_root_credentials_is_refused() -> None:
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "STRONGROOM_"))
    }
    ended = subprocess.run(
        [str(STRONGROOM), "dev", "--auth", "strict", "--port", "0"],
        env=clean,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == WRONG_CONFIGURATION
    assert ended.stderr.strip() == (
        "strongroom: Strict authentication needs someone who may come in: set STRONGROOM_ROOT_ACCESS_KEY_ID "
        "and STRONGROOM_ROOT_SECRET_ACCESS_KEY in the environment."
    )


def test_serve_with_an_unknown_or_wrong_setting_is_refused(tmp_path: Path) -> None:
    production = Production(tmp_path, sseal_key_file="/x")
    code, sentence = production.refusal()
    assert (code, sentence) == (
        WRONG_CONFIGURATION,
        f"strongroom: Unknown setting in {production.config}: sseal_key_file; "
        "the closest one there is is seal_key_file.",
    )
    text = production.config.read_text()
    for line, words in (
        ('root_secret_access_key = "hush"', "must not be in a file"),
        ('auth = "open"', 'auth must be "strict"'),
        ("audit = 1", 'Setting audit (in {config}) must be "durable" or "batched", not 1.'),
        ("port = 1", "is not TOML"),  # twice
    ):
        production.config.write_text(text.replace('sseal_key_file = "/x"', line))
        code, sentence = production.refusal()
        assert code == WRONG_CONFIGURATION
        assert words.format(config=production.config) in sentence
        assert "hush" not in sentence


def test_serve_with_the_seal_key_beside_the_data_is_refused(tmp_path: Path) -> None:
    production = Production(tmp_path)
    inside = production.data_directory / "seal.key"
    production.config.write_text(
        production.config.read_text().replace(str(production.seal_key_file), str(inside))
    )
    code, sentence = production.refusal()
    assert code == WRONG_CONFIGURATION
    assert f"The seal key file {inside} is inside the data directory" in sentence


def test_serve_without_its_seal_key_does_not_make_another(tmp_path: Path) -> None:
    """A new key could never open the data: the operator must hear of it before anybody writes."""
    production = Production(tmp_path)
    with production.server() as server:
        key_id = server.client(**ROOT).create_key()["KeyMetadata"]["KeyId"]
        server.stop()
        lost = production.seal_key_file.rename(tmp_path / "lost.key")
        code, sentence = production.refusal()
        assert code != 0
        assert sentence.startswith("strongroom: ")
        assert not production.seal_key_file.exists()
        lost.rename(production.seal_key_file)
        server.start()
        assert server.client(**ROOT).describe_key(KeyId=key_id)["KeyMetadata"]["KeyState"] == "Enabled"
