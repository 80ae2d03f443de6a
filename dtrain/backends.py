"""torch.backends: what scripts ask and set there. None of it is needed for the same bits here."""


class _Backend:
    """A library that PyTorch may compute with."""

    def __init__(self, available: bool) -> None:
        self._available = available
        self.enabled = available
        self.deterministic = True
        self.benchmark = False
        self.allow_tf32 = False

    def is_available(self) -> bool:
        """Whether dtrain computes with it."""
        return self._available

    def is_built(self) -> bool:
        """The same."""
        return self._available


cuda, cudnn, mps = _Backend(False), _Backend(False), _Backend(False)
mkl, mkldnn, openmp = _Backend(False), _Backend(False), _Backend(False)
