"""The digest is the same for any number of workers on each kernel, and differs where kernels do."""

from pathlib import Path

import pytest

from tests.service.processes import DIGITS, dtrain, options

KERNELS = [
    {},
    {"OPENBLAS_CORETYPE": "Haswell"},
    {"OPENBLAS_CORETYPE": "Nehalem"},
    {"NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR"},
]


@pytest.mark.slow
@pytest.mark.parametrize(
    "kernel", KERNELS, ids=lambda k: " ".join(f"{a}={b}" for a, b in k.items())
)
def test_workers_agree_with_one_process_on_every_kernel(
    kernel: dict[str, str], tmp_path: Path
) -> None:
    job = ["run", DIGITS, *options(epochs=3)]
    alone = dtrain(*job, "--workers", "0", cwd=tmp_path, **kernel)
    two = dtrain(*job, "--workers", "2", cwd=tmp_path, **kernel)
    assert (alone.code, two.code) == (0, 0)
    assert alone.digest == two.digest


@pytest.mark.slow
def test_portable_numerics_give_one_digest_whatever_the_environment_says(tmp_path: Path) -> None:
    job = ["run", DIGITS, *options(epochs=3, numerics="portable"), "--workers"]
    digests = {
        dtrain(*job, workers, cwd=tmp_path, **kernel).digest
        for kernel in KERNELS[:3]
        for workers in ("0", "2")
    }
    assert len(digests) == 1
