"""Which members of the API's inputs no test names: a member that nobody tests may be overlooked.

    python tools/unread_members.py [--tests DIRECTORY]

A member counts as named where its wire name stands as a keyword, a string or a key of a dictionary in a
file under tests/ that also mentions the operation (`"Encrypt"` or boto3's `encrypt`). Members of nested
structures are looked for in the same way. Prints `Operation: Member, Member.Inner` and exits 1 if any is
missing. That a test names a member does not say that it tests it well; that none does says enough.
Of IAM and STS the operations are looked at that are built.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from botocore import xform_name

from strongroom.aws.constraint import ShapeConstraint
from strongroom.aws.generated.constraints import OPERATIONS, SHAPES
from strongroom.aws.query_services import IAM, STS
from strongroom.operations.table import IAM_OPERATIONS, STS_OPERATIONS

TESTS = Path(__file__).resolve().parents[1] / "tests"


@dataclass(frozen=True, slots=True)
class TestFile:
    """The words of one file of tests: whatever could name an operation or a member."""

    path: Path
    words: frozenset[str]


def words_of(source: str) -> frozenset[str]:
    """Keywords, attributes, names, and the words in strings (JSON and commands too); not docstrings."""
    words: set[str] = set()
    tree = ast.parse(source)
    docstrings = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)
    }  # they name much and test nothing
    for node in ast.walk(tree):
        if id(node) in docstrings:
            continue
        match node:
            case ast.keyword(arg=str(name)) | ast.Attribute(attr=name) | ast.Name(id=name):
                words.add(name)
            case ast.Constant(value=str(text) | bytes(text)):
                plain = text if isinstance(text, str) else text.decode("latin-1")
                words.update(re.findall(r"[A-Za-z0-9_-]+", plain))
            case _:
                pass
    return frozenset(words)


def snake(name: str) -> str:
    """boto3's spelling of an operation: GenerateDataKeyPair becomes generate_data_key_pair."""
    spelled: str = xform_name(name)
    return spelled


def load_tests(directory: Path) -> list[TestFile]:
    """Every Python file under the directory but this tool's own tests."""
    return [
        TestFile(path, words_of(path.read_text(encoding="utf-8")))
        for path in sorted(directory.rglob("*.py"))
        if path.name != "test_unread_members.py"
    ]


Shapes = Mapping[str, ShapeConstraint]


def members_of(
    shape: str, shapes: Shapes = SHAPES, at: str = "", inside: frozenset[str] = frozenset()
) -> Iterator[tuple[str, str]]:
    """(path, wire name) of every member of a structure, those of its members too."""
    for member in shapes[shape].members:
        path = at + member.name
        yield path, member.name
        inner = member.shape
        while (item := shapes[inner].member) is not None:
            inner = item
        if shapes[inner].kind == "structure" and inner not in inside:
            yield from members_of(inner, shapes, path + ".", inside | {inner})


def inputs() -> Iterator[tuple[str, str, Shapes]]:
    """(operation, name of its input, shapes of its service) of everything that is looked at."""
    yield from ((name, given.__name__, SHAPES) for name, (given, _) in OPERATIONS.items())
    for service, built in ((IAM, IAM_OPERATIONS), (STS, STS_OPERATIONS)):
        yield from ((name, operation.input.__name__, service.shapes) for name, operation in built.items())


def unread_members(tests: list[TestFile]) -> dict[str, list[str]]:
    """Operation -> members that no file names which mentions the operation."""
    missing: dict[str, list[str]] = {}
    for operation, given, shapes in inputs():
        spellings = {operation, snake(operation), xform_name(operation, "-")}
        about_it = [test.words for test in tests if spellings & test.words]
        unread = [
            path for path, name in members_of(given, shapes) if not any(name in words for words in about_it)
        ]
        if unread:
            missing[operation] = unread
    return missing


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="List members of inputs that no test names.")
    parser.add_argument("--tests", type=Path, default=TESTS, help="where the tests are")
    options = parser.parse_args(arguments)
    missing = unread_members(load_tests(options.tests))
    for operation, members in missing.items():
        print(f"{operation}: {', '.join(members)}")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
