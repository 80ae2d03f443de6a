"""torch.backends: what scripts ask and set there. None of it is needed for the same bits here."""

from dtrain.backends import cuda, cudnn, mps

__all__ = ["cuda", "cudnn", "mkl", "mkldnn", "mps", "openmp"]


class _Backend:
    """A library that PyTorch may compute with."""

    def __init__(self) -> None:
        self.enabled = False

    def is_available(self) -> bool:
        """False."""
        return False


mkl, mkldnn, openmp = _Backend(), _Backend(), _Backend()
