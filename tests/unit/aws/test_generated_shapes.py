"""The generated shapes are what the pinned model says, and what the rest of the house relies on."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from strongroom.aws.generated import iam_shapes, shapes, sts_shapes
from strongroom.aws.generated.constraints import OPERATIONS, SHAPES
from strongroom.aws.generated.enums import GrantOperation, KeyState, SigningAlgorithmSpec
from strongroom.aws.generated.iam_enums import statusType
from strongroom.aws.query_services import QUERY_SERVICES, QueryService

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


services = pytest.mark.parametrize("service", QUERY_SERVICES.values(), ids=list(QUERY_SERVICES))


@needs_model
@services
def test_query_services_have_all_operations_by_name_and_the_models_shapes(service: QueryService) -> None:
    """INVARIANT A2."""
    from botocore.session import Session

    model = Session().get_service_model(service.name)
    assert service.all_operations == set(model.operation_names)
    assert service.operations.keys() < service.all_operations
    assert model.api_version == service.version
    assert model.metadata["xmlNamespace"] == service.namespace
    for name, (given, answer) in service.operations.items():
        operation = model.operation_model(name)
        assert given.__name__ == (operation.input_shape.name if operation.input_shape else f"{name}Request")
        assert (answer and answer.__name__) == (operation.output_shape and operation.output_shape.name)
        for structure in (given, answer):
            if structure is None or not structure.__struct_fields__:
                continue
            shape = model.shape_for(structure.__name__)
            fields = {field.encode_name: field for field in msgspec.structs.fields(structure)}
            assert list(fields) == list(shape.members)
            assert {wire for wire, field in fields.items() if field.required} == set(shape.required_members)


@needs_model
@services
def test_lists_of_query_services_are_never_flattened_nor_named_otherwise(service: QueryService) -> None:
    """What the codec takes for granted: `Tags.member.1`, and elements named as the members are."""
    from botocore.session import Session

    model = Session().get_service_model(service.name)
    for name in service.shapes:
        if name not in model.shape_names:  # the empty input of an operation without one
            continue
        shape = model.shape_for(name)
        assert not shape.serialization.keys() & {"flattened", "name", "locationName", "xmlAttribute"}, name
        for member in getattr(shape, "members", {}).values():
            assert not member.serialization.keys() & {"name", "locationName", "flattened"}, name


@needs_model
@services
def test_error_statuses_are_those_of_the_model(service: QueryService) -> None:
    from botocore.session import Session

    shapes_of_errors = Session().get_service_model(service.name).error_shapes
    expected = {
        shape.metadata["error"]["code"]: shape.metadata["error"]["httpStatusCode"]
        for shape in shapes_of_errors
        if "error" in shape.metadata
    }
    assert service.error_statuses == expected
    if service.name == "iam":
        assert (
            expected["EntityAlreadyExists"] == expected["DeleteConflict"] == expected["LimitExceeded"] == 409
        )


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
        iam_shapes.AccessKey(
            user_name="u", access_key_id="a", status=statusType.ACTIVE, secret_access_key="hunter2"
        ),
        iam_shapes.CreateAccessKeyResponse(
            access_key=iam_shapes.AccessKey(
                user_name="u", access_key_id="a", status=statusType.ACTIVE, secret_access_key="hunter2"
            )
        ),
        sts_shapes.Credentials(
            access_key_id="a", secret_access_key="s", session_token="hunter2", expiration=0
        ),
        sts_shapes.AssumeRoleResponse(
            credentials=sts_shapes.Credentials(
                access_key_id="a", secret_access_key="hunter2", session_token="t", expiration=0
            )
        ),
        sts_shapes.AssumeRoleWithWebIdentityRequest(
            role_arn="r", role_session_name="s", web_identity_token="hunter2"
        ),
        sts_shapes.GetSessionTokenRequest(token_code="hunter2"),
        sts_shapes.ProvidedContext(context_assertion="hunter2"),
    ],
)
def test_repr_of_a_structure_with_a_secret_does_not_show_it(structure: msgspec.Struct) -> None:
    """INVARIANT A3."""
    assert "hunter2" not in repr(structure)
    assert "hunter2" not in str(structure)
    assert type(structure).__name__ in repr(structure)


def test_constraints_name_only_shapes_that_are_there() -> None:
    for shapes_of_service in (SHAPES, *(service.shapes for service in QUERY_SERVICES.values())):
        for shape in shapes_of_service.values():
            named = [shape.key, shape.value, shape.member, *(member.shape for member in shape.members)]
            assert all(name in shapes_of_service for name in named if name is not None)
