"""PyTorch's settings of the whole process, as far as dtrain has something like them."""

from collections.abc import Callable
from typing import Any, TypeVar

from dtrain import keyed, numerics
from dtrain.autograd import dtypes
from dtrain.autograd.device import CPU, device, require_cpu
from dtrain.autograd.functions.typed import TYPES, TensorType
from dtrain.errors import JobError

__all__ = [
    "are_deterministic_algorithms_enabled", "compile", "get_default_device",
    "get_deterministic_debug_mode", "get_float32_matmul_precision", "get_num_interop_threads",
    "get_num_threads", "is_autocast_enabled", "is_deterministic_algorithms_warn_only_enabled",
    "is_warn_always_enabled", "set_default_device", "set_default_tensor_type",
    "set_deterministic_debug_mode", "set_float32_matmul_precision", "set_flush_denormal",
    "set_num_interop_threads", "set_num_threads", "set_warn_always",
    "use_deterministic_algorithms",
]  # fmt: skip

Compiled = TypeVar("Compiled")


def set_num_threads(number: int) -> None:
    """Let BLAS use so many threads. Other numbers of threads give other bits: a job sets them by
    `blas_threads`, and its result is a function of that.

    Raises RuntimeError for what is no positive integer, JobError in a job's methods.
    """
    if not isinstance(number, int) or number < 1:
        raise RuntimeError("set_num_threads expects a positive integer")
    if keyed.is_open():
        raise JobError("a job's number of threads is its setting blas_threads, not set_num_threads")
    numerics.limit_threads(number)


def get_num_threads() -> int:
    """How many threads BLAS uses."""
    return numerics.blas_threads()


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Nothing to do: there are no others."""


def are_deterministic_algorithms_enabled() -> bool:
    """True: there are no others."""
    return True


def set_float32_matmul_precision(precision: str) -> None:
    """Nothing to do: products of float32 are computed in float32."""
    if precision not in ("highest", "high", "medium"):
        raise RuntimeError(f"{precision} is not one of 'highest', 'high', 'medium'")


def get_float32_matmul_precision() -> str:
    """ "highest"."""
    return "highest"


def set_flush_denormal(mode: bool) -> bool:
    """False: it is not supported."""
    return False


def get_default_device() -> device:
    """The CPU."""
    return CPU


def set_default_device(device: Any) -> None:
    """Nothing to do. Raises AssertionError for any device but the CPU."""
    require_cpu(device)


def set_default_tensor_type(t: Any) -> None:
    """The default dtype, by a type of tensors or its name: "torch.DoubleTensor"."""
    kind = TYPES.get(t.removeprefix("torch.")) if isinstance(t, str) else t
    if not isinstance(kind, TensorType):
        raise TypeError(f"invalid type object: {t!r} is no type of dense tensors on the CPU")
    dtypes.set_default_dtype(kind.dtype)


def set_num_interop_threads(number: int) -> None:
    """Nothing to do: operations run one after the other."""


def get_num_interop_threads() -> int:
    """1."""
    return 1


def is_autocast_enabled(device_type: str | None = None) -> bool:
    """False: see `amp`."""
    return False


def is_deterministic_algorithms_warn_only_enabled() -> bool:
    """False."""
    return False


def set_deterministic_debug_mode(debug_mode: int | str) -> None:
    """Nothing to do: all is deterministic."""


def get_deterministic_debug_mode() -> int:
    """2, an error for what is not deterministic: there is nothing of that kind."""
    return 2


def set_warn_always(mode: bool, /) -> None:
    """Nothing to do: Python's own filters decide."""


def is_warn_always_enabled() -> bool:
    """False."""
    return False


def compile(model: Any = None, **options: Any) -> Any:
    """The model or function itself: there is no compiler. As a decorator, too."""
    if model is None:
        decorate: Callable[[Compiled], Compiled] = lambda each: each  # noqa: E731
        return decorate
    return model
