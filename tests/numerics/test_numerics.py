import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import threadpoolctl

from dtrain import numerics
from dtrain.autograd import OPS, Op
from dtrain.autograd.op import Fused
from dtrain.errors import SettingError

REPOSITORY = Path(__file__).parents[2]
PINNED = {*numerics.THREADS, numerics.KERNEL, numerics.FEATURES, "PYTHONHASHSEED"}
PROGRAM = """
import json, sys
from dtrain import numerics
if sys.argv[1:] == ["pins"]:
    print(json.dumps(numerics.pins(1, "portable")))
    sys.exit()
if sys.argv[1:]:
    numerics.limit_threads(int(sys.argv[1]))
print(json.dumps(numerics.fingerprint()))
"""

Table = dict[str, str]


def spawn(variables: dict[str, str], *arguments: str) -> Table:
    """The fingerprint of a new process whose environment has just these pins.

    With an argument "1" its threads are limited first; with "pins" it tells its portable pins.
    """
    plain = {name: value for name, value in os.environ.items() if name not in PINNED}
    environment = plain | {"PYTHONPATH": str(REPOSITORY)} | variables
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM, *arguments],
        env=environment,
        check=True,
        capture_output=True,
        timeout=60,
    )
    table: Table = json.loads(done.stdout)
    return table


@cache
def spawned(*variables: tuple[str, str]) -> Table:
    return spawn(dict(variables))


def rows_that_differ(a: Table, b: Table) -> set[str]:
    return {row for row in a if a[row] != b[row]}


def has_avx512() -> bool:
    return "X86_V4" in spawned()["cpu features"].split()


def example(**changes: str) -> Table:
    """A fingerprint of an AVX-512 machine, with some rows changed (`_` stands for a blank)."""
    table = {
        "numpy": "2.4.6",
        "blas": "openblas 0.3.31",
        "kernel": "SkylakeX",
        "threads": "1",
        "cpu features": " ".join(numerics._build.__cpu_dispatch__),
        "ops float32": "0123456789ab",
    }
    return table | {row.replace("_", " "): value for row, value in changes.items()}


def test_a_fingerprint_takes_at_most_50_ms(figure: Callable[[str], None]) -> None:
    numerics.fingerprint()  # the first call of a process also loads things
    seconds = []
    with threadpoolctl.threadpool_limits(limits=1):  # as in a job
        for _ in range(20):  # the least of many: others may be at work on the same core
            before = time.process_time()
            numerics.fingerprint()
            seconds.append(time.process_time() - before)
    figure(f"fingerprint: {min(seconds) * 1e3:.1f} ms")
    assert min(seconds) <= 0.05


def test_two_fingerprints_of_a_process_are_equal() -> None:
    assert numerics.fingerprint() == numerics.fingerprint()


def test_a_fingerprint_does_not_depend_on_where_arrays_happen_to_lie() -> None:
    before = numerics.fingerprint()
    ballast = [np.empty(size, np.uint8) for size in range(1, 5000, 7)]
    assert numerics.fingerprint() == before
    assert len(ballast) == 715


@cache
def measured(family: str) -> str:
    return numerics._hash(numerics._FAMILIES[family]())


