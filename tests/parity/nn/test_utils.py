"""nn.utils against PyTorch's: clipping, vectors, padding."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import dtrain
from dtrain import nn
from dtrain.nn import utils

torch = pytest.importorskip("torch", reason="parity tests compare with PyTorch")

SHAPES = [(3, 4), (5,), (), (2, 1, 3)]


def parameters(dtype: str, scale: float = 1.0, holes: bool = True) -> tuple[list[Any], list[Any]]:
    """The same parameters with the same gradients for both; one has none."""
    rng = np.random.default_rng(7)
    ours, theirs = [], []
    for shape in SHAPES:
        w, g = (np.asarray(rng.normal(size=shape) * scale).astype(dtype) for _ in range(2))
        ours.append(nn.Parameter(dtrain.tensor(w)))
        theirs.append(torch.nn.Parameter(torch.tensor(w)))
        if not holes or shape != (5,):
            ours[-1].grad, theirs[-1].grad = dtrain.tensor(g), torch.tensor(g)
    return ours, theirs


def same(ours: Any, theirs: Any, rtol: float) -> None:
    assert str(ours.dtype) == str(theirs.dtype)
    np.testing.assert_allclose(ours.numpy(force=True), theirs.detach().numpy(), rtol=rtol)


def same_gradients(ours: list[Any], theirs: list[Any], rtol: float) -> None:
    for mine, other in zip(ours, theirs, strict=True):
        assert (mine.grad is None) == (other.grad is None)
        if mine.grad is not None:
            same(mine.grad, other.grad, rtol)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("order", [2.0, 1, 3, 0.5, 0, -1, float("inf"), -float("inf"), "inf"])
@pytest.mark.parametrize("limit", [0.5, 1000.0, 0.0])
def test_clipping_by_norm(dtype: str, order: Any, limit: float) -> None:
    ours, theirs = parameters(dtype)
    kept = [each.grad for each in ours]
    rtol = 2e-6 if dtype == "float32" else 1e-13
    total = utils.clip_grad_norm_(ours, limit, order)
    same(total, torch.nn.utils.clip_grad_norm_(theirs, limit, order), rtol)
    same_gradients(ours, theirs, rtol)
    assert all(before is each.grad for before, each in zip(kept, ours, strict=True))


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_norm_that_is_not_finite_is_an_error_if_one_asks_for_it(bad: float) -> None:
    ours, theirs = parameters("float32")
    ours[0].grad[0, 0], theirs[0].grad[0, 0] = bad, bad
    for lib, each in ((utils, ours), (torch.nn.utils, theirs)):
        with pytest.raises(RuntimeError, match="is non-finite, so it cannot be clipped"):
            lib.clip_grad_norm_(each, 1.0, error_if_nonfinite=True)
    same(utils.clip_grad_norm_(ours, 1.0), torch.nn.utils.clip_grad_norm_(theirs, 1.0), rtol=1e-6)
    same_gradients(ours, theirs, rtol=1e-6)


def test_nothing_to_clip() -> None:
    for lib, some in ((utils, dtrain.ones(2)), (torch.nn.utils, torch.ones(2))):
        assert lib.clip_grad_norm_([], 1.0).item() == 0.0
        assert lib.clip_grad_norm_(some, 1.0).item() == 0.0
        with pytest.warns(UserWarning, match="is an empty generator"):
            lib.clip_grad_norm_((each for each in ()), 1.0)


def test_a_generator_and_a_single_tensor_are_taken_too() -> None:
    ours, theirs = parameters("float32")
    utils.clip_grad_norm_((each for each in ours), 0.5)
    torch.nn.utils.clip_grad_norm_((each for each in theirs), 0.5)
    utils.clip_grad_norm_(ours[0], 0.1, foreach=False)
    torch.nn.utils.clip_grad_norm_(theirs[0], 0.1, foreach=False)
    same_gradients(ours, theirs, rtol=2e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_clipping_by_value(dtype: str) -> None:
    ours, theirs = parameters(dtype)
    utils.clip_grad_value_(ours, 0.3)
    torch.nn.utils.clip_grad_value_(theirs, 0.3)
    same_gradients(ours, theirs, rtol=0)


def test_norms_of_tensors_and_clipping_with_one_that_is_known() -> None:
    ours, theirs = parameters("float64", holes=False)
    total = utils.get_total_norm([each.grad for each in ours])
    other = torch.nn.utils.get_total_norm([each.grad for each in theirs])
    same(total, other, rtol=1e-13)
    utils.clip_grads_with_norm_(ours, 0.7, total)
    torch.nn.utils.clip_grads_with_norm_(theirs, 0.7, other)
    same_gradients(ours, theirs, rtol=1e-13)


def test_two_dtypes_have_one_norm() -> None:
    mixed = [dtrain.ones(3), dtrain.ones(3, dtype=dtrain.float64)]
    others = [torch.ones(3), torch.ones(3, dtype=torch.float64)]
    same(utils.get_total_norm(mixed), torch.nn.utils.get_total_norm(others), rtol=1e-13)


@pytest.mark.parametrize("order", [2.0, 1.0, 0.0])
def test_an_empty_tensor_counts_for_nothing(order: float) -> None:
    ours, theirs = [dtrain.ones(0), dtrain.ones(3)], [torch.ones(0), torch.ones(3)]
    same(utils.get_total_norm(ours, order), torch.nn.utils.get_total_norm(theirs, order), rtol=0)


# Vectors


def test_parameters_as_a_vector_and_back() -> None:
    ours, theirs = parameters("float32")
    vector, other = utils.parameters_to_vector(ours), torch.nn.utils.parameters_to_vector(theirs)
    same(vector, other, rtol=0)
    (vector * vector).sum().backward()
    (other * other).sum().backward()
    same_gradients(ours, theirs, rtol=1e-6)
    utils.vector_to_parameters(vector.detach() * 2, ours)
    torch.nn.utils.vector_to_parameters(other.detach() * 2, theirs)
    for mine, their in zip(ours, theirs, strict=True):
        same(mine, their, rtol=0)
        assert mine.requires_grad


def test_parameters_share_the_memory_of_the_vector_they_were_taken_from() -> None:
    for lib in (dtrain, torch):
        layer, vector = lib.nn.Linear(2, 1), lib.zeros(5)
        lib.nn.utils.vector_to_parameters(vector, layer.parameters())
        vector[0] = 5.0
        assert layer.weight.tolist() == [[5.0, 0.0]]


VECTOR_MISTAKES: dict[str, Callable[[Any], Any]] = {
    "no parameters": lambda lib: lib.nn.utils.parameters_to_vector([]),
    "a list": lambda lib: lib.nn.utils.vector_to_parameters([1.0], [lib.ones(1)]),
    "too short": lambda lib: lib.nn.utils.vector_to_parameters(lib.ones(1), [lib.ones(2, 2)]),
}


@pytest.mark.parametrize("name", VECTOR_MISTAKES)
def test_a_mistake_with_vectors_is_of_the_same_class(name: str) -> None:
    caught = []
    for lib in (dtrain, torch):
        with pytest.raises(Exception) as each:  # noqa: PT011  which class is what is compared
            VECTOR_MISTAKES[name](lib)
        caught.append(each.type)
    assert caught[0] is caught[1]


# Sequences


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("rest", [(), (2,), (2, 0)])
@pytest.mark.parametrize("lengths", [(3, 1, 2), (2, 2), (0, 1), (1,)])
def test_padding(
    batch_first: bool, side: str, rest: tuple[int, ...], lengths: tuple[int, ...]
) -> None:
    rng = np.random.default_rng(1)
    arrays = [rng.normal(size=(length, *rest)) for length in lengths]
    ours = [dtrain.tensor(array, requires_grad=True) for array in arrays]
    theirs = [torch.tensor(array, requires_grad=True) for array in arrays]
    mine = utils.rnn.pad_sequence(ours, batch_first, 0.5, side)
    other = torch.nn.utils.rnn.pad_sequence(theirs, batch_first, 0.5, side)
    same(mine, other, rtol=0)
    (mine * mine).sum().backward()
    (other * other).sum().backward()
    same_gradients(ours, theirs, rtol=0)


def test_integers_are_padded_with_integers() -> None:
    ours = utils.rnn.pad_sequence([dtrain.tensor([1, 2]), dtrain.tensor([3])], padding_value=-1)
    theirs = torch.nn.utils.rnn.pad_sequence(
        [torch.tensor([1, 2]), torch.tensor([3])], padding_value=-1
    )
    same(ours, theirs, rtol=0)


@pytest.mark.parametrize("batch_first", [False, True])
def test_unpadding(batch_first: bool) -> None:
    for lib in (dtrain, torch):
        rows = [lib.arange(length) for length in (3, 1, 2)]
        padded = lib.nn.utils.rnn.pad_sequence(rows, batch_first)
        again = lib.nn.utils.rnn.unpad_sequence(padded, lib.tensor([3, 1, 2]), batch_first)
        assert [row.tolist() for row in again] == [[0, 1, 2], [0], [0, 1]]


SEQUENCE_MISTAKES: dict[str, Callable[[Any], Any]] = {
    "a number": lambda lib: lib.nn.utils.rnn.pad_sequence(3),
    "nothing": lambda lib: lib.nn.utils.rnn.pad_sequence([]),
    "a side": lambda lib: lib.nn.utils.rnn.pad_sequence([lib.ones(1)], padding_side="top"),
    "two widths": lambda lib: lib.nn.utils.rnn.pad_sequence([lib.ones(1, 2), lib.ones(2, 3)]),
    "lengths": lambda lib: lib.nn.utils.rnn.unpad_sequence(lib.ones(2, 2), lib.tensor([1]), True),
}


@pytest.mark.parametrize("name", SEQUENCE_MISTAKES)
def test_a_mistake_with_sequences_is_of_the_same_class(name: str) -> None:
    caught = []
    for lib in (dtrain, torch):
        with pytest.raises(Exception) as each:  # noqa: PT011  which class is what is compared
            SEQUENCE_MISTAKES[name](lib)
        caught.append(each.type)
    assert caught[0] is caught[1]
