"""Containers: lists and dictionaries of modules and parameters."""

from collections import OrderedDict

import pytest

from dtrain import nn
from dtrain.autograd import tensor


def test_sequential_numbers_its_modules_anew_after_a_change() -> None:
    net = nn.Sequential(nn.ReLU(), nn.Tanh(), nn.Sigmoid())
    net.insert(1, nn.Identity())
    del net[0]
    assert [f"{name} {module}" for name, module in net.named_children()] == [
        "0 Identity()",
        "1 Tanh()",
        "2 Sigmoid()",
    ]


def test_a_slice_of_a_sequential_keeps_names_and_shares_modules() -> None:
    net = nn.Sequential(OrderedDict(a=nn.ReLU(), b=nn.Linear(1, 1), c=nn.Tanh()))
    tail = net[1:]
    assert [name for name, _ in tail.named_children()] == ["b", "c"]
    assert tail[0] is net[1]


def test_sequentials_add_up_and_multiply() -> None:
    one = nn.Sequential(nn.ReLU())
    assert len(one + nn.Sequential(nn.Tanh())) == 2
    assert len(3 * one) == 3
    one *= 2
    assert one[0] is one[1]


def test_equal_modules_in_a_row_are_printed_once() -> None:
    blocks = nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2), nn.ReLU()])
    assert repr(blocks) == (
        "ModuleList(\n"
        "  (0-1): 2 x Linear(in_features=2, out_features=2, bias=True)\n"
        "  (2): ReLU()\n"
        ")"
    )


def test_the_parameters_of_listed_modules_are_found() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.ModuleList([nn.Linear(1, 1, bias=False) for _ in range(2)])
            self.heads = nn.ModuleDict({"a": nn.Linear(1, 1, bias=False)})
            self.scales = nn.ParameterList([tensor([1.0])])
            self.shifts = nn.ParameterDict({"x": tensor([1.0])})

    assert [name for name, _ in Net().named_parameters()] == [
        "layers.0.weight",
        "layers.1.weight",
        "heads.a.weight",
        "scales.0",
        "shifts.x",
    ]


def test_tensors_in_parameter_containers_become_parameters() -> None:
    assert isinstance(nn.ParameterList([tensor([1.0])])[0], nn.Parameter)
    assert isinstance(nn.ParameterDict({"a": tensor([1.0])})["a"], nn.Parameter)


def test_a_parameter_dict_is_filled_in_the_order_of_sorted_keys() -> None:
    assert list(nn.ParameterDict({"b": 1, "a": 2})) == ["a", "b"]
    assert list(nn.ParameterDict(OrderedDict(b=1, a=2))) == ["b", "a"]


def test_an_index_beyond_the_end_is_an_error() -> None:
    with pytest.raises(IndexError, match="index 1 is out of range"):
        nn.ModuleList([nn.ReLU()])[1]


def test_unflatten_is_the_opposite_of_flatten() -> None:
    x = tensor([[1.0, 2.0, 3.0, 4.0]])
    parted = nn.Unflatten(1, (2, 2))(x)
    assert parted.tolist() == [[[1.0, 2.0], [3.0, 4.0]]]
    assert nn.Flatten()(parted).tolist() == x.tolist()


def test_unflatten_takes_integers_alone() -> None:
    with pytest.raises(TypeError, match="must be tuple of ints, but found element of type float"):
        nn.Unflatten(1, (2.0, 2))  # type: ignore[arg-type]  # the mistake


def test_bilinear_is_a_form_in_two_inputs() -> None:
    layer = nn.Bilinear(2, 2, 1)
    layer.weight._array[...] = [[[1.0, 2.0], [3.0, 4.0]]]
    nn.init.zeros_(layer.bias)
    assert layer(tensor([1.0, 10.0]), tensor([1.0, 100.0])).tolist() == [4231.0]
