"""Every op of the table: its bits depend on values and shapes, not on how arrays lie in memory.

The same values in C order, transposed, strided, backwards, off the boundaries that vector loops
like, and each input in another way, must give the same output and the same gradients, bit by bit.
Samples of the table are too small for vector loops and for BLAS: those of `LONG` are not.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from dtrain.autograd import OPS, Op, Tensor, grad, wrap
from dtrain.autograd.ops.conv import Geometry
from dtrain.autograd.ops.windows import Axis
from dtrain.nn.functional import grids, poolsizes
from tests.autograd.samples import Sample, samples

Array = np.ndarray[Any, np.dtype[Any]]
Way = Callable[[Array], Array]

rng = np.random.default_rng(11)


def draw(*shape: int) -> Array:
    """Uniform draws in (-2, 2)."""
    return rng.uniform(-2, 2, shape)


def draw_inside(op: Op, *shape: int) -> Array:
    """Uniform draws from an elementwise op's domain."""
    assert op.domain is not None
    return rng.uniform(*op.domain, shape)


def elementwise(op: Op) -> list[Sample]:
    """Long inputs of an elementwise op, broadcast and not."""
    if len(op.inputs) == 1:
        return [Sample((draw_inside(op, 33, 67),))]
    second = [draw_inside(op, 33, 67), draw_inside(op, 67), draw_inside(op, 33, 1)]
    return [Sample((draw_inside(op, 33, 67), each)) for each in second]


GEOMETRY = {"geometry": Geometry((Axis(17, 17, 3, before=1), Axis(13, 7, 3, 2, before=1)), 2)}
POINTWISE = {"geometry": Geometry((Axis(65, 65, 1),))}
STEEP = {"geometry": Geometry((Axis(3, 2, 2), Axis(3, 2, 2)))}
WINDOWS = tuple(poolsizes.windows(Axis(size, 16, 3, 2, before=1)) for size in (31, 32))
LABELS = rng.integers(0, 65, 37)
GROUPS = {"rows": (9, 7, 130), "eps": 1e-5}


def recurrent(gates: int, states: int) -> Sample:
    """Nine steps of a batch of five, 33 features to 19."""
    first = [draw(5, 19) for _ in range(states)]
    weights = draw(gates * 19, 33), draw(gates * 19, 19), draw(gates * 19), draw(gates * 19)
    return Sample((draw(9, 5, 33), *first, *weights))


LONG: dict[str, list[Sample]] = {
    "add_rows": [
        Sample((draw(90, 33),), {"indices": rng.integers(0, most, 90), "rows": 70})
        for most in (3, 70)
    ],
    "batch_norm": [Sample((draw(9, 7, 5, 13), draw(7), draw(7)), {"eps": 1e-5})],
    "cat": [Sample((draw(33, 17), draw(33, 50)), {"dim": 1})],
    "convolution": [
        Sample((draw(3, 6, 17, 13), draw(8, 3, 3, 3), draw(8)), GEOMETRY),
        Sample((draw(3, 33, 65), draw(17, 33, 1), draw(17)), POINTWISE),
        Sample((draw(9, 33, 3, 3), draw(17, 33, 2, 2), None), STEEP),
    ],
    "convolution_input": [
        Sample((draw(3, 8, 17, 7), draw(8, 3, 3, 3)), GEOMETRY),
        Sample((draw(3, 17, 65), draw(17, 33, 1)), POINTWISE),
    ],
    "convolution_weight": [
        Sample((draw(3, 8, 17, 7), draw(3, 6, 17, 13)), GEOMETRY),
        Sample((draw(3, 17, 65), draw(3, 33, 65)), POINTWISE),
    ],
    "cross_entropy": [
        Sample((draw(37, 65), LABELS, None)),
        Sample((draw(37, 65), LABELS, np.abs(draw(65))), {"smoothing": 0.1}),
    ],
    "cumprod": [Sample((draw(33, 67),), {"axis": axis}) for axis in (0, 1)],
    "cumsum": [Sample((draw(33, 67),), {"axis": axis}) for axis in (0, 1)],
    "embedding": [Sample((draw(70, 33),), {"indices": rng.integers(0, 70, (9, 11))})],
    "glu": [Sample((draw(33, 66),))],
    "gru_layer": [recurrent(3, 1)],
    "linear": [
        Sample((draw(33, 65), draw(17, 65), draw(17))),
        Sample((draw(3, 65), draw(130, 65), draw(130))),
    ],
    "log_softmax": [Sample((draw(33, 67),), {"axis": axis}) for axis in (0, 1)],
    "logcumsumexp": [Sample((draw(33, 67),), {"axis": axis}) for axis in (0, 1)],
    "lstm_layer": [recurrent(4, 2)],
    "matmul": [
        Sample((draw(33, 65), draw(65, 17))),
        Sample((draw(5, 33, 65), draw(5, 17, 65)), {"tb": True}),
        Sample((draw(65, 33), draw(65, 17)), {"ta": True}),
        Sample((draw(1, 65), draw(65, 17))),
        Sample((draw(33, 65), draw(65, 1))),
    ],
    "max_pool": [Sample((draw(3, 5, 31, 32),), {"tables": WINDOWS})],
    "mean": [Sample((draw(33, 67),), {"axis": axis}) for axis in (None, 0, 1)],
    "nll": [Sample((draw(37, 65), LABELS, np.abs(draw(65))))],
    "prod": [Sample((draw(33, 67),), {"axis": axis}) for axis in (0, 1)],
    "resample": [
        Sample((draw(3, 31, 17),), {"axis": 1, "table": table})
        for table in (WINDOWS[0], grids.linear(31, 50, None, False, np.float32))
    ],
    "rnn_layer": [recurrent(1, 1)],
    "scaled_dot_product_attention": [
        Sample((draw(3, 33, 17), draw(3, 41, 17), draw(3, 41, 9), draw(33, 41), None)),
        Sample((draw(3, 33, 17), draw(3, 33, 17), draw(3, 33, 9), None, None), {"is_causal": True}),
    ],
    "self_attention": [Sample((draw(33, 3, 96), None, None), {"num_heads": 2, "scale": 0.25})],
    "softmax": [Sample((draw(33, 67),), {"axis": axis}) for axis in (0, 1)],
    "standardize": [
        Sample((draw(9, 7, 130), draw(7), draw(7)), GROUPS),
        Sample((draw(9, 910), draw(910), None), {**GROUPS, "center": False}),
        Sample((draw(33, 40), draw(40), draw(40)), {"rows": (33, 1, 40), "eps": 1e-5}),
    ],
    "sum": [Sample((draw(33, 67),), {"axis": axis}) for axis in (None, 0, 1)],
    "sum_to": [Sample((draw(9, 33, 67),), {"shape": shape}) for shape in ((67,), (33, 1))],
    "window_sum": [Sample((draw(9, 33, 67),), {"before": 2, "after": 1})],
}


