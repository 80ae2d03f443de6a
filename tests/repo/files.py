"""The files that are, or are about to be, committed; and the parts of Markdown that tests read."""

import functools
import re
import subprocess
from pathlib import Path
from typing import NamedTuple

from tests.repo.modules import ROOT

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A fenced block of a Markdown page."""

    page: str
    language: str
    text: str


@functools.cache
def committed() -> tuple[Path, ...]:
    """Tracked files and new ones that .gitignore does not name; outside git, all but caches."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if listing.returncode == 0:
        files = [ROOT / name for name in listing.stdout.split("\0") if name]
    else:
        files = [file for file in ROOT.rglob("*") if not _hidden(file)]
    return tuple(sorted(file for file in files if file.is_file()))


def _hidden(file: Path) -> bool:
    parts = file.relative_to(ROOT).parts
    return any(part.startswith(".") or part in {"__pycache__", "build", "runs"} for part in parts)


@functools.cache
def pages() -> dict[str, str]:
    """Markdown page, relative to the root -> text."""
    return {
        str(file.relative_to(ROOT)): file.read_text("utf-8")
        for file in committed()
        if file.suffix == ".md"
    }


def blocks(*languages: str) -> list[Block]:
    """The fenced blocks in any of these languages, of all pages."""
    return [
        Block(page, language, text)
        for page, whole in pages().items()
        for language, text in FENCE.findall(whole)
        if language in languages
    ]
