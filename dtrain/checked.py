"""Calls into a job, and what its methods return, checked.

Each error says what was wrong and where, or what to write.
"""

import math
import os
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dtrain import keyed
from dtrain.autograd import Tensor, wrap
from dtrain.autograd.dtypes import float32, get_default_dtype, set_default_dtype
from dtrain.autograd.modes import MODE
from dtrain.data import IterableDataset
from dtrain.errors import DtrainError, JobError
from dtrain.layout import Array
from dtrain.nn import Module
from dtrain.nn.kept import Kept
from dtrain.optim import Optimizer
from dtrain.optim.lr_scheduler import LRScheduler
from dtrain.sources import FOREIGN, OURS

if TYPE_CHECKING:
    from dtrain.job import Job

STANDARD = Path(os.__file__).parent  # Python's own library


@contextmanager
def settings_kept() -> Iterator[None]:
    """What a thread or the process is set to is afterwards as it was before the user's code."""
    modes, dtype = (MODE.enabled, MODE.anomaly, MODE.check_nan), get_default_dtype()
    try:
        with np.errstate():
            yield
    finally:
        MODE.enabled, MODE.anomaly, MODE.check_nan = modes
        set_default_dtype(dtype)


def require_default_dtype() -> None:
    """Raises JobError for another default dtype than float32: other processes would not have it."""
    if get_default_dtype() != float32:
        raise JobError(
            f"the default dtype was set to {get_default_dtype()}, which a job's other processes "
            "need not know of; give the job the setting dtype instead, and write the dtypes of "
            "other tensors in its methods"
        )


@contextmanager
def calling(who: str) -> Iterator[None]:
    """Around a call into the user's code, say of `Digits.model`, which changes no settings.

    What it raises becomes a JobError of one line, whose cause is the exception; what dtrain raises
    on purpose says already what to do. KeyboardInterrupt passes.
    """
    try:
        with settings_kept():
            yield
    except DtrainError:
        raise
    except SystemExit as error:
        code = "" if error.code is None else repr(error.code)
        raise JobError(_line(f"{who} called sys.exit({code})", error)) from error
    except Exception as error:
        text = f"{who}: {type(error).__name__}: {error}".removesuffix(": ")
        raise JobError(_line(text, error)) from error