# ------------------------------------------------------------------------------ ways to lie


def in_order(x: Array) -> Array:
    return np.array(x, order="C")


def transposed(x: Array) -> Array:
    return np.array(x, order="F")


def strided(x: Array) -> Array:
    room = np.zeros((*x.shape[:-1], 2 * x.shape[-1]), x.dtype)
    view: Array = room[..., ::2]
    view[...] = x
    return view


def backwards(x: Array) -> Array:
    flip: Any = (slice(None, None, -1),) * x.ndim
    return np.array(x[flip], order="C")[flip]


def shifted(x: Array) -> Array:
    """Four bytes behind a boundary of 64."""
    room = np.zeros(x.nbytes + 128, np.uint8)
    start = -room.ctypes.data % 64 + 4
    view: Array = room[start : start + x.nbytes].view(x.dtype).reshape(x.shape)
    view[...] = x
    return view


WAYS = [in_order, transposed, strided, backwards, shifted]


def results(op: Op, sample: Sample, dtype: Any, ways: Sequence[Way]) -> list[Any]:
    """The output and all gradients, where the inputs lie in these ways, the first one for the
    output's gradient."""
    inputs = [
        _laid(op, at, value, dtype, ways[at % len(ways)]) for at, value in enumerate(sample.inputs)
    ]
    wanted = [each for each in inputs if isinstance(each, Tensor) and each.requires_grad]
    out = op(*inputs, **sample.options)
    if not wanted:
        return [out]
    seed = np.random.default_rng(3).normal(size=out.shape).astype(dtype)
    lie = ways[0] if seed.ndim else in_order
    return [out.detach(), *grad(out, wanted, wrap(lie(seed)), allow_unused=True)]


def _laid(op: Op, at: int, value: Any, dtype: Any, way: Way) -> Any:
    if not isinstance(value, np.ndarray):
        return value
    array = value.astype(dtype) if value.dtype.kind == "f" else value
    made = wrap(way(array) if array.ndim else array)
    return made.requires_grad_(bool(op.differentiable >> at & 1) and array.dtype.kind == "f")


def bits(values: list[Any]) -> list[Any]:
    """Comparable, in C order."""
    return [None if each is None else (each.shape, each.numpy().tobytes()) for each in values]


def long(op: Op) -> list[Sample]:
    """Samples that fill vector loops and BLAS's blocks."""
    return [*(elementwise(op) if op.domain else ()), *LONG.get(op.name, [])]


def cases(of: Callable[[Op], list[Sample]]) -> list[Any]:
    return [
        pytest.param(op, sample, id=f"{op.name}-{at}")
        for op in OPS.values()
        for at, sample in enumerate(of(op))
    ]


SHORT, FULL = cases(samples), cases(long)


def require_one_result(op: Op, sample: Sample, dtype: Any) -> None:
    expected = bits(results(op, sample, dtype, [in_order]))
    for ways in ([transposed], [strided], [backwards], [shifted], WAYS):
        names = ", ".join(way.__name__ for way in ways)
        assert bits(results(op, sample, dtype, ways)) == expected, f"{op}: {names}"


@pytest.mark.parametrize(("op", "sample"), SHORT)
def test_short_inputs_give_the_same_bits_however_they_lie_in_memory(op: Op, sample: Sample) -> None:
    require_one_result(op, sample, np.float32)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("op", "sample"), FULL)
def test_long_inputs_give_the_same_bits_however_they_lie_in_memory(
    op: Op, sample: Sample, dtype: Any
) -> None:
    require_one_result(op, sample, dtype)


@pytest.mark.parametrize(("op", "sample"), [c for c in FULL if c.values[0].differentiable])
def test_a_gradient_that_is_one_number_spread_out_gives_the_bits_of_a_full_one(
    op: Op, sample: Sample
) -> None:
    found = []
    for spread in (np.full, lambda shape, value: np.broadcast_to(value, shape)):
        inputs = [
            _laid(op, at, each, np.float32, in_order) for at, each in enumerate(sample.inputs)
        ]
        wanted = [each for each in inputs if isinstance(each, Tensor) and each.requires_grad]
        out = op(*inputs, **sample.options)
        seed = wrap(spread(out.shape, np.float32(0.3)))
        found.append(bits(list(grad(out, wanted, seed, allow_unused=True))))
    assert found[0] == found[1]
