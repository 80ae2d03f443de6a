"""What PyTorch keeps in torch.utils."""

from dtrain.utils import checkpoint, data

__all__ = ["checkpoint", "data"]
