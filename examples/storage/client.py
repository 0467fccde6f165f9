"""A client of the storage service, with the caller's own AWS credentials from the environment.

python client.py PUT photos
python client.py PUT photos/cat.txt < cat.txt
python client.py GET photos/cat.txt
"""

from __future__ import annotations

import os
import sys
import urllib.error
import urllib.request
from urllib.parse import quote, urlsplit

import boto3
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest


def prove(session: boto3.Session, sts_url: str, server_name: str) -> str:
    """A query by which the server can ask STS who we are, for five minutes, and nothing else."""
    credentials = session.get_credentials().get_frozen_credentials()
    request = AWSRequest(
        "GET",
        f"{sts_url.rstrip('/')}/?Action=GetCallerIdentity&Version=2011-06-15",
        headers={"x-storage-server": server_name},
    )
    SigV4QueryAuth(credentials, "sts", session.region_name or "us-east-1", expires=300).add_auth(request)
    return str(urlsplit(request.url).query)


def main() -> int:
    """One request; its body is standard input, its answer goes to standard output."""
    method, path = sys.argv[1], sys.argv[2]
    port = os.environ.get("STORAGE_PORT", "9000")
    proof = prove(boto3.Session(), os.environ["STRONGROOM_URL"], f"storage:{port}")
    body = sys.stdin.buffer.read() if method == "PUT" and not sys.stdin.isatty() else None
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/{quote(path, safe='/?=')}",
        data=body,
        method=method,
        headers={"x-storage-caller": proof},
    )
    try:
        with urllib.request.urlopen(request) as answer:  # noqa: S310
            sys.stderr.writelines(f"{n}: {v}\n" for n, v in answer.headers.items() if n.startswith("x-amz"))
            sys.stdout.buffer.write(answer.read())
    except urllib.error.HTTPError as error:
        sys.stderr.write(f"{error.status} {error.read().decode()}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
