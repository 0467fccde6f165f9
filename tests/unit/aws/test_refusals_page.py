"""docs/refusals.md says what the code says, and no refusal is without a source."""

from __future__ import annotations

import ast
import importlib
import inspect
from collections.abc import Callable
from pathlib import Path

import pytest
from tools.generate_refusals import (
    PAGE,
    REFUSALS,
    is_refusal,
    load_modules,
    main,
    read_refusals,
    rendered_error,
    returned_by,
)

from strongroom.aws.errors import ApiError

TAGGED = """\
from strongroom.aws.errors import ApiError

NAME = "SomeException"


def refused(given: str) -> ApiError:
    \"\"\"What was given | is wrong.\"\"\"
    return ApiError(NAME, f"Not {given!r}" " at all", 403)  # [LS]
"""
UNTAGGED = TAGGED.replace("  # [LS]", "  # nothing known")


def planted(tmp_path: Path, text: str) -> list[str]:
    """The arguments that read one planted file of refusals."""
    (tmp_path / "planted_refusals.py").write_text(text)
    return ["--directory", str(tmp_path), "--page", str(tmp_path / "page.md")]


def test_refusals_page_is_what_the_code_says() -> None:
    assert main(["--check"]) == 0
    assert len(PAGE.read_text().splitlines()) > 100


def test_refusals_page_shows_code_status_sentence_and_source(tmp_path: Path) -> None:
    assert main(planted(tmp_path, TAGGED)) == 0
    page = (tmp_path / "page.md").read_text()
    assert "| SomeException (403) | `Not {given} at all` | What was given \\| is wrong. | [LS] |" in page


def test_refusals_page_that_is_older_than_the_code_is_found(tmp_path: Path) -> None:
    arguments = planted(tmp_path, TAGGED)
    assert main([*arguments, "--check"]) == 1
    assert main(arguments) == 0
    assert main([*arguments, "--check"]) == 0
    planted(tmp_path, TAGGED.replace("at all", "at last"))
    assert main([*arguments, "--check"]) == 1


def test_refusal_without_a_source_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(planted(tmp_path, UNTAGGED)) == 2
    assert "planted_refusals.refused" in capsys.readouterr().err


def made_of_texts() -> list[Callable[..., ApiError]]:
    """The refusals of one sentence whose members are all text: they can be called with their own names."""
    found: list[Callable[..., ApiError]] = []
    for name, module in load_modules(REFUSALS).items():
        made = vars(importlib.import_module(f"strongroom.aws.{name}"))
        for function in module.functions.values():
            types = {ast.unparse(given.annotation) for given in function.args.args if given.annotation}
            is_one_return = len(function.body) == 2 and len(returned_by(function)) == 1
            if is_refusal(function) and is_one_return and types <= {"str"}:
                found.append(made[function.name])
    return found


@pytest.mark.parametrize("make", made_of_texts(), ids=lambda make: make.__name__)
def test_sentence_on_the_page_is_the_sentence_that_is_said(make: Callable[..., ApiError]) -> None:
    """The page is read from source text; here the function itself is asked."""
    modules = load_modules(REFUSALS)
    module = modules[make.__module__.rsplit(".", 1)[1]]
    said = make(*("{" + name + "}" for name in inspect.signature(make).parameters))
    returned = returned_by(module.functions[make.__name__])[0]
    code, sentence, status = rendered_error(modules, module, returned, {}, 0)
    assert (said.code, said.message, str(said.status)) == (code, sentence, status)


def test_most_refusals_are_asked_themselves() -> None:
    assert len(made_of_texts()) > 70


def test_every_file_of_refusals_is_on_the_page() -> None:
    modules = load_modules(REFUSALS)
    assert {"refusals", "signature_refusals", "asymmetric_refusals"} <= modules.keys()
    assert all(read_refusals(modules, module) for module in modules.values())
