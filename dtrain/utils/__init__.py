"""What PyTorch keeps in torch.utils."""

from dtrain.utils import data

__all__ = ["data"]
