"""CONTRIBUTING.md has a map of the house: it names every file, and nothing that is not there."""

import re

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
    assert not files - entries()
