"""The table [xks_proxy] and the settings of external key stores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from strongroom.config import ConfigurationError, Settings, load_settings
from strongroom.proxy_settings import parse_xks_proxy
from strongroom.resources.proxied_key import ProxiedKey

KEY_ID = "1234abcd-12ab-34cd-56ef-1234567890ab"
ARN = f"arn:aws:kms:us-east-1:111122223333:key/{KEY_ID}"
SOUND: dict[str, Any] = {
    "tls_certificate_file": "/etc/proxy.crt",
    "tls_key_file": "/etc/proxy.key",
    "region": "eu-central-1",
    "keys": {"foo": KEY_ID},
}


def _load(text: str, tmp_path: Path, **environment: str) -> Settings:
    file = tmp_path / "strongroom.toml"
    file.write_text(text)
    return load_settings("dev", flags={}, environment=environment, file=file)


def test_table_of_a_file_is_read_whole(tmp_path: Path) -> None:
    text = f"""
[xks_proxy]
host = "0.0.0.0"
port = 443
region = "eu-central-1"
uri_path_prefix = "/a/b-c_D"
tls_certificate_file = "/etc/proxy.crt"
tls_key_file = "/etc/proxy.key"
client_ca_file = "/etc/ca.pem"
client_names = ["cks.kms.eu-central-1.amazonaws.com"]
requests_per_second = 1800
[xks_proxy.keys]
foo = "{KEY_ID}"
"b.ar" = "{ARN}"
baz = {{ key = "mrk-{"0" * 32}", usages = ["DECRYPT"] }}
"""
    proxy = _load(text, tmp_path).xks_proxy
    assert proxy is not None
    assert (proxy.host, proxy.port, proxy.region) == ("0.0.0.0", 443, "eu-central-1")
    assert proxy.uri_path == "/a/b-c_D/kms/xks/v1"
    assert proxy.client_ca_file == Path("/etc/ca.pem")
    assert proxy.client_names == ("cks.kms.eu-central-1.amazonaws.com",)
    assert proxy.requests_per_second == 1800.0
    both = ("ENCRYPT", "DECRYPT")
    assert proxy.keys == {
        "foo": ProxiedKey("eu-central-1", KEY_ID, both),  # type: ignore[arg-type]
        "b.ar": ProxiedKey("us-east-1", KEY_ID, both, ARN),  # type: ignore[arg-type]
        "baz": ProxiedKey("eu-central-1", "mrk-" + "0" * 32, ("DECRYPT",)),  # type: ignore[arg-type]
    }


def test_table_with_what_is_needed_listens_on_loopback_without_a_prefix() -> None:
    proxy = parse_xks_proxy(SOUND)
    assert (proxy.host, proxy.port, proxy.uri_path) == ("127.0.0.1", 8443, "/kms/xks/v1")
    assert (proxy.client_ca_file, proxy.client_names) == (None, ())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"tls_key_file": None}, "needs tls_key_file"),
        ({"keys": None}, "needs keys"),
        ({"region": None}, "needs region"),
        ({"region": "Frankfurt"}, "has region, which must be a Region name"),
        ({"prot": 443}, "has no setting 'prot'"),
        ({"port": 65536}, "has port, which must be a whole number"),
        ({"uri_path_prefix": "a"}, "has uri_path_prefix, which must be empty or like"),
        ({"uri_path_prefix": "/a/"}, "has uri_path_prefix, which must be empty or like"),
        ({"uri_path_prefix": "/a//b"}, "has uri_path_prefix, which must be empty or like"),
        ({"uri_path_prefix": "/a/../b"}, "has uri_path_prefix, which must be empty or like"),
        ({"uri_path_prefix": "/" + "a" * 117}, "must have at most 117 characters"),
        ({"keys": {}}, "needs in keys 1 to 10000"),
        ({"keys": {"a/b": KEY_ID}}, "has in keys 'a/b'"),
        ({"keys": {"..": KEY_ID}}, "has in keys '..'"),
        ({"keys": {"a" * 129: KEY_ID}}, "has in keys"),
        ({"keys": {"foo": "alias/foo"}}, "must be a key ARN or a key id, no alias"),
        ({"keys": {"foo": "arn:aws:kms:us-east-1:111122223333:alias/a"}}, "must be a key ARN or a key id"),
        ({"keys": {"foo": 1}}, "must be a key ARN or a key id"),
        ({"keys": {"foo": {"usages": []}}}, "has for foo a table that is not of key and usages"),
        ({"keys": {"foo": {"key": KEY_ID, "usage": []}}}, "has for foo a table that is not of key"),
        ({"keys": {"foo": {"key": KEY_ID, "usages": ["SIGN"]}}}, "has for foo usages other than"),
        ({"keys": {"foo": {"key": KEY_ID, "usages": "ENCRYPT"}}}, "has for foo usages other than"),
        ({"client_ca_file": "/etc/ca.pem"}, "needs client_ca_file and client_names together"),
        *(
            ({"requests_per_second": rate}, "has requests_per_second, which must be a number")
            for rate in (0, 0.5, -1, True, "5", float("nan"), float("inf"), 1_000_001)
        ),
        ({"client_names": ["a"]}, "needs client_ca_file and client_names together"),
        ({"client_ca_file": "/etc/ca.pem", "client_names": []}, "has client_names, which must be a list"),
        ({"client_ca_file": "/etc/ca.pem", "client_names": ["a b"]}, "has client_names, which must be"),
    ],
)
def test_table_that_is_not_sound_is_refused_with_the_reason(change: dict[str, Any], words: str) -> None:
    table = {name: value for name, value in (SOUND | change).items() if value is not None}
    with pytest.raises(ValueError, match=r"^(needs|has) ") as caught:
        parse_xks_proxy(table)
    assert words in str(caught.value)


def test_text_is_no_table(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"xks_proxy .* must be a table in a configuration file"):
        _load("", tmp_path, STRONGROOM_XKS_PROXY="foo")


@pytest.mark.parametrize("name", ["xks_client_certificate_file", "xks_client_key_file"])
def test_client_certificate_without_its_key_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match="xks_client_key_file go together"):
        _load(f'{name} = "/etc/client.pem"\n', tmp_path)
