"""torch.cuda, as on a machine without a GPU."""


def is_available() -> bool:
    """False: dtrain computes on the CPU."""
    return False


def device_count() -> int:
    """0."""
    return 0


def manual_seed(seed: int) -> None:
    """Nothing to seed."""


def manual_seed_all(seed: int) -> None:
    """Nothing to seed."""


def empty_cache() -> None:
    """Nothing to empty."""


def synchronize() -> None:
    """Nothing to wait for."""
