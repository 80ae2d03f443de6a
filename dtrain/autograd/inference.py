"""What is made in inference mode: not to be changed in place outside of it, nor saved for backward.

In place of a version counter, such a tensor has one that refuses to be read and to be counted up.
"""

from typing import Any

from dtrain.autograd.modes import MODE
from dtrain.autograd.value import Value

_SAVED = (
    "Inference tensors cannot be saved for backward. Please do not use Tensors created in "
    "inference mode in computation tracked by autograd. To work around this, you can make a clone "
    "to get a normal tensor and use it in autograd, or use `torch.no_grad()` instead of "
    "`torch.inference_mode()`."
)
_CHANGED = (
    "Inplace update to inference tensor outside InferenceMode is not allowed.You can make a clone "
    "to get a normal tensor before doing inplace update."
)


class Unversioned(list[int]):
    """The counter: raises RuntimeError where backward notes it down, or a change outside of
    inference mode counts it up."""

    def __getitem__(self, at: Any) -> Any:
        raise RuntimeError(_SAVED)

    def __setitem__(self, at: Any, count: Any) -> None:
        if not MODE.inference:
            raise RuntimeError(_CHANGED)


def mark(value: Value) -> None:
    """Make a new value an inference tensor, if nothing is recorded (`enable_grad` is stronger)."""
    if MODE.inference and not MODE.enabled:
        value._version_ = Unversioned([0])


def require_changeable(value: Value) -> None:
    """Raises RuntimeError for an inference tensor outside of inference mode."""
    version = value._version_
    if isinstance(version, Unversioned):
        version[0] = 0


def is_inference(value: Value) -> bool:
    """Whether a value, or what it is a view of, was made in inference mode."""
    return isinstance(value._version_, Unversioned)
