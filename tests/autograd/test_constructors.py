"""Tensor(...), FloatTensor(...) and the like, and that the engine itself does not call them."""

import ast

import numpy as np
import pytest

import dtrain
from dtrain import Tensor
from dtrain.autograd import wrap
from tests.repo.modules import sources


@pytest.mark.parametrize("module", sources())
def test_the_packages_make_tensors_by_wrap(module: str) -> None:
    """`Tensor(array)` would copy, and cast to the default dtype."""
    calls = [
        node.lineno
        for node in ast.walk(ast.parse(sources()[module].read_text("utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "Tensor"
        and node.args
    ]
    assert not calls


def test_wrap_shares_the_array_of_any_dtype() -> None:
    array = np.arange(3)
    tensor = wrap(array)
    array[0] = 7
    assert tensor.tolist() == [7, 1, 2]
    assert tensor.dtype == dtrain.int64


def test_integers_are_a_shape_and_a_list_is_data() -> None:
    assert Tensor(2, 3).shape == (2, 3)
    assert Tensor(dtrain.Size([2, 3])).shape == (2, 3)
    assert Tensor().shape == (0,)
    assert Tensor([2, 3]).tolist() == [2.0, 3.0]


def test_data_are_copied_into_the_default_dtype() -> None:
    array = np.arange(3.0)
    made = Tensor(array)
    array[0] = 7
    assert made.dtype == dtrain.float32
    assert made.tolist() == [0.0, 1.0, 2.0]


@pytest.mark.parametrize("data", [2.0, True, None, "text", np.float64(3.0)])
def test_what_is_no_sequence_is_refused(data: object) -> None:
    with pytest.raises(TypeError, match="data must be a sequence"):
        Tensor(data)


def test_a_type_makes_tensors_of_its_dtype_and_knows_them() -> None:
    made = dtrain.LongTensor([1, 2])
    assert made.dtype == dtrain.int64
    assert isinstance(made, dtrain.LongTensor)
    assert not isinstance(made, dtrain.FloatTensor)
    assert made.type() == "torch.LongTensor"
    assert made.type(dtrain.FloatTensor).dtype == dtrain.float32
    assert repr(dtrain.LongTensor) == "<class 'torch.LongTensor'>"


def test_new_keeps_the_dtype() -> None:
    assert dtrain.ones(1, dtype=dtrain.float64).new(2, 3).dtype == dtrain.float64
    assert dtrain.tensor([1]).new([1.5, 2.5]).tolist() == [1, 2]


def test_a_subclass_is_made_as_a_tensor_is() -> None:
    class Named(Tensor):
        def __init__(self, data: object) -> None:
            self.name = "x"

    made = Named([1, 2])
    assert type(made) is Named
    assert made.tolist() == [1.0, 2.0]


def test_the_default_tensor_type_is_that_of_new_tensors() -> None:
    dtrain.set_default_tensor_type(dtrain.DoubleTensor)
    try:
        assert Tensor([1]).dtype == dtrain.float64
    finally:
        dtrain.set_default_tensor_type("torch.FloatTensor")
    assert Tensor([1]).dtype == dtrain.float32


def test_a_variable_is_a_tensor() -> None:
    made = dtrain.autograd.Variable(dtrain.ones(2), requires_grad=True)
    assert made.requires_grad
    assert isinstance(dtrain.ones(2), dtrain.autograd.Variable)
    with pytest.raises(TypeError, match="has to be a tensor"):
        dtrain.autograd.Variable([1.0])
