"""Write docs/refusals.md: every sentence that refuses a caller, and which comes first.

    python tools/generate_refusals.py [--check]

Read from the source text of src/strongroom/aws/*refusals*.py (nothing is run) and from
operations/refusal_order.py. A refusal without a source tag is an error: each has to say where its sentence
is known from, in a comment (`# [LS]`) or in its docstring (`Source: [KMS-cpp].`).
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

from strongroom.operations.refusal_order import ORDER

ROOT = Path(__file__).resolve().parents[1]
REFUSALS = ROOT / "src" / "strongroom" / "aws"
PAGE = ROOT / "docs" / "refusals.md"
CALLS_DEEP_MAX = 5

INTRODUCTION = """\
# Refusals

Made by `tools/generate_refusals.py` from `src/strongroom/aws/*refusals*.py` and
`src/strongroom/operations/refusal_order.py`: change those. Members in braces are filled in. Where the
sentence is *none*, AWS sends no message. The HTTP status is 400 unless it says otherwise. Validation
sentences of AWS's framework (`N validation errors detected: ...`) are made in `wire/validation.py` from the
service model and are not listed.

## Which comes first

Where a request is wrong in more than one way, the earlier refusal is heard.

| earlier | later | known from |
|---|---|---|
"""


class RefusalError(Exception):
    """A refusal that cannot be read, or says no source."""


@dataclass(slots=True)
class Module:
    """One file of refusals."""

    name: str
    tree: ast.Module
    lines: list[str]
    functions: dict[str, ast.FunctionDef] = field(default_factory=dict)
    constants: dict[str, str] = field(default_factory=dict)
    imported: dict[str, str] = field(default_factory=dict)
    """Name -> the file of refusals that it is imported from."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """One row of the page."""

    code: str
    sentence: str | None
    status: str
    when: str
    source: str


def load_modules(directory: Path) -> dict[str, Module]:
    """Every file of refusals, by name."""
    modules = {}
    for path in sorted(directory.glob("*refusals*.py")):
        text = path.read_text(encoding="utf-8")
        module = Module(path.stem, ast.parse(text), text.splitlines())
        for node in module.tree.body:
            if isinstance(node, ast.FunctionDef):
                module.functions[node.name] = node
            elif isinstance(node, ast.ImportFrom) and node.module is not None:
                origin = node.module.rpartition(".")[2]
                module.imported.update({alias.asname or alias.name: origin for alias in node.names})
            elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
                for target in node.targets:
                    if isinstance(target, ast.Name) and isinstance(node.value.value, str):
                        module.constants[target.id] = node.value.value
        modules[path.stem] = module
    return modules


def is_refusal(function: ast.FunctionDef) -> bool:
    """Whether it is one sentence: public, gives an ApiError, and is not handed the sentence or an error."""
    gives = function.returns is not None and ast.unparse(function.returns) == "ApiError"
    given = {argument.arg for argument in function.args.args}
    return gives and not function.name.startswith("_") and not given & {"message", "error"}


def read_refusals(modules: dict[str, Module], module: Module) -> list[Refusal]:
    """The refusals of a file in the order of the file. Raises RefusalError."""
    refusals = []
    for function in module.functions.values():
        if not is_refusal(function):
            continue
        docstring = ast.get_docstring(function) or ""
        source = source_of(module, function, docstring)
        if not source:
            raise RefusalError(f"{module.name}.{function.name} does not say where its sentence is known from")
        when = re.split(r"\s+(?:Source|Units|Secrets):|\n\n", docstring)[0].replace("\n", " ")
        for returned in returned_by(function):
            code, sentence, status = rendered_error(modules, module, returned, {}, 0)
            refusals.append(Refusal(code, sentence, status, when, source))
    return refusals


def source_of(module: Module, function: ast.FunctionDef, docstring: str) -> str:
    """The tags of the comments in the function, else what the docstring says after `Source:`."""
    lines = module.lines[function.lineno - 1 : function.end_lineno]
    comments = [match[1] for line in lines if (match := re.search(r"#\s(.*\[[^\]]+\].*)$", line))]
    if comments:
        return "; ".join(comments)
    stated = re.search(r"Source:\s*(.+?)(?:\.?$|\n\n)", docstring, re.S)
    return " ".join(stated[1].split()) if stated else ""


def returned_by(function: ast.FunctionDef) -> list[ast.expr]:
    """What the function may return."""
    return [
        node.value for node in ast.walk(function) if isinstance(node, ast.Return) and node.value is not None
    ]


Names = dict[str, str | None]


def rendered_error(
    modules: dict[str, Module], module: Module, expression: ast.expr, names: Names, depth: int
) -> tuple[str, str | None, str]:
    """(exception, sentence, status) of an expression that makes an ApiError, calls followed."""
    if not isinstance(expression, ast.Call) or depth > CALLS_DEEP_MAX:
        raise RefusalError(f"{module.name}: cannot read {ast.unparse(expression)}")
    arguments = expression.args
    called = expression.func
    if isinstance(called, ast.Name) and called.id == "ApiError":
        code = rendered(module, arguments[0], names)
        status = rendered(module, arguments[2], names) if len(arguments) > 2 else "400"
        return code or "", rendered(module, arguments[1], names), status or ""
    where, name = module, ""
    if isinstance(called, ast.Name):
        name = called.id
        where = modules.get(module.imported.get(name, ""), module)
    elif isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name):
        where, name = modules.get(called.value.id, module), called.attr
    if name not in where.functions:
        raise RefusalError(f"{module.name}: cannot follow {ast.unparse(called)}")
    function = where.functions[name]
    handed: Names = {
        parameter.arg: rendered(module, argument, names)
        for parameter, argument in zip(function.args.args, arguments, strict=False)
    }
    return rendered_error(modules, where, returned_by(function)[0], handed, depth + 1)


def rendered(module: Module, expression: ast.expr, names: Names) -> str | None:  # noqa: PLR0911  (one a form)
    """The text of an expression, with what is filled in later in braces; None for None."""
    match expression:
        case ast.Constant(value=None):
            return None
        case ast.Constant(value=value):
            return str(value)
        case ast.JoinedStr(values=values):
            return "".join(rendered(module, value, names) or "" for value in values)
        case ast.FormattedValue(value=value):
            return rendered(module, value, names)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return (rendered(module, left, names) or "") + (rendered(module, right, names) or "")
        case ast.Name(id=name):
            if name in names:
                return names[name]
            return module.constants.get(name, "{" + name + "}")
        case ast.Subscript(value=ast.Name() as value):
            return rendered(module, value, names)
        case ast.Call(func=ast.Attribute(value=ast.Constant(), attr="join"), args=[ast.Name() as joined]):
            return rendered(module, joined, names)
        case _:
            return "{" + re.sub(r"\b_", "", ast.unparse(expression)) + "}"


def legend_of(module: Module) -> list[str]:
    """The lines of a file's docstring that explain its tags."""
    lines = (ast.get_docstring(module.tree) or "").splitlines()
    first = next((number for number, line in enumerate(lines) if re.match(r"\s*\[[\w-]+\]\s", line)), None)
    return [] if first is None else ["```text", *(line.rstrip() for line in lines[first:]), "```", ""]


