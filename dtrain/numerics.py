"""Whether two machines compute the same bits: pinning the arithmetic, measuring, comparing.

What changes the bits of the same NumPy call on the same numbers: the number of BLAS threads, the
kernel that OpenBLAS picks for the CPU, the CPU features that NumPy's own loops are dispatched on,
the versions of NumPy and of BLAS, and the C library's `pow` and friends. `pins` fixes the first
three, `fingerprint` measures them all, `explain_difference` says what to do about a difference.
"""

import hashlib
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import threadpoolctl
from numpy._core import _multiarray_umath as _build  # type: ignore[attr-defined]  # untyped
from numpy.typing import NDArray

from dtrain.autograd import OPS
from dtrain.errors import SettingError
from dtrain.keyed import stream

Array = NDArray[Any]
Table = dict[str, str]

KERNEL = "OPENBLAS_CORETYPE"
FEATURES = "NPY_DISABLE_CPU_FEATURES"
THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")

# x86-64-v3, under the names of NumPy >= 2.4 and of the versions before.
_PORTABLE_FEATURES = frozenset({"X86_V3", "SSSE3", "SSE41", "POPCNT", "SSE42", "AVX", "F16C"}) | {
    "FMA3",
    "AVX2",
}
_PORTABLE_KERNEL = "Haswell"
_NEEDS_AVX512 = frozenset({"SkylakeX", "Cooperlake", "SapphireRapids"})
_HAS_AVX512 = frozenset({"X86_V4", "AVX512_SKX"})


def pins(blas_threads: int, numerics: str) -> dict[str, str]:
    """Environment variables for a process that computes leaves, set before it loads NumPy.

    blas_threads: how many threads one matrix product uses
    numerics:     "native" leaves the kernels to the machine (and to the caller's environment);
                  "portable" takes OpenBLAS's Haswell kernel, and of NumPy's dispatched features
                  none above x86-64-v3, so that AVX2 and AVX-512 machines agree

    Raises SettingError for another `numerics`, and for "portable" on a CPU without AVX2 and FMA.
    """
    variables = dict.fromkeys(THREADS, str(blas_threads)) | {"PYTHONHASHSEED": "0"}
    if numerics == "native":
        return variables
    if numerics != "portable":
        raise SettingError(f"numerics is 'native' or 'portable', not {numerics!r}")
    if not (_build.__cpu_features__.get("AVX2") and _build.__cpu_features__.get("FMA3")):
        raise SettingError(
            "numerics='portable' needs an x86-64 CPU with AVX2 and FMA, which this one has not; "
            "run with numerics='native' on machines of one kind"
        )
    above = [name for name in _features_of_this_cpu() if name not in _PORTABLE_FEATURES]
    return variables | {KERNEL: _PORTABLE_KERNEL, FEATURES: " ".join(above)}


def limit_threads(n: int) -> None:
    """Let BLAS use n threads from now on, where NumPy is loaded already (a notebook)."""
    threadpoolctl.threadpool_limits(limits=n, user_api="blas")


def fingerprint() -> Table:
    """What this process's arithmetic is and does: versions, kernel, threads, CPU features, and
    hashes (12 hex digits of a SHA-256) of canned results by family, in a fixed order.

    The same table means the same bits for everything that was measured: every op of the table
    that keeps its inputs' shape, matrix products, reductions, random draws, scalar functions;
    float32 and float64, odd lengths among them.
    """
    return _library() | {family: _hash(results()) for family, results in _FAMILIES.items()}


def fingerprint_hash(table: Mapping[str, str]) -> str:
    """SHA-256 of a fingerprint, 64 hex digits."""
    lines = "".join(f"{row}={value}\n" for row, value in table.items())
    return hashlib.sha256(lines.encode()).hexdigest()


def explain_difference(
    ours: Mapping[str, str],
    theirs: Mapping[str, str],
    names: tuple[str, str] = ("this run", "that host"),
) -> str:
    """The rows that differ, side by side, and what would make them equal. Empty when none does."""
    rows = list(dict.fromkeys([*ours, *theirs]))
    missing = dict.fromkeys(rows, "-")  # the other table comes from the network
    ours, theirs = missing | dict(ours), missing | dict(theirs)
    differing = [row for row in rows if ours[row] != theirs[row]]
    if not differing:
        return ""
    cells = [(row, ours[row], theirs[row]) for row in differing]
    table = _aligned([("", *names), *cells])
    equal = f"  ({len(rows) - len(differing)} other rows are equal)"
    return "\n".join([*table, equal, *_advice(ours, theirs, names)])


