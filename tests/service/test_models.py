"""The models that people train, with real processes: the digest is that of a single process."""

from pathlib import Path

import pytest

from tests.service.processes import ROOT, dtrain, options

MODELS = str(ROOT / "tests" / "compute" / "models.py")
OTHERS = [
    "Characters",
    "Recurrent",
    "Attending",
    "Cumulative",
    "Grouped",
    "Tied",
    "Penalised",
    "Random",
]


@pytest.mark.parametrize(
    "name",
    [
        "Convolutional",
        *(pytest.param(name, marks=pytest.mark.slow) for name in OTHERS),
    ],
)
def test_two_workers_give_a_model_the_digest_of_one_process(name: str, tmp_path: Path) -> None:
    job = [f"{MODELS}:{name}", *options(epochs=6, chunk_elements=256)]
    one, two = (dtrain("run", *job, "--workers", n, cwd=tmp_path) for n in "02")
    assert (one.code, two.code) == (0, 0), one.err + two.err
    assert two.digest == one.digest
