"""The op table, one file a family. Importing this package declares every op."""

from dtrain.autograd.ops import elementwise, linalg, logic, loss, reduce, shape

__all__ = ["elementwise", "linalg", "logic", "loss", "reduce", "shape"]