def _line(text: str, error: BaseException) -> str:
    """The text in one line, and the innermost line of the user's own that it came from."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if _is_of_the_user(frame.filename)]
    where = f" ({Path(own[-1].filename).name}, line {own[-1].lineno})" if own else ""
    return " ".join(text.split()) + where


def _is_of_the_user(filename: str) -> bool:
    """Also a notebook's cell, which is no file: neither dtrain, nor Python's, nor installed."""
    file = Path(filename)
    is_library = FOREIGN & {*file.parts} or {OURS, STANDARD} & {*file.parents}
    return not is_library and not filename.startswith("<frozen")


def job_of(cls: "type[Job]", settings: Mapping[str, Any]) -> "Job":
    """A job of these settings; its class may have an `__init__` of its own."""
    with calling(f"{cls.__name__}.__init__"):
        job = cls(**settings)
        if "__init__" in vars(cls):
            _require_settings(cls, job)
        return job


def _require_settings(cls: "type[Job]", job: "Job") -> None:
    """Raises JobError for an `__init__` that other processes could not give the settings to."""
    try:
        cls(**job.settings())
    except TypeError as error:
        raise JobError(
            f"{cls.__name__}.__init__ does not take the job's settings ({error}); write "
            "def __init__(self, **settings): super().__init__(**settings)"
        ) from None


def model_of(job: "Job") -> Module:
    """A new model, made under the job's seed, in the job's dtype."""
    who = f"{type(job).__name__}.model"
    with calling(who), keyed.model_scope(job.seed):
        model: object = job.model()
    if not isinstance(model, Module):
        raise JobError(f"{who} must return an nn.Module, not {type(model).__name__}")
    parameters = list(model.parameters())
    if not parameters:
        raise JobError(f"{who} returned a model without parameters: there is nothing to train")
    if not any(parameter.requires_grad for parameter in parameters):
        raise JobError(f"{who} returned a model whose parameters are all frozen (requires_grad)")
    for name, value in model.state_dict().items():
        if not isinstance(value, Tensor):
            raise JobError(
                f"{who} returned a model whose state_dict has {name}, which is no tensor "
                "(get_extra_state); a job's weights are tensors: register a buffer in its place"
            )
    return model.to(np.dtype(job.dtype))


def optimizer_of(job: "Job", model: Module) -> Optimizer:
    """A new optimizer over the model's parameters, made under the job's seed."""
    who = f"{type(job).__name__}.optimizer"
    kept = Kept(model)
    with calling(who), keyed.model_scope(job.seed):
        optimizer: object = job.optimizer(model)
    changed = kept.changed()
    if changed is not None:
        raise JobError(
            f"{who} changed the model ({changed}); workers do not call it: do that in model()"
        )
    if isinstance(optimizer, tuple | list) and not all(
        isinstance(each, Optimizer) for each in optimizer
    ):
        kinds = ", ".join(type(each).__name__ for each in optimizer)
        raise JobError(
            f"{who} returned ({kinds}); return the optimizer alone, and a schedule from "
            "lr_scheduler(self, optimizer)"
        )
    if isinstance(optimizer, tuple | list):
        raise JobError(f"{who} returned {len(optimizer)} optimizers; a job has exactly one")
    if not isinstance(optimizer, Optimizer):
        kind = type(optimizer).__name__
        raise JobError(f"{who} must return one of dtrain.optim's optimizers, not {kind}")
    if type(optimizer).update is Optimizer.update:
        raise JobError(
            f"{who} returned {type(optimizer).__name__}, which has a `step` but no `update`: a job "
            "steps slices of the weights, see dtrain.optim.Optimizer.update"
        )
    known = {id(parameter) for parameter in model.parameters()}
    if any(id(p) not in known for group in optimizer.param_groups for p in group["params"]):
        raise JobError(f"{who} trains parameters that are not the model's")
    _require_plain(optimizer, who)
    return optimizer


def _require_plain(optimizer: Optimizer, who: str) -> None:
    """A job never calls `optimizer.step()`: what hangs on that would be left out in silence."""
    if any(optimizer._hooks[kind] for kind in ("step_pre", "step_post")):
        raise JobError(
            f"{who} registered hooks on the optimizer's step; a job steps slice by slice, and does "
            "not call them"
        )
    if any("initial_lr" in group for group in optimizer.param_groups):
        raise JobError(
            f"{who} made a schedule of learning rates (a group has initial_lr), which a job would "
            "not step; return it from lr_scheduler(self, optimizer)"
        )


def scheduler_of(job: "Job", optimizer: Optimizer) -> LRScheduler | None:
    """The scheduler of the optimizer's rates, made under the job's seed, or None."""
    who = f"{type(job).__name__}.lr_scheduler"
    with calling(who), keyed.model_scope(job.seed):
        scheduler: object = job.lr_scheduler(optimizer)
    if scheduler is None:
        return None
    if isinstance(scheduler, tuple | list):
        raise JobError(f"{who} returned {len(scheduler)} schedulers; chain them: ChainedScheduler")
    if not isinstance(scheduler, LRScheduler):
        kind = type(scheduler).__name__
        raise JobError(f"{who} must return one of dtrain.optim.lr_scheduler's, or None, not {kind}")
    if scheduler.optimizer is not optimizer:
        raise JobError(f"{who} returned a scheduler of another optimizer than it was given")
    return scheduler


def train_data_of(job: "Job") -> Any:
    """The training data, opened under the job's seed."""
    who = f"{type(job).__name__}.train_data"
    with calling(who), keyed.model_scope(job.seed):
        data = job.train_data()
    return _map_style(data, who)


