"""The rules of the house that can be read off its imports."""

import ast
import re
from pathlib import Path

import pytest

from tests.repo.modules import PACKAGES, chain, imports, reached, sources

# These by name; and every file that says so of itself (see `pure`).
PURE = (
    "dtrain.tree",
    "dtrain.gradsum",
    "dtrain.layout",
    "dtrain.schedule",
    "dtrain.uplink",
    "coordinator.ledger",
    "coordinator.plan",
    "coordinator.roster",
    "coordinator.core",
    "workers.core",
)
EFFECTS = {
    "asyncio",
    "multiprocessing",
    "os",
    "random",
    "secrets",
    "select",
    "shutil",
    "signal",
    "socket",
    "subprocess",
    "tempfile",
    "threading",
    "time",
    "zmq",
}
MAY_IMPORT = {
    "dtrain": {"dtrain"},
    "coordinator": {"dtrain", "coordinator"},
    "workers": {"dtrain", "workers"},
}


def package(module: str) -> str:
    return module.partition(".")[0]


def pure() -> list[str]:
    """The modules by name, and those whose docstring has the sentence "Pure."."""
    claims = [module for module, file in sources().items() if says_pure(file)]
    return sorted({*PURE, *claims})


def says_pure(file: Path) -> bool:
    text = ast.get_docstring(ast.parse(file.read_text("utf-8"))) or ""
    return re.search(r"(^|[.:] )Pure[.:]", text, re.MULTILINE) is not None


@pytest.mark.parametrize("module", sources())
def test_imports_between_the_packages_point_one_way(module: str) -> None:
    ours = {target for target in imports(module) if package(target) in PACKAGES}
    wrong = {target for target in ours if package(target) not in MAY_IMPORT[package(module)]}
    assert not wrong, f"{module} imports {sorted(wrong)}"


@pytest.mark.parametrize("module", pure())
def test_a_pure_file_reaches_no_socket_clock_thread_file_or_random_source(module: str) -> None:
    assert module in sources(), f"{module} is listed as pure, but there is no such file"
    effects = {target for target in reached(module) if package(target) in EFFECTS}
    ways = [" -> ".join(chain(module, effect)) for effect in sorted(effects)]
    assert not ways, f"{module} is not pure: {'; '.join(ways)}"


@pytest.mark.parametrize("module", sources())
def test_no_file_imports_itself_by_a_round_trip(module: str) -> None:
    assert module not in reached(module), " -> ".join(chain(module, module))


@pytest.mark.parametrize("module", sources())
def test_the_product_never_imports_pytorch(module: str) -> None:
    assert not {target for target in imports(module) if package(target) == "torch"}
