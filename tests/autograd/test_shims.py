"""What scripts call for GPUs, mixed precision, several processes and the compiler."""

from collections.abc import Callable
from importlib import import_module

import pytest

import dtrain
from dtrain import nn


@pytest.mark.parametrize(
    "path",
    [
        "amp", "backends.cuda", "backends.cudnn", "backends.mps", "cuda.amp", "distributed",
        "nn.modules", "nn.parallel", "nn.parameter", "optim.optimizer", "testing",
        "utils.checkpoint", "utils.data.dataloader", "utils.data.dataset",
        "utils.data.distributed", "utils.data.sampler",
    ],
)  # fmt: skip
def test_pytorchs_modules_can_be_imported(path: str) -> None:
    assert import_module(f"dtrain.{path}")


def test_modules_that_few_need_are_there_when_asked_for() -> None:
    assert dtrain.linalg.vector_norm(dtrain.ones(4)).item() == 2.0
    assert dtrain.special.erf(dtrain.zeros(1)).item() == 0.0


@pytest.mark.parametrize("name", ["vmap", "func", "jit", "bfloat16", "complex64"])
def test_an_error_says_what_to_do_instead(name: str) -> None:
    with pytest.raises(AttributeError, match=f"dtrain has no '{name}': \\w+"):
        getattr(dtrain, name)


def test_autocast_does_nothing_when_it_is_off() -> None:
    with dtrain.autocast("cpu", enabled=False):
        assert (dtrain.ones(2, 2) @ dtrain.ones(2, 2)).dtype == dtrain.float32
    assert dtrain.autocast("cpu", enabled=False)(len) is len


def test_autocast_on_the_cpu_is_refused() -> None:
    with pytest.raises(RuntimeError, match="bfloat16"):
        dtrain.autocast("cpu")


@pytest.mark.parametrize(
    "made",
    [
        lambda: dtrain.autocast("cuda"),
        lambda: dtrain.amp.GradScaler(),
        lambda: dtrain.cuda.amp.autocast(),
        lambda: dtrain.cuda.amp.GradScaler(),
    ],
)
def test_mixed_precision_on_a_gpu_warns_that_there_is_none(made: Callable[[], object]) -> None:
    with pytest.warns(UserWarning, match="not available"):
        made()


def train(scaler: dtrain.amp.GradScaler) -> list[float]:
    dtrain.manual_seed(0)
    model = nn.Linear(3, 1)
    optimizer = dtrain.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        scaler.scale(model(dtrain.ones(2, 3)).square().mean()).backward()
        scaler.step(optimizer)
        scaler.update()
    return [*model.weight.flatten().tolist(), model.bias.item()]


def test_a_scaled_loss_gives_the_same_weights() -> None:
    off = dtrain.amp.GradScaler(enabled=False)
    on = dtrain.amp.GradScaler("cpu", growth_interval=2)
    assert train(off) == train(on)
    assert (off.get_scale(), on.get_scale()) == (1.0, 2.0**17)


def test_a_step_with_an_infinite_gradient_is_left_out() -> None:
    weight = nn.Parameter(dtrain.ones(1))
    scaler = dtrain.amp.GradScaler("cpu")
    optimizer = dtrain.optim.SGD([weight], lr=0.1)
    scaler.scale(weight * float("inf")).backward()
    scaler.step(optimizer)
    scaler.update()
    assert weight.item() == 1.0
    assert scaler.get_scale() == 2.0**15


def test_a_scale_is_a_float32_as_in_pytorch() -> None:
    weight = nn.Parameter(dtrain.ones(1, dtype=dtrain.float64))
    scaler = dtrain.amp.GradScaler("cpu", init_scale=2.0**127, growth_interval=1)
    optimizer = dtrain.optim.SGD([weight], lr=0.0)
    scaler.scale(weight * 1e-9).backward()
    scaler.step(optimizer)
    scaler.update()
    assert scaler.get_scale() == 2.0**127


