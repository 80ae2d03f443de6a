"""Two generators side by side, and draws compared by their bits."""

from typing import Any

import numpy as np
import pytest

from dtrain import random

torch = pytest.importorskip("torch", reason="parity tests compare with PyTorch")


def pair(seed: int) -> tuple[random.Generator, Any]:
    """A generator of dtrain's and one of PyTorch's."""
    return random.Generator(seed), torch.Generator().manual_seed(seed)


def seed_both(seed: int) -> None:
    random.manual_seed(seed)
    torch.manual_seed(seed)


def assert_same(ours: Any, theirs: Any, ulps: int = 0) -> None:
    """The same dtype, shape and bits; floats may be a few units in the last place apart."""
    mine = getattr(ours, "_array", ours)
    other = theirs.detach().numpy()
    assert (mine.dtype, mine.shape) == (other.dtype, other.shape)
    if mine.dtype.kind != "f":
        np.testing.assert_array_equal(mine, other)
    elif mine.size:
        whole = np.int32 if mine.itemsize == 4 else np.int64
        pair = [np.ascontiguousarray(each).view(whole).astype(object) for each in (mine, other)]
        assert np.abs(pair[0] - pair[1]).max() <= ulps


def assert_same_states(ours: random.Generator, theirs: Any) -> None:
    np.testing.assert_array_equal(ours.get_state()._array, theirs.get_state().numpy())
