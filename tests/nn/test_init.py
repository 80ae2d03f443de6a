"""Initialisers without PyTorch: distributions, structure, refusals."""

import numpy as np
import pytest

import dtrain
from dtrain import nn
from dtrain.autograd.functions import zeros
from dtrain.nn import init

# torch.manual_seed(0); torch.nn.init.NAME(torch.empty(2, 3)).flatten().tolist()
STORED = {
    "uniform_": [
        0.49625658988952637, 0.7682217955589294, 0.08847743272781372,
        0.13203048706054688, 0.30742281675338745, 0.6340786814689636,
    ],
    "xavier_uniform_": [
        -0.008201400749385357, 0.5876445174217224, -0.9016007781028748,
        -0.8061808347702026, -0.4219154715538025, 0.29375168681144714,
    ],
    "kaiming_uniform_": [
        -0.010587962344288826, 0.75864577293396, -1.1639615297317505,
        -1.040774941444397, -0.5446904897689819, 0.3792317807674408,
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", STORED)
def test_pytorchs_numbers(name: str) -> None:
    dtrain.manual_seed(0)
    drawn = getattr(init, name)(zeros(2, 3))
    np.testing.assert_allclose(drawn.numpy().ravel(), STORED[name], rtol=2e-7)


def test_truncated_normals_stay_within_their_bounds() -> None:
    dtrain.manual_seed(1)
    for low, high in ((-0.5, 1.0), (2.0, 3.0)):
        x = init.trunc_normal_(zeros(1000), a=low, b=high).numpy()
        assert low <= x.min() < low + 0.1
        assert x.max() <= high


@pytest.mark.parametrize("shape", [(6, 3), (3, 6), (4, 2, 3)])
def test_orthogonal_rows_or_columns(shape: tuple[int, ...]) -> None:
    x = init.orthogonal_(zeros(*shape, dtype="float64"), gain=2.0).numpy().reshape(shape[0], -1)
    small = x @ x.T if shape[0] <= x.shape[1] else x.T @ x
    np.testing.assert_allclose(small, 4 * np.eye(len(small)), atol=1e-12)


def test_sparse_sets_a_share_of_each_column_to_zero() -> None:
    x = init.sparse_(zeros(10, 4), sparsity=0.25).numpy()
    assert (x == 0).sum(axis=0).tolist() == [3, 3, 3, 3]


def test_dirac_keeps_channels() -> None:
    x = init.dirac_(zeros(4, 2, 3), groups=2).numpy()
    assert [index.tolist() for index in np.nonzero(x)] == [[0, 1, 2, 3], [0, 1, 0, 1], [1, 1, 1, 1]]


def test_a_parameter_is_filled_where_it_lies_and_is_not_recorded() -> None:
    parameter = nn.Parameter(zeros(2))
    array = parameter._array
    assert init.ones_(parameter) is parameter
    assert parameter._array is array
    assert parameter.is_leaf


def test_filling_is_noticed_by_a_backward_that_needs_the_old_values() -> None:
    parameter = nn.Parameter(dtrain.tensor([1.0, 2.0]))
    out = (parameter * parameter).sum()
    init.uniform_(parameter)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        out.backward()


def test_fans_count_the_receptive_field() -> None:
    assert init._calculate_fan_in_and_fan_out(zeros(5, 3, 2, 2)) == (12, 20)
    with pytest.raises(ValueError, match="fewer than 2 dimensions"):
        init.xavier_normal_(zeros(3))


def test_an_unknown_nonlinearity_is_named() -> None:
    with pytest.raises(ValueError, match="Unsupported nonlinearity swish"):
        init.calculate_gain("swish")


def test_nothing_to_fill_is_a_warning() -> None:
    with pytest.warns(UserWarning, match="zero-element"):
        init.kaiming_uniform_(zeros(0, 3))
