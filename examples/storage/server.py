"""A small object storage service whose objects are encrypted under KMS keys of its callers' accounts.

    PUT /bucket                 make a bucket: the caller's account owns it
    PUT /bucket?encryption      its default: {"KMSMasterKeyID": "alias/..", "BucketKeyEnabled": true}
    PUT /bucket/key             an object; headers as S3's: x-amz-server-side-encryption-aws-kms-key-id,
                                x-amz-server-side-encryption-bucket-key-enabled
    GET /bucket/key             it again

Callers prove who they are in the header `x-storage-caller` (callers.py). Whoever belongs to the bucket's
account may ask for its objects; whether they can be written and read is for the KMS key to decide.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import socket
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import uvicorn
from botocore.exceptions import BotoCoreError, ClientError
from callers import Caller, Callers, UnknownCaller
from cryptography.exceptions import InvalidTag
from sse_kms import Kms, SseKms
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

SSE = "x-amz-server-side-encryption"
AWS_MANAGED_KEY = "alias/aws/s3"
OBJECT_BYTES_MAX = 64 * 1024 * 1024
BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]", re.ASCII)


class Refused(Exception):
    """What the caller is told: an error code of S3's, and the HTTP status."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(code)
        self.response = JSONResponse({"Code": code, "Message": message}, status)


@dataclass(frozen=True)
class Encryption:
    """How objects are encrypted."""

    key_id: str = AWS_MANAGED_KEY
    bucket_key: bool = False


class Storage:
    """Buckets are directories, objects are files: a line of JSON, then the encrypted bytes."""

    def __init__(self, directory: Path, sse: SseKms) -> None:
        self._directory = directory
        self._sse = sse

    def create_bucket(self, caller: Caller, bucket: str) -> None:
        if BUCKET_NAME.fullmatch(bucket) is None:
            raise Refused(400, "InvalidBucketName", "The specified bucket is not valid.")
        try:
            (self._directory / bucket).mkdir(parents=True)
        except FileExistsError:
            raise Refused(409, "BucketAlreadyExists", "The bucket name is taken.") from None
        self._write(bucket, "bucket", json.dumps({"account_id": caller.account_id}).encode())

    def put_encryption(self, caller: Caller, bucket: str, encryption: Encryption) -> None:
        settings = self._bucket(caller, bucket) | {"encryption": asdict(encryption)}
        self._write(bucket, "bucket", json.dumps(settings).encode())

    def default_encryption(self, caller: Caller, bucket: str) -> Encryption:
        return Encryption(**self._bucket(caller, bucket).get("encryption", {}))

    def put(
        self, caller: Caller, bucket: str, key: str, encryption: Encryption, data: bytes
    ) -> dict[str, Any]:
        self._bucket(caller, bucket)
        arns = _arns(bucket, key)
        kept, body = self._sse.seal(caller, *arns, encryption.key_id, encryption.bucket_key, data)
        self._write(bucket, _file_name(key), json.dumps(kept).encode() + b"\n" + body)
        return kept

    def get(self, caller: Caller, bucket: str, key: str) -> tuple[dict[str, Any], bytes]:
        self._bucket(caller, bucket)
        try:
            head, _, body = (self._directory / bucket / _file_name(key)).read_bytes().partition(b"\n")
        except FileNotFoundError:
            raise Refused(404, "NoSuchKey", "The specified key does not exist.") from None
        kept: dict[str, Any] = json.loads(head)
        return kept, self._sse.open(caller, *_arns(bucket, key), kept, body)

    def _bucket(self, caller: Caller, bucket: str) -> dict[str, Any]:
        """What a stranger hears of a bucket is the same whether it is there or not."""
        settings: dict[str, Any] = {}
        if BUCKET_NAME.fullmatch(bucket) is not None and (self._directory / bucket / "bucket").exists():
            settings = json.loads((self._directory / bucket / "bucket").read_bytes())
        if settings.get("account_id") != caller.account_id:
            raise Refused(403, "AccessDenied", "There is no such bucket in your account.")
        return settings

    def _write(self, bucket: str, name: str, content: bytes) -> None:
        """All or nothing: a reader sees the older file or the newer one."""
        unfinished = self._directory / bucket / f".{os.urandom(8).hex()}"
        unfinished.write_bytes(content)
        unfinished.replace(self._directory / bucket / name)


def _arns(bucket: str, key: str) -> tuple[str, str]:
    return f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/{key}"


