"""torch.cuda, as on a machine without a GPU: questions are answered, anything else is an error."""

from typing import Any, NoReturn

from dtrain.cuda import amp

__all__ = ["amp"]

_NONE = "Torch not compiled with CUDA enabled: dtrain computes on the CPU"


def is_available() -> bool:
    """False: dtrain computes on the CPU."""
    return False


def is_initialized() -> bool:
    """False."""
    return False


def is_bf16_supported() -> bool:
    """False."""
    return False


def device_count() -> int:
    """0."""
    return 0


def manual_seed(seed: int) -> None:
    """Nothing to seed."""


def manual_seed_all(seed: int) -> None:
    """Nothing to seed."""


def get_rng_state_all() -> list[Any]:
    """Of no device."""
    return []


def set_rng_state_all(new_states: Any) -> None:
    """Nothing to set."""


def empty_cache() -> None:
    """Nothing to empty."""


def ipc_collect() -> None:
    """Nothing to collect."""


def synchronize(device: Any = None) -> None:
    """Nothing to wait for."""


def memory_allocated(device: Any = None) -> int:
    """0."""
    return 0


memory_reserved = max_memory_allocated = max_memory_reserved = memory_allocated


def reset_peak_memory_stats(device: Any = None) -> None:
    """Nothing to reset."""


def _missing(*_: Any, **__: Any) -> NoReturn:
    """Raises AssertionError: there is no GPU."""
    raise AssertionError(_NONE)


current_device = get_device_name = get_device_properties = get_device_capability = _missing
set_device = current_stream = stream = Stream = Event = get_rng_state = set_rng_state = _missing
