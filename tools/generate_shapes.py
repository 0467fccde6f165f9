"""Write src/strongroom/aws/generated/ from AWS's own service models of KMS, IAM and STS.

    python tools/generate_shapes.py            write the files
    python tools/generate_shapes.py --check    exit 1 if writing them would change anything

The models are those that botocore carries (botocore/data/kms/2014-11-01/service-2.json.gz and so on).
Version and hashes are pinned below: another model is refused, so the API never changes unseen. To move to
newer models, change the pins, run this, and read the diff. Of IAM and STS there are shapes for the operations
in SERVED_OPERATIONS, and the names of all.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import keyword
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

BOTOCORE_VERSION = "1.44.5"
GENERATED = Path(__file__).resolve().parent.parent / "src" / "strongroom" / "aws" / "generated"

Shapes: TypeAlias = dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Service:
    """One service model: where botocore has it, what it must be, and what its files begin with."""

    name: str
    title: str
    version: str
    sha256: str
    prefix: str

    @property
    def model_path(self) -> str:
        return f"data/{self.name}/{self.version}/service-2.json.gz"


KMS = Service(
    "kms", "KMS", "2014-11-01", "b9434f7ee953e0dddd8a64e08104c774ae02759e1d53f220a9371f9f6cd02c69", ""
)
IAM = Service(
    "iam", "IAM", "2010-05-08", "951ee47e135ddb432441e9ceb67cfe3ece38feb34c321c6bf05b037880666b3b", "iam_"
)
STS = Service(
    "sts", "STS", "2011-06-15", "d97a08aa49223dee070009624c1d70f5b6af6ccc43220cc30ff566d5f02f3c0b", "sts_"
)
SERVICES = (KMS, IAM, STS)

# What of IAM and STS has shapes. All other operations of theirs are known by name only.
SERVED_OPERATIONS = {
    "iam": """
    CreateUser GetUser UpdateUser DeleteUser ListUsers TagUser UntagUser ListUserTags GetLoginProfile
    CreateGroup GetGroup UpdateGroup DeleteGroup ListGroups AddUserToGroup RemoveUserFromGroup
    ListGroupsForUser
    CreateAccessKey DeleteAccessKey UpdateAccessKey ListAccessKeys GetAccessKeyLastUsed
    CreateRole GetRole UpdateRole UpdateRoleDescription UpdateAssumeRolePolicy DeleteRole ListRoles
    TagRole UntagRole ListRoleTags
    PutUserPolicy GetUserPolicy DeleteUserPolicy ListUserPolicies
    PutGroupPolicy GetGroupPolicy DeleteGroupPolicy ListGroupPolicies
    PutRolePolicy GetRolePolicy DeleteRolePolicy ListRolePolicies
    CreatePolicy GetPolicy DeletePolicy ListPolicies TagPolicy UntagPolicy ListPolicyTags
    CreatePolicyVersion GetPolicyVersion ListPolicyVersions DeletePolicyVersion SetDefaultPolicyVersion
    AttachUserPolicy DetachUserPolicy ListAttachedUserPolicies
    AttachGroupPolicy DetachGroupPolicy ListAttachedGroupPolicies
    AttachRolePolicy DetachRolePolicy ListAttachedRolePolicies ListEntitiesForPolicy
    PutUserPermissionsBoundary DeleteUserPermissionsBoundary
    PutRolePermissionsBoundary DeleteRolePermissionsBoundary
    CreateOpenIDConnectProvider GetOpenIDConnectProvider DeleteOpenIDConnectProvider
    ListOpenIDConnectProviders AddClientIDToOpenIDConnectProvider RemoveClientIDFromOpenIDConnectProvider
    UpdateOpenIDConnectProviderThumbprint
    TagOpenIDConnectProvider UntagOpenIDConnectProvider ListOpenIDConnectProviderTags
    SimulatePrincipalPolicy SimulateCustomPolicy GetAccountSummary
    ListInstanceProfilesForRole ListMFADevices ListSigningCertificates ListSSHPublicKeys
    ListServiceSpecificCredentials
    """,
    "sts": "GetCallerIdentity AssumeRole AssumeRoleWithWebIdentity GetSessionToken GetAccessKeyInfo",
}
# Credentials that the model does not call sensitive: session tokens, MFA codes, signed context assertions.
ALSO_SENSITIVE = {"sts": ("tokenType", "tokenCodeType", "contextAssertionType")}

SCALARS = {
    "string": "str",
    "blob": "bytes",
    "integer": "int",
    "boolean": "bool",
    "timestamp": "float",
}
# Java's spelling of a character class, and Python's of the same.
JAVA_ASCII, PYTHON_ASCII = r"\p{ASCII}", r"[\x00-\x7F]"
# Letters, separators and numbers of all scripts. Python's \w is letters, numbers and the underscore, which
# stands in every one of these classes; a test compares with the Unicode database.
JAVA_TAG_CLASS = r"\p{L}\p{Z}\p{N}_"
PYTHON_TAG_CLASS = r"\w\x20\xA0\u1680\u2000-\u200A\u2028\u2029\u202F\u205F\u3000"
# Years 1 to 9999: what a calendar date can hold. The model sets no bounds for a timestamp.
TIMESTAMP_SECONDS_MIN, TIMESTAMP_SECONDS_MAX = -62135596800, 253402300799

# What the service does and its model does not say. Source: floci-io/floci pull request 3968 (2026-09-20),
# whose author recorded "every message and check order" from AWS KMS in us-east-1.
OBSERVED_PATTERNS = {"KeyIdType": r"^\p{ASCII}+$"}
# The order in which refusals list an enumeration. DataKeySpec is refused with the list of KeySpec.
# Values that the recording does not have yet follow in the model's order.
OBSERVED_ENUM_LISTS = {
    "DataKeySpec": "RSA_2048 RSA_3072 RSA_4096 ECC_NIST_P256 ECC_NIST_P384 ECC_NIST_P521 ECC_SECG_P256K1"
    " ECC_NIST_EDWARDS25519 SYMMETRIC_DEFAULT HMAC_224 HMAC_256 HMAC_384 HMAC_512 SM2 ML_DSA_44 ML_DSA_65"
    " ML_DSA_87",
    "EncryptionAlgorithmSpec": "RSAES_OAEP_SHA_1 RSAES_OAEP_SHA_256 SM2PKE SYMMETRIC_DEFAULT",
    "MacAlgorithmSpec": "HMAC_SHA_384 HMAC_SHA_256 HMAC_SHA_224 HMAC_SHA_512",
    "SigningAlgorithmSpec": "RSASSA_PSS_SHA_256 RSASSA_PSS_SHA_384 RSASSA_PSS_SHA_512"
    " RSASSA_PKCS1_V1_5_SHA_256 RSASSA_PKCS1_V1_5_SHA_384 RSASSA_PKCS1_V1_5_SHA_512 ECDSA_SHA_256"
    " ECDSA_SHA_384 ECDSA_SHA_512 ED25519_SHA_512 ED25519_PH_SHA_512 SM2DSA ML_DSA_SHAKE_256",
}
OBSERVED_ENUM_LISTS["KeySpec"] = OBSERVED_ENUM_LISTS["DataKeySpec"]


class ModelError(Exception):
    """The model is not the pinned one, or holds something that this generator does not know."""


def load_model(service: Service) -> dict[str, Any]:
    """The pinned service model, with the operations that have shapes.

    Raises ModelError for another botocore or another content.
    """
    import botocore

    if botocore.__version__ != BOTOCORE_VERSION:
        raise ModelError(f"botocore is {botocore.__version__}, pinned is {BOTOCORE_VERSION}")
    data = gzip.decompress((Path(botocore.__file__).parent / service.model_path).read_bytes())
    digest = hashlib.sha256(data).hexdigest()
    if digest != service.sha256:
        raise ModelError(f"the {service.name} model's SHA-256 is {digest}, pinned is {service.sha256}")
    model: dict[str, Any] = json.loads(data)
    for name, pattern in OBSERVED_PATTERNS.items() if service is KMS else ():
        model["shapes"][name]["pattern"] = pattern
    for name in ALSO_SENSITIVE.get(service.name, ()):
        model["shapes"][name]["sensitive"] = True
    model["names"] = sorted(model["operations"])
    served = SERVED_OPERATIONS.get(service.name)
    if served is not None:
        model["operations"] = {name: model["operations"][name] for name in served.split()}
    add_empty_inputs(model)
    return model


def add_empty_inputs(model: dict[str, Any]) -> None:
    """Give an operation whose model has no input an empty one, named as the others are."""
    for name, operation in model["operations"].items():
        if "input" not in operation:
            operation["input"] = {"shape": f"{name}Request"}
            model["shapes"][f"{name}Request"] = {"type": "structure", "members": {}}


def snake_case(name: str) -> str:
    """KeyId -> key_id, AWSAccountId -> aws_account_id, GenerateDataKey -> generate_data_key."""
    name = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", name)
    name = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name).lower()
    if not name.isidentifier() or keyword.iskeyword(name):
        raise ModelError(f"no identifier for {name!r}")
    return name


def member_identifier(value: str) -> str:
    """An enum value as a Python constant: SIGN_VERIFY stays, PendingImport becomes PENDING_IMPORT."""
    value = re.sub("[- ]", "_", value)
    return value if value == value.upper() and value.isidentifier() else snake_case(value).upper()


def full_match_pattern(pattern: str) -> str:
    """The model's pattern as the service applies it: over the whole value, with ASCII classes (Java)."""
    if r"\p{L}" in pattern:
        if JAVA_TAG_CLASS not in pattern or r"\w" in pattern:
            raise ModelError(f"no Python for {pattern!r}")
        return rf"\A(?u:{pattern.replace(JAVA_TAG_CLASS, PYTHON_TAG_CLASS)})\Z"
    return rf"\A(?a:{pattern.replace(JAVA_ASCII, PYTHON_ASCII)})\Z"