def variables_to_match(host: Mapping[str, str], target: Mapping[str, str]) -> dict[str, str] | None:
    """Environment variables under which a host of the one fingerprint gets the other's arithmetic.

    None when its CPU, as far as its fingerprint shows, or its packages do not allow it.
    """
    wanted = set(target["cpu features"].split())
    enabled = set(host["cpu features"].split())
    if _packages(host, target) or not wanted <= enabled:
        return None
    if target["kernel"] in _NEEDS_AVX512 and not enabled & _HAS_AVX512:
        return None
    variables = {}
    if host["kernel"] != target["kernel"]:
        variables[KERNEL] = target["kernel"]
    if enabled != wanted:
        # All that this NumPy knows: the host's environment may have switched off some already.
        off = [name for name in _build.__cpu_dispatch__ if name not in wanted]
        variables[FEATURES] = " ".join(off)
    if host["threads"] != target["threads"]:
        variables |= dict.fromkeys(THREADS, target["threads"])
    return variables


def _advice(
    ours: Mapping[str, str], theirs: Mapping[str, str], names: tuple[str, str]
) -> Iterator[str]:
    """What to do, one line a way."""
    us, them = names
    if packages := _packages(theirs, ours):
        yield f"To make them equal, on {them}: pip install {' '.join(packages)}"
        return
    ways = list(_ways(ours, theirs, us, them))
    if ways:
        yield "To make them equal, one of:"
        yield from (f"  {way}" for way in ways)
    else:
        yield "No variable or setting explains it: other system libraries, or a faulty machine"


def _ways(ours: Mapping[str, str], theirs: Mapping[str, str], us: str, them: str) -> Iterator[str]:
    if variables := variables_to_match(theirs, ours):
        yield f"start {them} with {_assignments(variables)}"
    elif variables := variables_to_match(ours, theirs):
        yield f"start {us} with {_assignments(variables)}"
    if ours["threads"] != theirs["threads"]:
        yield f"give both the same threads: --set blas_threads={ours['threads']}"
    if not (_is_portable(ours) and _is_portable(theirs)):
        yield f"start {us} with --set numerics=portable, for x86-64 hosts with AVX2"


def _packages(host: Mapping[str, str], target: Mapping[str, str]) -> list[str]:
    """What to install on a host; BLAS comes inside NumPy's wheel."""
    if host["numpy"] == target["numpy"] and host["blas"] == target["blas"]:
        return []
    return ["--force-reinstall", "--only-binary=numpy", f"numpy=={target['numpy']}"]


def _is_portable(table: Mapping[str, str]) -> bool:
    features = set(table["cpu features"].split())
    return table["kernel"] == _PORTABLE_KERNEL and features <= _PORTABLE_FEATURES


def _assignments(variables: Mapping[str, str]) -> str:
    return " ".join(
        f'{name}="{value}"' if " " in value else f"{name}={value}"
        for name, value in variables.items()
    )


