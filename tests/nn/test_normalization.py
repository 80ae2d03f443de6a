"""Norms: what they compute, and how their running statistics are put together."""

from typing import Any

import numpy as np
import pytest

from dtrain import nn
from dtrain.autograd import Tensor, tensor
from dtrain.autograd.functions import from_numpy
from dtrain.autograd.ops import norm
from dtrain.nn import functional as F
from dtrain.nn.buffers import compose, recording

rng = np.random.default_rng(12)


def batch(*shape: int) -> Tensor:
    return tensor(rng.normal(size=shape) + 3)


@pytest.mark.parametrize("momentum", [0.1, None])
def test_leaves_computed_apart_compose_to_batches_one_after_the_other(momentum: Any) -> None:
    apart, serial = (nn.BatchNorm1d(3, momentum=momentum, dtype=np.float64) for _ in range(2))
    batches = [batch(4, 3) for _ in range(5)]
    for model in (apart, serial):
        model(batches[0])
    updates: dict[str, Any] = {}
    for pair in (batches[1:3], batches[3:5]):  # two leaves of two micro-batches
        with recording(apart) as record:
            for each in pair:
                apart(each)
        updates = {
            name: compose(updates[name], update) if updates else update
            for name, update in record.updates.items()
        }
    for each in batches[1:]:
        serial(each)
    assert list(updates) == ["num_batches_tracked", "running_mean", "running_var"]
    for name, buffer in apart.named_buffers():
        expected = serial.state_dict()[name].numpy()
        np.testing.assert_allclose(updates[name].apply(buffer.numpy()), expected, rtol=1e-14)


def test_running_statistics_move_once_for_each_micro_batch() -> None:
    layer = nn.BatchNorm1d(1, momentum=0.5, dtype=np.float64)
    for values in ([1.0, 3.0], [2.0, 8.0]):
        layer(tensor(np.array(values)[:, None])).sum().backward()
    assert layer.running_mean.tolist() == [0.5 * (0.5 * 2) + 0.5 * 5]
    assert layer.running_var.tolist() == [0.5 * (0.5 * 1 + 0.5 * 2) + 0.5 * 18]
    assert layer.num_batches_tracked.item() == 2


def test_a_leaf_leaves_the_statistics_as_they_were() -> None:
    layer = nn.BatchNorm2d(2)
    before = [buffer.numpy().tobytes() for buffer in layer.buffers()]
    with recording(layer):
        layer(tensor(rng.normal(size=(2, 2, 3, 3)).astype("f")))
    assert [buffer.numpy().tobytes() for buffer in layer.buffers()] == before


def test_in_evaluation_the_statistics_are_used_and_stay() -> None:
    layer = nn.BatchNorm1d(1, eps=0.0, dtype=np.float64).eval()
    layer.running_mean._array[...], layer.running_var._array[...] = 2.0, 4.0
    assert layer(tensor([[2.0], [6.0]], dtype=np.float64)).tolist() == [[0.0], [2.0]]
    assert layer.num_batches_tracked.item() == 0


def test_a_new_momentum_of_none_averages_from_the_reset_on() -> None:
    layer = nn.BatchNorm1d(1, dtype=np.float64)
    layer(batch(4, 1))
    layer.momentum = None
    layer.reset_running_stats()
    means = []
    for _ in range(3):
        x = batch(4, 1)
        layer(x)
        means.append(x.numpy().mean())
    np.testing.assert_allclose(layer.running_mean.item(), np.mean(means))


def test_statistics_far_from_zero_keep_their_precision() -> None:
    x = (rng.normal(size=(64, 1)) + 1e4).astype("f")
    out = F.batch_norm(tensor(x), None, None, training=True, eps=1e-12).numpy()
    exact = x.astype(np.float64)
    np.testing.assert_allclose(out, (exact - exact.mean()) / exact.std(), atol=2e-3)


CALLS: dict[str, Any] = {
    "layer_norm": lambda x: F.layer_norm(x, x.shape[2:]),
    "rms_norm": lambda x: F.rms_norm(x, x.shape[2:]),
    "group_norm": lambda x: F.group_norm(x, 2),
    "batch_norm": lambda x: F.batch_norm(x, None, None, training=True),
    "instance_norm": lambda x: F.instance_norm(x),
}


def bits(name: str, x: Any) -> tuple[bytes, bytes]:
    leaf = from_numpy(x).requires_grad_()
    out = CALLS[name](leaf)
    (out * out * out).sum().backward()
    return out.detach().numpy().tobytes(), leaf.grad.numpy().tobytes()


@pytest.mark.parametrize("name", CALLS)
def test_the_bits_do_not_depend_on_the_layout(name: str) -> None:
    x = rng.normal(size=(5, 4, 33)).astype("f")
    spread = np.zeros((5, 4, 66), "f")
    spread[..., ::2] = x
    layouts = (x, np.asfortranarray(x), spread[..., ::2])
    assert len({bits(name, each) for each in layouts}) == 1


@pytest.mark.parametrize("name", CALLS)
def test_blocks_are_a_matter_of_speed_alone(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    x = from_numpy(rng.normal(size=(9, 4, 70)))
    whole = CALLS[name](x).numpy()
    monkeypatch.setattr(norm, "BLOCK", 1)
    monkeypatch.setattr(norm, "LONG", 4)
    np.testing.assert_allclose(CALLS[name](x).numpy(), whole, rtol=1e-11, atol=1e-13)


def test_a_refused_batch_leaves_the_statistics_alone() -> None:
    layer = nn.BatchNorm1d(3)
    with pytest.raises(ValueError, match=r"input size torch\.Size\(\[1, 3\]\)"):
        layer(tensor(np.ones((1, 3), "f")))
    assert layer.running_mean.tolist() == [0.0, 0.0, 0.0]
