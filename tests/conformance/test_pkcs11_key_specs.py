"""Every key spec and usage on two tokens, over the API: it works whole, or is refused by name at first."""

from __future__ import annotations

import contextlib
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.support.server import Server
from tests.support.softhsm import make_nss, make_softhsm

from strongroom.aws.generated.enums import DataKeyPairSpec, KeySpec, KeyUsageType
from strongroom.boundary.key_hierarchy import TokenKind
from strongroom.resources.key_spec import is_usage_compatible

SPECS = [(spec, usage) for spec in KeySpec for usage in KeyUsageType if is_usage_compatible(usage, spec)]
COMMON = re.compile(r"SYMMETRIC_DEFAULT ENCRYPT|HMAC_\d+ |RSA_\d+ SIGN")
OFFERED = {
    "softhsm": re.compile(rf"{COMMON.pattern}|ECC_NIST_P\d+ |ECC_SECG_P256K1 "),
    "nss": re.compile(rf"{COMMON.pattern}|RSA_\d+ ENCRYPT"),
}
PAIRS = {"softhsm": re.compile(r"RSA_|ECC_NIST_P\d|ECC_SECG"), "nss": re.compile(r"RSA_")}
MECHANISM = re.compile(r"CKM_[A-Z0-9_]+|no mechanism for SM2")


class OnToken:
    """A server whose keys are in a token."""

    def __init__(self, module: str, server: Server, data: Path) -> None:
        self.module, self.server, self.data = module, server, data
        self.kms = server.client(retries=0)

    def refusal(self, call: Any, **members: Any) -> str:
        """The sentence of an UnsupportedOperationException."""
        with pytest.raises(ClientError) as raised:
            call(**members)
        error = raised.value.response["Error"]
        assert error["Code"] == "UnsupportedOperationException"
        return str(error["Message"])

    def create(self, spec: KeySpec, usage: KeyUsageType) -> dict[str, Any]:
        return dict(self.kms.create_key(KeySpec=spec.value, KeyUsage=usage.value)["KeyMetadata"])


@pytest.fixture(scope="module", params=["softhsm", "nss"])
def on_token(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OnToken]:
    directory = tmp_path_factory.mktemp("on_token")
    token = (make_softhsm if request.param == "softhsm" else make_nss)(directory / "token")
    (directory / "pin").touch(0o600)
    (directory / "pin").write_bytes(token.pin)
    lines = [
        "[pkcs11]",
        f'module = "{token.module}"',
        f'token_label = "{token.label}"',
        f'pin_file = "{directory / "pin"}"',
        f'directories = ["{token.directory}"]',
        f'init_arguments = "{token.init_arguments}"' if token.init_arguments else "",
        f"accepted_weaknesses = {list(token.accepted_weaknesses)}" if token.accepted_weaknesses else "",
        "[pkcs11.environment]",
        *(f'{name} = "{value}"' for name, value in token.environment.items()),
    ]
    configuration = directory / "strongroom.toml"
    configuration.write_text("\n".join(lines) + "\n")
    data = directory / "data"
    with Server("--config", str(configuration), data_dir=data) as server:
        yield OnToken(request.param, server, data)


def use(kms: Any, key: dict[str, Any]) -> int:
    """Everything that the key says it can; how much that is."""
    used, key_id = 0, key["KeyId"]
    for algorithm in key.get("SigningAlgorithms", ()):
        signing = {"KeyId": key_id, "Message": b"message", "SigningAlgorithm": algorithm}
        signature = kms.sign(**signing)["Signature"]
        assert kms.verify(**signing, Signature=signature)["SignatureValid"]
        used += 1
    for algorithm in key.get("EncryptionAlgorithms", ()):
        blob = kms.encrypt(KeyId=key_id, Plaintext=b"text", EncryptionAlgorithm=algorithm)["CiphertextBlob"]
        opened = kms.decrypt(KeyId=key_id, CiphertextBlob=blob, EncryptionAlgorithm=algorithm)
        assert opened["Plaintext"] == b"text"
        used += 1
    for algorithm in key.get("MacAlgorithms", ()):
        making = {"KeyId": key_id, "Message": b"message", "MacAlgorithm": algorithm}
        assert kms.verify_mac(**making, Mac=kms.generate_mac(**making)["Mac"])["MacValid"]
        used += 1
    for algorithm in key.get("KeyAgreementAlgorithms", ()):
        public_key = kms.get_public_key(KeyId=key_id)["PublicKey"]
        agreed = kms.derive_shared_secret(KeyId=key_id, KeyAgreementAlgorithm=algorithm, PublicKey=public_key)
        assert len(agreed["SharedSecret"]) >= 32
        used += 1
    return used


@pytest.mark.parametrize(("spec", "usage"), SPECS, ids=lambda value: str(value.value))
def test_key_of_every_spec_works_whole_or_is_refused_by_the_mechanism_that_is_missing(
    on_token: OnToken, spec: KeySpec, usage: KeyUsageType
) -> None:
    if OFFERED[on_token.module].match(f"{spec.value} {usage.value}"):
        assert use(on_token.kms, on_token.create(spec, usage)) > 0
        return
    sentence = on_token.refusal(on_token.kms.create_key, KeySpec=spec.value, KeyUsage=usage.value)
    what = f"KeySpec {spec.value} with KeyUsage {usage.value}"
    assert sentence.startswith(f"{what} is not supported with keys in a PKCS #11 token: ")
    assert MECHANISM.search(sentence), sentence


@pytest.mark.parametrize("spec", list(DataKeyPairSpec), ids=lambda value: str(value.value))
def test_data_key_pair_of_every_spec_is_made_in_the_token_or_refused_by_name(
    on_token: OnToken, spec: DataKeyPairSpec
) -> None:
    kms = on_token.kms
    members = {"KeyId": kms.create_key()["KeyMetadata"]["KeyId"], "KeyPairSpec": spec.value}
    if PAIRS[on_token.module].match(spec.value):
        pair = kms.generate_data_key_pair(**members)
        opened = kms.decrypt(CiphertextBlob=pair["PrivateKeyCiphertextBlob"])["Plaintext"]
        assert opened == pair["PrivateKeyPlaintext"]
        return
    for call in (kms.generate_data_key_pair, kms.generate_data_key_pair_without_plaintext):
        assert MECHANISM.search(on_token.refusal(call, **members))
    assert MECHANISM.search(on_token.refusal(kms.generate_data_key_pair, **members, DryRun=True))


def test_what_would_need_material_to_move_is_refused_when_the_key_is_made(on_token: OnToken) -> None:
    refused = (({"Origin": "EXTERNAL"}, "Origin EXTERNAL"), ({"MultiRegion": True}, "MultiRegion"))
    for members, what in refused:
        sentence = on_token.refusal(on_token.kms.create_key, **members)
        assert sentence == (
            f"{what} is not supported with keys in a PKCS #11 token: key material is made in the token, and"
            " neither enters nor leaves it."
        )


def test_no_key_was_made_in_software_behind_anybodys_back(on_token: OnToken) -> None:
    on_token.create(KeySpec.SYMMETRIC_DEFAULT, KeyUsageType.ENCRYPT_DECRYPT)
    on_token.create(KeySpec.HMAC_256, KeyUsageType.GENERATE_VERIFY_MAC)
    (database,) = on_token.data.glob("*.db")
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        tokens = connection.execute("SELECT exported_token FROM key_materials").fetchall()
    assert tokens
    assert {token[1] for (token,) in tokens} == {TokenKind.TOKEN_KEY}
