"""Worker processes: the numbers that PyTorch's workers draw, and the order in which they give."""

import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import dtrain
from dtrain.utils import data as ours

torch = pytest.importorskip("torch", reason="parity tests compare with PyTorch")
import torch.utils.data as theirs  # noqa: E402

SIDES = {"dtrain": (dtrain, ours), "torch": (torch, theirs)}


class Draws:
    """Sample i: what Python, NumPy and the library draw in a worker, and its seed."""

    def __init__(self, side: str) -> None:
        self.side = side

    def __len__(self) -> int:
        return 14

    def __getitem__(self, index: int) -> Any:
        library, data = SIDES[self.side]
        info = data.get_worker_info()
        drawn = random.random(), float(np.random.rand()), library.rand(1).item()
        return index, *drawn, info.seed, info.id, info.num_workers


def parts(side: str, lengths: list[int]) -> Any:
    """An iterable dataset of which worker w gives lengths[w] samples."""
    _, data = SIDES[side]

    class Parts(data.IterableDataset):  # type: ignore[misc, name-defined]
        def __iter__(self) -> Iterator[int]:
            worker = data.get_worker_info().id
            return iter(range(100 * worker, 100 * worker + lengths[worker]))

    return Parts()


def loader(side: str, dataset: Any, batch_size: int | None, **options: Any) -> Any:
    library, data = SIDES[side]
    library.manual_seed(5)
    options = {"num_workers": 2, "multiprocessing_context": "fork"} | options
    return data.DataLoader(dataset, batch_size, **options)


def plain(batch: Any) -> Any:
    if isinstance(batch, list | tuple):
        return [plain(part) for part in batch]
    return batch.tolist() if hasattr(batch, "tolist") else batch


@pytest.mark.parametrize(
    ("batch_size", "options"),
    [(2, {}), (3, {"shuffle": True, "prefetch_factor": 1}), (None, {"prefetch_factor": 3})],
)
def test_workers_draw_pytorchs_numbers(batch_size: int | None, options: dict[str, Any]) -> None:
    mine, torchs = (plain([*loader(s, Draws(s), batch_size, **options)]) for s in SIDES)
    assert mine == torchs


@pytest.mark.parametrize("breaks_after", [0, 1, 3])
def test_persistent_workers_go_on_drawing_pytorchs_numbers(breaks_after: int) -> None:
    found = []
    for side in SIDES:
        batches = loader(side, Draws(side), 2, persistent_workers=True)
        given_up = iter(batches)
        for _ in range(breaks_after):
            next(given_up)
        found.append([plain([*batches]) for _ in range(2)])
    assert found[0] == found[1]


@pytest.mark.parametrize("lengths", [[5, 5], [1, 6], [6, 1], [0, 3], [0, 0]])
@pytest.mark.parametrize(
    "options", [{}, {"drop_last": True}, {"prefetch_factor": 1}, {"persistent_workers": True}]
)
def test_parts_of_an_iterable_come_in_pytorchs_order(
    lengths: list[int], options: dict[str, Any]
) -> None:
    found = []
    for side in SIDES:
        batches = loader(side, parts(side, lengths), 2, **options)
        found.append([plain([*batches]) for _ in range(2)])
    assert found[0] == found[1]
