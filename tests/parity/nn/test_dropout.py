"""Dropout leaves out what PyTorch leaves out for the same seed."""

from typing import Any

import numpy as np
import pytest

from dtrain import nn
from dtrain.autograd import tensor, wrap
from dtrain.nn import functional as F
from tests.parity.nn.both import (
    DTYPES,
    assert_close,
    assert_same,
    assert_same_error,
    backward,
    modules,
    seeded,
    torch,
)

T = torch.nn.functional
rng = np.random.default_rng(6)

pytestmark = pytest.mark.filterwarnings("ignore:dropout[23]d. Received a 3")
FUNCTIONS: list[Any] = [
    ("dropout", (3, 70)),
    ("dropout", ()),
    ("dropout", (0, 2)),
    ("alpha_dropout", (3, 70)),
    ("feature_alpha_dropout", (3, 4, 5)),
    ("dropout1d", (3, 6, 5)),
    ("dropout1d", (6, 5)),
    ("dropout2d", (3, 6, 2, 2)),
    ("dropout2d", (3, 6, 2)),
    ("dropout3d", (2, 6, 2, 2, 2)),
    ("dropout3d", (6, 2, 2, 2)),
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("name", "shape"), FUNCTIONS)
def test_the_same_elements_are_left_out(name: str, shape: Any, dtype: str) -> None:
    for p in (0.0, 0.1, 0.5, 0.75, 1.0):
        for training in (True, False):
            seeded(3)
            assert_same(
                lambda x, p=p, on=training: getattr(F, name)(x, p, on),
                lambda x, p=p, on=training: getattr(T, name)(x, p, on),
                (np.asarray(rng.normal(size=shape)),),
                dtype,
                rtol=1e-7 if dtype == "float32" else 1e-15,
            )


@pytest.mark.parametrize("name", ["dropout", "alpha_dropout"])
def test_an_input_that_is_not_contiguous(name: str) -> None:
    seeded(3)
    assert_same(
        lambda x: getattr(F, name)(x, 0.3, True),
        lambda x: getattr(T, name)(x, 0.3, True),
        (rng.normal(size=(7, 5)).T,),
        "float64",
    )


@pytest.mark.parametrize("name", ["dropout", "alpha_dropout", "feature_alpha_dropout"])
def test_in_place(name: str) -> None:
    seeded(3)
    x = rng.normal(size=(4, 5))
    mine, other = wrap(x.copy()), torch.tensor(x)
    out = getattr(F, name)(mine, 0.3, True, True)
    getattr(T, name)(other, 0.3, True, True)
    assert out is mine
    assert_close(mine, other, "float64")


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("Dropout", (4, 9)),
        ("Dropout1d", (4, 9, 2)),
        ("Dropout2d", (4, 9, 2, 1)),
        ("Dropout3d", (4, 9, 1, 2, 1)),
        ("AlphaDropout", (4, 9)),
        ("FeatureAlphaDropout", (4, 9, 2)),
    ],
)
def test_a_module_in_training_and_evaluation(name: str, shape: Any) -> None:
    mine, other = modules(name, 0.4)
    assert repr(mine) == repr(other)
    x = rng.normal(size=shape)
    for _ in range(2):
        backward(
            mine(tensor(x, requires_grad=True)),
            other(torch.tensor(x, requires_grad=True)),
            "float64",
        )
        mine.eval()
        other.eval()


ERRORS: dict[str, Any] = {
    "a probability above 1": lambda x, F, nn: F.dropout(x, 1.5),
    "a negative probability": lambda x, F, nn: nn.Dropout(-0.1),
    "a channel probability": lambda x, F, nn: F.dropout2d(x, 2.0),
    "too many dimensions": lambda x, F, nn: F.dropout1d(x.reshape(1, 1, 1, -1)),
    "no channels": lambda x, F, nn: F.feature_alpha_dropout(x, training=True),
    "integers": lambda x, F, nn: F.dropout(x > 0),
}


@pytest.mark.parametrize("case", ERRORS)
def test_wrong_input_is_an_error_of_the_same_class(case: str) -> None:
    assert_same_error(
        lambda: ERRORS[case](tensor([1.0, 2.0]), F, nn),
        lambda: ERRORS[case](torch.tensor([1.0, 2.0]), T, torch.nn),
    )


def test_other_dimensions_are_warned_of() -> None:
    for functional, x in ((F, tensor([[1.0]])), (T, torch.tensor([[1.0]]))):
        with pytest.warns(UserWarning, match="dropout2d: Received a 2-D input"):
            functional.dropout2d(x)