def cell(text: str) -> str:
    """Text in a table of Markdown."""
    return text.replace("|", "\\|").strip()


def code_cell(text: str) -> str:
    """The same as code; blanks at the ends are part of a sentence and cannot be shown."""
    return f"`{cell(text)}`"


def render_page(modules: dict[str, Module]) -> str:
    """The whole page. Raises RefusalError."""
    lines = [INTRODUCTION.rstrip("\n")]
    lines += [f"| {order.earlier} | {order.later} | {cell(order.source)} |" for order in ORDER]
    lines.append("")
    for module in modules.values():
        lines += [f"## `aws/{module.name}.py`", "", *legend_of(module)]
        lines += ["| exception | sentence | when | known from |", "|---|---|---|---|"]
        for refusal in read_refusals(modules, module):
            code = refusal.code if refusal.status == "400" else f"{refusal.code} ({refusal.status})"
            sentence = "*none*" if refusal.sentence is None else code_cell(refusal.sentence)
            lines.append(f"| {code} | {sentence} | {cell(refusal.when)} | {cell(refusal.source)} |")
        lines.append("")
    return "\n".join(lines).rstrip("\n") + "\n"


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="Write docs/refusals.md from the code's tables.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if the page differs")
    parser.add_argument("--directory", type=Path, default=REFUSALS, help=argparse.SUPPRESS)
    parser.add_argument("--page", type=Path, default=PAGE, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    try:
        text = render_page(load_modules(options.directory))
    except RefusalError as error:
        print(f"generate_refusals: {error}", file=sys.stderr)
        return 2
    is_current = options.page.is_file() and options.page.read_text(encoding="utf-8") == text
    if options.check:
        if not is_current:
            print("generate_refusals: docs/refusals.md is not what the code says", file=sys.stderr)
        return 0 if is_current else 1
    options.page.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
