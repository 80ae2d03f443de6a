"""The names of torch.utils.data.distributed; they live in `dtrain.data`."""

from dtrain.data.sampler import DistributedSampler

__all__ = ["DistributedSampler"]
