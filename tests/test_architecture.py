"""The architecture itself: sizes, layers, what may be imported, and what is never written."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import trimorph

REPOSITORY = Path(__file__).resolve().parents[1]
PACKAGE = REPOSITORY / "src" / "trimorph"
MODULES = sorted(PACKAGE.rglob("*.py"))
LONGEST_MODULE, LONGEST_FUNCTION = 299, 59
HEAVY = {"torch", "pandas", "sklearn", "scipy", "numpy", "matplotlib", "umap", "gemmi", "starfile", "tyro"}
Function = ast.FunctionDef | ast.AsyncFunctionDef


def _name(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def _functions(tree: ast.AST) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def _lines_of_code(function: Function) -> int:
    """Lines from ``def`` to the end, without the docstring: explaining more is no fault."""
    docstring = function.body[0] if ast.get_docstring(function, clean=False) is not None else None
    explained = 0 if docstring is None else (docstring.end_lineno or 0) - docstring.lineno + 1
    return (function.end_lineno or 0) - function.lineno + 1 - explained


def _narrows_a_type(node: ast.Assert) -> bool:
    """``assert x is not None`` and ``assert isinstance(x, y)`` tell the type checker what the code knows."""
    test = node.test
    if isinstance(test, ast.Compare):
        return isinstance(test.ops[0], ast.IsNot)
    return isinstance(test, ast.Call) and isinstance(test.func, ast.Name) and test.func.id == "isinstance"


def _python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_modules_and_functions_are_short(path: Path) -> None:
    text = path.read_text()
    long = {f.name: n for f in _functions(ast.parse(text)) if (n := _lines_of_code(f)) > LONGEST_FUNCTION}
    assert len(text.splitlines()) <= LONGEST_MODULE
    assert not long


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_what_is_never_written(path: Path) -> None:
    text = path.read_text()
    found = [word for word in ("TODO", "FIXME", "XXX", "/work/", "/root/") if word in text]
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Name) and node.id in ("hasattr", "NotImplementedError", "eval", "exec"):
            found.append(f"{node.id} in line {node.lineno}")
        elif isinstance(node, ast.ExceptHandler):
            caught = (
                [] if node.type is None else [n.id for n in ast.walk(node.type) if isinstance(n, ast.Name)]
            )
            if not caught and not isinstance(node.type, ast.Attribute):
                found.append(f"bare except in line {node.lineno}")
            if {"Exception", "BaseException"} & set(caught):
                found.append(f"except Exception in line {node.lineno}")
        elif isinstance(node, ast.Assert) and not _narrows_a_type(node):
            found.append(f"assert in line {node.lineno}")
    assert not found


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_all_that_is_public_is_explained(path: Path) -> None:
    tree = ast.parse(path.read_text())
    bare = [] if ast.get_docstring(tree) else ["the module"]
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef) and not node.name.startswith("_")]
    for holder in [tree, *classes]:
        for node in holder.body:
            public = isinstance(node, (*Function.__args__, ast.ClassDef)) and not node.name.startswith("_")
            if public and not ast.get_docstring(node):
                bare.append(node.name)
    assert not bare


def test_no_class_overrides_a_concrete_method() -> None:
    """A class is abstract or final: what a trimorph base has written out, its children leave alone."""
    broken = []
    for module in pkgutil.walk_packages(trimorph.__path__, "trimorph."):
        for child in vars(importlib.import_module(module.name)).values():
            if not inspect.isclass(child) or child.__module__ != module.name:
                continue
            for base in child.__mro__[1:]:
                if not base.__module__.startswith("trimorph."):
                    continue
                for name in set(vars(child)) & set(vars(base)):
                    concrete = not getattr(vars(base)[name], "__isabstractmethod__", False)
                    if concrete and not name.startswith("__") and callable(getattr(base, name)):
                        broken.append(f"{child.__qualname__}.{name} overrides {base.__qualname__}.{name}")
    # two names of a class are data, set anew by each method: its settings and its contract's registry
    assert [line for line in broken if ".Settings overrides" not in line] == []


def test_layers_are_kept() -> None:
    command = Path(sys.executable).parent / "lint-imports"
    done = subprocess.run(
        [command, "--no-cache"], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_the_command_line_starts_without_anything_heavy() -> None:
    done = _python(
        "import json, sys, trimorph.cli.main as main; code = main.run(['--help']); "
        "print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
    )
    assert done.returncode == 0, done.stderr
    *help_text, loaded = done.stdout.splitlines()
    assert "usage: trimorph COMMAND" in "\n".join(help_text)
    assert HEAVY & set(json.loads(loaded)) == set()


def test_core_and_methods_import_with_their_five_libraries_alone() -> None:
    """Every installed package is hidden but those that torch, numpy, scipy and jaxtyping bring."""
    done = _python(
        """
import importlib, pkgutil, re, sys
from importlib import metadata

allowed, queue = set(), ["torch", "numpy", "scipy", "jaxtyping", "trimorph"]
canonical = lambda name: re.sub(r"[-_.]+", "-", name).lower()
while queue:
    name = canonical(queue.pop())
    if name in allowed:
        continue
    allowed.add(name)
    try:
        needs = metadata.requires(name) or []
    except metadata.PackageNotFoundError:
        continue
    queue += [] if name == "trimorph" else [
        re.split(r"[^A-Za-z0-9._-]", need)[0] for need in needs if "extra ==" not in need
    ]
owners = metadata.packages_distributions()
hidden = {top for top, names in owners.items() if not allowed & {canonical(name) for name in names}}

class Hiding:
    def __init__(self, finder):
        self.finder = finder

    def __getattr__(self, name):
        return getattr(self.finder, name)

    def find_spec(self, name, path=None, target=None):
        return None if name.split(".")[0] in hidden else self.finder.find_spec(name, path, target)

sys.meta_path[:] = [Hiding(finder) for finder in sys.meta_path]
assert {"pandas", "starfile", "gemmi", "rich"} <= hidden, hidden
import trimorph.core, trimorph.methods
for package in (trimorph.core, trimorph.methods):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        importlib.import_module(module.name)
"""
    )
    assert done.returncode == 0, done.stderr


def test_no_registry_host_is_named() -> None:
    files = ["Makefile", "pyproject.toml", "constraints.txt", ".ci/run"]
    for name in files:
        text = (REPOSITORY / name).read_text()
        assert "--index-url" not in text, name
        assert "pypi.org" not in text, name
