"""Module: names, order, state, types."""

import copy
from typing import Any

import numpy as np
import pytest

from dtrain import nn
from dtrain.autograd import Tensor, tensor
from dtrain.nn.parameter import Buffer
from dtrain.nn.registry import typename


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("steps", tensor(0), rule="count")
        self.register_buffer("scratch", tensor([0.0]), persistent=False)
        self.body = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
        self.head = nn.Linear(3, 1, bias=False)
        self.scale = nn.Parameter(tensor([1.0]))

    def forward(self, x: Tensor) -> Any:
        return self.head(self.body(x)) * self.scale


def test_own_parameters_come_before_those_of_modules() -> None:
    names = [name for name, _ in Net().named_parameters()]
    assert names == ["scale", "body.0.weight", "body.0.bias", "head.weight"]


def test_the_state_dict_has_persistent_buffers_after_own_parameters() -> None:
    assert list(Net().state_dict()) == [
        "scale",
        "steps",
        "body.0.weight",
        "body.0.bias",
        "head.weight",
    ]


def test_named_buffers_and_rules_go_together() -> None:
    net = Net()
    assert [name for name, _ in net.named_buffers()] == ["steps", "scratch"]
    assert list(net.named_buffer_rules()) == [("steps", "count"), ("scratch", None)]


def test_tied_parameters_are_named_once_but_saved_under_both_names() -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    net[1].weight = net[0].weight
    assert [name for name, _ in net.named_parameters()] == ["0.weight", "0.bias", "1.bias"]
    assert list(net.state_dict()) == ["0.weight", "0.bias", "1.weight", "1.bias"]


def test_a_module_used_twice_is_walked_once() -> None:
    shared = nn.ReLU()
    net = nn.Sequential(shared, shared)
    assert [name for name, _ in net.named_modules()] == ["", "0"]
    assert len(list(net.children())) == 1


def test_the_state_dict_shares_memory_and_is_out_of_the_graph() -> None:
    net = Net()
    state = net.state_dict()
    assert state["scale"]._array is net.scale._array
    assert not state["scale"].requires_grad


def test_loading_keeps_arrays_where_they_are_and_casts() -> None:
    net = Net()
    array = net.scale._array
    net.load_state_dict({**net.state_dict(), "scale": np.array([3.0])})
    assert net.scale._array is array
    assert array.tolist() == [3.0]
    assert array.dtype == np.float32


def test_loading_something_wrong_names_it_all_and_still_loads_what_fits() -> None:
    net = Net()
    with pytest.raises(RuntimeError, match=r"Missing key.*\n\tsize mismatch for steps"):
        net.load_state_dict({"scale": np.array([3.0]), "steps": np.zeros(4)})
    assert net.scale.tolist() == [3.0]


def test_loading_that_is_not_strict_returns_what_did_not_fit() -> None:
    result = Net().load_state_dict({"scale": np.array([3.0]), "other": np.zeros(1)}, strict=False)
    assert result.unexpected_keys == ["other"]
    assert result.missing_keys == ["steps", "body.0.weight", "body.0.bias", "head.weight"]


def test_train_and_eval_reach_every_module() -> None:
    net = Net().eval()
    assert not any(module.training for module in net.modules())
    assert all(module.training for module in net.train().modules())


def test_apply_goes_from_the_leaves_to_the_root() -> None:
    seen: list[str] = []
    Net().apply(lambda module: seen.append(type(module).__name__))
    assert seen == ["Linear", "ReLU", "Sequential", "Linear", "Net"]


def test_double_casts_floats_and_leaves_integers() -> None:
    net = Net().double()
    assert {parameter.dtype for parameter in net.parameters()} == {np.dtype(np.float64)}
    assert net.steps.dtype == np.int64
    assert net(tensor(np.ones((1, 2)))).dtype == np.float64


def test_zero_grad_forgets_or_zeroes() -> None:
    net = Net()
    net(tensor([[1.0, 2.0]])).backward()
    net.zero_grad(set_to_none=False)
    assert net.scale.grad.tolist() == [0.0]
    net.zero_grad()
    assert net.scale.grad is None


def test_frozen_parameters_get_no_gradient() -> None:
    net = Net()
    net.body.requires_grad_(False)
    net(tensor([[1.0, 2.0]])).backward()
    assert net.body[0].weight.grad is None
    assert net.head.weight.grad is not None


