"""What a thread records: gradients or not, and the line of each op or not (anomaly detection)."""

import functools
import inspect
import threading
import traceback
import warnings
from collections.abc import Callable
from types import TracebackType
from typing import Any, ClassVar, Self, TypeVar, overload


class _Mode(threading.local):
    enabled = True
    inference = False
    anomaly = False
    check_nan = True


MODE = _Mode()  # one for each thread, as in PyTorch
INFERRING: list[None] = []  # one for each block of inference mode that some thread is in


def is_grad_enabled() -> bool:
    """Whether ops are recorded in this thread."""
    return MODE.enabled


def is_anomaly_enabled() -> bool:
    """Whether backward looks for NaN, and ops remember the line that called them."""
    return MODE.anomaly


Decorated = TypeVar("Decorated", bound=Callable[..., Any])


class _GradMode:
    """A context manager and decorator that switches recording on or off."""

    enabled: ClassVar[bool]

    @overload
    def __new__(cls) -> Self: ...
    @overload
    def __new__(cls, function: Decorated) -> Decorated: ...  # type: ignore[misc]
    def __new__(cls, function: Any = None) -> Any:
        """`@no_grad` without parentheses decorates at once."""
        made = super().__new__(cls)
        return made if function is None else made(function)

    def __enter__(self) -> Self:
        self._before, MODE.enabled = MODE.enabled, self.enabled
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        MODE.enabled = self._before

    def __call__(self, function: Decorated) -> Decorated:
        return _within(lambda: type(self)(), function)


class no_grad(_GradMode):
    """Context manager and decorator: ops inside are not recorded."""

    enabled = False


class enable_grad(_GradMode):
    """Context manager and decorator: ops inside are recorded, also within `no_grad`."""

    enabled = True


class inference_mode(_GradMode):
    """As `no_grad`, and what is made inside is marked: see `inference`. `inference_mode(False)` is
    `enable_grad()`."""

    enabled = False

    def __enter__(self) -> Self:
        self._inside, MODE.inference = MODE.inference, True
        INFERRING.append(None)
        return super().__enter__()

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        INFERRING.pop()
        MODE.inference = self._inside

    def __new__(cls, mode: Any = True) -> Any:
        """`@inference_mode` without parentheses decorates at once."""
        if isinstance(mode, bool):
            return object.__new__(cls) if mode else enable_grad()
        return object.__new__(cls)(mode)


class set_grad_enabled:
    """Switch recording on or off: from this call on, or for a `with` block, or for a function."""

    def __init__(self, mode: bool) -> None:
        self._before, self.mode = MODE.enabled, bool(mode)
        MODE.enabled = self.mode

    def __enter__(self) -> Self:
        MODE.enabled = self.mode
        return self

    def __exit__(self, *_: object) -> None:
        MODE.enabled = self._before

    def __call__(self, function: Decorated) -> Decorated:
        MODE.enabled = self._before  # a decorator changes nothing until the function is called
        return _within(lambda: set_grad_enabled(self.mode), function)


class set_detect_anomaly:
    """Look for NaN in backward, and point at the forward line that made it: from this call on, or
    for a `with` block. Slow; for debugging. `check_nan=False`: only remember the lines."""

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        self._before = MODE.anomaly, MODE.check_nan
        MODE.anomaly, MODE.check_nan = bool(mode), bool(check_nan)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        MODE.anomaly, MODE.check_nan = self._before


class detect_anomaly:
    """For a `with` block, look for NaN in backward, and point at the forward line that made it."""

    def __init__(self, check_nan: bool = True) -> None:
        self._check_nan = check_nan
        warnings.warn(
            "Anomaly Detection has been enabled. This mode will increase the runtime and should "
            "only be enabled for debugging.",
            stacklevel=2,
        )

    def __enter__(self) -> None:
        self._mode = set_detect_anomaly(True, self._check_nan)

    def __exit__(self, *_: object) -> None:
        self._mode.__exit__()


def stack() -> str:
    """Where the program is, down to the caller of the op, for anomaly detection."""
    frames = traceback.extract_stack()
    own = [frame for frame in frames if "/dtrain/autograd/" not in frame.filename]
    return "".join(traceback.format_list(own))


def _within(mode: Callable[[], Any], function: Decorated) -> Decorated:
    """The function, with a new mode entered for every call: it may call itself."""
    if isinstance(function, type):
        raise TypeError("this decorator is for functions and methods, not for classes")
    if inspect.isgeneratorfunction(function):
        return _resumed_within(mode, function)  # type: ignore[return-value]

    @functools.wraps(function)
    def inside(*args: Any, **kwargs: Any) -> Any:
        with mode():
            return function(*args, **kwargs)

    return inside  # type: ignore[return-value]  # of the same signature


def _resumed_within(mode: Callable[[], Any], function: Callable[..., Any]) -> Callable[..., Any]:
    """The generator function, with a new mode for each part of it that runs."""

    @functools.wraps(function)
    def inside(*args: Any, **kwargs: Any) -> Any:
        generator = function(*args, **kwargs)
        resume: Callable[[], Any] = functools.partial(next, generator)
        while True:
            try:
                with mode():
                    item = resume()
            except StopIteration as end:
                return end.value
            try:
                resume = functools.partial(generator.send, (yield item))
            except GeneratorExit:
                with mode():
                    generator.close()
                raise
            except BaseException as error:  # the generator's to handle
                resume = functools.partial(generator.throw, error)

    return inside
