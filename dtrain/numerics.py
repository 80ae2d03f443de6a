"""Whether two machines compute the same bits: pinning the arithmetic, measuring, comparing.

What changes the bits of the same NumPy call on the same numbers: the number of BLAS threads, the
kernel that OpenBLAS picks for the CPU, the CPU features that NumPy's own loops are dispatched on,
the versions of NumPy and of BLAS, and the C library's `pow` and friends. `pins` fixes the first
three, `fingerprint` measures them all, `explain_difference` says what to do about a difference.
"""

import hashlib
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import xxhash
from numpy._core import _multiarray_umath as _build  # type: ignore[attr-defined]  # untyped
from numpy.typing import NDArray

from dtrain.autograd import OPS, Tensor, enable_grad, grad, wrap
from dtrain.autograd.ops.conv import Geometry
from dtrain.autograd.ops.windows import Axis
from dtrain.errors import SettingError
from dtrain.keyed import stream

Array = NDArray[Any]
Table = dict[str, str]

SIZE = 253  # elements of canned results: whole vectors, and some that fill none

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
    import threadpoolctl  # slow to load: not before a run needs it

    threadpoolctl.threadpool_limits(limits=n, user_api="blas")


def blas_threads() -> int:
    """How many threads BLAS uses; 1 for one that does not say."""
    number = _blas()["num_threads"]
    return number if isinstance(number, int) else 1


def fingerprint() -> Table:
    """What this process's arithmetic is and does: versions, kernel, threads, CPU features, and
    hashes (12 hex digits of an XXH3) of canned results by family, in a fixed order.

    The same table means the same bits for everything that was measured: every op of the table
    that keeps its inputs' shape; layers, forward and backward; matrix products, reductions, random
    draws, scalar functions; float32 and float64, odd lengths among them.
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
    import threadpoolctl

    found = [pool for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"]
    ours = [pool for pool in found if "numpy" in os.path.dirname(pool["filepath"])]
    unknown = {"internal_api": "blas", "version": "?", "architecture": "?", "num_threads": "?"}
    return {**unknown, **(ours or found or [{}])[0]}


def _hash(results: Iterable[Any]) -> str:
    digest = xxhash.xxh3_128()
    with np.errstate(all="ignore"):
        for result in results:
            array = np.ascontiguousarray(result)
            if array.dtype.kind == "f" and np.isnan(array).any():
                array = np.where(np.isnan(array), array.dtype.type(np.nan), array)  # one NaN
            digest.update(array.data)
    return digest.hexdigest()[:12]


def _canned(dtype: str, *shape: int) -> Array:
    """Numbers in [-4, 4), the same everywhere. 64-byte aligned, as a job's vectors are: sums may
    depend on the alignment."""
    size, width = math.prod(shape), np.dtype(dtype).itemsize
    home = np.empty(size * width + 64, np.uint8)
    start = -home.ctypes.data % 64
    array = home[start : start + size * width].view(dtype)
    array[...] = _stream()[size % 64 :][:size]
    return array.reshape(shape)


@cache
def _stream() -> Array:
    """Integers of a Philox stream, scaled exactly."""
    raw = np.random.Philox(key=0).random_raw(1 << 17)
    return (raw >> np.uint64(11)).astype(np.float64) * 2.0**-50 - 4.0


def _products(dtype: str) -> Iterator[Array]:
    """Shapes below and above OpenBLAS's blocks, in the three forms that a layer needs."""
    shapes = [(1, 65, 33), (7, 600, 33), (33, 129, 10), (65, 1025, 17), (97, 385, 129)]
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
    """Every elementwise op of the table (it has a domain): over that, and on numbers of both signs
    or, where the domain has no negative ones, on positive numbers."""
    signed = [_canned(dtype, SIZE + more)[:SIZE] for more in range(3)]
    for _, op in sorted(OPS.items()):
        if op.domain is None:
            continue
        low, high = op.domain
        inputs = [_over(low, high, x) for x in signed[: len(op.inputs)]]
        result = _attempt(op, inputs)
        if isinstance(result, np.ndarray) and result.shape == inputs[0].shape:
            yield result


def _over(low: float, high: float, x: Array) -> Array:
    inside = (x + 4) * ((high - low) / 8) + low
    return np.concatenate([inside, x if low < 0 else np.abs(x)])


def _attempt(op: Callable[..., Any], inputs: list[Array]) -> Any:
    """The op's result, or None where it does not take these arrays (it wants labels, say)."""
    try:
        return op(*inputs)
    except (TypeError, ValueError, IndexError, RuntimeError):
        return None


def _layers(dtype: str) -> Iterator[Array]:
    """Ops that are no elementwise ones, with their gradients: how models call BLAS, sum and scale.

    Inputs are in (-1, 1), where exponentials and products stay numbers.
    """
    for name, shapes, options in _LAYERS:
        inputs = [_input(dtype, shape) for shape in shapes]
        wanted = [each for each in inputs if isinstance(each, Tensor)]
        with enable_grad():
            out = OPS[name](*inputs, **options)
        seed = wrap(_canned(dtype, *out.shape))
        yield from (each._array for each in (out, *grad(out, wanted, seed)))


