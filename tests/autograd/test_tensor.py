"""Tensor: what it is outside a graph. (Values are compared with PyTorch's in tests/parity.)"""

import copy
import pickle
from typing import Any

import numpy as np
import pytest

from dtrain.autograd import Tensor, no_grad, tensor, wrap
from dtrain.autograd.functions import arange, from_numpy, ones


def test_python_floats_give_float32_and_arrays_keep_their_dtype() -> None:
    assert tensor([1.5]).dtype == np.float32
    assert tensor([1]).dtype == np.int64
    assert tensor(np.ones(1)).dtype == np.float64


def test_a_python_float_never_widens_float32() -> None:
    x = ones(2)
    for out in (x * 1.1, 1.1 + x, x / 3.0, x**0.5, x * np.float64(1.1), x - tensor(1.0).double()):
        assert out.dtype == np.float32


def test_tensor_copies_and_from_numpy_shares() -> None:
    array = np.zeros(2)
    copied, shared = tensor(array), from_numpy(array)
    array[0] = 1
    assert (copied.tolist(), shared.tolist()) == ([0.0, 0.0], [1.0, 0.0])


def test_the_pieces_of_pytorchs_quickstart() -> None:
    logits, labels = tensor([[0.1, 0.9], [0.8, 0.2]]), tensor([1, 1])
    assert (logits.argmax(1) == labels).float().mean().item() == 0.5
    assert f"{tensor(0.123456):.3f}" == "0.123"
    assert [row.tolist() for row in arange(4).view(2, 2)] == [[0, 1], [2, 3]]
    assert list(range(tensor(2))) == [0, 1]


def test_a_view_of_what_cannot_be_viewed_says_to_reshape() -> None:
    with pytest.raises(RuntimeError, match="reshape"):
        ones(2, 3).T.view(6)


def test_there_is_no_other_device() -> None:
    x = ones(1)
    assert x.to("cpu") is x
    with pytest.raises(AssertionError, match="not compiled with CUDA"):
        x.to("cuda")


@pytest.mark.parametrize(
    ("duplicate", "brings"),
    [(copy.deepcopy, 3.0), (copy.copy, 0.0), (lambda x: pickle.loads(pickle.dumps(x)), 0.0)],
)
def test_a_copy_has_a_gradient_of_its_own(duplicate: Any, brings: float) -> None:
    x = tensor([2.0], requires_grad=True)
    (x * 3).backward()
    keeps_the_leaf_alive = x * 1
    twin: Tensor = duplicate(x)
    (twin * 5).backward()
    assert (x.grad.tolist(), twin.grad.tolist()) == ([3.0], [brings + 5.0])
    assert keeps_the_leaf_alive.requires_grad


def test_a_result_cannot_be_copied_deeply() -> None:
    with pytest.raises(RuntimeError, match="graph leaves"):
        copy.deepcopy(tensor([2.0], requires_grad=True) * 1)


@pytest.mark.parametrize(
    "change",
    [lambda x: x.add_(1), lambda x: x[1:].zero_(), lambda x: x.data.copy_(ones(3)),
     lambda x: x.expand(1, 3).mul_(2), lambda x: x.fill_(2)],
)  # fmt: skip
def test_a_read_only_array_is_not_written_to_in_place(change: Any) -> None:
    array = np.zeros(3, np.float32)
    view = array.view()
    view.flags.writeable = False
    with no_grad(), pytest.raises(ValueError, match="read-only"):
        change(wrap(view))
    assert not array.any()


def test_a_view_that_repeats_nothing_may_be_written_to_though_it_is_broadcast() -> None:
    x = ones(3)
    x.expand(1, 3).add_(1)
    x.expand(1, 3).detach()[0].add_(1)
    assert x.tolist() == [3.0, 3.0, 3.0]


def test_a_gradient_is_not_added_to_elements_that_share_memory() -> None:
    x = tensor([1.0, 2.0], requires_grad=True)
    x.grad = ones(1).expand(2)
    with pytest.raises(RuntimeError, match="single memory location"):
        (x * 2).sum().backward()


def test_means_and_norms_of_halves_do_not_overflow_on_the_way() -> None:
    x = ones(70_000).half()
    assert x.mean().item() == 1.0
    assert (x * 300).std().item() == 0.0
    assert (x[:100] * 300).norm().item() == 3000.0


def test_to_copies_if_its_last_flag_says_so() -> None:
    x = ones(2)
    assert x.to(x.dtype, True) is x
    assert x.to(x.dtype, False, True) is not x