def shows_in(family: str, op: Op, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether another last bit of an op's results changes the hash of a family."""
    before, forward = measured(family), op._forward

    def changed(*arrays: Any, **options: Any) -> Any:
        out = forward(*arrays, **options)
        if isinstance(op, Fused):
            return np.nextafter(out[0], np.float32(np.inf)), out[1]
        return np.nextafter(out, np.float32(np.inf))

    with monkeypatch.context() as patched:
        patched.setattr(op, "_forward", changed)
        return numerics._hash(numerics._FAMILIES[family]()) != before


@pytest.mark.parametrize("name", [name for name, op in OPS.items() if op.domain])
def test_every_elementwise_op_is_measured(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert shows_in("ops float32", OPS[name], monkeypatch)
    assert shows_in("ops float64", OPS[name], monkeypatch)


# Ops that pick, compare or move elements, or add and multiply them one by one in a fixed order, are
# exact: IEEE 754 leaves them no choice. So is what is composed of those and of measured functions.
EXACT_FAMILIES = {"fold", "inplace", "logic", "pad", "pool", "resample", "rounding", "shape"}
EXACT_FAMILIES |= {"scattering"}
EXACT = {"amax", "amin", "argmax", "argmin", "drawn", "embedding", "expand", "flip", "keep", "nll"}
EXACT |= {"prelu", "window_sum", "binary_entropy", "binary_entropy_of_logits", "divergence"}
EXACT |= {"polygamma", "median", "nanmedian"}
OTHERS = [
    name
    for name, op in OPS.items()
    if op.domain is None and op.family not in EXACT_FAMILIES and name not in EXACT
]


@pytest.mark.parametrize("name", OTHERS)
def test_every_other_op_is_measured_unless_it_is_exact(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert shows_in("layers float32", OPS[name], monkeypatch)
    assert shows_in("layers float64", OPS[name], monkeypatch)


def test_the_hash_of_a_fingerprint_covers_every_row() -> None:
    table = example()
    changed = [table | {row: value + "x"} for row, value in table.items()]
    hashes = {numerics.fingerprint_hash(t) for t in [table, *changed]}
    assert len(hashes) == len(table) + 1
    assert all(len(h) == 64 for h in hashes)


def test_limiting_threads_holds_until_it_is_changed() -> None:
    with threadpoolctl.threadpool_limits(limits=2):  # puts back what it found
        numerics.limit_threads(1)
        assert numerics.fingerprint()["threads"] == "1"


def test_native_pins_leave_the_kernels_to_the_machine() -> None:
    assert numerics.pins(3, "native") == dict.fromkeys(numerics.THREADS, "3") | {
        "PYTHONHASHSEED": "0"
    }


def test_portable_pins_name_only_features_that_this_numpy_can_switch_off() -> None:
    if not numerics._build.__cpu_features__.get("AVX2"):
        pytest.skip("this CPU has no AVX2")
    named = numerics.pins(1, "portable")[numerics.FEATURES].split()
    assert set(named) <= set(numerics._build.__cpu_dispatch__)
    assert not {"X86_V3", "AVX2", "FMA3"} & set(named)


def test_portable_pins_name_only_features_that_this_cpu_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if not has_avx512():
        pytest.skip("this CPU has no AVX-512")
    monkeypatch.setitem(numerics._build.__cpu_features__, "X86_V4", False)
    assert "X86_V4" not in numerics.pins(1, "portable")[numerics.FEATURES].split()
    monkeypatch.setenv(numerics.FEATURES, "X86_V4")  # the CPU has it, switched off here
    assert "X86_V4" in numerics.pins(1, "portable")[numerics.FEATURES].split()


def test_portable_numerics_are_refused_without_avx2(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(numerics._build.__cpu_features__, "AVX2", False)
    with pytest.raises(SettingError, match=r"needs .* AVX2 .*numerics='native'"):
        numerics.pins(1, "portable")


def test_other_numerics_are_refused() -> None:
    with pytest.raises(SettingError, match="'native' or 'portable', not 'fast'"):
        numerics.pins(1, "fast")


def test_equal_fingerprints_need_no_explanation() -> None:
    assert numerics.explain_difference(example(), example()) == ""


def test_an_explanation_shows_the_differing_rows_side_by_side() -> None:
    text = numerics.explain_difference(example(), example(kernel="Haswell"), ("the run", "host b"))
    assert [line.split() for line in text.splitlines()[:3]] == [
        ["the", "run", "host", "b"],
        ["kernel", "SkylakeX", "Haswell"],
        ["(5", "other", "rows", "are", "equal)"],
    ]


@pytest.mark.parametrize("row", list(example()))
def test_a_row_that_the_other_side_did_not_send_differs(row: str) -> None:
    partial = {r: value for r, value in example().items() if r != row}
    line = numerics.explain_difference(example(), partial).splitlines()[1]
    assert line.startswith(f"  {row} ")
    assert line.endswith(" -")


@pytest.mark.parametrize(
    ("theirs", "advice"),
    [
        ({"kernel": "Haswell"}, "start host b with OPENBLAS_CORETYPE=SkylakeX"),
        ({"threads": "2"}, "start host b with OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1"),
        ({"threads": "2"}, "--set blas_threads=1"),
        ({"numpy": "2.1.0"}, "on host b: pip install --force-reinstall"),
        (
            {"kernel": "Haswell", "cpu_features": "X86_V3"},
            "start the run with OPENBLAS_CORETYPE=Haswell NPY_DISABLE_CPU_FEATURES=",
        ),
        (
            {"kernel": "Haswell", "cpu_features": "X86_V3"},
            "start the run with --set numerics=portable",
        ),
    ],
)
def test_an_explanation_says_what_to_do(theirs: dict[str, str], advice: str) -> None:
    text = numerics.explain_difference(example(), example(**theirs), ("the run", "host b"))
    assert advice in text


def test_a_difference_in_results_alone_is_not_explained_away() -> None:
    portable = example(kernel="Haswell", cpu_features="X86_V3")
    text = numerics.explain_difference(portable, portable | {"ops float32": "ba9876543210"})
    assert text.splitlines()[-1].startswith("No variable or setting explains it")


def test_the_same_environment_twice_gives_the_same_fingerprint() -> None:
    assert spawn({}) == spawn({})


@pytest.mark.parametrize(("one", "other"), [("Haswell", "Nehalem"), ("Haswell", "SkylakeX")])
def test_another_kernel_changes_the_products(one: str, other: str) -> None:
    if other == "SkylakeX" and not has_avx512():
        pytest.skip("this CPU has no AVX-512")
    differing = rows_that_differ(spawned((numerics.KERNEL, one)), spawned((numerics.KERNEL, other)))
    assert {"kernel", "products float32", "products float64"} <= differing
    assert not {"ops float32", "ops float64", "random", "scalars"} & differing


def test_fewer_cpu_features_change_the_elementwise_ops() -> None:
    if not has_avx512():
        pytest.skip("this CPU has no AVX-512")
    without_512 = spawned((numerics.FEATURES, numerics.pins(1, "portable")[numerics.FEATURES]))
    without_v3 = spawned((numerics.FEATURES, " ".join(numerics._build.__cpu_dispatch__)))
    differing = [rows_that_differ(t, spawned()) for t in (without_512, without_v3)]
    assert all({"cpu features", "ops float64"} <= rows for rows in differing)
    assert "ops float32" in rows_that_differ(without_512, without_v3)
    assert not any({"products float32", "products float64"} & rows for rows in differing)


def test_more_threads_change_the_fingerprint() -> None:
    one, two = (spawned((numerics.THREADS[0], n)) for n in "12")
    assert one["threads"] == "1"
    assert (os.cpu_count() == 1) == (one == two)


def test_threads_limited_after_loading_give_the_bits_of_threads_limited_before() -> None:
    assert spawn({numerics.THREADS[0]: "2"}, "1") == spawned((numerics.THREADS[0], "1"))


@pytest.mark.parametrize(
    "environment",
    [
        {numerics.KERNEL: "Nehalem"},
        {numerics.KERNEL: "Zen", "OPENBLAS_L2_SIZE": "1024"},
        {numerics.FEATURES: "X86_V4", "OPENBLAS_NUM_THREADS": "2"},
    ],
    ids=["kernel", "kernel and cache size", "features and threads"],
)
def test_portable_pins_hold_whatever_the_environment_was(environment: dict[str, str]) -> None:
    if not numerics._build.__cpu_features__.get("AVX2"):
        pytest.skip("this CPU has no AVX2")
    portable = numerics.pins(1, "portable")
    assert spawn(environment | portable) == spawned(*portable.items())


def test_a_process_under_portable_pins_asks_for_the_same_pins() -> None:
    if not numerics._build.__cpu_features__.get("AVX2"):
        pytest.skip("this CPU has no AVX2")
    portable = numerics.pins(1, "portable")
    assert spawn(portable, "pins") == portable  # or starting again under them would never end


def test_the_variables_that_are_advised_do_make_the_fingerprints_equal() -> None:
    host = spawned()
    for target in (
        spawned((numerics.KERNEL, "Nehalem")),
        spawned(*numerics.pins(1, "portable").items()),
    ):
        variables = numerics.variables_to_match(host, target)
        assert variables
        assert spawn(variables) == target