@pytest.mark.parametrize(
    ("misuse", "error"),
    [
        (lambda scaler, optimizer: scaler.step(optimizer), "step.. has already been called"),
        (lambda scaler, optimizer: scaler.unscale_(optimizer), "called after step"),
        (lambda scaler, optimizer: scaler.step(optimizer, lambda: 1.0), "Closure"),
    ],
    ids=["step twice", "unscale after step", "closure"],
)
def test_a_scaler_is_used_in_order(
    misuse: Callable[[dtrain.amp.GradScaler, dtrain.optim.Optimizer], object], error: str
) -> None:
    weight = nn.Parameter(dtrain.ones(1))
    scaler, optimizer = dtrain.amp.GradScaler("cpu"), dtrain.optim.SGD([weight], lr=0.1)
    scaler.scale(weight * 2).backward()
    scaler.step(optimizer)
    with pytest.raises(RuntimeError, match=error):
        misuse(scaler, optimizer)


def test_gradients_in_halves_are_not_unscaled() -> None:
    weight = nn.Parameter(dtrain.ones(1, dtype=dtrain.float16))
    scaler = dtrain.amp.GradScaler("cpu", init_scale=2.0)
    scaler.scale(weight * 2).backward()
    with pytest.raises(ValueError, match="FP16"):
        scaler.step(dtrain.optim.SGD([weight], lr=0.1))


def test_data_parallel_is_the_module() -> None:
    inner = nn.Linear(2, 2)
    outer = nn.DataParallel(inner)
    assert outer(dtrain.ones(1, 2)).tolist() == inner(dtrain.ones(1, 2)).tolist()
    assert [*outer.state_dict()] == ["module.weight", "module.bias"]


def test_distributed_data_parallel_points_to_dtrains_own_way() -> None:
    assert not dtrain.distributed.is_available()
    with pytest.raises(RuntimeError, match="dtrain run --workers"):
        nn.parallel.DistributedDataParallel(nn.Linear(1, 1))
    with pytest.raises(AttributeError, match="dtrain run --workers"):
        dtrain.distributed.init_process_group("gloo")


def test_there_is_no_gpu_to_ask_about() -> None:
    assert dtrain.cuda.device_count() == dtrain.cuda.memory_allocated() == 0
    with pytest.raises(AssertionError, match="not compiled with CUDA"):
        dtrain.cuda.current_device()
    with pytest.raises(AssertionError, match="not compiled with CUDA"):
        dtrain.ones(1).cuda()
    with pytest.raises(AssertionError, match="not compiled with CUDA"):
        dtrain.set_default_device("cuda")
    dtrain.set_default_device("cpu")
    assert dtrain.get_default_device() == dtrain.device("cpu")


def test_settings_of_backends_can_be_set() -> None:
    cudnn = import_module("dtrain.backends.cudnn")
    before = cudnn.benchmark
    cudnn.benchmark = True
    assert dtrain.backends.cudnn.benchmark
    cudnn.benchmark = before
    dtrain.backends.cuda.matmul.allow_tf32 = False


def test_a_missing_file_is_not_found() -> None:
    with pytest.raises(FileNotFoundError, match="no such model"):
        dtrain.load("no such model")


def test_memory_is_not_shared_between_processes() -> None:
    assert not dtrain.ones(1).is_shared()
    with pytest.raises(RuntimeError, match="--workers"):
        dtrain.ones(1).share_memory_()


def test_views_have_the_storage_of_their_base() -> None:
    x = dtrain.arange(6.0)
    assert x.storage().data_ptr() == x[2:].storage().data_ptr() == x.data_ptr()
    assert x[2:].untyped_storage().nbytes() == 24


def test_close_is_close_and_far_is_far() -> None:
    dtrain.testing.assert_close(dtrain.ones(2), dtrain.ones(2) + 1e-6)
    dtrain.testing.assert_close({"a": [1.0]}, {"a": [1.0]})
    with pytest.raises(AssertionError, match="Mismatched elements: 1 / 2"):
        dtrain.testing.assert_close(dtrain.ones(2), dtrain.tensor([1.0, 1.1]))
    with pytest.raises(AssertionError, match="dtype"):
        dtrain.testing.assert_close(dtrain.ones(1), dtrain.ones(1, dtype=dtrain.float64))