def referenced(shape: dict[str, Any]) -> list[str]:
    """The names of the shapes that `shape` is made of, in the model's order."""
    if shape["type"] == "structure":
        return [member["shape"] for member in shape["members"].values()]
    return [shape[part]["shape"] for part in ("key", "value", "member") if part in shape]


def reachable(shapes: Shapes, roots: list[str]) -> list[str]:
    """Every shape reachable from `roots`, each after the shapes it is made of; otherwise alphabetical."""
    ordered: list[str] = []
    visiting: set[str] = set()

    def visit(name: str) -> None:
        if name in ordered:
            return
        if name in visiting:
            raise ModelError(f"{name} contains itself; gc=False would leak it")
        visiting.add(name)
        for inner in sorted(referenced(shapes[name])):
            visit(inner)
        ordered.append(name)

    for root in sorted(roots):
        visit(root)
    return ordered


def inputs_and_outputs(model: dict[str, Any]) -> list[tuple[str, str, str | None]]:
    """(operation, input shape, output shape or None), alphabetical."""
    return [
        (name, operation["input"]["shape"], operation.get("output", {}).get("shape"))
        for name, operation in sorted(model["operations"].items())
    ]


def header(service: Service, text: str) -> list[str]:
    return [
        f'"""{text}',
        "",
        f"Generated by tools/generate_shapes.py from botocore {BOTOCORE_VERSION}, "
        f"{service.name} {service.version},",
        f"SHA-256 {service.sha256}.",
        "Do not edit.",
        '"""',
        "",
    ]


