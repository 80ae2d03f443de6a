import numpy as np
import pytest

from dtrain.autograd import Tensor
from dtrain.data import Subset, TensorDataset


def test_a_sample_of_a_tensor_dataset_is_a_row_of_each_tensor() -> None:
    x, y = TensorDataset(np.arange(6.0).reshape(3, 2), [7, 8, 9])[1]
    assert (x._array.tolist(), y._array.tolist(), y._array.shape) == ([2.0, 3.0], 8, ())


def test_arrays_are_shared_not_copied() -> None:
    array = np.zeros((3, 2))
    assert np.shares_memory(TensorDataset(array).tensors[0]._array, array)


def test_the_length_is_the_first_dimension() -> None:
    assert len(TensorDataset(Tensor(np.zeros((5, 2))))) == 5


def test_tensors_of_unequal_length_are_refused_with_their_shapes() -> None:
    with pytest.raises(ValueError, match=r"\(3, 2\), \(4,\)"):
        TensorDataset(np.zeros((3, 2)), np.zeros(4))


@pytest.mark.parametrize("tensors", [(), (np.array(1.0),)])
def test_no_rows_at_all_are_refused(tensors: tuple[np.ndarray, ...]) -> None:
    with pytest.raises(ValueError, match="Size mismatch between tensors"):
        TensorDataset(*tensors)


def test_a_subset_has_the_length_of_its_indices_and_their_order() -> None:
    subset = Subset(TensorDataset(np.arange(10)), [9, 4])
    assert [int(subset[i][0]._array) for i in range(len(subset))] == [9, 4]
