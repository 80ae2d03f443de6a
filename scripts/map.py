"""A map of the house, from the files' own first lines: python scripts/map.py [FOLDER]"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("dtrain", "coordinator", "workers")


def lines(folder: Path, depth: int = 0) -> Iterator[str]:
    """A line for each file of a folder and of the folders below."""
    own = folder / "__init__.py"
    yield _line(depth, f"{folder.name}/", own if own.exists() else None)
    for file in sorted(folder.glob("*.py")):
        if file.name != "__init__.py":
            yield _line(depth + 1, file.name, file)
    for below in sorted(path for path in folder.iterdir() if (path / "__init__.py").exists()):
        yield from lines(below, depth + 1)


def _line(depth: int, name: str, file: Path | None) -> str:
    text = "" if file is None else ast.get_docstring(ast.parse(file.read_text("utf-8"))) or ""
    return f"{'  ' * depth}{name}".ljust(32) + text.split("\n")[0]


if __name__ == "__main__":
    for folder in [Path(sys.argv[1])] if sys.argv[1:] else [ROOT / name for name in PACKAGES]:
        print("\n".join(lines(folder)))
