"""device: where tensors are, which is the CPU."""

import re
from typing import Any

_KNOWN = ("cpu", "cuda", "mps", "xpu", "meta", "hpu", "xla", "mtia", "ipu", "vulkan")


class device:
    """A device as PyTorch writes it: "cpu", "cuda:1". Only the CPU can hold tensors here.

    Raises RuntimeError for a name that is none of PyTorch's, and for a number, which would be that
    of an accelerator; TypeError for what is no name.
    """

    __slots__ = ("_index", "_type")

    def __init__(self, type: Any = "cpu", index: int | None = None) -> None:
        if isinstance(type, int):
            raise RuntimeError("Cannot access accelerator device when none is available.")
        if not isinstance(type, str | device):
            raise TypeError(f"device() takes a name such as 'cpu', not {type!r}")
        kind, number = _parsed(str(type))
        if number is not None and index is not None:
            raise RuntimeError(
                "type (string) must not include an index because index was passed explicitly: "
                f"{type}"
            )
        self._type, self._index = kind, index if number is None else number

    @property
    def type(self) -> str:
        """Its kind: "cpu"."""
        return self._type

    @property
    def index(self) -> int | None:
        """Which one of them, if that was said."""
        return self._index

    def __eq__(self, other: object) -> bool:
        return isinstance(other, device) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))

    def __reduce__(self) -> Any:
        return device, (str(self),)

    def __str__(self) -> str:
        return self._type if self._index is None else f"{self._type}:{self._index}"

    def __repr__(self) -> str:
        index = "" if self._index is None else f", index={self._index}"
        return f"device(type='{self._type}'{index})"

    def __enter__(self) -> "device":
        require_cpu(self)
        return self

    def __exit__(self, *_: object) -> None:
        pass


def _parsed(text: str) -> tuple[str, int | None]:
    if not text:
        raise RuntimeError("Device string must not be empty")
    found = re.fullmatch(r"([a-z]+)(?::(0|[1-9]\d*))?", text)
    if found is None:
        raise RuntimeError(f"Invalid device string: '{text}'")
    kind, number = found.groups()
    if kind not in _KNOWN:
        raise RuntimeError(
            f"Expected one of {', '.join(_KNOWN)} device type at start of device string: {kind}"
        )
    return kind, None if number is None else int(number)


CPU = device("cpu")


def require_cpu(where: Any) -> None:
    """Raises AssertionError, as PyTorch without CUDA does, for any device but the CPU."""
    if where is None:
        return
    kind = where.type if isinstance(where, device) else device(where).type
    if kind != "cpu":
        raise AssertionError(
            f"Torch not compiled with {kind.upper()} enabled: dtrain computes on the CPU"
        )
