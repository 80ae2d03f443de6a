"""torch.accelerator, as on a machine without one."""

from typing import Any


def is_available() -> bool:
    """False: dtrain computes on the CPU."""
    return False


def current_accelerator(check_available: bool = False) -> Any:
    """None."""
    return None


def device_count() -> int:
    """0."""
    return 0
