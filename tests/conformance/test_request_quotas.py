"""Request quotas with unmodified boto3: its own retries on throttling get the request through."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from tests.operations.road_requests import ABSENT_KEY_ID
from tests.support.server import Server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    file: Path = tmp_path_factory.mktemp("settings") / "strongroom.toml"
    file.write_text("[request_quotas]\nListKeys = 1\nCreateKey = 5\n")
    with Server("--config", str(file)) as server:
        yield server


def test_boto3_without_retries_is_told_of_throttling(server: Server) -> None:
    kms = server.client(region="eu-west-1")
    kms.list_keys()
    with pytest.raises(ClientError) as caught:
        kms.list_keys()
    assert caught.value.response["Error"] == {
        "Code": "ThrottlingException",
        "Message": "You have exceeded the rate at which you may call KMS. "
        "Reduce the frequency of your calls.",
    }
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_boto3_with_retries_waits_and_gets_through(server: Server) -> None:
    kms = server.client(region="eu-west-2", retries=10)
    began = time.monotonic()
    attempts = [kms.list_keys()["ResponseMetadata"]["RetryAttempts"] for _ in range(4)]
    assert attempts[0] == 0
    assert sum(attempts) > 0
    assert time.monotonic() - began > 2.5, "four requests of one a second, the first at once"


def test_aws_quotas_throttle_what_is_five_a_second_and_not_what_is_ten_thousand() -> None:
    with Server(environment={"STRONGROOM_REQUEST_QUOTAS": "aws"}) as server:
        kms = server.client()
        codes = set()
        for _ in range(200):
            with pytest.raises(ClientError) as caught:
                kms.get_key_last_usage(KeyId=ABSENT_KEY_ID)
            codes.add(caught.value.response["Error"]["Code"])
        assert codes == {"NotFoundException", "ThrottlingException"}
        for _ in range(200):
            kms.generate_random(NumberOfBytes=1)
