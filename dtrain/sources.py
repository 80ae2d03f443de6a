"""Which files a job is made of: its own file and what that imports from beside it. By AST alone.

Nothing is run: imports inside functions count, those behind `importlib` do not.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

FOREIGN = {"site-packages", "dist-packages", ".venv", "venv"}
OURS = Path(__file__).resolve().parent  # a job beside a checkout of dtrain does not consist of it


def files_of(file: Path, folder: Path, package: str | None = None) -> dict[str, Path]:
    """The path relative to `folder` (with /) -> file, of a file and all that it imports there.

    `package` limits this to modules of that top-level package. Sorted by path.
    """
    found: set[Path] = set()
    waiting = [file, *_packages_above(file, folder)]
    while waiting:
        one = waiting.pop()
        if one in found or _is_foreign(one, folder):
            continue
        found.add(one)
        for name in _imported(one, folder):
            top = name.partition(".")[0]
            if package in (None, top):
                waiting += modules_on_the_way(name, folder)
            if package is None and top == folder.name:  # `from examples import x`, in examples/
                waiting += modules_on_the_way(name, folder.parent)
    return {one.relative_to(folder).as_posix(): one for one in sorted(found)}


def modules_on_the_way(name: str, folder: Path) -> list[Path]:
    """The files that `import name` runs when it is found in a folder: each package's, its own.

    As far as there are any: of `a.b.C`, where C is a class, those of a and of a.b.
    """
    files: list[Path] = []
    place = folder
    for part in name.split("."):
        place = place / part
        if (place / "__init__.py").is_file():
            files.append(place / "__init__.py")
        elif place.with_name(f"{part}.py").is_file():
            return [*files, place.with_name(f"{part}.py")]
        elif not place.is_dir():  # a folder without __init__.py is a namespace package
            return files
    return files


def _packages_above(file: Path, folder: Path) -> Iterator[Path]:
    """The __init__.py of the packages that a module lies in, when it is imported from `folder`."""
    for above in file.parents:
        if above == folder or folder not in above.parents:
            return
        if (above / "__init__.py").is_file():
            yield above / "__init__.py"


def _is_foreign(file: Path, folder: Path) -> bool:
    return OURS in file.parents or bool(FOREIGN.intersection(file.relative_to(folder).parts))


def _imported(file: Path, folder: Path) -> Iterator[str]:
    """The full names that a file imports; of `from a import b` a.b, which may be no module."""
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):
        return  # whoever imports it will hear of it
    package = file.relative_to(folder).parts[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = [*above, node.module] if node.module else [*above]
            yield from (".".join([*base, alias.name]) for alias in node.names)
