"""The setting request_quotas: two words, or a table in a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from strongroom.config import ConfigurationError, Settings, load_settings


def load(tmp_path: Path, text: str = "", environment: dict[str, str] | None = None) -> Settings:
    file = tmp_path / "strongroom.toml"
    file.write_text(text)
    return load_settings("dev", flags={}, environment=environment or {}, file=file)


def test_request_quotas_are_off_unless_the_operator_says_otherwise(tmp_path: Path) -> None:
    assert load(tmp_path).request_quotas == "off"
    assert load(tmp_path, 'request_quotas = "aws"').request_quotas == "aws"
    assert load(tmp_path, environment={"STRONGROOM_REQUEST_QUOTAS": "aws"}).request_quotas == "aws"


def test_request_quotas_from_a_table_are_requests_per_second_by_group(tmp_path: Path) -> None:
    text = '[request_quotas]\nsymmetric = 50\nCreateKey = 0.5\n"GenerateDataKeyPair/RSA_2048" = 3\n'
    assert load(tmp_path, text).request_quotas == {
        "symmetric": 50.0,
        "CreateKey": 0.5,
        "GenerateDataKeyPair/RSA_2048": 3.0,
    }


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('request_quotas = "on"', 'must be "off", "aws"'),
        ("request_quotas = 5", 'must be "off", "aws"'),
        ("[request_quotas]", 'must be "off", "aws"'),
        ("[request_quotas]\nEncrypt = 5", "has no group 'Encrypt'"),
        ("[request_quotas]\nrsa = 0", "needs for rsa a number"),
        ("[request_quotas]\nrsa = -1", "needs for rsa a number"),
        ("[request_quotas]\nrsa = nan", "needs for rsa a number"),
        ("[request_quotas]\nrsa = inf", "needs for rsa a number"),
        ("[request_quotas]\nrsa = true", "needs for rsa a number"),
        ('[request_quotas]\nrsa = "5"', "needs for rsa a number"),
        ("[request_quotas]\nrsa = 1000001", "needs for rsa a number"),
    ],
)
def test_request_quotas_that_are_none_are_refused(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(ConfigurationError, match="Setting request_quotas .*" + sentence):
        load(tmp_path, text)
