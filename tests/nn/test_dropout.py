"""Dropout: keyed by the leaf, idle in evaluation."""

import numpy as np
import pytest

from dtrain import nn
from dtrain.autograd import tensor
from dtrain.keyed import leaf_scope

X = tensor(np.ones((4, 50), "f"))


def test_a_leaf_leaves_out_the_same_whoever_computes_it() -> None:
    layer = nn.Dropout(0.5)
    drawn = []
    for step, leaf in ((0, 0), (0, 1), (0, 0)):
        with leaf_scope(1, step, leaf):
            drawn.append(layer(X).numpy().tobytes())
    assert drawn[0] == drawn[2] != drawn[1]


def test_what_stays_is_scaled_up() -> None:
    assert set(nn.Dropout(0.75)(X).numpy().ravel().tolist()) == {0.0, 4.0}


@pytest.mark.parametrize("name", ["Dropout", "AlphaDropout"])
def test_evaluation_returns_the_input_itself(name: str) -> None:
    assert getattr(nn, name)(0.5).eval()(X) is X


def test_channels_are_left_out_as_a_whole() -> None:
    out = nn.Dropout2d(0.5)(tensor(np.ones((5, 8, 3, 3), "f"))).numpy()
    assert {len(np.unique(channel)) for channel in out.reshape(40, 9)} == {1}
