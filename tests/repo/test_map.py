"""CONTRIBUTING.md has a map of the house: it names every file, and nothing that is not there.

A folder of families, whose files are not named, speaks for them: each says in its first line what
it is for, and `scripts/map.py` prints these lines.
"""

import ast
import re
from pathlib import Path

import pytest

from tests.repo.files import pages
from tests.repo.modules import ROOT, sources

ENTRY = re.compile(r"^( *)([\w./]+)", re.MULTILINE)
UNREMARKABLE = {"__init__.py", "__main__.py"}


def entries() -> set[str]:
    """The paths on the map: an entry lies in the folder above it that is indented less."""
    [text] = re.findall(r"^```text\n(.*?)^```$", pages()["CONTRIBUTING.md"], re.M | re.S)
    found: set[str] = set()
    folders: list[tuple[int, str]] = []
    for indent, name in ENTRY.findall(text):
        folders = [(depth, path) for depth, path in folders if depth < len(indent)]
        path = folders[-1][1] + name if folders else name
        if name.endswith("/"):
            folders.append((len(indent), path))
        found.add(path)
    return found


def test_everything_on_the_map_exists() -> None:
    assert not [path for path in entries() if not (ROOT / path).exists()]


def test_every_file_of_the_packages_is_on_the_map() -> None:
    files = {
        str(file.relative_to(ROOT)) for file in sources().values() if file.name not in UNREMARKABLE
    }
    found = entries()
    named = {str(Path(path).parent) for path in found if path.endswith(".py")}
    families = {path.rstrip("/") for path in found if path.endswith("/")} - named
    assert not {
        path for path in files - found if not any(path.startswith(f"{each}/") for each in families)
    }


@pytest.mark.parametrize("file", sources().values(), ids=lambda file: str(file.relative_to(ROOT)))
def test_every_file_says_in_its_first_line_what_it_is_for(file: Path) -> None:
    if file.name not in UNREMARKABLE:
        text = ast.get_docstring(ast.parse(file.read_text("utf-8")))
        assert text
        assert text.split("\n")[0].endswith((".", "?", "!", ")", ":")), text.split("\n")[0]
