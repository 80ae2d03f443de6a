"""The graph: what is recorded, in which order gradients are added, when it is freed."""

import threading
import weakref
from typing import Any

import numpy as np
import pytest

from dtrain.autograd import (
    Tensor,
    enable_grad,
    grad,
    gradcheck,
    is_grad_enabled,
    no_grad,
    op,
    tensor,
    wrap,
)
from dtrain.autograd.gradcheck import GradcheckError
from dtrain.autograd.op import OPS, Op


def leaf(data: Any, dtype: Any = np.float64) -> Tensor:
    return tensor(data, dtype=dtype, requires_grad=True)


def test_a_tensor_that_the_user_made_is_a_leaf_and_a_result_is_not() -> None:
    x = leaf([1.0])
    y = x * 2
    assert (x.is_leaf, x.grad_fn) == (True, None)
    assert (y.is_leaf, y.requires_grad, y.grad_fn.name()) == (False, True, "MulBackward0")


def test_nothing_is_recorded_for_inputs_that_need_no_gradient() -> None:
    assert (tensor([1.0]) * 2).grad_fn is None


def test_gradients_of_two_backwards_add_up() -> None:
    x = leaf([1.0, 2.0])
    (x * x).sum().backward()
    (x * 3).sum().backward()
    assert x.grad.tolist() == [5.0, 7.0]


def test_the_first_gradient_is_assigned_to_its_home_and_later_ones_are_added_there() -> None:
    x, home = leaf([1.0, 2.0]), np.full(2, 7.0)
    x._grad_home = home
    (x * 3).sum().backward()
    assert home.tolist() == [3.0, 3.0]
    (x * 4).sum().backward()
    assert x.grad._array is home
    assert home.tolist() == [7.0, 7.0]


def test_a_gradient_is_nobody_elses_memory() -> None:
    x, y = leaf([1.0]), leaf([1.0])
    seed = tensor([1.0], dtype=np.float64)
    (x + y).backward(seed)
    x.grad._array += 1
    assert (y.grad.tolist(), seed.tolist()) == ([1.0], [1.0])


def test_gradients_that_meet_are_added_youngest_first() -> None:
    x = leaf([1.0], np.float32)
    big, small = np.float32(2**24), np.float32(1.0)
    first, second, third = x * -float(big), x * float(small), x * float(big)
    (second + (first + third)).backward()
    assert x.grad.tolist() == [float((big + small) - big)]
    assert x.grad.tolist() == [0.0]


def test_a_leaf_is_complete_when_its_first_use_was_passed() -> None:
    early, late = leaf([1.0]), leaf([1.0])
    order: list[str] = []

    def look(g: Any) -> Any:
        order.append("late leaf done" if late.grad is not None else "not yet")
        return g

    @op(x=look)
    def spy(x: Any) -> Any:
        """The input; its rule looks at what backward has done so far."""
        return x

    try:
        (spy(early * 1) * late).backward()
    finally:
        del OPS["spy"]
    assert order == ["late leaf done"]


def test_a_second_backward_says_what_to_do() -> None:
    y = leaf([2.0]) ** 2
    y.backward()
    with pytest.raises(RuntimeError, match="Specify retain_graph=True"):
        y.backward()


def test_retain_graph_allows_a_second_backward() -> None:
    x = leaf([2.0])
    y = x**2
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.tolist() == [8.0]


def test_a_graph_that_keeps_no_array_can_be_walked_again() -> None:
    x = leaf([2.0])
    y = x + 1
    y.backward()
    y.backward()
    assert x.grad.tolist() == [2.0]


def test_backward_frees_what_was_saved_as_it_goes() -> None:
    x = leaf(np.ones(3))
    kept = x.exp()
    saved = weakref.ref(kept._array)
    loss = kept.sum()
    del kept
    assert saved() is not None
    loss.backward()
    assert saved() is None


def test_a_node_keeps_only_what_the_needed_rules_name() -> None:
    constant, weight = tensor(np.ones(3)), leaf(np.ones(3))
    node = (weight * constant).grad_fn
    assert node is not None
    kept = [each for each in node.saved if isinstance(each, np.ndarray)]
    assert [id(each) for each in kept] == [id(constant._array)]  # not the weight


def test_a_diamond_is_walked_once() -> None:
    x = leaf(1.0)
    y = x
    for _ in range(60):  # 2^60 paths
        y = y * 0.5 + y * 0.5
    y.backward()
    assert x.grad.item() == 1.0


