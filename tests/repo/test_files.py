"""What may stand in a committed file, and what must."""

import re
import tomllib
from pathlib import Path

import pytest

from dtrain.version import VERSION
from tests.repo.files import committed
from tests.repo.modules import PACKAGES, ROOT

# Written in pieces: this file is committed too.
REGISTRIES = [
    "pypi" + ".org",
    "python" + "hosted.org",
    "download." + "pytorch.org",
    "registry." + "npmjs",
    "--index" + "-url",
    "--extra-index" + "-url",
    "--find" + "-links",
]
MACHINE = re.compile(r"(?<![\w.])/(?:work|root|home/\w+|Users/\w+|opt)" + r"/\w")


def texts() -> list[tuple[str, str]]:
    found = []
    for file in committed():
        data = file.read_bytes()
        if b"\0" not in data and not data.startswith(b"\x1f\x8b"):
            found.append((str(file.relative_to(ROOT)), data.decode("utf-8")))
    return found


@pytest.fixture(scope="module")
def project() -> dict[str, object]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def test_no_file_names_a_package_registry() -> None:
    named = [(name, word) for name, text in texts() for word in REGISTRIES if word in text]
    assert not named


def test_no_file_names_a_path_of_the_machine_it_was_written_on() -> None:
    named = [(name, hit.group()) for name, text in texts() if (hit := MACHINE.search(text))]
    assert not named


def test_every_folder_of_the_packages_is_a_package() -> None:
    folders = {file.parent for package in PACKAGES for file in (ROOT / package).rglob("*.py")}
    assert not [str(folder) for folder in folders if not (folder / "__init__.py").is_file()]


def test_the_packages_carry_their_types() -> None:
    assert (ROOT / "dtrain/py.typed").is_file()


def test_citation_and_changes_name_the_version() -> None:
    citation = (ROOT / "CITATION.cff").read_text("utf-8")
    changes = (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert f"version: {VERSION}\n" in citation
    assert f"## {VERSION}" in changes


def test_each_dependency_has_a_reason_on_paper(project: dict[str, object]) -> None:
    page = (ROOT / "docs/dependencies.md").read_text("utf-8")
    extras: dict[str, list[str]] = project["optional-dependencies"]
    wanted = [*project["dependencies"], *(line for lines in extras.values() for line in lines)]
    names = [re.split(r"[<>=~! ]", line)[0] for line in wanted]
    assert not [name for name in names if f"| `{name}` |" not in page]


def test_no_test_sleeps() -> None:
    sleeps = re.compile(r"\bsleep" + r"\(")
    tests = [(name, text) for name, text in texts() if Path(name).match("tests/**/*.py")]
    assert tests
    assert not [name for name, text in tests if sleeps.search(text)]
