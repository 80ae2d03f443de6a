"""torch.backends.cudnn: settings that scripts set. Without a GPU they do nothing, as in PyTorch."""

enabled = True
benchmark = False
benchmark_limit = 10
deterministic = False
allow_tf32 = True


def is_available() -> bool:
    """False."""
    return False


def version() -> int | None:
    """None."""
    return None
