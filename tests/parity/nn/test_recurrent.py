"""Recurrent networks against PyTorch's: weights, results, gradients, curves, errors."""

from typing import Any

import numpy as np
import pytest

from dtrain import nn, optim
from dtrain.autograd import tensor
from dtrain.autograd.gradcheck import gradgradcheck
from dtrain.nn import functional as F
from tests.parity.nn.both import (
    DTYPES,
    assert_gradient,
    assert_same_error,
    assert_same_module,
    backward,
    inputs,
    modules,
    torch,
)

rng = np.random.default_rng(8)
pytestmark = pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")

LAYERS: list[Any] = [
    ("RNN", {}),
    ("RNN", {"nonlinearity": "relu", "bias": False, "num_layers": 2}),
    ("RNN", {"bidirectional": True, "batch_first": True}),
    ("LSTM", {}),
    ("LSTM", {"num_layers": 2, "bidirectional": True, "batch_first": True}),
    ("LSTM", {"bias": False, "bidirectional": True}),
    ("LSTM", {"proj_size": 2, "num_layers": 2, "bidirectional": True}),
    ("LSTM", {"proj_size": 1, "bias": False}),
    ("GRU", {}),
    ("GRU", {"num_layers": 2, "bidirectional": True, "batch_first": True}),
    ("GRU", {"bias": False}),
]


def states(name: str, options: Any, batch: int | None) -> Any:
    count = options.get("num_layers", 1) * (2 if options.get("bidirectional") else 1)
    middle = () if batch is None else (batch,)
    h = rng.normal(size=(count, *middle, options.get("proj_size", 5)))
    return (h, rng.normal(size=(count, *middle, 5))) if name == "LSTM" else (h,)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("name", "options"), LAYERS)
@pytest.mark.parametrize("given", [True, False])
def test_a_network_over_a_sequence(name: str, options: Any, given: bool, dtype: str) -> None:
    mine, other = modules(name, 3, 5, **options, dtype=dtype)
    assert repr(mine) == repr(other)
    values = [rng.normal(size=(4, 2, 3))]
    values += states(name, options, 4 if options.get("batch_first") else 2) if given else ()
    ours, theirs = inputs(*values, dtype=dtype)
    args = [[x, tuple(hx) if name == "LSTM" else hx[0]] if hx else [x] for x, *hx in (ours, theirs)]
    backward(mine(*args[0]), other(*args[1]), dtype)
    for one, two in zip(ours, theirs, strict=True):
        assert_gradient(one, two, dtype)
    assert_same_module(mine, other, dtype)


@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU"])
@pytest.mark.parametrize("batch_first", [True, False])
def test_an_input_without_a_batch(name: str, batch_first: bool) -> None:
    mine, other = modules(name, 3, 5, batch_first=batch_first, dtype="float64")
    for given in (True, False):
        values = [rng.normal(size=(4, 3)), *(states(name, {}, None) if given else ())]
        (x, *hx), (y, *hy) = inputs(*values, dtype="float64")
        if name == "LSTM" and given:
            hx, hy = [tuple(hx)], [tuple(hy)]
        backward(mine(x, *hx), other(y, *hy), "float64")
    assert_same_module(mine, other, "float64")


@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU"])
def test_dropout_between_layers_leaves_out_the_same(name: str) -> None:
    mine, other = modules(name, 3, 5, 3, dropout=0.4, batch_first=True, dtype="float64")
    x = rng.normal(size=(2, 6, 3))
    backward(mine(tensor(x)), other(torch.tensor(x)), "float64")
    assert_same_module(mine, other, "float64")


@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU"])
def test_a_batch_of_nothing_and_a_transposed_input(name: str) -> None:
    mine, other = modules(name, 3, 5, dtype="float64")
    for x in (np.zeros((2, 0, 3)), rng.normal(size=(3, 2, 4)).transpose(2, 1, 0)):
        (one,), (two,) = inputs(x, dtype="float64")
        backward(mine(one), other(two), "float64")
        assert_gradient(one, two, "float64")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("RNNCell", {}),
        ("RNNCell", {"nonlinearity": "relu", "bias": False}),
        ("LSTMCell", {}),
        ("LSTMCell", {"bias": False}),
        ("GRUCell", {}),
        ("GRUCell", {"bias": False}),
    ],
)
def test_a_cell(name: str, options: Any, dtype: str) -> None:
    mine, other = modules(name, 3, 5, **options, dtype=dtype)
    assert repr(mine) == repr(other)
    for batch in ((4,), (), (0,)):
        count = 2 if name == "LSTMCell" else 1
        values = [rng.normal(size=(*batch, 3))]
        values += [rng.normal(size=(*batch, 5)) for _ in range(count)]
        (x, *hx), (y, *hy) = inputs(*values, dtype=dtype)
        backward(mine(x), other(y), dtype)
        if count == 2:
            hx, hy = [tuple(hx)], [tuple(hy)]
        backward(mine(x, *hx), other(y, *hy), dtype)
        assert_gradient(x, y, dtype)
    assert_same_module(mine, other, dtype)