def render_init() -> str:
    lines = header(KMS, "The KMS API's shapes, as AWS's own service model has them.")
    return "\n".join(lines[:-1]) + "\n"


def render_enums(service: Service, model: dict[str, Any]) -> str:
    shapes: Shapes = model["shapes"]
    lines = [*header(service, f"The {service.title} API's enumerations."), "from enum import StrEnum"]
    used = shapes if service is KMS else reachable(shapes, roots_of(model))
    for name in sorted(name for name in used if "enum" in shapes[name]):
        members = {member_identifier(value): value for value in shapes[name]["enum"]}
        if len(members) != len(shapes[name]["enum"]):
            raise ModelError(f"two values of {name} make the same identifier")
        lines += ["", "", f"class {name}(StrEnum):"]
        lines += [f'    {identifier} = "{value}"' for identifier, value in members.items()]
    return "\n".join(lines) + "\n"


def enum_list(name: str, values: list[str]) -> str:
    """The values of an enumeration as a refusal lists them."""
    listed = OBSERVED_ENUM_LISTS.get(name, "").split()
    unlisted = [] if name == "DataKeySpec" else [value for value in values if value not in listed]
    return ", ".join([*listed, *unlisted])


def bounds(shape: dict[str, Any]) -> dict[str, Any]:
    """Keyword arguments of msgspec.Meta for one scalar, list or map shape."""
    kind = shape["type"]
    if kind == "timestamp":
        return {"ge": TIMESTAMP_SECONDS_MIN, "le": TIMESTAMP_SECONDS_MAX}
    lower, upper = ("ge", "le") if kind == "integer" else ("min_length", "max_length")
    found = {lower: shape.get("min"), upper: shape.get("max")}
    if found.get("min_length") == 0:
        found["min_length"] = None
    if "pattern" in shape:
        found["pattern"] = full_match_pattern(shape["pattern"])
    return {key: value for key, value in found.items() if value is not None}


