"""The packages' files and what they import, read from the sources without running them."""

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("dtrain", "coordinator", "workers")


@functools.cache
def sources() -> dict[str, Path]:
    """Module name -> file, for every file of the three packages."""
    return {
        name(file): file for package in PACKAGES for file in sorted((ROOT / package).rglob("*.py"))
    }


def name(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@functools.cache
def imports(module: str) -> frozenset[str]:
    """The full names that a module imports, inside functions too; not those for typing alone.

    `from a import b` is a.b where that is one of our modules, and a elsewhere.
    """
    file = sources()[module]
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    statements = _statements(ast.parse(file.read_text("utf-8")))
    return frozenset(found for node in statements for found in _targets(node, package))


def _statements(node: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            for other in child.orelse:
                yield from _statements(other)
        else:
            yield from _statements(child)


def _targets(node: ast.Import | ast.ImportFrom, package: str) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
        return
    base = node.module or ""
    if node.level:
        above = package.split(".")[: len(package.split(".")) - node.level + 1]
        base = ".".join([*above, base] if base else above)
    for alias in node.names:
        inner = f"{base}.{alias.name}"
        yield inner if inner in sources() else base


@functools.cache
def reached(module: str) -> frozenset[str]:
    """Everything that a module imports, directly or through our own modules."""
    seen: set[str] = set()
    waiting = [module]
    while waiting:
        new = imports(waiting.pop()) - seen
        seen |= new
        waiting += [target for target in new if target in sources()]
    return frozenset(seen)


def chain(start: str, target: str) -> list[str]:
    """The shortest way of imports from one module to another; the error message of a test."""
    ways = [[start]]
    seen = {start}
    for way in ways:
        for step in sorted(imports(way[-1])):
            if step == target:
                return [*way, step]
            if step in sources() and step not in seen:
                seen.add(step)
                ways.append([*way, step])
    return []
