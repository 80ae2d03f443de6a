"""torch.backends.mps, as on a machine without Apple's GPU."""


def is_available() -> bool:
    """False."""
    return False


def is_built() -> bool:
    """False."""
    return False
