"""Map-style datasets, collating, and reading the samples of a leaf."""

from dtrain.data import datasets
from dtrain.data.collate import default_collate
from dtrain.data.dataset import Dataset, Subset, TensorDataset
from dtrain.data.fetch import fetch

__all__ = ["Dataset", "Subset", "TensorDataset", "datasets", "default_collate", "fetch"]