def python_type(name: str, shapes: Shapes) -> str:
    """The right-hand side of a type alias for a shape that is no structure and no enum."""
    shape = shapes[name]
    match shape["type"]:
        case "list":
            plain = f"list[{shape['member']['shape']}]"
        case "map":
            plain = f"dict[{shape['key']['shape']}, {shape['value']['shape']}]"
        case kind:
            plain = SCALARS[kind]
    arguments = ", ".join(f"{key}={value!r}" for key, value in bounds(shape).items())
    return f"Annotated[{plain}, msgspec.Meta({arguments})]" if arguments else plain


def render_structure(name: str, shapes: Shapes) -> list[str]:
    """One msgspec.Struct, members in the model's order, wire names by `rename`.

    Secrets: a structure with a sensitive member does not show its values in its repr.
    """
    shape = shapes[name]
    names = {snake_case(member): member for member in shape["members"]}
    if len(names) != len(shape["members"]):
        raise ModelError(f"two members of {name} make the same identifier")
    options = "kw_only=True, omit_defaults=True, gc=False"
    if not names:
        return ["", "", f"class {name}(msgspec.Struct, {options}):", "    pass"]
    secret = any(shapes[member["shape"]].get("sensitive") for member in shape["members"].values())
    base = "SensitiveStruct" if secret else "msgspec.Struct"
    lines = ["", "", "class " + name + "(", f"    {base},", f"    {options},", "    rename={"]
    lines += [f'        "{attribute}": "{member}",' for attribute, member in names.items()]
    lines += ["    },", "):"]
    required = shape.get("required", [])
    for attribute, member in names.items():
        kind = shape["members"][member]["shape"]
        lines.append(f"    {attribute}: {kind}" + ("" if member in required else " | None = None"))
    return lines


def roots_of(model: dict[str, Any]) -> list[str]:
    """The names of all inputs and outputs."""
    return [name for _, *pair in inputs_and_outputs(model) for name in pair if name is not None]


def render_shapes(service: Service, model: dict[str, Any]) -> str:
    shapes: Shapes = model["shapes"]
    ordered = reachable(shapes, roots_of(model))
    enums = sorted(name for name in ordered if "enum" in shapes[name])
    imported = [
        f"from strongroom.aws.generated.{service.prefix}enums import (",
        *[f"    {name}," for name in enums],
        ")",
    ]
    title = f"The {service.title} API's inputs and outputs."
    lines = [
        *header(service, f"{title} Instants are seconds since the epoch, blobs are bytes."),
        "from typing import Annotated, TypeAlias",
        "",
        "import msgspec",
        "",
        *(imported if enums else ()),
        "from strongroom.aws.sensitive import SensitiveStruct",
        "",
    ]
    structures: list[str] = []
    for name in ordered:
        if "enum" in shapes[name]:
            continue
        if shapes[name]["type"] == "structure":
            structures += render_structure(name, shapes)
        elif shapes[name]["type"] in SCALARS:
            lines.append(f"{name}: TypeAlias = {python_type(name, shapes)}")
        else:  # a list or map stands after the structure it is made of
            structures += ["", "", f"{name}: TypeAlias = {python_type(name, shapes)}"]
    return "\n".join(lines + structures) + "\n"


