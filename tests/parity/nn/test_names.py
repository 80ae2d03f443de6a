"""PyTorch's paths to modules and their bases; states without versions; old names."""

import warnings
from importlib import import_module
from typing import Any

import numpy as np
import pytest

import dtrain
from dtrain import nn
from tests.parity.nn.both import assert_same_error, torch

BASES = {
    "batchnorm._BatchNorm": ["BatchNorm1d", "BatchNorm2d", "BatchNorm3d"],
    "batchnorm._NormBase": ["BatchNorm2d", "InstanceNorm2d"],
    "instancenorm._InstanceNorm": ["InstanceNorm1d", "InstanceNorm3d"],
    "conv._ConvNd": ["Conv1d", "Conv2d", "ConvTranspose3d"],
    "loss._Loss": ["MSELoss", "CrossEntropyLoss"],
    "loss._WeightedLoss": ["CrossEntropyLoss", "NLLLoss", "BCELoss"],
    "rnn.RNNBase": ["LSTM", "GRU"],
    "module.Module": ["Linear", "ReLU", "Sequential"],
}


@pytest.mark.parametrize("path", BASES)
def test_a_base_is_where_pytorch_has_it(path: str) -> None:
    file, _, name = path.partition(".")
    for library in ("dtrain", "torch"):
        base = getattr(import_module(f"{library}.nn.modules.{file}"), name)
        kinds = import_module(f"{library}.nn")
        assert all(issubclass(getattr(kinds, each), base) for each in BASES[path])
        assert not issubclass(kinds.Identity, base) or base is kinds.Module


def test_every_module_of_both_is_in_pytorchs_file() -> None:
    for name in torch.nn.modules.__all__:
        path = getattr(torch.nn, name).__module__.removeprefix("torch.")
        if hasattr(nn, name):
            assert getattr(import_module(f"dtrain.{path}"), name) is getattr(nn, name)


@pytest.mark.parametrize("name", ["_single", "_pair", "_triple", "_quadruple"])
def test_a_number_for_each_dimension(name: str) -> None:
    ours, theirs = (
        getattr(import_module(f"{library}.nn.modules.utils"), name)
        for library in ("dtrain", "torch")
    )
    for value in (2, (1, 2), [3], 0.5):
        assert ours(value) == theirs(value)


def test_a_prefix_is_stripped_off_keys_and_versions() -> None:
    found = []
    for library in (dtrain, torch):
        model: Any = library.nn.DataParallel(library.nn.Sequential(library.nn.BatchNorm1d(2)))
        state = model.state_dict()
        name = f"{library.__name__}.nn.modules.utils"
        import_module(name).consume_prefix_in_state_dict_if_present(state, "module.")
        found.append((list(state), dict(state._metadata)))
    assert found[0] == found[1]


@pytest.mark.parametrize("kind", ["BatchNorm1d", "InstanceNorm2d"])
@pytest.mark.parametrize("versions", [{}, {"0": {"version": 1}}, {"0": {"version": 2}}, None])
def test_a_norm_loads_what_has_no_count_of_batches(kind: str, versions: Any) -> None:
    found = []
    for library in (dtrain, torch):
        norm = getattr(library.nn, kind)(3, track_running_stats=True)
        model = library.nn.Sequential(norm)
        state = model.state_dict()
        assert state._metadata["0"] == {"version": 2}
        del state["0.num_batches_tracked"]
        if versions is None:
            state = dict(state)
        else:
            state._metadata = versions
        keys = model.load_state_dict(state, strict=False)
        found.append((keys.missing_keys, keys.unexpected_keys, norm.num_batches_tracked.item()))
    assert found[0] == found[1]


def test_clip_grad_norm_is_an_old_name() -> None:
    norms = []
    for library in (dtrain, torch):
        weight = library.ones(3, requires_grad=True)
        weight.grad = library.tensor([3.0, 0.0, 4.0])
        with pytest.warns(FutureWarning, match="clip_grad_norm_"):
            norm = library.nn.utils.clip_grad_norm(weight, 1.0)
        norms.append([norm.item(), *weight.grad.tolist()])
    np.testing.assert_allclose(norms[0], norms[1], rtol=1e-6)


WRONG = {
    "few dimensions": lambda lib: lib.nn.functional.channel_shuffle(lib.zeros(2, 4), 2),
    "groups": lambda lib: lib.nn.functional.channel_shuffle(lib.zeros(2, 4, 1), 3),
    "no groups": lambda lib: lib.nn.functional.channel_shuffle(lib.zeros(2, 4, 1), 0),
    "a vector": lambda lib: lib.nn.functional.pdist(lib.zeros(3)),
    "integers": lambda lib: lib.nn.functional.pdist(lib.zeros(3, 2).long()),
    "negative": lambda lib: lib.nn.functional.pdist(lib.zeros(3, 2), -1),
    "an empty maximum": lambda lib: lib.max(lib.tensor([])),
    "an empty minimum": lambda lib: lib.tensor([]).min(),
    "a linear's dtype": lambda lib: lib.nn.Linear(2, 1)(lib.zeros(1, 2).double()),
    "a cell's dtype": lambda lib: lib.nn.GRUCell(2, 1)(lib.zeros(1, 2).double()),
    "labels": lambda lib: lib.nn.functional.cross_entropy(lib.zeros(2, 3), lib.zeros(2)),
    "a byte": lambda lib: lib.tensor([300], dtype=lib.uint8),
    "a new byte": lambda lib: lib.tensor(1, dtype=lib.uint8).new_tensor(300),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_mistake_is_told_in_pytorchs_words(name: str) -> None:
    texts = []
    for library in (dtrain, torch):
        with warnings.catch_warnings(), pytest.raises(Exception) as caught:  # noqa: PT011
            WRONG[name](library)
        texts.append(str(caught.value))
    assert texts[0] == texts[1]
    assert_same_error(lambda: WRONG[name](dtrain), lambda: WRONG[name](torch))
