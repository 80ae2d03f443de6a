"""dtrain is light: quick to import, small to install, with no compiler."""

import os
import statistics
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from dtrain.version import VERSION
from tests.repo.modules import ROOT

IMPORT_S_MAX = 0.3
RUNS = 9
WHEELS_MB_MAX = 25
IMPORT = "import time; a = time.perf_counter(); import dtrain; print(time.perf_counter() - a)"


def import_seconds(compiled: Path) -> float:
    """Of a new process, with the bytecode that an installed package has, wherever it may lie."""
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(compiled)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    run = subprocess.run(
        [sys.executable, "-c", IMPORT],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return float(run.stdout)


def test_dtrain_is_imported_within_a_third_of_a_second(
    figure: Callable[[str], None], tmp_path: Path
) -> None:
    import_seconds(tmp_path)  # the first compiles the sources
    took = [import_seconds(tmp_path) for _ in range(RUNS)]
    while min(took) > IMPORT_S_MAX and len(took) < 3 * RUNS:  # the neighbours may be busy
        took.append(import_seconds(tmp_path))
    least_s = min(took)  # the rest of a measured time is what else the machine did meanwhile
    figure(
        f"import dtrain: {least_s:.3f} s (the least of {len(took)}, median "
        f"{statistics.median(took):.3f}; at most {IMPORT_S_MAX})"
    )
    assert least_s <= IMPORT_S_MAX


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The wheel of this repository, built, and those of its core dependencies, fetched."""
    folder = tmp_path_factory.mktemp("wheels")
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--wheel-dir", folder, str(ROOT)], check=True, cwd=folder)
    return sorted(folder.glob("*.whl"))


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_core_wheels_stay_small(wheels: list[Path], figure: Callable[[str], None]) -> None:
    size_mb = {wheel.name.split("-")[0]: wheel.stat().st_size / 1e6 for wheel in wheels}
    total_mb = sum(size_mb.values())
    each = ", ".join(f"{name} {mb:.2f}" for name, mb in size_mb.items())
    figure(f"core wheels: {total_mb:.1f} MB (at most {WHEELS_MB_MAX}): {each}")
    assert total_mb <= WHEELS_MB_MAX


@pytest.mark.slow
def test_the_wheel_brings_the_packages_the_data_and_the_licence(wheels: list[Path]) -> None:
    [wheel] = [wheel for wheel in wheels if wheel.name.startswith("dtrain-")]
    names = zipfile.ZipFile(wheel).namelist()
    ours = {name.partition("/")[0] for name in names} - {f"dtrain-{VERSION}.dist-info"}
    assert ours == {"dtrain", "coordinator", "workers"}
    assert "dtrain/py.typed" in names
    assert [name for name in names if name.startswith("dtrain/data/datasets/files/digits")]
    assert [name for name in names if name.endswith("/LICENSE")]
