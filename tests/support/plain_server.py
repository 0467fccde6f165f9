"""A server without TLS as clients written in other languages know it, by their environment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.server import (
    ACCOUNT,
    REGION,
    ROOT_ACCESS_KEY_ID,
    ROOT_SECRET_ACCESS_KEY,
    Server,
    strict_environment,
)


@contextmanager
def serving_plainly(settings: Path) -> Iterator[dict[str, str]]:
    """A server that verifies signatures and allows one GetKeyLastUsage a second, as its clients' environment.

    The settings file is written.
    """
    settings.write_text("[request_quotas]\nGetKeyLastUsage = 1\n")
    with Server("--auth", "strict", "--config", str(settings), environment=strict_environment()) as server:
        iam = server.client("iam", access_key_id=ROOT_ACCESS_KEY_ID, secret_access_key=ROOT_SECRET_ACCESS_KEY)
        user = iam.create_user(UserName="gopher")["User"]
        access_key = iam.create_access_key(UserName="gopher")["AccessKey"]
        yield {
            "HOME": "/nonexistent",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ENDPOINT_URL_KMS": server.url,
            "AWS_ENDPOINT_URL_STS": server.url,
            "AWS_ACCESS_KEY_ID": ROOT_ACCESS_KEY_ID,
            "AWS_SECRET_ACCESS_KEY": ROOT_SECRET_ACCESS_KEY,
            "AWS_REGION": REGION,
            "ACCOUNT": ACCOUNT,
            "USER_ARN": user["Arn"],
            "USER_ACCESS_KEY_ID": access_key["AccessKeyId"],
            "USER_SECRET_ACCESS_KEY": access_key["SecretAccessKey"],
        }
