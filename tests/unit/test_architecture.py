"""What may know what, and what no module may do."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

import pytest_agentgate

PACKAGE = "pytest_agentgate"
ROOT = Path(pytest_agentgate.__file__).parent

#: Lower layers know nothing of higher ones; modules of one layer may know each other.
LAYERS = (
    ("errors",),
    ("judgement",),
    ("gatefile",),
    ("dataset",),
    ("candidate",),
    ("evaluation",),
    ("promotion",),
    ("report",),
    (
        "options",
        "hookspecs",
        "session",
        "gate",
        "collection",
        "listening",
        "fixtures",
    ),
    ("controller",),
    ("plugin",),
)

#: Slow imports, and the modules that may make them inside a function.
LAZY = {
    "mlflow": {
        "candidate.model",
        "candidate.registry",
        "dataset.sources",
        "evaluation.predict",
        "evaluation.readback",
        "evaluation.run",
        "evaluation.scorers",
    },
    "pandas": {"dataset.sources"},
    "numpy": {"judgement.measure"},
    "databricks": set(),
    "scipy": set(),
    "matplotlib": set(),
}

#: Modules that name MLflow's or pandas' types in annotations, and import nothing.
ONLY_TYPES = {
    "mlflow": {"hookspecs", "session"},
    "pandas": {"fixtures"},
}

KNOW_PYTEST = {
    "collection",
    "controller",
    "fixtures",
    "gate",
    "hookspecs",
    "listening",
    "options",
    "plugin",
    "report.html",
    "session",
}


@dataclass(frozen=True)
class Import:
    """One imported module; `where` is ``module``, ``function`` or ``typing``."""

    target: str
    where: str

    @property
    def top(self) -> str:
        return self.target.partition(".")[0]


@cache
def modules() -> dict[str, ast.Module]:
    """Every module's tree, by its name below the package."""
    found = {}
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(part for part in parts if part != "__init__")
        found[name] = ast.parse(path.read_text(encoding="utf-8"))
    return found


def imports(tree: ast.Module) -> Iterator[Import]:
    yield from _imports(tree, "module")


