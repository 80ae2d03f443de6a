"""Recurrent layers: one op for a whole sequence in one direction.

All inputs are projected by one product before the loop over time, which then writes into memory
that is there already. Backward computes the slopes of all steps at once, so that its loop is a
product and a few multiplications. Each op has its formula, step by step, beside it.

Shapes throughout:  x (t, b, f);  h0 and c0 (b, h);  w_ih (k*h, f), w_hh (k*h, h), b_ih and b_hh
(k*h) or None, for k gates in PyTorch's order. `reverse` runs from the last step to the first.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dtrain.autograd.dtypes import canonical
from dtrain.autograd.op import fused
from dtrain.autograd.ops.elementwise import relu, sigmoid, tanh
from dtrain.autograd.ops.linalg import linear, plain
from dtrain.autograd.ops.shape import cat
from dtrain.autograd.value import Array

BIASES = ("b_ih", "b_hh")


def _rnn_formula(
    x: Any,
    h: Any,
    w_ih: Any,
    w_hh: Any,
    b_ih: Any = None,
    b_hh: Any = None,
    *,
    reverse: bool = False,
    nonlinearity: str = "tanh",
) -> Any:
    act = tanh if nonlinearity == "tanh" else relu

    def step(x: Any, h: Any) -> Any:
        return act(linear(x, w_ih, b_ih) + linear(h, w_hh, b_hh))

    return cat(*(h.reshape(1, *h.shape) for h in _unrolled(step, x, h, reverse)))


@fused(
    "x", "h0", "w_ih", "w_hh", "b_ih", "b_hh", formula=_rnn_formula, unsaved=BIASES, saves_out=True
)
def rnn_layer(
    x: Array,
    h0: Array,
    w_ih: Array,
    w_hh: Array,
    b_ih: Array | None = None,
    b_hh: Array | None = None,
    *,
    reverse: bool = False,
    nonlinearity: str = "tanh",
) -> tuple[Array, Any]:
    """h[t] = act(w_ih x[t] + b_ih + w_hh h[t-1] + b_hh), act tanh or relu; result (t, b, h).

    Source:  Elman 1990.
    """
    x, h0, w_ih, w_hh = plain(x), plain(h0), plain(w_ih), plain(w_hh)
    out = _project(x, w_ih, b_ih, b_hh)
    act = np.tanh if nonlinearity == "tanh" else _relu
    h, recurrent, across = h0, np.empty_like(out[0]), _turned(w_hh)
    for z in _steps(out, reverse):
        np.matmul(h, across, out=recurrent)
        h = act(np.add(z, recurrent, out=z), out=z)

    def backward(g: Array, needs: Sequence[bool]) -> list[Array | None]:
        dz = 1 - out * out if nonlinearity == "tanh" else (out > 0).astype(out.dtype)
        dh = np.zeros_like(h0)
        for g_t, dz_t in _backwards(reverse, canonical(g), dz):
            dh += g_t
            dz_t *= dh
            np.matmul(dz_t, w_hh, out=dh)
        dw_hh = _rows(dz).T @ _rows(_previous(out, h0, reverse))
        dx, dw_ih, db = _unproject(dz, x, w_ih, needs[0])
        return [dx, dh, dw_ih, dw_hh, db, db][: len(needs)]

    return out, backward


def lstm_by_steps(
    x: Any,
    h: Any,
    c: Any,
    w_ih: Any,
    w_hh: Any,
    b_ih: Any = None,
    b_hh: Any = None,
    w_hr: Any = None,
    *,
    reverse: bool = False,
) -> Any:
    """The formula of `lstm_layer`; with w_hr (p, h), h is projected to p features at every step."""

    def step(x: Any, state: Any) -> Any:
        h, c = state
        i, f, g, o = _gates(linear(x, w_ih, b_ih) + linear(h, w_hh, b_hh), 4)
        c = sigmoid(f) * c + sigmoid(i) * tanh(g)
        h = sigmoid(o) * tanh(c)
        return (h if w_hr is None else linear(h, w_hr)), c

    states = _unrolled(step, x, (h, c), reverse)
    last = states[0 if reverse else -1][1]
    return cat(*(h.reshape(-1) for h, _ in states), last.reshape(-1))


@fused(
    "x",
    "h0",
    "c0",
    "w_ih",
    "w_hh",
    "b_ih",
    "b_hh",
    formula=lstm_by_steps,
    unsaved=BIASES,
    saves_out=True,
)
def lstm_layer(
    x: Array,
    h0: Array,
    c0: Array,
    w_ih: Array,
    w_hh: Array,
    b_ih: Array | None = None,
    b_hh: Array | None = None,
    *,
    reverse: bool = False,
) -> tuple[Array, Any]:
    """Long short-term memory: the h of every step, and behind them the last c, in one flat array.

        i, f, g, o = w_ih x[t] + b_ih + w_hh h[t-1] + b_hh
        c[t] = sigmoid(f) * c[t-1] + sigmoid(i) * tanh(g)
        h[t] = sigmoid(o) * tanh(c[t])

    Result: t*b*h elements of h, then b*h of c.
    Source:  Hochreiter and Schmidhuber 1997; Gers, Schmidhuber and Cummins 2000.
    """
    x, h0, hidden = plain(x), plain(h0), h0.shape[1]
    # In the order o, i, f, g the gates with a sigmoid lie side by side, and so do those below c.
    w_ih, w_hh = (np.roll(plain(w), hidden, axis=0) for w in (w_ih, w_hh))
    biases = (None if b is None else np.roll(b, hidden) for b in (b_ih, b_hh))
    gates = _project(x, w_ih, *biases)
    steps, batch, _ = gates.shape
    packed = np.empty((steps + 1) * batch * hidden, x.dtype)
    out = packed[: steps * batch * hidden].reshape(steps, batch, hidden)
    cell, cell_tanh = np.empty_like(out), np.empty_like(out)
    h, c, recurrent, spare = h0, c0, np.empty_like(gates[0]), np.empty_like(h0)
    across = _turned(w_hh)
    four = [gates[..., at * hidden : (at + 1) * hidden] for at in range(4)]
    for a, sigmoids, o, i, f, g, c_t, tanh_t, h_t in zip(
        *(
            _steps(each, reverse)
            for each in (gates, gates[..., : 3 * hidden], *four, cell, cell_tanh, out)
        ),
        strict=True,
    ):
        a += np.matmul(h, across, out=recurrent)
        _sigmoid(sigmoids)
        np.tanh(g, out=g)
        np.multiply(f, c, out=c_t)
        c_t += np.multiply(i, g, out=spare)
        h, c = np.multiply(o, np.tanh(c_t, out=tanh_t), out=h_t), c_t
    packed[out.size :] = c.reshape(-1)

    def backward(g: Array, needs: Sequence[bool]) -> list[Array | None]:
        g_out, dc = g[: out.size].reshape(out.shape), g[out.size :].reshape(batch, hidden).copy()
        c_before = _previous(cell, c0, reverse)
        four = gates.reshape(steps, batch, 4, hidden)
        dz, dc_dh = _lstm_slopes(four, c_before, cell_tanh)
        dh, spare = np.zeros_like(h0), np.empty_like(h0)
        for g_t, dz_t, slope_t, a in _backwards(reverse, g_out, dz, dc_dh, four):
            dh += g_t
            dc += np.multiply(dh, slope_t, out=spare)
            dz_t[:, 0] *= dh
            dz_t[:, 1:] *= dc[:, None]
            dc *= a[:, 2]
            np.matmul(dz_t.reshape(recurrent.shape), w_hh, out=dh)
        dz = dz.reshape(gates.shape)
        dw_hh = _rows(dz).T @ _rows(_previous(out, h0, reverse))
        dx, dw_ih, db = _unproject(dz, x, w_ih, needs[0])
        dw_ih, dw_hh, db = (np.roll(each, -hidden, axis=0) for each in (dw_ih, dw_hh, db))
        return [dx, dh, dc, dw_ih, dw_hh, db, db][: len(needs)]

    return packed, backward


def _lstm_slopes(four: Array, c_before: Array, cell_tanh: Array) -> tuple[Array, Array]:
    """How h depends on o, and c on i, f, g, before their activations; and how h depends on c."""
    o, i, _, g = (four[:, :, at] for at in range(4))
    slopes = 1 - four
    slopes *= four
    slopes[:, :, 0] *= cell_tanh
    slopes[:, :, 1] *= g
    slopes[:, :, 2] *= c_before
    slopes[:, :, 3] = (1 - g * g) * i
    return slopes, (1 - cell_tanh * cell_tanh) * o


def _gru_formula(
    x: Any,
    h: Any,
    w_ih: Any,
    w_hh: Any,
    b_ih: Any = None,
    b_hh: Any = None,
    *,
    reverse: bool = False,
) -> Any:
    def step(x: Any, h: Any) -> Any:
        x_r, x_z, x_n = _gates(linear(x, w_ih, b_ih), 3)
        h_r, h_z, h_n = _gates(linear(h, w_hh, b_hh), 3)
        n = tanh(x_n + sigmoid(x_r + h_r) * h_n)
        return n + sigmoid(x_z + h_z) * (h - n)

    return cat(*(h.reshape(1, *h.shape) for h in _unrolled(step, x, h, reverse)))


@fused(
    "x", "h0", "w_ih", "w_hh", "b_ih", "b_hh", formula=_gru_formula, unsaved=BIASES, saves_out=True
)
def gru_layer(
    x: Array,
    h0: Array,
    w_ih: Array,
    w_hh: Array,
    b_ih: Array | None = None,
    b_hh: Array | None = None,
    *,
    reverse: bool = False,
) -> tuple[Array, Any]:
    """Gated recurrent units; result (t, b, h).

        r = sigmoid(w_ir x[t] + b_ir + w_hr h[t-1] + b_hr);  z likewise
        n = tanh(w_in x[t] + b_in + r * (w_hn h[t-1] + b_hn))
        h[t] = (1 - z) * n + z * h[t-1]

    Source:  Cho et al. 2014, with the reset gate behind the product, as in PyTorch.
    """
    x, h0, w_ih, w_hh = plain(x), plain(h0), plain(w_ih), plain(w_hh)
    hidden = h0.shape[1]
    gates = _project(x, w_ih, b_ih)
    out, h_n = (np.empty((*gates.shape[:2], hidden), x.dtype) for _ in range(2))
    h, recurrent, spare = h0, np.empty_like(gates[0]), np.empty_like(h0)
    across = _turned(w_hh)
    for a, n_t, h_t in zip(*(_steps(each, reverse) for each in (gates, h_n, out)), strict=True):
        np.matmul(h, across, out=recurrent)
        if b_hh is not None:
            recurrent += b_hh
        n_t[...] = recurrent[:, 2 * hidden :]
        rz, n = a[:, : 2 * hidden], a[:, 2 * hidden :]
        rz += recurrent[:, : 2 * hidden]
        _sigmoid(rz)
        n += np.multiply(rz[:, :hidden], n_t, out=spare)
        np.tanh(n, out=n)
        np.subtract(h, n, out=spare)
        spare *= rz[:, hidden:]
        h = np.add(spare, n, out=h_t)

    def backward(g: Array, needs: Sequence[bool]) -> list[Array | None]:
        three = gates.reshape(*gates.shape[:2], 3, hidden)
        h_before = _previous(out, h0, reverse)
        dz, dn = _gru_slopes(three, h_before, h_n)
        dh, spare = np.zeros_like(h0), np.empty_like(h0)
        for g_t, dz_t, dn_t, a in _backwards(reverse, canonical(g), dz, dn, three):
            dh += g_t
            dz_t *= dh[:, None]
            dn_t *= dh
            dh *= a[:, 1]
            dh += np.matmul(dz_t.reshape(recurrent.shape), w_hh, out=spare)
        dw_hh = _rows(dz.reshape(gates.shape)).T @ _rows(h_before)
        db_hh = _rows(dz.reshape(gates.shape)).sum(axis=0)
        dz[:, :, 2] = dn
        dx, dw_ih, db_ih = _unproject(dz.reshape(gates.shape), x, w_ih, needs[0])
        return [dx, dh, dw_ih, dw_hh, db_ih, db_hh][: len(needs)]

    return out, backward


def _gru_slopes(three: Array, h_before: Array, h_n: Array) -> tuple[Array, Array]:
    """How h depends on r, z and the recurrent part of n before their activations, and on n."""
    r, z, n = (three[:, :, at] for at in range(3))
    dn = (1 - z) * (1 - n * n)
    slopes = 1 - three
    slopes *= three
    slopes[:, :, 0] *= dn * h_n
    slopes[:, :, 1] *= h_before - n
    slopes[:, :, 2] = dn * r
    return slopes, dn


def _unrolled(step: Callable[..., Any], x: Any, state: Any, reverse: bool) -> list[Any]:
    """The states after each step, in the order of the sequence."""
    states = []
    for t in _steps(range(x.shape[0]), reverse):
        state = step(x[t], state)
        states.append(state)
    return list(_steps(states, reverse))


def _steps(sequence: Any, reverse: bool) -> Any:
    """In the order of computation, or back from that."""
    return sequence[::-1] if reverse else sequence


def _backwards(reverse: bool, *arrays: Array) -> Any:
    """Rows of arrays together, the last one that was computed first."""
    return zip(*(_steps(each, not reverse) for each in arrays), strict=True)


def _previous(states: Array, first: Array, reverse: bool) -> Array:
    """What each step began with."""
    if reverse:
        return np.concatenate([states[1:], first[None]])
    return np.concatenate([first[None], states[:-1]])


def _turned(weight: Array) -> Array:
    """weight.T in C order: for a few rows times this, BLAS is up to 1.3 times as fast."""
    return np.ascontiguousarray(weight.T)


def _rows(x: Array) -> Array:
    return x.reshape(-1, x.shape[-1])


def _project(x: Array, weight: Array, *biases: Array | None) -> Array:
    """x @ weight.T plus biases, for all steps at once."""
    out: Array = (_rows(x) @ weight.T).reshape(*x.shape[:-1], len(weight))
    for bias in biases:
        if bias is not None:
            out += bias
    return out


def _unproject(
    dz: Array, x: Array, weight: Array, needs_dx: bool
) -> tuple[Array | None, Array, Array]:
    """The gradients for x, weight and bias."""
    dx = (_rows(dz) @ weight).reshape(x.shape) if needs_dx else None
    return dx, _rows(dz).T @ _rows(x), _rows(dz).sum(axis=0)


def _gates(z: Any, count: int) -> list[Any]:
    size = z.shape[-1] // count
    return [z[:, at * size : (at + 1) * size] for at in range(count)]


def _sigmoid(z: Array) -> None:
    """In place, as `elementwise.sigmoid` computes it."""
    np.negative(z, out=z)
    np.exp(z, out=z)
    z += 1
    np.reciprocal(z, out=z)


def _relu(z: Array, out: Array) -> Array:
    result: Array = np.maximum(z, 0, out=out)
    return result
