"""torch.distributed, as where PyTorch was built without it. dtrain spreads training itself."""

from typing import NoReturn

__all__ = ["is_available", "is_initialized"]

INSTEAD = (
    "dtrain spreads training over processes itself: write the training as a job, and start it with "
    "`dtrain run --workers N`; see the README"
)


def is_available() -> bool:
    """False: see `dtrain run --workers`."""
    return False


def is_initialized() -> bool:
    """False."""
    return False


def __getattr__(name: str) -> NoReturn:
    raise AttributeError(f"dtrain has no torch.distributed.{name}: {INSTEAD}")
