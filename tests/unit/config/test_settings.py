"""Where settings come from, which one wins, and what refuses to start."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from strongroom.config import (
    ALL_PARSERS,
    ConfigurationError,
    FlagError,
    Settings,
    is_loopback,
    load_settings,
)


def _load(
    mode: str = "dev",
    *,
    flags: dict[str, str] | None = None,
    environment: dict[str, str] | None = None,
    file: Path | None = None,
    root_secret_given: bool = False,
) -> Settings:
    return load_settings(
        "serve" if mode == "serve" else "dev",
        flags=flags or {},
        environment=environment or {},
        file=file,
        root_secret_given=root_secret_given,
    )


def _file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "strongroom.toml"
    path.write_text(text)
    return path


def test_every_setting_has_a_parser_and_every_parser_a_setting() -> None:
    assert {field.name for field in dataclasses.fields(Settings)} == {"mode", *ALL_PARSERS}


def test_dev_without_anything_listens_on_loopback_and_is_open() -> None:
    settings = _load()
    assert (settings.host, settings.port, settings.auth, settings.workers) == ("127.0.0.1", 8080, "open", 1)
    assert (settings.audit, settings.data_directory, settings.seal_key_file) == ("batched", None, None)
    assert (settings.account_id, settings.regions) == ("000000000000", None)


def test_serve_without_anything_is_strict_and_durable_with_its_seal_key_apart() -> None:
    settings = _load("serve")
    assert (settings.auth, settings.audit) == ("strict", "durable")
    assert settings.data_directory == Path("/var/lib/strongroom")
    assert settings.seal_key_file == Path("/etc/strongroom/seal.key")
    assert settings.workers >= 1


def test_dev_with_a_data_directory_has_the_seal_key_in_it(tmp_path: Path) -> None:
    assert _load(flags={"data_directory": str(tmp_path)}).seal_key_file == tmp_path / "seal.key"
    assert _load().in_directory(tmp_path).seal_key_file == tmp_path / "seal.key"


def test_nearer_source_wins(tmp_path: Path) -> None:
    file = _file(tmp_path, "port = 1\n")
    environment = {"STRONGROOM_PORT": "3", "PORT": "2"}
    assert _load(file=file).port == 1
    assert _load(file=file, environment={"PORT": "2"}).port == 2
    assert _load(file=file, environment=environment).port == 3
    assert _load(file=file, environment=environment, flags={"port": "4"}).port == 4


def test_port_variable_is_not_for_serve() -> None:
    assert _load("serve", environment={"PORT": "2"}).port == 8080


def test_file_with_all_kinds_of_values_is_read(tmp_path: Path) -> None:
    settings = _load(
        "serve",
        file=_file(
            tmp_path,
            'regions = ["eu-central-1", "us-east-1", "eu-central-1"]\nworkers = 3\nkeep_alive_seconds = 5\n'
            'host = "10.0.0.1"\ntls_certificate_file = "/c.pem"\ntls_key_file = "/k.pem"\n',
        ),
    )
    assert settings.regions == ("eu-central-1", "us-east-1")
    assert (settings.workers, settings.keep_alive_seconds, settings.secure) == (3, 5, True)
    assert settings.tls_key_file == Path("/k.pem")


def test_attestation_roots_are_none_unless_named(tmp_path: Path) -> None:
    assert _load().attestation_roots == ()
    text = '[attestation_roots]\nTEST = "/test.pem"\n"aws-nitro.g1" = "/g1.pem"\n'
    expected = (("TEST", Path("/test.pem")), ("aws-nitro.g1", Path("/g1.pem")))
    assert _load(file=_file(tmp_path, text)).attestation_roots == expected
    environment = {"STRONGROOM_ATTESTATION_ROOTS": "TEST=/test.pem, aws-nitro.g1=/g1.pem"}
    assert _load(environment=environment).attestation_roots == expected
    assert _load(environment={"STRONGROOM_ATTESTATION_ROOTS": ""}).attestation_roots == ()


def test_oidc_issuers_are_none_unless_named(tmp_path: Path) -> None:
    assert _load().oidc_issuers == ()
    text = (
        '[[oidc_issuers]]\nurl = "https://oidc.example.com/id/A"\njwks_file = "/a.json"\n'
        '[[oidc_issuers]]\nurl = "https://other.example.com/"\njwks_file = "/b.json"\n'
    )
    expected = (
        ("https://oidc.example.com/id/A", Path("/a.json")),
        ("https://other.example.com/", Path("/b.json")),
    )
    assert _load(file=_file(tmp_path, text)).oidc_issuers == expected
    pairs = "https://oidc.example.com/id/A=/a.json, https://other.example.com/=/b.json"
    assert _load(environment={"STRONGROOM_OIDC_ISSUERS": pairs}).oidc_issuers == expected
    assert _load(environment={"STRONGROOM_OIDC_ISSUERS": ""}).oidc_issuers == ()


def test_regions_in_the_environment_are_separated_by_commas() -> None:
    settings = _load(environment={"STRONGROOM_REGIONS": "eu-central-1, us-east-1"})
    assert settings.regions == ("eu-central-1", "us-east-1")


def test_relative_paths_are_made_absolute() -> None:
    assert _load(flags={"data_directory": "x"}).data_directory == Path.cwd() / "x"


def test_unknown_variable_refuses_and_names_the_closest() -> None:
    with pytest.raises(ConfigurationError) as refusal:
        _load(environment={"STRONGROOM_WORKRES": "2"})
    assert str(refusal.value) == (
        "Unknown environment variable STRONGROOM_WORKRES; the closest one there is is STRONGROOM_WORKERS."
    )
    assert refusal.value.exit_code == 253


def test_variable_in_lower_case_refuses() -> None:
    with pytest.raises(ConfigurationError, match="STRONGROOM_workers"):
        _load(environment={"STRONGROOM_workers": "2"})


def test_unknown_setting_in_a_file_refuses_and_names_the_closest(tmp_path: Path) -> None:
    file = _file(tmp_path, "body_byte_max = 1\n")
    with pytest.raises(ConfigurationError) as refusal:
        _load(file=file)
    assert str(refusal.value) == (
        f"Unknown setting in {file}: body_byte_max; the closest one there is is body_bytes_max."
    )


@pytest.mark.parametrize("text", ["[server]\nport = 1\n", 'mode = "serve"\n'])
def test_table_or_mode_in_a_file_refuses(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigurationError, match="Unknown setting"):
        _load(file=_file(tmp_path, text))


def test_secret_in_a_file_refuses_without_repeating_it(tmp_path: Path) -> None:
    """INVARIANT C1."""
    with pytest.raises(ConfigurationError, match="must not be in a file") as refusal:
        _load(file=_file(tmp_path, 'root_secret_access_key = "wJalrXUtnFEMI"\n'))
    assert "wJalrXUtnFEMI" not in str(refusal.value)


def test_secret_in_place_of_the_access_key_id_refuses_without_repeating_it() -> None:
    """INVARIANT C1."""
    with pytest.raises(ConfigurationError, match="root_access_key_id") as refusal:
        _load(environment={"STRONGROOM_ROOT_ACCESS_KEY_ID": "wJalrXUtnFEMI/K7MDENG/bPxRfiCY"})
    assert "wJalr" not in str(refusal.value)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("port", "65536", "must be a whole number from 0 to 65535, not '65536'"),
        ("port", "-1", "must be a whole number from 0 to 65535"),
        ("port", "١", "must be a whole number from 0 to 65535"),
        ("port", " 1", "must be a whole number from 0 to 65535"),
        ("port", "", "must be a whole number from 0 to 65535"),
        ("workers", "0", "must be a whole number from 1 to 64"),
        ("auth", "Open", 'must be "open" or "strict"'),
        ("audit", "", 'must be "durable" or "batched"'),
        ("account_id", "12345678901", "must be 12 decimal digits"),
        ("account_id", "1234567890123", "must be 12 decimal digits"),
        ("account_id", "١23456789012", "must be 12 decimal digits"),
        ("regions", "", "must be a list of Region names"),
        ("regions", "eu-central-1,Frankfurt", "must be a list of Region names"),
        ("attestation_roots", "/test.pem", "must have labels"),
        ("attestation_roots", "TEST", "must be text"),
        ("attestation_roots", "TEST=", "must be text"),
        ("attestation_roots", "TEST=/a,TEST=/b", "must be a table of labels and files"),
        ("attestation_roots", "TEST=/a,", "must have labels"),
        ("attestation_roots", "a b=/a", "must have labels"),
        ("oidc_issuers", "http://a.example.com=/a", "must have URLs that begin with https://"),
        ("oidc_issuers", "https://=/a", "must have URLs that begin with https://"),
        ("oidc_issuers", "https://a.example.com/?b=/a", "must have URLs that begin with https://"),
        ("oidc_issuers", "https://a.example.com/#b=/a", "must have URLs that begin with https://"),
        ("oidc_issuers", "https://a.example.com", "must be text"),
        (
            "oidc_issuers",
            "https://a.example.com=/a,https://a.example.com=/b",
            "names https://a.example.com twice",
        ),
        ("data_directory", "", "must be text"),
        ("data_directory", "a\0b", "must be text without control characters"),
        ("host", "a\nb", "must be text without control characters"),
        ("signature_skew_seconds", "901", "must be a whole number from 1 to 900"),
    ],
)
def test_value_out_of_range_refuses_and_says_where_it_came_from(name: str, value: str, sentence: str) -> None:
    variable = "STRONGROOM_" + name.upper()
    with pytest.raises(ConfigurationError) as refusal:
        _load(environment={variable: value})
    assert str(refusal.value).startswith(f"Setting {name} (environment variable {variable}) {sentence}")


@pytest.mark.parametrize(
    "text",
    [
        "port = true",
        "port = 1.0",
        "port = [1]",
        'regions = ["x", 1]',
        "host = 1",
        "attestation_roots = 1",
        "attestation_roots = {a = 1}",
        "oidc_issuers = 1",
        'oidc_issuers = ["https://a.example.com"]',
        'oidc_issuers = [{url = "https://a.example.com"}]',
        'oidc_issuers = [{url = "https://a.example.com", jwks_file = 1}]',
        'oidc_issuers = [{url = "https://a.example.com", jwks_file = "/a", ca = "/b"}]',
    ],
)
def test_value_of_another_type_in_a_file_refuses(tmp_path: Path, text: str) -> None:
    file = _file(tmp_path, text)
    with pytest.raises(ConfigurationError, match=rf"\(in {file}\) must be"):
        _load(file=file)


def test_value_out_of_range_in_a_flag_is_wrong_usage() -> None:
    with pytest.raises(
        FlagError, match=r"Setting data_directory \(flag --data-dir\) must be text"
    ) as refusal:
        _load(flags={"data_directory": ""})
    assert refusal.value.exit_code == 252


@pytest.mark.parametrize("text", ["port = ", "\x00", "port = 1\nport = 2", "x = " + "[" * 5000])
def test_file_that_is_not_toml_refuses(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigurationError, match="is not TOML"):
        _load(file=_file(tmp_path, text))


def test_file_that_is_not_utf8_or_missing_or_huge_refuses(tmp_path: Path) -> None:
    (tmp_path / "latin").write_bytes(b"host = '\xff'")
    with pytest.raises(ConfigurationError, match="is not TOML"):
        _load(file=tmp_path / "latin")
    with pytest.raises(ConfigurationError, match="No such file"):
        _load(file=tmp_path / "missing")
    with pytest.raises(ConfigurationError, match="larger than"):
        _load(file=_file(tmp_path, "#" * (1 << 20) + "\n"))


def test_dev_strict_without_the_root_user_refuses() -> None:
    with pytest.raises(ConfigurationError, match="Strict authentication needs someone who may come in"):
        _load(flags={"auth": "strict"})


@pytest.mark.parametrize("mode", ["dev", "serve"])
@pytest.mark.parametrize("secret", [True, False])
def test_half_a_root_user_refuses(mode: str, secret: bool) -> None:
    environment = {} if secret else {"STRONGROOM_ROOT_ACCESS_KEY_ID": "AKIAEXAMPLE"}
    with pytest.raises(ConfigurationError, match="go together"):
        _load(mode, environment=environment, root_secret_given=secret)


@pytest.mark.parametrize("mode", ["dev", "serve"])
def test_whole_root_user_is_taken_and_its_secret_is_no_setting(mode: str) -> None:
    """INVARIANT C1."""
    settings = _load(
        mode,
        flags={"auth": "strict"},
        environment={
            "STRONGROOM_ROOT_ACCESS_KEY_ID": "AKIAEXAMPLE",
            "STRONGROOM_ROOT_SECRET_ACCESS_KEY": "wJalrXUtnFEMI",
        },
        root_secret_given=True,
    )
    assert settings.root_access_key_id == "AKIAEXAMPLE"
    assert "wJalrXUtnFEMI" not in repr(settings)


def test_serve_open_refuses() -> None:
    """INVARIANT C2."""
    with pytest.raises(ConfigurationError, match="verifies every signature"):
        _load("serve", flags={"auth": "open"})


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.1.2.3", "keys.example.com", "127.0.0.1.example.com"])
def test_serve_plain_http_where_others_could_listen_refuses(host: str) -> None:
    """INVARIANT C2."""
    with pytest.raises(ConfigurationError, match="does not answer plain HTTP"):
        _load("serve", flags={"host": host})
    files = {"tls_certificate_file": "/c.pem", "tls_key_file": "/k.pem"}
    assert _load("serve", flags={"host": host, **files}).secure


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_serve_plain_http_on_loopback_is_fine(host: str) -> None:
    assert is_loopback(host)
    assert not _load("serve", flags={"host": host}).secure


@pytest.mark.parametrize("name", ["tls_certificate_file", "tls_key_file"])
def test_half_of_tls_refuses(name: str) -> None:
    with pytest.raises(ConfigurationError, match="go together"):
        _load(flags={name: "/x.pem"})


@pytest.mark.parametrize("inside", ["seal.key", "deep/er/seal.key", "../data/seal.key", "."])
def test_serve_with_the_seal_key_in_the_data_directory_refuses(tmp_path: Path, inside: str) -> None:
    """INVARIANT C2."""
    flags = {"data_directory": str(tmp_path / "data"), "seal_key_file": str(tmp_path / "data" / inside)}
    with pytest.raises(ConfigurationError, match="inside the data directory"):
        _load("serve", flags=flags)
    outside = {**flags, "seal_key_file": str(tmp_path / "database" / "seal.key")}
    assert _load("serve", flags=outside).seal_key_file == tmp_path / "database" / "seal.key"


def test_rotate_new_keys_is_on_unless_the_operator_says_otherwise(tmp_path: Path) -> None:
    assert _load().rotate_new_keys is True
    assert _load("serve").rotate_new_keys is True
    assert _load(environment={"STRONGROOM_ROTATE_NEW_KEYS": "false"}).rotate_new_keys is False
    assert _load(file=_file(tmp_path, "rotate_new_keys = false")).rotate_new_keys is False


@pytest.mark.parametrize("text", ["False", "0", "no", ""])
def test_rotate_new_keys_of_another_word_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="rotate_new_keys"):
        _load(environment={"STRONGROOM_ROTATE_NEW_KEYS": text})


def test_external_key_stores_have_the_defaults_of_aws_and_can_be_told_others(tmp_path: Path) -> None:
    for mode in ("dev", "serve"):
        settings = _load(mode)
        assert (settings.xks_ca_file, settings.xks_private_addresses) == (None, False)
        assert (settings.xks_port, settings.xks_timeout_milliseconds) == (443, 250)
    settings = _load(
        file=_file(tmp_path, 'xks_ca_file = "/ca.pem"\nxks_private_addresses = true\nxks_port = 8443')
    )
    assert (settings.xks_ca_file, settings.xks_private_addresses) == (Path("/ca.pem"), True)
    assert settings.xks_port == 8443


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("xks_private_addresses", "yes"),
        ("xks_port", "0"),
        ("xks_port", "65536"),
        ("xks_timeout_milliseconds", "49"),
        ("xks_timeout_milliseconds", "10001"),
    ],
)
def test_setting_of_external_key_stores_out_of_range_is_refused(name: str, text: str) -> None:
    with pytest.raises(ConfigurationError, match=name):
        _load(environment={f"STRONGROOM_{name.upper()}": text})