@pytest.mark.parametrize(("dtype", "steps", "rtol"), [("float64", 50, 1e-9), ("float32", 20, 1e-3)])
def test_an_lstm_follows_the_same_loss_curve(dtype: str, steps: int, rtol: float) -> None:
    mine, other = modules("LSTM", 4, 16, 2, batch_first=True, dropout=0.1, dtype=dtype)
    x, y = rng.normal(size=(8, 10, 4)).astype(dtype), rng.normal(size=(8, 10, 16)).astype(dtype)
    curves = []
    for lib, model, library, make in (
        (F, mine, optim, tensor),
        (torch.nn.functional, other, torch.optim, torch.tensor),
    ):
        optimizer = library.Adam(model.parameters(), lr=0.01)  # type: ignore[attr-defined]
        curve = []
        for _ in range(steps):
            optimizer.zero_grad()
            loss = lib.mse_loss(model(make(x))[0], make(y))  # type: ignore[attr-defined]
            loss.backward()
            optimizer.step()
            curve.append(loss.item())
        curves.append(curve)
    assert curves[0][-1] < curves[0][0]
    np.testing.assert_allclose(*curves, rtol=rtol)


def test_second_derivatives_of_a_projected_lstm() -> None:
    mine, _ = modules("LSTM", 1, 2, proj_size=1, dtype="float64")
    x = tensor(rng.normal(size=(2, 1, 1)), requires_grad=True)
    assert gradgradcheck(lambda x: mine(x)[0], [x])


ERRORS: dict[str, Any] = {
    "no steps": lambda lib, nn: nn.LSTM(3, 4)(lib(np.zeros((0, 2, 3), "f"))),
    "other features": lambda lib, nn: nn.GRU(3, 4)(lib(np.zeros((2, 2, 4), "f"))),
    "another dtype": lambda lib, nn: nn.RNN(3, 4)(lib(np.zeros((2, 2, 3)))),
    "one dimension": lambda lib, nn: nn.LSTM(3, 4)(lib(np.zeros(3, "f"))),
    "a state of another size": lambda lib, nn: nn.GRU(3, 4)(
        lib(np.zeros((2, 2, 3), "f")), lib(np.zeros((1, 2, 3), "f"))
    ),
    "a state without a batch": lambda lib, nn: nn.GRU(3, 4)(
        lib(np.zeros((2, 2, 3), "f")), lib(np.zeros((1, 4), "f"))
    ),
    "an LSTM's cells of another size": lambda lib, nn: nn.LSTM(3, 4)(
        lib(np.zeros((2, 2, 3), "f")),
        (lib(np.zeros((1, 2, 4), "f")), lib(np.zeros((1, 2, 3), "f"))),
    ),
    "a cell's other features": lambda lib, nn: nn.LSTMCell(3, 4)(lib(np.zeros((2, 4), "f"))),
    "a cell's other batch": lambda lib, nn: nn.GRUCell(3, 4)(
        lib(np.zeros((2, 3), "f")), lib(np.zeros((3, 4), "f"))
    ),
    "a cell's other state": lambda lib, nn: nn.RNNCell(3, 4)(
        lib(np.zeros((2, 3), "f")), lib(np.zeros((2, 3), "f"))
    ),
    "a cell's three dimensions": lambda lib, nn: nn.RNNCell(3, 4)(lib(np.zeros((1, 2, 3), "f"))),
    "a cell's other dtype": lambda lib, nn: nn.LSTMCell(3, 4)(lib(np.zeros((2, 3)))),
    "a cell's nonlinearity": lambda lib, nn: nn.RNNCell(3, 4, nonlinearity="cos")(
        lib(np.zeros((2, 3), "f"))
    ),
    "a nonlinearity": lambda lib, nn: nn.RNN(3, 4, nonlinearity="cos"),
    "a GRU's projection": lambda lib, nn: nn.GRU(3, 4, proj_size=2),
    "a wide projection": lambda lib, nn: nn.LSTM(3, 4, proj_size=4),
    "dropout above 1": lambda lib, nn: nn.LSTM(3, 4, 2, dropout=1.5),
    "a size that is a float": lambda lib, nn: nn.LSTM(3.0, 4),
    "a size of zero": lambda lib, nn: nn.LSTM(3, 0),
    "no layers": lambda lib, nn: nn.LSTM(3, 4, 0),
    "a bias that is a number": lambda lib, nn: nn.LSTM(3, 4, bias=1),
}


@pytest.mark.parametrize("case", ERRORS)
def test_wrong_input_is_an_error_of_the_same_class(case: str) -> None:
    assert_same_error(
        lambda: ERRORS[case](tensor, nn), lambda: ERRORS[case](torch.tensor, torch.nn)
    )


def test_dropout_of_a_single_layer_is_warned_of() -> None:
    for library in (nn, torch.nn):
        with pytest.warns(UserWarning, match="expects num_layers greater than 1"):
            library.LSTM(3, 4, dropout=0.5)
