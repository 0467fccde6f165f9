"""The tables [cloudhsm_clusters] of a configuration file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from strongroom.cluster_settings import parse_clusters

NAME = "cluster-2a23b4cdefg"
TABLE: dict[str, Any] = {
    "module": "/usr/lib/module.so",
    "token_label": "payments",
    "region": "eu-central-1",
    "trust_anchor_file": "/etc/anchor.pem",
}


def test_cluster_with_all_its_settings_is_what_its_process_is_told() -> None:
    more = {"user": "kmsuser", "account_id": "111122223333", "environment": {"SOFTHSM2_CONF": "/etc/s.conf"}}
    cluster = parse_clusters({NAME: TABLE | more})[NAME]
    assert (cluster.module, cluster.account_id) == (Path("/usr/lib/module.so"), "111122223333")
    assert cluster.render_start() == (
        b"module\t/usr/lib/module.so\ntoken_label\tpayments\nuser\tkmsuser\ninit_arguments\t\n"
        b"threads\t8\nenvironment.SOFTHSM2_CONF\t/etc/s.conf"
    )


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("text", "must be 1 to 16 tables"),
        ({}, "must be 1 to 16 tables"),
        ({"cluster-1": TABLE}, "a cluster id is"),
        ({"cluster-1a23b4cdefg": TABLE}, "letters and digits from 2 to 7"),  # the API takes no 1
        ({NAME: "text"}, "must be a table"),
        ({NAME: TABLE | {"pin": "1234567"}}, "no setting"),
        ({NAME: {name: TABLE[name] for name in TABLE if name != "module"}}, "needs module"),
        ({NAME: TABLE | {"region": "nowhere at all"}}, "must be a Region name"),
        ({NAME: TABLE | {"token_label": "x" * 33}}, "label of 1 to 32 bytes"),
        ({NAME: TABLE | {"user": "a\tb"}}, "printable"),
        ({NAME: TABLE | {"threads": 0}}, "a number from 1 to 64"),
        ({NAME: TABLE | {"threads": True}}, "a number from 1 to 64"),
        ({NAME: TABLE | {"environment": {"LD_PRELOAD": "/tmp/x.so"}}}, "no variable for a PKCS#11 module"),
        ({NAME: TABLE, "cluster-3a23b4cdefg": TABLE}, "names one token twice"),
    ],
)
def test_clusters_that_make_no_sense_are_refused_with_words(value: object, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_clusters(value)
