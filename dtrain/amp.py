"""torch.amp: mixed precision. On the CPU PyTorch mixes in bfloat16, which dtrain has not."""

import functools
import math
import warnings
from collections.abc import Callable, Iterable
from typing import Any, Self, TypeVar

import numpy as np

from dtrain import keyed
from dtrain.autograd.device import device as Device
from dtrain.autograd.tensor import Tensor
from dtrain.errors import JobError
from dtrain.optim.optimizer import Optimizer

__all__ = ["GradScaler", "autocast", "custom_bwd", "custom_fwd", "is_autocast_available"]

F = TypeVar("F", bound=Callable[..., Any])


class autocast:
    """`with autocast("cpu", enabled=False):` or `@autocast(...)`: nothing is cast.

    For another device PyTorch without one warns and casts nothing, and so does this. Raises
    RuntimeError on the CPU if it is enabled, as it is by default: there is no bfloat16 here.
    """

    def __init__(
        self,
        device_type: str,
        dtype: Any = None,
        enabled: bool = True,
        cache_enabled: bool | None = None,
    ) -> None:
        self.device = Device(device_type).type
        if enabled and self.device == "cpu":
            raise RuntimeError(
                "autocast on the CPU computes in bfloat16, which dtrain has not; pass "
                "enabled=False to compute in float32"
            )
        if enabled:
            warnings.warn(
                f"{self.device.upper()} is not available. Disabling autocast.", stacklevel=2
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def __call__(self, function: F) -> F:
        return function


class GradScaler:
    """The loss scaled up, so that small gradients survive in float16; gradients scaled down again.

        scaler.scale(loss).backward();  scaler.step(optimizer);  scaler.update()

    A step whose gradients have an inf or a nan is left out, and the scale halved; after
    `growth_interval` good steps it doubles. Off where `enabled` is False, or for another device
    than the CPU, with a warning. The scale is a float32, as in PyTorch.

    Raises:  AssertionError for factors that do not grow and shrink, and for a step or an update
             before anything was scaled, or without gradients; RuntimeError for a step that is
             unscaled or made twice, and for a closure; ValueError for gradients in float16;
             JobError in a job, whose step would not unscale anything.
    Source:  Micikevicius et al. 2018, Mixed precision training, section 3.2.
    """

    def __init__(
        self,
        device: str = "cuda",
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        if enabled and device != "cpu":
            warnings.warn(
                "torch.cuda.amp.GradScaler is enabled, but CUDA is not available.  Disabling.",
                stacklevel=2,
            )
        self._enabled = enabled and device == "cpu"
        if self._enabled:
            assert growth_factor > 1.0, "The growth factor must be > 1.0."
            assert backoff_factor < 1.0, "The backoff factor must be < 1.0."
        self._scale, self._growth_tracker = float(init_scale), 0
        self._used = False
        self._growth_factor, self._backoff_factor = growth_factor, backoff_factor
        self._growth_interval = growth_interval
        self._unscaled: dict[int, bool] = {}  # id of an optimizer -> whether all was finite
        self._stepped: set[int] = set()

    def is_enabled(self) -> bool:
        """Whether it does anything."""
        return self._enabled

    def get_scale(self) -> float:
        """What the loss is multiplied by."""
        return self._scale if self._enabled else 1.0

    def scale(self, outputs: Any) -> Any:
        """A tensor, or each of several, times the scale."""
        if not self._enabled:
            return outputs
        if keyed.is_open():
            raise JobError(
                "a job steps by itself, and would not scale the gradients back: leave GradScaler "
                "out of it, or pass enabled=False"
            )
        if isinstance(outputs, Tensor):
            self._used, self._scale = True, _single(self._scale)
            return outputs * self._scale
        if isinstance(outputs, Iterable):
            scaled = [self.scale(each) for each in outputs]
            return tuple(scaled) if isinstance(outputs, tuple) else scaled
        raise ValueError("outputs must be a Tensor or an iterable of Tensors")

    def unscale_(self, optimizer: Optimizer) -> None:
        """Divide an optimizer's gradients by the scale. Raises RuntimeError the second time."""
        if not self._enabled:
            return
        self._require_used("unscale_")
        if id(optimizer) in self._stepped:
            raise RuntimeError("unscale_() is being called after step().")
        if id(optimizer) in self._unscaled:
            raise RuntimeError(
                "unscale_() has already been called on this optimizer since the last update()."
            )
        gradients = [
            parameter.grad
            for group in optimizer.param_groups
            for parameter in group["params"]
            if parameter.grad is not None
        ]
        if any(gradient.dtype == np.float16 for gradient in gradients):
            raise ValueError("Attempting to unscale FP16 gradients.")
        assert gradients, "No inf checks were recorded for this optimizer."
        self._unscaled[id(optimizer)] = all(np.isfinite(each._array).all() for each in gradients)
        for gradient in gradients:
            gradient._array *= gradient._array.dtype.type(_single(1 / self._scale))
            gradient._bump()

    def step(self, optimizer: Optimizer, *args: Any, **kwargs: Any) -> Any:
        """Unscale if that has not been done, and step unless a gradient is inf or nan."""
        if not self._enabled:
            return optimizer.step(*args, **kwargs)
        if args or "closure" in kwargs:
            raise RuntimeError("Closure use is not currently supported if GradScaler is enabled.")
        self._require_used("step")
        if id(optimizer) in self._stepped:
            raise RuntimeError("step() has already been called since the last update().")
        if id(optimizer) not in self._unscaled:
            self.unscale_(optimizer)
        self._stepped.add(id(optimizer))
        return optimizer.step(**kwargs) if self._unscaled[id(optimizer)] else None

    def update(self, new_scale: Any = None) -> None:
        """Set the scale for the next step. Raises AssertionError if no gradients were unscaled."""
        if not self._enabled:
            return
        self._require_used("update")
        if new_scale is not None:
            self._scale = _single(float(new_scale))
        else:
            assert self._unscaled, "No inf checks were recorded prior to update."
            self._adapt(all(self._unscaled.values()))
        self._unscaled, self._stepped = {}, set()

    def _require_used(self, what: str) -> None:
        assert self._used, (
            f"Attempted {what} but _scale is None.  This may indicate your script did not use "
            "scaler.scale(loss or outputs) earlier in the iteration."
        )

    def _adapt(self, finite: bool) -> None:
        self._growth_tracker = self._growth_tracker + 1 if finite else 0
        if not finite:
            self._scale = _single(self._scale * self._backoff_factor)
        elif self._growth_tracker == self._growth_interval:
            grown = _single(self._scale * self._growth_factor)
            self._scale = grown if math.isfinite(grown) else self._scale
            self._growth_tracker = 0

    def state_dict(self) -> dict[str, Any]:
        """What goes on: empty if it is off."""
        if not self._enabled:
            return {}
        return {
            "scale": self._scale,
            "growth_factor": self._growth_factor,
            "backoff_factor": self._backoff_factor,
            "growth_interval": self._growth_interval,
            "_growth_tracker": self._growth_tracker,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from there. Raises RuntimeError for an empty one, if it is on."""
        if not self._enabled:
            return
        if not state_dict:
            raise RuntimeError(
                "The source state dict is empty, possibly because it was saved from a disabled "
                "instance of GradScaler."
            )
        self._scale = state_dict["scale"]
        self._growth_factor = state_dict["growth_factor"]
        self._backoff_factor = state_dict["backoff_factor"]
        self._growth_interval = state_dict["growth_interval"]
        self._growth_tracker = state_dict["_growth_tracker"]


@np.errstate(over="ignore")
def _single(number: float) -> float:
    """Rounded to float32."""
    return float(np.float32(number))


def is_autocast_available(device_type: str) -> bool:
    """False: there is nothing to cast to."""
    return False


def custom_fwd(fwd: Any = None, *, device_type: str = "cuda", cast_inputs: Any = None) -> Any:
    """The forward of an autograd.Function, as it is."""
    if fwd is None:
        return functools.partial(custom_fwd, device_type=device_type, cast_inputs=cast_inputs)
    return fwd


def custom_bwd(bwd: Any = None, *, device_type: str = "cuda") -> Any:
    """The backward of an autograd.Function, as it is."""
    return functools.partial(custom_bwd, device_type=device_type) if bwd is None else bwd
