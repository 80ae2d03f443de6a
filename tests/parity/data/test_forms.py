"""Collating, converting, errors and files: what PyTorch makes of the same things."""

import io
from collections import OrderedDict, namedtuple
from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

import dtrain
from dtrain.autograd import Tensor, wrap
from dtrain.serialization import load, save
from dtrain.utils import data as ours

torch = pytest.importorskip("torch", reason="parity tests compare with PyTorch")
import safetensors.torch  # noqa: E402
import torch.utils.data as theirs  # noqa: E402

THING = object()
Point = namedtuple("Point", ["x", "y"])


def seen(value: Any) -> Any:
    """Structure, types and values, with the tensors of either library written alike."""
    if isinstance(value, Tensor | torch.Tensor):
        array = value._array if isinstance(value, Tensor) else value.detach().numpy()
        return "tensor", str(array.dtype), array.shape, array.tolist(), value.requires_grad
    if isinstance(value, dict | MappingProxyType):
        return type(value), [(key, seen(inner)) for key, inner in value.items()]
    if isinstance(value, list | tuple):
        return type(value), [seen(inner) for inner in value]
    if isinstance(value, np.ndarray):
        return "array", value.tolist()
    return value


def tensor(array: Any, library: Any, **options: Any) -> Any:
    return library.tensor(array, **options)


def batches(library: Any) -> list[Any]:
    """Batches, with tensors of a library."""
    made = library.from_numpy
    return [
        [1, 2, 3],
        [1, 2.5],
        [True, False],
        [True, 1],
        [1.5, 2],
        [np.float32(1.5), np.float32(2)],
        [np.int16(1), np.int16(2)],
        [np.bool_(True), np.bool_(False)],
        [np.float64(0.1)],
        ["a", "b"],
        [b"a"],
        [np.str_("a")],
        [np.ones((2, 1), "float32")] * 3,
        [np.array(7), np.array(8)],
        [np.zeros((0, 3))] * 2,
        [np.arange(6.0).reshape(2, 3).T] * 2,
        [made(np.ones(2)), made(np.zeros(2))],
        [made(np.ones(2, "float32")), made(np.zeros(2))],
        [made(np.ones(2, "float32")), made(np.zeros(2, "int64"))],
        [library.tensor([1.0, 2.0], requires_grad=True)] * 2,
        [(1, 2.0, "a"), (3, 4.0, "b")],
        [Point(1, [2, 3]), Point(4, [5, 6])],
        [{"x": 1, "y": (2, "a")}, {"x": 3, "y": (4, "b")}],
        [OrderedDict(b=1, a=2)] * 2,
        [MappingProxyType({"a": 1.0})] * 2,
        [[1, 2], [3, 4]],
        [range(2), range(2)],
        [(), ()],
        # and what is refused
        [],
        [None],
        [THING],
        [np.array(["a"])],
        [np.array([None])],
        [(1, 2), (1,)],
        [[1], [1, 2]],
        [np.zeros(2), np.zeros(3)],
        [{"a": 1}, {"b": 1}],
        [1.0, None],
        [1.0, "a"],
        [1, "a"],
        [np.float64(1), None],
    ]


def outcome(act: Any) -> Any:
    """What it gives, or the class of what it raises."""
    try:
        return seen(act())
    except Exception as error:
        return type(error)


@pytest.mark.parametrize("index", range(len(batches(dtrain))))
def test_a_batch_is_collated_as_pytorch_does_it(index: int) -> None:
    mine, torchs = batches(dtrain)[index], batches(torch)[index]
    assert outcome(lambda: ours.default_collate(mine)) == outcome(
        lambda: theirs.default_collate(torchs)
    )


@pytest.mark.parametrize("index", range(len(batches(dtrain))))
def test_a_sample_is_converted_as_pytorch_does_it(index: int) -> None:
    mine, torchs = batches(dtrain)[index], batches(torch)[index]
    assert outcome(lambda: ours.default_convert(mine)) == outcome(
        lambda: theirs.default_convert(torchs)
    )


class Mapped:
    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> int:
        return index


def iterable(data: Any) -> Any:
    class Stream(data.IterableDataset):  # type: ignore[misc, name-defined]
        def __iter__(self) -> Iterator[int]:
            return iter(range(3))

    return Stream()