def _aligned(rows: list[tuple[str, str, str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return [
        "  " + "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _features_of_this_cpu() -> list[str]:
    """The features that this NumPy build dispatches on and this CPU has, also where this
    process's environment switched them off. NumPy warns of any other name."""
    off = os.environ.get(FEATURES, "").replace(",", " ").split()
    return [f for f in _build.__cpu_dispatch__ if _build.__cpu_features__[f] or f in off]


def _library() -> Table:
    """Versions, kernel, threads, features: what would explain a difference."""
    blas = _blas()
    return {
        "numpy": np.__version__,
        "blas": f"{blas['internal_api']} {blas['version']}",
        "kernel": str(blas["architecture"]),
        "threads": str(blas["num_threads"]),
        "cpu features": " ".join(f for f in _build.__cpu_dispatch__ if _build.__cpu_features__[f]),
    }


def _blas() -> Mapping[str, Any]:
    """threadpoolctl's record of NumPy's own BLAS; other packages may have loaded another."""
    found = [pool for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"]
    ours = [pool for pool in found if "numpy" in os.path.dirname(pool["filepath"])]
    unknown = {"internal_api": "blas", "version": "?", "architecture": "?", "num_threads": "?"}
    return {**unknown, **(ours or found or [{}])[0]}


def _hash(results: Iterable[Any]) -> str:
    digest = hashlib.sha256()
    with np.errstate(all="ignore"):
        for result in results:
            array = np.asarray(result)
            if array.dtype.kind == "f":
                array = np.where(np.isnan(array), array.dtype.type(np.nan), array)  # one NaN
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:12]


def _canned(dtype: str, *shape: int) -> Array:
    """Numbers in about (-4, 4), the same everywhere: integers of a Philox stream, scaled exactly.

    64-byte aligned, as a job's vectors are: sums may depend on the alignment.
    """
    size = math.prod(shape)
    home = np.empty(size * np.dtype(dtype).itemsize + 64, np.uint8)
    start = -home.ctypes.data % 64
    array = home[start : start + size * np.dtype(dtype).itemsize].view(dtype)
    raw = np.random.Philox(key=size).random_raw(size)
    array[...] = (raw >> np.uint64(11)).astype(np.float64) * 2.0**-50 - 4.0
    return array.reshape(shape)


def _products(dtype: str) -> Iterator[Array]:
    """Shapes below and above OpenBLAS's blocks, in the three forms that a layer needs."""
    shapes = [(1, 65, 33), (7, 600, 33), (33, 129, 10), (65, 1025, 17), (129, 385, 257)]
    for rows, inner, columns in shapes:
        a, b = _canned(dtype, rows, inner), _canned(dtype, inner, columns)
        yield from (a @ b, a.T @ a[:, :31], b @ b[:17].T, a @ b[:, 0], a[0] @ b[:, 0])
    yield _canned(dtype, 3, 17, 19) @ _canned(dtype, 3, 19, 5)


def _reductions(dtype: str) -> Iterator[Array]:
    """Sums along all and along each axis, of lengths around the unrolled loops' ends."""
    for n in (1, 7, 65, 127, 1025, 4099):
        x = _canned(dtype, n)
        yield from (x.sum(), x.mean(), x.var(), np.cumsum(x), np.einsum("i,i->", x, x))
        yield np.asarray(np.linalg.norm(x))
    for shape in [(33, 65), (5, 7, 129)]:
        x = _canned(dtype, *shape)
        yield from (x.sum(axis=axis) for axis in range(x.ndim))
        yield from (x.var(axis=axis) for axis in range(x.ndim))


def _elementwise(dtype: str) -> Iterator[Array]:
    """Every elementwise op of the table (it has a domain): on both signs, on positive numbers (for
    logarithms and powers), and over its own domain."""
    signed = [_canned(dtype, 1021), _canned(dtype, 1022)[:1021], _canned(dtype, 1023)[:1021]]
    positive = [np.abs(x) for x in signed]
    for _, op in sorted(OPS.items()):
        if op.domain is None:
            continue
        low, high = op.domain
        inside = [(x + 4) * ((high - low) / 8) + low for x in signed]
        for inputs in (signed, positive, inside):
            result = _attempt(op, inputs[: len(op.inputs)])
            if isinstance(result, np.ndarray) and result.shape == (1021,):
                yield result


def _attempt(op: Callable[..., Any], inputs: list[Array]) -> Any:
    """The op's result, or None where it does not take these arrays (it wants labels, say)."""
    try:
        return op(*inputs)
    except (TypeError, ValueError, IndexError, RuntimeError):
        return None


def _random() -> Iterator[Any]:
    """NumPy's generator methods: their normals use the C library's logarithm now and then."""
    rng = stream(0, "fingerprint")
    yield from (rng.random(257), rng.standard_normal(2049), rng.standard_exponential(1025))
    yield from (rng.integers(0, 1000, 257), rng.permutation(257), rng.standard_normal(257, "f4"))


def _scalars() -> Iterator[Any]:
    """The C library's functions, which Python and NumPy's scalars call: Adam's beta^t, say."""
    for x in _canned("f8", 257).tolist():
        y = abs(x) + 2.0**-10
        yield from (y**x, math.exp(x), math.log(y), math.sin(x), math.tanh(x), np.float32(y) ** 3)


_FAMILIES: dict[str, Callable[[], Iterable[Any]]] = {
    "ops float32": lambda: _elementwise("f4"),
    "ops float64": lambda: _elementwise("f8"),
    "products float32": lambda: _products("f4"),
    "products float64": lambda: _products("f8"),
    "reductions float32": lambda: _reductions("f4"),
    "reductions float64": lambda: _reductions("f8"),
    "random": _random,
    "scalars": _scalars,
}