def _imports(node: ast.AST, where: str) -> Iterator[Import]:
    if isinstance(node, ast.Import):
        yield from (Import(alias.name, where) for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        assert node.level == 0, "relative imports hide what is imported"
        assert node.module is not None
        yield from _from(node.module, [alias.name for alias in node.names], where)
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        where = "function"
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        where = "typing"
    for child in ast.iter_child_nodes(node):
        yield from _imports(child, where)


def _from(module: str, names: list[str], where: str) -> Iterator[Import]:
    # "from package import module" imports the module as well.
    below = module.removeprefix(PACKAGE).lstrip(".")
    for name in names:
        inner = f"{below}.{name}".lstrip(".")
        is_module = module.startswith(PACKAGE) and inner in modules()
        yield Import(f"{module}.{name}" if is_module else module, where)


def layer_of(name: str) -> int:
    first = name.partition(".")[0]
    return next(i for i, layer in enumerate(LAYERS) if first in layer)


def own_imports(name: str) -> list[Import]:
    return [
        Import(found.target.removeprefix(f"{PACKAGE}."), found.where)
        for found in imports(modules()[name])
        if found.target.startswith(f"{PACKAGE}.")
    ]


NAMES = sorted(name for name in modules() if name)


def test_every_module_has_its_layer():
    assert {name.partition(".")[0] for name in NAMES} == {
        name for layer in LAYERS for name in layer
    }


@pytest.mark.parametrize("name", NAMES)
def test_no_module_knows_a_higher_layer(name):
    # The entry point imports what it starts only where a candidate is named.
    checked = [
        found
        for found in own_imports(name)
        if not (name in ("plugin", "fixtures") and found.where == "function")
    ]

    higher = [i.target for i in checked if layer_of(i.target) > layer_of(name)]
    assert higher == []


@pytest.mark.parametrize("name", [n for n in NAMES if n.startswith("judgement")])
def test_judgement_knows_nothing_but_itself(name):
    own = [found.target for found in own_imports(name)]
    foreign = {
        found.top for found in imports(modules()[name]) if found.where != "function"
    }

    assert [target for target in own if not target.startswith("judgement.")] == []
    assert foreign <= {*sys.stdlib_module_names, PACKAGE}


def test_no_two_modules_import_each_other():
    known = {
        name: {i.target for i in own_imports(name) if i.where != "typing"}
        for name in NAMES
    }

    def reach(name: str) -> set[str]:
        seen: set[str] = set()
        waiting = [name]
        while waiting:
            for target in known.get(waiting.pop(), set()) - seen:
                seen.add(target)
                waiting.append(target)
        return seen

    assert [name for name in NAMES if name in reach(name)] == []


@pytest.mark.parametrize("library", LAZY)
def test_slow_imports_are_made_by_a_few_modules_inside_functions(library):
    found = {
        (name, each.where)
        for name in NAMES
        for each in imports(modules()[name])
        if each.top == library
    }

    in_functions = {name for name, where in found if where == "function"}
    for_types = {name for name, where in found if where == "typing"}
    assert {name for name, where in found if where == "module"} == set()
    assert in_functions == LAZY[library]
    assert for_types - in_functions == ONLY_TYPES.get(library, set())


def test_only_the_glue_knows_pytest():
    found = {
        name
        for name in NAMES
        for each in imports(modules()[name])
        if each.top in ("pytest", "_pytest", "xdist", "pytest_html", "pluggy")
        and each.where != "typing"
    }

    assert found == KNOW_PYTEST


def test_nothing_private_of_pytest_is_imported():
    private = {
        name
        for name in NAMES
        for each in imports(modules()[name])
        if each.top in ("_pytest", "xdist", "pytest_html")
    }

    assert private == set()


def places(kind: type[ast.AST]) -> Iterator[tuple[str, ast.AST]]:
    for name, tree in modules().items():
        yield from ((name, node) for node in ast.walk(tree) if isinstance(node, kind))


def test_nothing_is_printed():
    printed = [
        name for name, call in places(ast.Call) if ast.unparse(call.func) == "print"
    ]

    assert printed == []


def test_there_is_no_global_state():
    assert [name for name, _ in places(ast.Global)] == []


def test_what_cannot_be_foreseen_is_caught_in_two_places_only():
    broad = set()
    for name, handler in places(ast.ExceptHandler):
        caught = "" if handler.type is None else ast.unparse(handler.type)
        is_broad = not caught or "Exception" in caught.split("(")[-1].split(", ")
        is_broad = is_broad or "BaseException" in caught
        passes_on = isinstance(handler.body[-1], ast.Raise) and (
            handler.body[-1].exc is None
        )
        if is_broad and not passes_on:
            broad.add(name)

    assert broad == {"errors", "promotion.transaction"}


def test_verdicts_never_rest_on_an_assertion():
    asserting = {name for name, _ in places(ast.Assert)}

    assert not {name for name in asserting if name.startswith("judgement")}
    assert asserting <= {"controller", "session"}


@pytest.mark.parametrize("name", NAMES)
def test_a_module_is_named_for_what_it_holds(name):
    vague = {"manager", "managers", "helper", "helpers", "util", "utils", "common"}
    vague |= {"misc", "handler", "handlers", "base", "core", "data"}

    assert not vague & set(name.split("."))


HEAVY = ("mlflow", "databricks", "pandas", "numpy", "scipy", "matplotlib", "pydantic")


@pytest.mark.parametrize("module", ["pytest_agentgate.plugin", "pytest_agentgate"])
def test_start_up_imports_nothing_heavy(module):
    code = f"import sys, {module}; print(*sorted({HEAVY!r} & sys.modules.keys()))"
    code = code.replace(repr(HEAVY), f"set({HEAVY!r})")

    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    assert done.stdout.split() == []


def test_public_names_can_be_imported():
    for name in pytest_agentgate.__all__:
        assert getattr(pytest_agentgate, name) is not None
    assert pytest_agentgate.__version__

    with pytest.raises(AttributeError, match="has no attribute 'agentgate'"):
        pytest_agentgate.agentgate  # noqa: B018
