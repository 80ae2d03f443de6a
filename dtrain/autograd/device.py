"""device: where tensors are, which is the CPU."""

from typing import Any

_KNOWN = ("cpu", "cuda", "mps", "xpu", "meta", "hpu", "xla", "mtia", "ipu", "vulkan")


class device:
    """A device as PyTorch writes it. Only "cpu" can hold tensors here."""

    type: str
    index: int | None

    def __init__(self, type: Any = "cpu", index: int | None = None) -> None:
        text: str = str(type)
        kind, _, number = text.partition(":")
        if kind not in _KNOWN:
            raise RuntimeError(
                f"Expected one of {', '.join(_KNOWN)} device type at start of device string: {text}"
            )
        self.type = kind
        self.index = int(number) if number else index

    def __eq__(self, other: object) -> bool:
        same = isinstance(other, device) and (self.type, self.index) == (other.type, other.index)
        return bool(same)

    def __hash__(self) -> int:
        return hash((self.type, self.index))

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __repr__(self) -> str:
        index = "" if self.index is None else f", index={self.index}"
        return f"device(type='{self.type}'{index})"

    def __enter__(self) -> "device":
        require_cpu(self)
        return self

    def __exit__(self, *_: object) -> None:
        pass


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
