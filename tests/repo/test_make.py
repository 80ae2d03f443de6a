"""`make` on a machine that lacks something says so in one line, with the remedy."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.repo.modules import ROOT

MAKE = shutil.which("make")
pytestmark = pytest.mark.skipif(MAKE is None, reason="there is no make on this machine")

NO_PYTHON = "#!/bin/sh\nexit 1\n"
NO_VENV = '#!/bin/sh\ncase "$*" in *venv*) exit 1;; esac\n'


def make_demo(folder: Path, python3: str) -> list[str]:
    """What `make demo` prints where the only python3 is this script."""
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    tools = folder / "bin"
    tools.mkdir()
    (tools / "python3").write_text(python3)
    (tools / "python3").chmod(0o755)
    run = subprocess.run(
        [MAKE, "demo"], cwd=folder, env={"PATH": str(tools)}, capture_output=True, text=True
    )
    assert run.returncode != 0
    return (run.stdout + run.stderr).splitlines()


def test_without_a_new_enough_python_make_says_what_to_install(tmp_path: Path) -> None:
    [line] = make_demo(tmp_path, NO_PYTHON)
    assert "no Python >= 3.11 found" in line
    assert "apt-get install python3 python3-venv" in line


def test_without_the_venv_module_make_says_what_to_install(tmp_path: Path) -> None:
    [line] = make_demo(tmp_path, NO_VENV)
    assert "python3 cannot make a virtual environment" in line
    assert "apt-get install python3-venv" in line
