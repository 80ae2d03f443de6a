"""What PyTorch keeps in torch.utils."""

from dtrain import absent
from dtrain.utils import checkpoint, data

__all__ = ["checkpoint", "data"]

absent.explain(__name__)