def _input(dtype: str, shape: tuple[int, ...] | Array | None) -> Any:
    return wrap(_canned(dtype, *shape) / 4, True) if isinstance(shape, tuple) else shape


def _sequence(gates: int, states: int) -> list[tuple[int, ...]]:
    """The inputs of a recurrent layer: 5 steps of 3 sequences, 17 features to 9."""
    weights = [(gates * 9, 17), (gates * 9, 9), (gates * 9,), (gates * 9,)]
    return [(5, 3, 17), *([(3, 9)] * states), *weights]


_SPREAD, _FEW = np.arange(50) * 7 % 31, np.arange(50) * 7 % 3
_SQUARE = Geometry((Axis(9, 9, 3, before=1), Axis(9, 5, 3, 2, before=1)))
_POINT = Geometry((Axis(33, 33, 1),))
_NORM = [(9, 7, 13), (7,), (7,)]

# An op, the shapes of its inputs (an array or None: that itself), and its options.
_LAYERS: list[tuple[str, Sequence[Any], dict[str, Any]]] = [
    ("convolution", [(2, 4, 9, 9), (6, 4, 3, 3), (6,)], {"geometry": _SQUARE}),
    ("convolution", [(2, 65, 33), (17, 65, 1), None], {"geometry": _POINT}),
    ("standardize", [(9, 130), (130,), (130,)], {"rows": (9, 1, 130), "eps": 1e-5}),
    ("standardize", _NORM, {"rows": (9, 7, 13), "eps": 1e-5}),
    ("batch_norm", _NORM, {"eps": 1e-5}),
    ("linear", [(3, 65), (130, 65), (130,)], {}),
    ("linear", [(33, 65), (17, 65), (17,)], {}),
    ("matmul", [(5, 17, 33), (5, 9, 33)], {"tb": True}),
    ("softmax", [(17, 67)], {"axis": 1}),
    ("log_softmax", [(17, 67)], {"axis": 0}),
    ("cross_entropy", [(50, 67), _SPREAD, None], {"smoothing": 0.1}),
    ("scaled_dot_product_attention", [(3, 17, 9), (3, 19, 9), (3, 19, 5), None, None], {}),
    ("self_attention", [(17, 3, 54), None, None], {"num_heads": 2, "is_causal": True}),
    ("lstm_layer", _sequence(4, 2), {}),
    ("gru_layer", _sequence(3, 1), {}),
    ("rnn_layer", _sequence(1, 1), {}),
    ("add_rows", [(50, 17)], {"indices": _SPREAD, "rows": 31}),
    ("add_rows", [(50, 17)], {"indices": _FEW, "rows": 3}),
    *((name, [(9, 65)], {"axis": axis}) for name in ("cumsum", "prod") for axis in (0, 1)),
    *((name, [(9, 65)], {"axis": 1}) for name in ("cumprod", "logcumsumexp")),
    ("sum", [(5, 7)], {}),  # so few are summed in another order
    ("sum_to", [(9, 65)], {"shape": (65,)}),
    ("mean", [(9, 65)], {"axis": 0}),
    ("lp_norm", [(9, 65)], {"axis": -1}),
    *((name, [(SIZE,)], {}) for name in ("gelu", "silu", "mish")),
    ("glu", [(9, 66)], {}),
]


def _random() -> Iterator[Any]:
    """NumPy's generator methods: their normals use the C library's logarithm now and then."""
    rng = stream(0, "fingerprint")
    yield from (rng.random(257), rng.standard_normal(2049), rng.standard_exponential(1025))
    yield from (rng.integers(0, 1000, 257), rng.permutation(257), rng.standard_normal(257, "f4"))


def _scalars() -> Iterator[Any]:
    """The C library's functions, which Python and NumPy's scalars call: Adam's beta^t, say."""
    numbers = [(x, abs(x) + 2.0**-10) for x in _canned("f8", 257).tolist()]
    for x, y in numbers:
        yield [y**x, math.exp(x), math.log(y), math.sin(x), math.tanh(x), float(np.float32(y) ** 3)]


_FAMILIES: dict[str, Callable[[], Iterable[Any]]] = {
    "ops float32": lambda: _elementwise("f4"),
    "ops float64": lambda: _elementwise("f8"),
    "layers float32": lambda: _layers("f4"),
    "layers float64": lambda: _layers("f8"),
    "products float32": lambda: _products("f4"),
    "products float64": lambda: _products("f8"),
    "reductions float32": lambda: _reductions("f4"),
    "reductions float64": lambda: _reductions("f8"),
    "random": _random,
    "scalars": _scalars,
}