def test_a_parameter_cannot_be_replaced_by_a_plain_tensor() -> None:
    with pytest.raises(TypeError, match=r"cannot assign 'torch\.FloatTensor' as parameter 'scale'"):
        setattr(Net(), "scale", tensor([1.0]))  # noqa: B010  mypy would refuse the assignment


def test_assigning_before_init_says_so() -> None:
    class Hasty(nn.Module):
        def __init__(self) -> None:
            self.layer = nn.ReLU()

    with pytest.raises(AttributeError, match=r"before Module.__init__\(\) call"):
        Hasty()


def test_an_unknown_attribute_is_named() -> None:
    with pytest.raises(AttributeError, match="'Net' object has no attribute 'tail'"):
        _ = Net().tail


def test_a_module_without_forward_says_so() -> None:
    with pytest.raises(NotImplementedError, match="Module"):
        nn.Module()(1)


def test_an_unknown_buffer_rule_is_refused() -> None:
    with pytest.raises(ValueError, match="affine, count, mean, last or None"):
        nn.Module().register_buffer("r", tensor(0.0), rule="average")


def test_sequential_takes_names_and_slices() -> None:
    net = nn.Sequential({"first": nn.ReLU(), "second": nn.Tanh()})
    assert [name for name, _ in net.named_children()] == ["first", "second"]
    assert len(net[:1]) == 1
    assert isinstance(net[-1], nn.Tanh)


def test_a_deep_copy_shares_nothing() -> None:
    net = Net()
    twin = copy.deepcopy(net)
    twin.scale._array += 1
    twin(tensor([[1.0, 2.0]])).backward()
    assert net.scale.tolist() == [1.0]
    assert all(parameter.grad is None for parameter in net.parameters())
    assert all(isinstance(parameter, nn.Parameter) for parameter in twin.parameters())


def test_a_buffer_class_registers_itself_with_its_rule() -> None:
    module = nn.Module()
    module.seen = Buffer(tensor(0), persistent=False, rule="count")
    assert list(module.named_buffer_rules()) == [("seen", "count")]
    assert not module.state_dict()


def test_a_buffer_that_is_assigned_anew_keeps_its_rule() -> None:
    net = Net()
    net.steps = tensor(5)
    assert dict(net.named_buffer_rules())["steps"] == "count"


def test_a_buffer_that_is_deleted_leaves_nothing_behind() -> None:
    net = Net()
    del net.steps, net.scratch
    net.steps = tensor(5)
    assert list(net.named_buffers()) == []
    assert net._buffer_rules == {}


def test_all_that_is_wrong_with_a_state_is_told_at_once() -> None:
    net = nn.Sequential(nn.Linear(1, 2), nn.Linear(2, 1))
    state = {"0.weight": np.zeros((3, 3)), "0.bias": [1], "1.bias": np.zeros(1), "2.x": np.zeros(1)}
    with pytest.raises(RuntimeError) as caught:
        net.load_state_dict(state)
    assert str(caught.value) == (
        "Error(s) in loading state_dict for Sequential:\n"
        '\tMissing key(s) in state_dict: "1.weight". \n'
        '\tUnexpected key(s) in state_dict: "2.x". \n'
        "\tsize mismatch for 0.weight: copying a param with shape torch.Size([3, 3]) from "
        "checkpoint, the shape in current model is torch.Size([2, 1]).\n"
        '\tWhile copying the parameter named "0.bias", expected torch.Tensor or Tensor-like object '
        "from checkpoint but received <class 'list'>"
    )


def test_a_state_can_be_taken_over_instead_of_copied() -> None:
    layer = nn.Linear(1, 1)
    state = {"weight": tensor([[3.0]]), "bias": tensor([4.0])}
    layer.load_state_dict(state, assign=True)
    assert layer.weight._array is state["weight"]._array
    assert isinstance(layer.weight, nn.Parameter)


def test_casting_keeps_parameters_the_objects_that_they_are() -> None:
    net = Net()
    held = [*net.parameters()]
    net.double()
    assert all(before is now for before, now in zip(held, net.parameters(), strict=True))


def test_there_is_no_bfloat16_and_no_other_device() -> None:
    with pytest.raises(TypeError, match="no bfloat16"):
        Net().bfloat16()
    with pytest.raises(AssertionError, match="CUDA"):
        Net().cuda()


def test_messages_name_types_as_pytorch_does() -> None:
    assert typename(tensor([1.0])) == "torch.FloatTensor"
    assert typename(3) == "int"
    assert typename(np.zeros(1)) == "numpy.ndarray"
