"""The root access key comes from the environment; a new one ends the one before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.support.server import Server

SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"


def serve(tmp_path: Path, access_key_id: str | None) -> Server:
    config = tmp_path / "strongroom.toml"
    config.write_text(
        f'data_directory = "{tmp_path}/data"\nseal_key_file = "{tmp_path}/keys/seal.key"\n'
        "port = 0\nworkers = 1\n"
    )
    environment = {}
    if access_key_id is not None:
        environment = {
            "STRONGROOM_ROOT_ACCESS_KEY_ID": access_key_id,
            "STRONGROOM_ROOT_SECRET_ACCESS_KEY": SECRET,
        }
    return Server("--config", str(config), command="serve", environment=environment)


def client(server: Server, access_key_id: str) -> Any:
    return server.client(access_key_id=access_key_id, secret_access_key=SECRET)


def test_serve_without_any_root_access_key_is_refused_with_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="Nobody could sign a request"):
        serve(tmp_path, None).start()


def test_serve_with_another_root_access_key_ends_the_one_before(tmp_path: Path) -> None:
    first, second = "AKIASTRONGROOMROOT01", "AKIASTRONGROOMROOT02"
    with serve(tmp_path, first) as server:
        key_id = client(server, first).create_key()["KeyMetadata"]["KeyId"]
    with serve(tmp_path, None) as server:  # what was stored still serves
        client(server, first).describe_key(KeyId=key_id)
    with serve(tmp_path, second) as server:
        client(server, second).describe_key(KeyId=key_id)
        with pytest.raises(ClientError, match="UnrecognizedClientException"):
            client(server, first).describe_key(KeyId=key_id)
