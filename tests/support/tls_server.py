"""A production server as clients written in other languages know it, by their environment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.aws_clients import new_client
from tests.support.certificates import Authority
from tests.support.server import (
    ACCOUNT,
    REGION,
    ROOT_ACCESS_KEY_ID,
    ROOT_SECRET_ACCESS_KEY,
    Server,
    strict_environment,
)


@contextmanager
def serving_with_tls(directory: Path) -> Iterator[dict[str, str]]:
    """A production server with TLS, two workers and one GetKeyLastUsage a second, as its clients know it.

    Its data and settings are in the directory, which is empty.
    """
    authority = Authority(directory)
    certificate, key = authority.issue("localhost")
    key.chmod(0o600)
    seal_directory = directory / "seal"
    seal_directory.mkdir(mode=0o700)
    settings = directory / "strongroom.toml"
    settings.write_text(
        f"""
        host = "127.0.0.1"
        port = 0
        workers = 2
        data_directory = "{directory / "data"}"
        seal_key_file = "{seal_directory / "seal.key"}"
        tls_certificate_file = "{certificate}"
        tls_key_file = "{key}"
        [request_quotas]
        GetKeyLastUsage = 1
        """
    )
    with Server("--config", str(settings), command="serve", environment=strict_environment()) as server:
        url = f"https://localhost:{server.port}"
        iam = new_client(
            "iam",
            endpoint_url=url,
            verify=str(authority.ca_file),
            region_name=REGION,
            aws_access_key_id=ROOT_ACCESS_KEY_ID,
            aws_secret_access_key=ROOT_SECRET_ACCESS_KEY,
        )
        user = iam.create_user(UserName="gopher")["User"]
        access_key = iam.create_access_key(UserName="gopher")["AccessKey"]
        yield {
            "HOME": "/nonexistent",
            "SSL_CERT_FILE": str(authority.ca_file),
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ENDPOINT_URL_KMS": url,
            "AWS_ENDPOINT_URL_STS": url,
            "AWS_ENDPOINT_URL_IAM": url,
            "AWS_ACCESS_KEY_ID": ROOT_ACCESS_KEY_ID,
            "AWS_SECRET_ACCESS_KEY": ROOT_SECRET_ACCESS_KEY,
            "AWS_REGION": REGION,
            "ACCOUNT": ACCOUNT,
            "USER_ARN": user["Arn"],
            "USER_ACCESS_KEY_ID": access_key["AccessKeyId"],
            "USER_SECRET_ACCESS_KEY": access_key["SecretAccessKey"],
        }
