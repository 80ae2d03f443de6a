"""The public functions against PyTorch's."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from dtrain import random, tensor
from tests.parity.random.compare import assert_same, pair, seed_both

torch = pytest.importorskip("torch", reason="parity tests compare with PyTorch")

Call = Callable[[Any, Callable[..., Any]], Any]  # of a library and its `tensor`

CALLS: list[Call] = [
    lambda t, _: t.rand(3),
    lambda t, _: t.rand((2, 3)),
    lambda t, _: t.rand([2, 0, 3]),
    lambda t, _: t.rand(size=(4,)),
    lambda t, _: t.rand(()),
    lambda t, _: t.randn(2, 3),
    lambda t, _: t.randn(4, 5, requires_grad=True),
    lambda t, _: t.randn((17,), device="cpu", pin_memory=False),
    lambda t, _: t.randint(5, (3,)),
    lambda t, _: t.randint(2, 9, (3, 2)),
    lambda t, _: t.randint(low=2, high=9, size=(3,)),
    lambda t, _: t.randint(high=9, size=[3]),
    lambda t, _: t.randint(9, size=(3,)),
    lambda t, _: t.randint(0, 10, ()),
    lambda t, _: t.randperm(10),
    lambda t, _: t.normal(0.0, 1.0, (3,)),
    lambda t, _: t.normal(2, 3, (20,)),
    lambda t, _: t.normal(mean=1.0, std=0.1, size=(2, 9)),
    lambda t, of: t.normal(of([1.0, 2.0])),
    lambda t, of: t.normal(of([1.0, 2.0]), 0.5),
    lambda t, of: t.normal(1.0, of([1.0, 2.0])),
    lambda t, of: t.normal(of([[1.0], [2.0]]), of([1.0, 2.0, 0.0])),
    lambda t, of: t.normal(mean=of(0.5), std=of([1.0, 2.0])),
    lambda t, of: t.bernoulli(of([0.0, 0.3, 0.7, 1.0])),
    lambda t, of: t.bernoulli(of([[0.3, 0.7]] * 9)),
    lambda t, of: t.bernoulli(of([9.0, 9.0, 9.0]), 0.5),
    lambda t, of: t.bernoulli(of([9, 9, 9]), p=0.5),
    lambda t, of: t.rand_like(of([[1.0, 2.0]])),
    lambda t, of: t.randn_like(of([[1.0, 2.0]] * 10)),
    lambda t, of: t.randint_like(of([1.0, 2.0]), 7),
    lambda t, of: t.randint_like(of([1, 2]), 3, 7),
    lambda t, of: t.randint_like(of([1, 2]), low=3, high=7),
    lambda t, of: t.poisson(of([0.0, 0.5, 3.0, 9.9, 10.0, 40.0, 1e4] * 20)),
    lambda t, of: t.multinomial(of([0.1, 0.2, 0.7]), 2),
    lambda t, of: t.multinomial(of([0.1, 0.2, 0.7]), 1),
    lambda t, of: t.multinomial(of([1.0, 2.0, 0.0, 7.0]), 50, True),
    lambda t, of: t.multinomial(of([[1.0, 2.0, 5.0], [3.0, 0.5, 0.5]]), 3),
    lambda t, of: t.multinomial(of([[1.0, 2.0, 5.0], [3.0, 0.5, 0.5]]), 20, replacement=True),
    lambda t, of: t.multinomial(of([[1.0, 2.0, 5.0], [3.0, 0.5, 0.5]]), 1, replacement=True),
]


@pytest.mark.parametrize("at", range(len(CALLS)))
def test_a_function_draws_the_same(at: int) -> None:
    seed_both(at)
    for _ in range(3):
        ours, theirs = CALLS[at](random, tensor), CALLS[at](torch, torch.tensor)
        assert_same(ours, theirs)
        assert ours.requires_grad == theirs.requires_grad
    np.testing.assert_array_equal(random.get_rng_state()._array, torch.get_rng_state().numpy())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dtypes_and_generators_are_given_by_name(dtype: str) -> None:
    mine, other = pair(1)
    kind = getattr(torch, dtype)
    for name in ("rand", "randn"):
        ours = getattr(random, name)(33, generator=mine, dtype=dtype)
        assert_same(ours, getattr(torch, name)(33, generator=other, dtype=kind), 4)
    ours = random.randint(7, (5,), generator=mine, dtype=dtype)
    assert_same(ours, torch.randint(7, (5,), generator=other, dtype=kind))
    ours = random.randperm(7, generator=mine, dtype=dtype)
    assert_same(ours, torch.randperm(7, generator=other, dtype=kind))
    ours = random.multinomial(tensor([1.0, 2.0, 3.0]).to(np.dtype(dtype)), 2, generator=mine)
    assert_same(ours, torch.multinomial(torch.tensor([1.0, 2, 3], dtype=kind), 2, generator=other))


@pytest.mark.parametrize("dtype", ["uint8", "int16", "bool"])
def test_integers_of_other_dtypes(dtype: str) -> None:
    seed_both(2)
    assert_same(
        random.randint(0, 2, (50,), dtype=dtype),
        torch.randint(0, 2, (50,), dtype=getattr(torch, dtype)),
    )


@pytest.mark.parametrize("categories", [2, 1000])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_categories_by_weight(categories: int, dtype: str) -> None:
    seed_both(3)
    weights = np.random.default_rng(0).random((4, categories)).astype(dtype)
    for count, replacement in [(1, False), (2, False), (categories, False), (300, True)]:
        assert_same(
            random.multinomial(tensor(weights), count, replacement),
            torch.multinomial(torch.from_numpy(weights), count, replacement),
        )


def test_drawing_like_a_transposed_tensor_follows_its_memory() -> None:
    seed_both(4)
    array = np.zeros((5, 4, 3), np.float32)
    mine, other = tensor(array).permute(2, 0, 1), torch.from_numpy(array).permute(2, 0, 1)
    for name, arguments in [("rand_like", ()), ("randn_like", ()), ("randint_like", (50,))]:
        ours = getattr(random, name)(mine, *arguments)
        theirs = getattr(torch, name)(other, *arguments)
        assert_same(ours, theirs)
        assert [step // 4 for step in ours._array.strides] == list(theirs.stride())
        ours = getattr(random, name)(mine, *arguments, memory_format="torch.contiguous_format")
        theirs = getattr(torch, name)(other, *arguments, memory_format=torch.contiguous_format)
        assert_same(ours, theirs)
    weights = np.random.default_rng(0).random((6, 3), np.float32)
    ours = random.multinomial(tensor(weights).T, 2)
    assert_same(ours, torch.multinomial(torch.from_numpy(weights).T, 2))


@pytest.mark.parametrize("name", ["bernoulli", "normal", "poisson"])
def test_no_gradient_goes_through_a_draw(name: str) -> None:
    x = tensor([0.5, 0.5], requires_grad=True)
    expected = torch.tensor([0.5, 0.5], requires_grad=True)
    getattr(random, name)(x).sum().backward()
    getattr(torch, name)(expected).sum().backward()
    assert_same(x.grad, expected.grad)


REFUSED: list[Call] = [
    lambda t, _: t.rand(),
    lambda t, _: t.rand(-1),
    lambda t, _: t.rand(2.5),
    lambda t, _: t.rand(2, generator=5),
    lambda t, _: t.rand(2, dtype=t.int64),
    lambda t, _: t.randn(2, dtype=t.int64),
    lambda t, _: t.rand(2, device="cuda"),
    lambda t, _: t.randint(5, 3, (2,)),
    lambda t, _: t.randint(300, (2,), dtype=t.uint8),
    lambda t, _: t.randint(5, 2),
    lambda t, _: t.randint(2.5, (2,)),
    lambda t, _: t.randint(5, (2,), requires_grad=True),
    lambda t, _: t.randperm(-1),
    lambda t, _: t.randperm(5.0),
    lambda t, _: t.randperm(257, dtype=t.uint8),
    lambda t, _: t.randperm(3, dtype=t.bool),
    lambda t, _: t.randperm(3, requires_grad=True),
    lambda t, _: t.normal(0.0, 1.0),
    lambda t, _: t.normal(0.0, -1.0, (2,)),
    lambda t, _: t.normal(0.0, 1.0, 2),
    lambda t, _: t.normal(0.0, 1.0, (2,), dtype=t.int64),
    lambda t, of: t.normal(of([1, 2]), 1.0),
    lambda t, of: t.normal(1.0, of([1, 2])),
    lambda t, of: t.normal(of([1.0, 2.0]), of([-1.0, 1.0])),
    lambda t, of: t.normal(of([1.0, 2.0]), of([1.0, 1.0, 1.0])),
    lambda t, of: t.normal(of([1.0, 2.0]), 1.0, size=(2,)),
    lambda t, of: t.bernoulli(of([1.5])),
    lambda t, of: t.bernoulli(of([float("nan")])),
    lambda t, of: t.bernoulli(of([1])),
    lambda t, of: t.bernoulli(of([1.0]), 1.5),
    lambda t, _: t.bernoulli(0.3),
    lambda t, of: t.rand_like(of([1])),
    lambda t, of: t.randint_like(of([1.0]), 5, 3),
    lambda t, of: t.poisson(of([-1.0])),
    lambda t, of: t.poisson(of([1])),
    lambda t, of: t.multinomial(of([1.0, 1.0]), 3),
    lambda t, of: t.multinomial(of([1.0, 1.0]), 0),
    lambda t, of: t.multinomial(of([1, 1]), 1),
    lambda t, of: t.multinomial(of([0.0, 0.0]), 1),
    lambda t, of: t.multinomial(of([0.0, 0.0]), 2, True),
    lambda t, of: t.multinomial(of([-1.0, 2.0]), 1),
    lambda t, of: t.multinomial(of([-1.0, 2.0]), 2, True),
    lambda t, of: t.multinomial(of([float("inf"), 2.0]), 2, True),
    lambda t, of: t.multinomial(of([float("nan"), 2.0]), 1),
    lambda t, of: t.multinomial(of(1.0), 1),
    lambda t, of: t.multinomial(of([[[1.0]]]), 1),
]
ERRORS = (RuntimeError, TypeError, NotImplementedError, AssertionError)


class Named:
    """dtrain's functions, with its dtypes beside them as in PyTorch."""

    int64, uint8, bool = np.int64, np.uint8, np.bool_

    def __getattr__(self, name: str) -> Any:
        return getattr(random, name)


@pytest.mark.parametrize("at", range(len(REFUSED)))
def test_a_call_is_refused_alike(at: int) -> None:
    with pytest.raises(ERRORS) as theirs:
        REFUSED[at](torch, torch.tensor)
    with pytest.raises(ERRORS) as ours:
        REFUSED[at](Named(), tensor)
    assert ours.type is theirs.type
