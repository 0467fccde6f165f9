"""The generated shapes are what the pinned model says, and what the rest of the house relies on."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from strongroom.aws.generated import shapes
from strongroom.aws.generated.constraints import OPERATIONS, SHAPES
from strongroom.aws.generated.enums import GrantOperation, KeyState, SigningAlgorithmSpec

ROOT = Path(__file__).resolve().parents[3]
GENERATOR = ROOT / "tools" / "generate_shapes.py"
needs_model = pytest.mark.skipif(
    importlib.util.find_spec("botocore") is None,
    reason="botocore carries the service model and is not installed: the generated files go unchecked",
)


def generate(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(GENERATOR), *arguments], capture_output=True, text=True, check=False, timeout=60
    )


@needs_model
def test_generate_from_the_pinned_model_changes_nothing() -> None:
    """INVARIANT A1."""
    checked = generate("--check")
    assert checked.returncode == 0, checked.stderr


@needs_model
def test_generate_check_of_a_changed_file_fails_and_names_it(tmp_path: Path) -> None:
    written = generate("--directory", str(tmp_path))
    assert written.returncode == 0, written.stderr
    assert generate("--check", "--directory", str(tmp_path)).returncode == 0
    (tmp_path / "enums.py").write_text("# changed\n", encoding="utf-8")
    (tmp_path / "shapes.py").unlink()
    checked = generate("--check", "--directory", str(tmp_path))
    assert checked.returncode == 1
    assert "enums.py" in checked.stderr
    assert "shapes.py" in checked.stderr
    assert (tmp_path / "enums.py").read_text(encoding="utf-8") == "# changed\n"


@needs_model
def test_operations_are_all_operations_of_the_model() -> None:
    """INVARIANT A2."""
    from botocore.session import Session

    model = Session().get_service_model("kms")
    assert set(OPERATIONS) == set(model.operation_names)
    for name, (given, answer) in OPERATIONS.items():
        operation = model.operation_model(name)
        assert given.__name__ == operation.input_shape.name
        assert (answer and answer.__name__) == (operation.output_shape and operation.output_shape.name)


@needs_model
def test_shapes_have_the_models_wire_names_and_required_members() -> None:
    from botocore.session import Session

    model = Session().get_service_model("kms")
    for pair in OPERATIONS.values():
        for structure in filter(None, pair):
            shape = model.shape_for(structure.__name__)
            fields = {field.encode_name: field for field in msgspec.structs.fields(structure)}
            assert list(fields) == list(shape.members)
            assert {name for name, field in fields.items() if field.required} == set(shape.required_members)


def test_enum_values_become_constants() -> None:
    assert KeyState.PENDING_REPLICA_DELETION.value == "PendingReplicaDeletion"
    assert GrantOperation.GENERATE_DATA_KEY.value == "GenerateDataKey"
    assert GrantOperation.RE_ENCRYPT_FROM.value == "ReEncryptFrom"


def test_members_with_runs_of_capitals_have_readable_names() -> None:
    metadata = shapes.KeyMetadata(key_id="k", aws_account_id="1", cloud_hsm_cluster_id="c")
    assert msgspec.json.decode(msgspec.json.encode(metadata)) == {
        "AWSAccountId": "1",
        "KeyId": "k",
        "CloudHsmClusterId": "c",
    }


@pytest.mark.parametrize(
    "structure",
    [
        shapes.EncryptRequest(key_id="k", plaintext=b"hunter2"),
        shapes.DecryptResponse(plaintext=b"hunter2"),
        shapes.GenerateDataKeyResponse(plaintext=b"hunter2"),
        shapes.GenerateDataKeyPairResponse(private_key_plaintext=b"hunter2"),
        shapes.GenerateRandomResponse(plaintext=b"hunter2"),
        shapes.DeriveSharedSecretResponse(shared_secret=b"hunter2"),
        shapes.SignRequest(
            key_id="k", message=b"hunter2", signing_algorithm=SigningAlgorithmSpec.ECDSA_SHA_256
        ),
        shapes.UpdateCustomKeyStoreRequest(custom_key_store_id="c", key_store_password="hunter2"),
        shapes.UpdateCustomKeyStoreRequest(
            custom_key_store_id="c",
            xks_proxy_authentication_credential=shapes.XksProxyAuthenticationCredentialType(
                access_key_id="a", raw_secret_access_key="hunter2"
            ),
        ),
    ],
)
def test_repr_of_a_structure_with_a_secret_does_not_show_it(structure: msgspec.Struct) -> None:
    """INVARIANT A3."""
    assert "hunter2" not in repr(structure)
    assert "hunter2" not in str(structure)
    assert type(structure).__name__ in repr(structure)


def test_constraints_name_only_shapes_that_are_there() -> None:
    for shape in SHAPES.values():
        named = [shape.key, shape.value, shape.member, *(member.shape for member in shape.members)]
        assert all(name in SHAPES for name in named if name is not None)
