"""The names of torch.utils.data.dataloader; they live in `dtrain.data`."""

from dtrain.data.dataloader import DataLoader, default_collate, default_convert, get_worker_info

__all__ = ["DataLoader", "default_collate", "default_convert", "get_worker_info"]