def test_a_chain_of_a_hundred_thousand_ops_neither_overflows_going_back_nor_when_freed() -> None:
    x = leaf(1.0)
    y = x
    for _ in range(100_000):
        y = y + 1.0
    y.backward()
    del y
    assert x.grad.item() == 1.0


def test_grad_writes_no_grad_and_takes_inner_tensors() -> None:
    x = leaf([3.0])
    y = x * x
    z = y * y
    dy, dx = grad(z, [y, x])
    assert (dy.tolist(), dx.tolist()) == ([18.0], [108.0])
    assert x.grad is None


def test_grad_of_something_unused() -> None:
    x, unused = leaf([1.0]), leaf([1.0])
    with pytest.raises(RuntimeError, match="allow_unused=True"):
        grad(x * 2, [x, unused])
    assert grad(x * 2, [unused], allow_unused=True) == (None,)


def test_grad_of_several_outputs_is_that_of_their_sum() -> None:
    x = leaf([1.0, 2.0])
    (dx,) = grad([x * 2, (x * x).sum()], x, [tensor([1.0, 1.0]), None])
    assert dx.tolist() == [4.0, 6.0]


def test_third_derivatives() -> None:
    x = leaf(2.0)
    y = x**4 + x.exp()
    for _ in range(3):
        (y,) = grad(y, x, create_graph=True)
    assert y.item() == pytest.approx(48 + np.exp(2.0), rel=1e-12)


def test_backward_with_create_graph_leaves_a_gradient_that_can_be_differentiated() -> None:
    x = leaf(3.0)
    (x**3).backward(create_graph=True)
    first = x.grad
    x.grad = None
    first.backward()
    assert (first.item(), x.grad.item()) == (27.0, 18.0)


def test_no_grad_and_enable_grad_nest_and_decorate() -> None:
    @no_grad()
    def with_call() -> bool:
        return is_grad_enabled()

    @no_grad
    def without_call(depth: int) -> bool:
        return is_grad_enabled() or (depth > 0 and without_call(depth - 1))

    assert not with_call()
    assert not without_call(3)
    with no_grad():
        assert not (leaf([1.0]) * 2).requires_grad
        with enable_grad():
            assert (leaf([1.0]) * 2).requires_grad
        assert not is_grad_enabled()
    assert is_grad_enabled()


def test_no_grad_ends_with_an_exception() -> None:
    with pytest.raises(ZeroDivisionError), no_grad():
        raise ZeroDivisionError
    assert is_grad_enabled()


def test_no_grad_is_its_own_threads_affair() -> None:
    seen = []
    with no_grad():
        thread = threading.Thread(target=lambda: seen.append(is_grad_enabled()))
        thread.start()
        thread.join()
    assert seen == [True]


def test_detach_shares_memory_and_stops_gradients() -> None:
    x = leaf([2.0])
    y = x.detach() * x
    y.backward()
    assert x.detach()._array is x._array
    assert x.grad.tolist() == [2.0]


def test_an_array_on_the_left_stays_in_the_graph() -> None:
    x = leaf([2.0])
    out: Any = np.array([3.0]) * x
    assert isinstance(out, Tensor)
    out.backward()
    assert x.grad.tolist() == [3.0]


def test_a_step_gives_the_same_bits_whatever_the_layout_of_its_input() -> None:
    array = np.random.default_rng(0).normal(size=(33, 47)).astype(np.float32)
    spread = np.zeros((66, 94), np.float32)
    spread[::2, ::2] = array
    results = set()
    for each in (array, np.asfortranarray(array), spread[::2, ::2]):
        x = wrap(each, requires_grad=True)
        loss = (x.exp() @ x.T.tanh()).softmax(1).log().mean(0).sum()
        loss.backward()
        results.add((loss.item(), x.grad.numpy().tobytes()))
    assert len(results) == 1


def test_gradcheck_finds_a_wrong_rule() -> None:
    @op(x=lambda g, x: g * x)
    def half_wrong(x: Any) -> Any:
        """x ** 2, with a gradient of x."""
        return x * x

    del OPS["half_wrong"]
    with pytest.raises(GradcheckError, match="analytical"):
        gradcheck(half_wrong, [leaf([1.0, 2.0])])


def test_two_ops_of_one_name_are_refused() -> None:
    def add(a: Any, b: Any) -> Any:
        return a + b

    with pytest.raises(ValueError, match="two ops named add"):
        Op(add, {})


def test_a_rule_for_no_such_input_is_refused() -> None:
    with pytest.raises(TypeError, match="no input 'c'"):
        op(c=lambda g: g)(lambda a: a)
