"""What tells one host's data from another's."""

from collections import namedtuple
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xxhash

import dtrain
from dtrain import keyed
from dtrain.autograd import wrap
from dtrain.data import Dataset, Subset, TensorDataset
from dtrain.data.identity import chosen, put
from dtrain.errors import JobError
from dtrain.leaf import LeafComputer
from tests.compute.jobs import Classify, images

Pair = namedtuple("Pair", "x y")


class Listed(Dataset[Any]):
    """Samples from a list."""

    def __init__(self, samples: list[Any]) -> None:
        self.samples = samples
        self.read: list[int] = []

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Any:
        self.read.append(index)
        return self.samples[index]


def of(train: Any, evaluation: Any = None, **settings: Any) -> str:
    methods = {"train_data": lambda self: train, "eval_data": lambda self: evaluation}
    return LeafComputer(type("Given", (Classify,), methods)(**settings)).data_identity


def hashed(value: Any) -> str:
    total = xxhash.xxh3_128()
    put(total, value)
    return total.hexdigest()


def test_it_says_lengths_and_hash_in_words() -> None:
    text = of(TensorDataset(*images(1347)), TensorDataset(*images(450)))
    words, found = text.rsplit(" ", 1)
    assert words == "1,347 training and 450 evaluation samples, hash"
    assert len(found) == 32


def test_equal_data_are_equal_and_one_changed_sample_of_few_shows() -> None:
    x, y = images(4)
    before = of(TensorDataset(x, y))
    assert of(TensorDataset(x.copy(), y.copy())) == before
    x[2, 3] += 1e-9
    assert of(TensorDataset(x, y)) != before


def test_another_order_of_the_same_samples_shows() -> None:
    x, y = images(64)
    assert of(TensorDataset(x, y)) != of(TensorDataset(x[::-1].copy(), y[::-1].copy()))


def test_the_evaluation_data_count_too() -> None:
    x, y = images(64)
    train = TensorDataset(x, y)
    assert of(train, TensorDataset(x, y)) != of(train, TensorDataset(x + 1, y))


def test_a_few_samples_are_read_once_and_not_before_they_are_asked_for() -> None:
    data = Listed([(np.zeros(6), 0)] * 1000)
    job = type("Given", (Classify,), {"train_data": lambda self: data})()
    computer = LeafComputer(job)
    assert data.read == []
    assert computer.data_identity == computer.data_identity
    assert data.read == chosen(0, "train", 1000, 4)


@pytest.mark.parametrize("n", [1, 3, 4, 5, 10**9])
def test_indices_are_a_function_of_seed_and_length(n: int) -> None:
    found = chosen(0, "train", n, 4)
    assert found == chosen(0, "train", n, 4) == sorted(set(found))
    assert 1 <= len(found) <= 4
    assert 0 <= found[0] <= found[-1] < n


def test_random_data_are_keyed_and_the_global_generators_left_alone() -> None:
    class Noisy(Listed):
        def __getitem__(self, index: int) -> Any:
            noise = [np.random.random(), keyed.rng().random(), dtrain.rand(1).item()]
            return np.array(noise), 0

    before = keyed.ambient(), dtrain.get_rng_state().tolist()
    found = of(Noisy([0] * 9))
    assert (keyed.ambient(), dtrain.get_rng_state().tolist()) == before
    np.random.random()
    dtrain.rand(1)
    assert of(Noisy([0] * 9)) == found != of(Noisy([0] * 9), seed=1)


def test_step_epoch_and_log_may_be_used_by_the_data() -> None:
    class Asking(Classify):
        def train_data(self) -> Any:
            job = self

            class Data(Listed):
                def __getitem__(self, index: int) -> Any:
                    job.log("index", index)
                    return np.full(6, job.step + job.epoch), 0

            return Data([0] * 9)

    assert "hash" in LeafComputer(Asking()).data_identity


def test_data_that_only_take_many_at_once_are_read_so() -> None:
    class Taking(Dataset[Any]):
        def __len__(self) -> int:
            return 9

        def take(self, indices: Any) -> Any:
            return wrap(np.asarray(indices, float))

    assert of(Taking()) != of(Subset(Taking(), list(range(8, -1, -1))))


def test_a_sample_that_cannot_be_read_is_named() -> None:
    class Broken(Listed):
        def __getitem__(self, index: int) -> Any:
            raise OSError("no such file")

    with pytest.raises(JobError, match=r"sample 0 of Broken: OSError: no such file \(test_ident"):
        of(Broken([0, 0]))


EQUAL = [
    (np.arange(3), wrap(np.arange(3))),
    (np.arange(6).reshape(2, 3), np.asfortranarray(np.arange(6).reshape(2, 3))),
    (np.float32(1), np.asarray(1, np.float32)),
    (Pair(1, 2), (1, 2)),
    (Path("a"), Path("b")),
    (object(), object()),
]


@pytest.mark.parametrize(("a", "b"), EQUAL, ids=str)
def test_equal_contents_have_equal_hashes(a: Any, b: Any) -> None:
    assert hashed(a) == hashed(b)


def test_different_contents_have_different_hashes() -> None:
    values = [
        None, 0, False, 0.0, "", b"", "0", b"0", [], (), {}, [0], [[0]], [0, 0], (0, 0), [None],
        ["ab"], ["a", "b"], {"a": 1}, {"a": 2}, {"b": 1}, {"a": {"b": 1}}, np.zeros(2),
        np.zeros((2, 1)), np.zeros(2, "float32"), np.zeros(2, ">f8"), np.array(["a"]),
        np.array(["a"], object), np.array(["b"], object), np.array([], object), np.zeros(0),
        np.zeros((0, 1)), object(), Path("a"), np.zeros(2, [("a", "f4")]),
        np.zeros(2, [("b", "f4")]), np.datetime64("2020-01-01"), 1j, float("nan"), -0.0,
    ]  # fmt: skip
    assert len({hashed(value) for value in values}) == len(values)


def test_a_list_that_holds_itself_has_an_end() -> None:
    endless: list[Any] = []
    endless.append(endless)
    assert hashed(endless) == hashed(endless)