@pytest.mark.parametrize(
    "options",
    [
        {"num_workers": -1},
        {"timeout": -1},
        {"prefetch_factor": 2},
        {"prefetch_factor": -1, "num_workers": 1},
        {"persistent_workers": True},
        {"sampler": [1], "shuffle": True},
        {"batch_sampler": [[1]], "batch_size": 2},
        {"batch_sampler": [[1]], "shuffle": True},
        {"batch_sampler": [[1]], "sampler": [1]},
        {"batch_sampler": [[1]], "drop_last": True},
        {"batch_size": None, "drop_last": True},
        {"batch_size": 0},
        {"batch_size": 2.0},
        {"drop_last": 1},
        {"multiprocessing_context": "fork"},
        {"multiprocessing_context": "teleport", "num_workers": 1},
        {"multiprocessing_context": 3, "num_workers": 1},
        {"timeout": 1},
        {"batch_size": None, "sampler": ["a"]},
        {"sampler": [9], "collate_fn": 1},
    ],
)
@pytest.mark.parametrize("kind", ["mapped", "iterable"])
def test_options_that_make_no_sense_raise_pytorchs_class(
    kind: str, options: dict[str, Any]
) -> None:
    def read(data: Any) -> Any:
        dataset = Mapped() if kind == "mapped" else iterable(data)
        return [*data.DataLoader(dataset, **options)]

    assert outcome(lambda: read(ours)) == outcome(lambda: read(theirs))


@pytest.mark.parametrize(
    "act",
    [
        lambda d: d.RandomSampler([]),
        lambda d: d.RandomSampler([1], replacement=1),
        lambda d: d.RandomSampler([1], num_samples=0),
        lambda d: d.BatchSampler([1], 0, False),
        lambda d: d.BatchSampler([1], 1, None),
        lambda d: d.WeightedRandomSampler([[1.0]], 1),
        lambda d: d.WeightedRandomSampler([1.0], -1),
        lambda d: d.WeightedRandomSampler([1.0], 1, replacement=2),
        lambda d: list(d.WeightedRandomSampler([1.0], 2, replacement=False)),
        lambda d: d.DistributedSampler([1], 2, 2),
        lambda d: d.DistributedSampler([1]),
        lambda d: list(d.Sampler()),
        lambda d: d.ConcatDataset([]),
        lambda d: d.ConcatDataset([iterable(d)]),
        lambda d: d.ConcatDataset([[1], [2]])[2],
        lambda d: d.ConcatDataset([[1], [2]])[-3],
        lambda d: list(d.ChainDataset([[1]])),
        lambda d: d.StackDataset(),
        lambda d: d.StackDataset([1], [1, 2]),
        lambda d: d.StackDataset([1], a=[1]),
        lambda d: d.random_split([1, 2], [3]),
        lambda d: d.random_split([1, 2], [1.5, -0.5]),
        lambda d: d.Dataset()[0],
        lambda d: d.IterableDataset(),
        lambda d: len(d.DataLoader(iterable(d))),
        lambda d: setattr(d.DataLoader([1]), "drop_last", True),
        lambda d: d.DataLoader(iterable(d), shuffle=True),
        lambda d: d.DataLoader([1], num_workers=1)._nothing,
    ],
)
def test_mistakes_raise_pytorchs_class(act: Any) -> None:
    mine = outcome(lambda: act(ours))
    assert isinstance(mine, type)
    assert mine == outcome(lambda: act(theirs))


def test_a_flat_state_dict_is_read_by_safetensors_for_pytorch(tmp_path: Path) -> None:
    state = {
        "fc.weight": wrap(np.arange(6, dtype="float32").reshape(2, 3).T),
        "fc.bias": wrap(np.array(0.5)),
        "steps": wrap(np.array([3], "int64")),
        "mask": wrap(np.array([True, False])),
    }
    save(state, tmp_path / "model.safetensors")
    loaded = safetensors.torch.load_file(tmp_path / "model.safetensors")
    assert {key: seen(value) for key, value in loaded.items()} == {
        key: seen(value) for key, value in state.items()
    }


def test_a_module_of_pytorch_with_tied_weights_loads_what_was_saved(tmp_path: Path) -> None:
    weight = wrap(np.arange(6, dtype="float32").reshape(3, 2))
    save({"first.weight": weight, "last.weight": weight}, tmp_path / "a.safetensors")
    model = torch.nn.ModuleDict(
        {"first": torch.nn.Embedding(3, 2), "last": torch.nn.Linear(2, 3, False)}
    )
    model["last"].weight = model["first"].weight
    safetensors.torch.load_model(model, tmp_path / "a.safetensors")
    assert model["last"].weight.tolist() == weight.tolist()


def test_a_state_dict_that_pytorch_wrote_as_safetensors_is_read(tmp_path: Path) -> None:
    state = torch.nn.BatchNorm1d(3).state_dict()
    safetensors.torch.save_file(state, tmp_path / "model.safetensors")
    loaded = load(tmp_path / "model.safetensors")
    assert {key: seen(value) for key, value in loaded.items()} == {
        key: seen(value) for key, value in state.items()
    }


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_of_pytorch_is_refused_with_how_to_convert_it(zipped: bool) -> None:
    file = io.BytesIO()
    torch.save({"a": torch.zeros(2)}, file, _use_new_zipfile_serialization=zipped)
    file.seek(0)
    with pytest.raises(RuntimeError, match=r"is a pickle: .*safetensors\.torch\.save_file"):
        load(file)
