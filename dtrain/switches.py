"""PyTorch's settings of the whole process, as far as dtrain has something like them."""

from collections.abc import Callable
from typing import Any, TypeVar

from dtrain import numerics

__all__ = [
    "are_deterministic_algorithms_enabled", "compile", "get_float32_matmul_precision",
    "get_num_threads", "set_float32_matmul_precision", "set_flush_denormal", "set_num_threads",
    "use_deterministic_algorithms",
]  # fmt: skip

Compiled = TypeVar("Compiled")


class _Threads:
    number = 1


def set_num_threads(number: int) -> None:
    """Let BLAS use so many threads. Other numbers of threads give other bits: a job sets them by
    `blas_threads`, and its result is a function of that."""
    if not isinstance(number, int) or number < 1:
        raise RuntimeError("set_num_threads expects a positive integer")
    numerics.limit_threads(number)
    _Threads.number = number


def get_num_threads() -> int:
    """How many threads `set_num_threads` allowed; 1 unless it was called."""
    return _Threads.number


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


def compile(model: Any = None, **options: Any) -> Any:
    """The model or function itself: there is no compiler. As a decorator, too."""
    if model is None:
        decorate: Callable[[Compiled], Compiled] = lambda each: each  # noqa: E731
        return decorate
    return model
