"""The order of visits."""

import numpy as np
import pytest

from dtrain.random import order

PLAIN = np.arange(24).reshape(2, 3, 4)


@pytest.mark.parametrize("axes", [(0, 1, 2), (2, 1, 0), (1, 0, 2), (0, 2, 1)])
def test_a_permuted_array_is_visited_as_it_lies_in_memory(axes: tuple[int, ...]) -> None:
    visited = order.as_visited(PLAIN.transpose(axes))
    assert visited.ravel().tolist() == list(range(24))


@pytest.mark.parametrize("axes", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_an_array_like_another_lies_in_memory_like_it(axes: tuple[int, ...]) -> None:
    array = PLAIN.transpose(axes)
    made = order.empty_like(array, np.float32)
    assert (made.shape, made.dtype) == (array.shape, np.float32)
    assert [2 * step for step in made.strides] == list(array.strides)


def test_draws_are_written_through_the_view() -> None:
    array = np.zeros((2, 3)).T
    order.fill(array, lambda shape: np.arange(6.0).reshape(shape))
    assert array.T.ravel().tolist() == [0, 1, 2, 3, 4, 5]
    assert order.like(array, lambda shape: np.arange(6.0).reshape(shape)).tolist() == array.tolist()


def test_an_array_of_single_elements_is_plain_whatever_its_strides() -> None:
    assert order.is_plain(np.zeros((4, 1)).T)
    assert not order.is_plain(np.zeros((4, 2)).T)