def eval_data_of(job: "Job") -> Any:
    """The evaluation data, opened under the job's seed, or None."""
    who = f"{type(job).__name__}.eval_data"
    with calling(who), keyed.model_scope(job.seed):
        data = job.eval_data()
    return None if data is None else _map_style(data, who)


def length(data: Any) -> int:
    """How many samples a dataset says that it has."""
    with calling(f"{type(data).__name__}.__len__"):
        return len(data)


def _map_style(data: Any, who: str) -> Any:
    kind = type(data).__name__
    if isinstance(data, tuple) and all(hasattr(part, "shape") for part in data):
        raise JobError(
            f"{who} returned {len(data)} arrays; make them one dataset: "
            "dtrain.data.TensorDataset(x, y)"
        )
    if "DataLoader" in kind or (hasattr(data, "dataset") and hasattr(data, "batch_size")):
        raise JobError(
            f"{who} returned a {kind}; return its dataset: batches are made by batch_size and "
            "micro_batches, and shuffled by order"
        )
    is_stream = isinstance(data, IterableDataset)
    if is_stream or not (hasattr(data, "__len__") and hasattr(data, "__getitem__")):
        raise JobError(f"{who} must return a dataset with len(data) and data[i], not {kind}")
    if length(data) == 0:
        raise JobError(f"{who} returned an empty dataset")
    return data


def order_of(job: "Job", n: int, epoch: int) -> Array:
    """The order of an epoch's n samples: indices, shape (n,)."""
    who = f"{type(job).__name__}.order"
    with calling(who), keyed.SeedingScope(job.seed, "order", epoch):
        order = np.asarray(job.order(n, epoch))
    if order.shape != (n,) or order.dtype.kind not in "iu":
        raise JobError(f"{who} must return {n} indices, not {order.dtype} of shape {order.shape}")
    if order.min() < 0 or order.max() >= n:
        raise JobError(f"{who} must return indices from 0 to {n - 1}")
    return order


@dataclass(frozen=True, slots=True)
class Loss:
    """What `Job.loss` returned: a mean or a sum, and its weight."""

    value: Tensor
    weight: float
    is_mean: bool

    @property
    def sum(self) -> float:
        """The loss, summed with its weight."""
        value = float(self.value.item())
        return value * self.weight if self.is_mean else value

    def backward(self) -> None:
        """Gradients of the sum: a mean is multiplied back by its weight."""
        scale = self.weight if self.is_mean else 1.0
        self.value.backward(wrap(np.asarray(scale, self.value.dtype)))


def loss_of(returned: Any, rows: int | None, who: str) -> Loss:
    """A mean over `rows`, or (sum, weight)."""
    is_mean = not isinstance(returned, tuple)
    value, weight = (returned, rows) if is_mean else _pair(returned, who)
    if not isinstance(value, Tensor) or value.shape != ():
        is_tensor = isinstance(value, Tensor)
        what = f"a tensor of shape {tuple(value.shape)}" if is_tensor else type(value).__name__
        raise JobError(
            f"{who} must return a 0-dim tensor, which is a mean, or (sum, weight), not {what}"
        )
    if weight is None:
        raise JobError(f"{who}: the batch has no tensor to count samples by; return (sum, weight)")
    number = float(weight.item() if isinstance(weight, Tensor) else weight)
    if not 0 <= number < math.inf:
        raise JobError(f"{who} returned the weight {number}; it must be finite and >= 0")
    return Loss(value, number, is_mean)


def _pair(returned: tuple[Any, ...], who: str) -> tuple[Any, Any]:
    if len(returned) != 2:
        raise JobError(f"{who} must return a mean or (sum, weight), not {len(returned)} values")
    value, weight = returned
    if not (isinstance(weight, int | float | np.number) or getattr(weight, "shape", None) == ()):
        raise JobError(f"{who}: a weight is a number, not {type(weight).__name__}")
    return value, weight