def _file_name(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def _encryption_headers(kept: dict[str, Any]) -> dict[str, str]:
    headers = {SSE: "aws:kms", f"{SSE}-aws-kms-key-id": kept["key_arn"]}
    return headers | {f"{SSE}-bucket-key-enabled": "true"} if kept["bucket_key"] else headers


def _asked_encryption(request: Request, default: Encryption) -> Encryption:
    if request.headers.get(SSE, "aws:kms") != "aws:kms":
        raise Refused(400, "InvalidArgument", "Only aws:kms is supported.")
    key_id = request.headers.get(f"{SSE}-aws-kms-key-id")
    asked = default if key_id is None else replace(default, key_id=key_id)
    bucket_key = request.headers.get(f"{SSE}-bucket-key-enabled")
    return asked if bucket_key is None else replace(asked, bucket_key=bucket_key == "true")


def _parse_encryption(body: bytes) -> Encryption:
    try:
        told = json.loads(body)
        return Encryption(
            str(told.get("KMSMasterKeyID", AWS_MANAGED_KEY)), told.get("BucketKeyEnabled") is True
        )
    except (ValueError, AttributeError):
        raise Refused(400, "MalformedJSON", "This is no encryption configuration.") from None


def build_app(storage: Storage, callers: Callers) -> Starlette:
    """The HTTP side."""

    async def body_of(request: Request) -> bytes:
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > OBJECT_BYTES_MAX:
                raise Refused(400, "EntityTooLarge", "Objects have up to 64 MiB.")
        return bytes(body)

    def caller_of(request: Request) -> Caller:
        return callers.identify(request.headers.get("x-storage-caller", ""))

    async def bucket(request: Request) -> Response:
        caller, name = await run_in_threadpool(caller_of, request), request.path_params["bucket"]
        if "encryption" not in request.query_params:
            await run_in_threadpool(storage.create_bucket, caller, name)
        else:
            encryption = _parse_encryption(await body_of(request))
            await run_in_threadpool(storage.put_encryption, caller, name, encryption)
        return Response()

    async def object_of_bucket(request: Request) -> Response:
        caller = await run_in_threadpool(caller_of, request)
        name, key = request.path_params["bucket"], request.path_params["key"]
        data = b""
        if request.method == "PUT":
            encryption = _asked_encryption(request, storage.default_encryption(caller, name))
            kept = await run_in_threadpool(storage.put, caller, name, key, encryption, await body_of(request))
        else:
            kept, data = await run_in_threadpool(storage.get, caller, name, key)
        return Response(data, headers=_encryption_headers(kept), media_type="application/octet-stream")

    async def refuse(_: Request, error: Exception) -> Response:
        if isinstance(error, UnknownCaller):
            return JSONResponse({"Code": "AccessDenied", "Message": str(error)}, 403)
        if isinstance(error, ClientError):  # in KMS's own words, as S3 does it
            told = error.response["Error"]
            status = 403 if told["Code"] == "AccessDeniedException" else 400
            code = "AccessDenied" if status == 403 else f"KMS.{told['Code']}"
            return JSONResponse({"Code": code, "Message": told.get("Message", "")}, status)
        if isinstance(error, Refused):
            return error.response
        return JSONResponse({"Code": "ServiceUnavailable", "Message": "Please try again."}, 503)

    expected = (Refused, UnknownCaller, ClientError, BotoCoreError, InvalidTag, OSError)
    return Starlette(
        routes=[
            Route("/{bucket}", bucket, methods=["PUT"]),
            Route("/{bucket}/{key:path}", object_of_bucket, methods=["GET", "PUT"]),
        ],
        exception_handlers=dict.fromkeys(expected, refuse),
    )


def main() -> None:
    """Settings: STRONGROOM_URL, STORAGE_DIRECTORY, STORAGE_PORT, and AWS's for the service's credentials."""
    url = os.environ["STRONGROOM_URL"]
    storage = Storage(Path(os.environ.get("STORAGE_DIRECTORY", "objects")), SseKms(Kms(endpoint_url=url)))
    listening = socket.create_server(("127.0.0.1", int(os.environ.get("STORAGE_PORT", "9000"))))
    name = f"storage:{listening.getsockname()[1]}"
    print(f"Ready: {name}", flush=True)
    server = uvicorn.Server(uvicorn.Config(build_app(storage, Callers(url, name)), log_level="warning"))
    server.run(sockets=[listening])


if __name__ == "__main__":
    main()