def render_constraint(name: str, shape: dict[str, Any]) -> list[str]:
    """One ShapeConstraint: what the slow pass needs to explain why a value of this shape is refused."""
    fields: dict[str, Any] = {"kind": shape["type"]}
    if shape["type"] == "timestamp":
        fields |= {"min": TIMESTAMP_SECONDS_MIN, "max": TIMESTAMP_SECONDS_MAX}
    fields |= {key: shape[key] for key in ("min", "max", "pattern") if key in shape}
    if "pattern" in shape:
        fields["full_match"] = full_match_pattern(shape["pattern"])
    if "enum" in shape:
        fields["enum"] = tuple(shape["enum"])
        fields["enum_list"] = enum_list(name, shape["enum"])
    if shape.get("sensitive"):
        fields["sensitive"] = True
    fields |= {part: shape[part]["shape"] for part in ("key", "value", "member") if part in shape}
    lines = [f'    "{name}": ShapeConstraint(']
    lines += [f"        {key}={value!r}," for key, value in fields.items()]
    if shape["type"] == "structure":
        required = shape.get("required", [])
        lines.append("        members=(")
        for member, target in shape["members"].items():
            path, kind = member[0].lower() + member[1:], target["shape"]
            fixed = f"{member!r}, {path!r}, {kind!r}, {member in required}"
            lines.append(f"            MemberConstraint({fixed}),")
        lines.append("        ),")
    return [*lines, "    ),"]


def render_constraints(service: Service, model: dict[str, Any]) -> str:
    shapes: Shapes = model["shapes"]
    operations = inputs_and_outputs(model)
    what = "every input" if service is KMS else "every input, what every output is made of"
    lines = [
        *header(service, f"What the model demands of {what}, and each operation's input and output."),
        "import msgspec",
        "",
        "from strongroom.aws.constraint import MemberConstraint, ShapeConstraint",
        f"from strongroom.aws.generated.{service.prefix}shapes import (",
        *[f"    {name}," for name in sorted(set(roots_of(model)))],
        ")",
        "",
        *(() if service is KMS else render_service_facts(service, model)),
        "OPERATIONS: dict[str, tuple[type[msgspec.Struct], type[msgspec.Struct] | None]] = {",
        *[f'    "{name}": ({given}, {answer}),' for name, given, answer in operations],
        "}",
        "",
        "SHAPES: dict[str, ShapeConstraint] = {",
    ]
    roots = [given for _, given, _ in operations] if service is KMS else roots_of(model)
    for name in reachable(shapes, roots):
        lines += render_constraint(name, shapes[name])
    return "\n".join([*lines, "}"]) + "\n"


def render_service_facts(service: Service, model: dict[str, Any]) -> list[str]:
    """The API's version, all its operations, and the HTTP status of each of its errors."""
    errors = {
        shape["error"]["code"]: shape["error"]["httpStatusCode"]
        for shape in model["shapes"].values()
        if "httpStatusCode" in shape.get("error", {})
    }
    return [
        f'VERSION = "{service.version}"',
        "",
        "ALL_OPERATIONS: frozenset[str] = frozenset(",
        "    {",
        *[f'        "{name}",' for name in model["names"]],
        "    }",
        ")",
        "",
        "ERROR_STATUSES: dict[str, int] = {",
        *[f'    "{code}": {status},' for code, status in sorted(errors.items())],
        "}",
        "",
    ]


def render_all() -> dict[str, str]:
    """File name -> text of every generated file."""
    files = {"__init__.py": render_init()}
    for service in SERVICES:
        model = load_model(service)
        if any("enum" in model["shapes"][name] for name in reachable(model["shapes"], roots_of(model))):
            files[f"{service.prefix}enums.py"] = render_enums(service, model)
        files |= {
            f"{service.prefix}shapes.py": render_shapes(service, model),
            f"{service.prefix}constraints.py": render_constraints(service, model),
        }
    return files


def differing(files: dict[str, str], directory: Path) -> list[str]:
    """The names of the files in `directory` that are not what would be written."""
    return [
        name
        for name, text in files.items()
        if not (directory / name).is_file() or (directory / name).read_text(encoding="utf-8") != text
    ]


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="Write the API shapes from the pinned service models.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if anything differs")
    parser.add_argument("--directory", type=Path, default=GENERATED, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    try:
        files = render_all()
    except ModelError as error:
        print(f"generate_shapes: {error}", file=sys.stderr)
        return 2
    stale = differing(files, options.directory)
    if options.check:
        for name in stale:
            print(f"generate_shapes: {name} is not what the model says", file=sys.stderr)
        return 1 if stale else 0
    options.directory.mkdir(parents=True, exist_ok=True)
    for name in stale:
        (options.directory / name).write_text(files[name], encoding="utf-8")
    print(f"generate_shapes: {len(stale)} of {len(files)} files written")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
