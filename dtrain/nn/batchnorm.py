"""Batch norm and instance norm: the norms that keep running statistics."""

import warnings
from collections.abc import Mapping
from typing import Any

from dtrain.autograd.dtypes import int64
from dtrain.autograd.functions import empty
from dtrain.autograd.tensor import Tensor
from dtrain.nn import functional as F
from dtrain.nn.functional import normalization as kernels
from dtrain.nn.module import Module
from dtrain.nn.parameter import fresh, write

__all__ = [
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "InstanceNorm1d",
    "InstanceNorm2d",
    "InstanceNorm3d",
]


class Affine(Module):
    """A norm with weights that start as ones and biases that start as zeros, or without."""

    def _make_affine(
        self, shape: tuple[int, ...], device: Any, dtype: Any, weight: bool, bias: bool
    ) -> None:
        for name, wanted in (("weight", weight), ("bias", weight and bias)):
            self.register_parameter(name, fresh(shape, device, dtype) if wanted else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Weights of one, biases of zero."""
        for parameter, value in ((self.weight, 1), (self.bias, 0)):
            if parameter is not None:
                write(parameter, value)


class _NormBase(Affine):
    """A norm of channels that may keep running statistics of what it sees in training.

    `running_mean` and `running_var` move by `momentum` towards those of each batch; with a momentum
    of None they are the mean over all batches. Leaves that are computed apart record this as
    updates that compose: see `dtrain.nn.updates`.
    """

    _version = 2  # the first had no `num_batches_tracked`
    dims: tuple[int, ...]  # dimensions an input may have

    def __init__(
        self,
        num_features: int,
        eps: float,
        momentum: float | None,
        affine: bool,
        track_running_stats: bool,
        device: Any,
        dtype: Any,
        bias: bool,
    ) -> None:
        super().__init__()
        self.num_features, self.eps = num_features, eps
        self.affine, self.track_running_stats = affine, track_running_stats
        for name in ("running_mean", "running_var"):
            statistic = empty(num_features, dtype=dtype) if track_running_stats else None
            self.register_buffer(name, statistic, rule="affine")
        batches = empty((), dtype=int64) if track_running_stats else None
        self.register_buffer("num_batches_tracked", batches, rule="count")
        self.momentum = momentum
        self._make_affine((num_features,), device, dtype, affine, bias)

    @property
    def momentum(self) -> float | None:
        """The weight of the newest batch; None for the mean of all."""
        return self._momentum

    @momentum.setter
    def momentum(self, value: float | None) -> None:
        self._momentum = value
        for name in ("running_mean", "running_var"):
            self._buffer_rules[name] = "mean" if value is None else "affine"

    def reset_running_stats(self) -> None:
        """Forget all batches."""
        if self.track_running_stats:
            write(self.running_mean, 0)
            write(self.running_var, 1)
            write(self.num_batches_tracked, 0)

    def reset_parameters(self) -> None:
        """Weights of one, biases of zero, no batches."""
        self.reset_running_stats()
        super().reset_parameters()

    def _load_from_state_dict(
        self,
        state_dict: Any,
        prefix: str,
        local_metadata: Mapping[str, Any],
        *args: Any,
        **kwargs: Any,
    ) -> None:
        key, version = f"{prefix}num_batches_tracked", local_metadata.get("version")
        if self.track_running_stats and (version is None or version < 2):
            state_dict.setdefault(key, self.num_batches_tracked)
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *args, **kwargs)

    def _track(self, mean: Any, var: Any, momentum: float | None) -> None:
        for name, batch in (("running_mean", mean), ("running_var", var)):
            if momentum is None:
                self.update_buffer(name, 1, batch, int(self.num_batches_tracked) - 1)
            else:
                self.update_buffer(name, 1 - momentum, momentum * batch)

    def _check_dims(self, input: Tensor) -> None:
        if input.ndim not in self.dims:
            allowed = " or ".join(f"{dim}D" for dim in self.dims)
            raise ValueError(f"expected {allowed} input (got {input.ndim}D input)")

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )


class _BatchNorm(_NormBase):
    """(x - mean) / sqrt(var + eps) * weight + bias for each channel: see `functional.batch_norm`.

    In training by the batch's statistics, in evaluation by the running ones, if they are kept.
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, device, dtype, bias
        )

    def forward(self, input: Tensor) -> Tensor:
        """The input, normalised. Raises ValueError for dimensions that do not fit, or a single
        value per channel in training."""
        self._check_dims(input)
        mean, var = self.running_mean, self.running_var
        if not (self.training and self.track_running_stats and mean is not None):
            by_batch = self.training or (mean is None and var is None)
            mean, var = (None, None) if by_batch else (mean, var)
            return F.batch_norm(input, mean, var, self.weight, self.bias, by_batch, eps=self.eps)
        self.update_buffer("num_batches_tracked", 1)
        kernels.check_batch(input, mean, var, self.weight, self.bias, True, self.eps)
        out, mean, var = kernels.by_batch(input, self.weight, self.bias, self.eps)
        if input.numel():
            self._track(mean, var, self.momentum)
        return out


class BatchNorm1d(_BatchNorm):
    """Batch norm of an input (n, c) or (n, c, l): see `functional.batch_norm`."""

    dims = (2, 3)


class BatchNorm2d(_BatchNorm):
    """Batch norm of an input (n, c, h, w): see `functional.batch_norm`."""

    dims = (4,)


class BatchNorm3d(_BatchNorm):
    """Batch norm of an input (n, c, d, h, w): see `functional.batch_norm`."""

    dims = (5,)


class _InstanceNorm(_NormBase):
    """(x - mean) / sqrt(var + eps) * weight + bias for each channel of each sample: see
    `functional.instance_norm`. An input may lack the dimension of samples."""

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, device, dtype, bias
        )

    def forward(self, input: Tensor) -> Tensor:
        """The input, normalised. Raises ValueError for dimensions or channels that do not fit, or a
        single element per instance in training."""
        self._check_dims(input)
        single = input.ndim == self.dims[0]
        self._check_channels(input, 0 if single else 1)
        batch = input.unsqueeze(0) if single else input
        use_input = self.training or not self.track_running_stats
        mean, var = (None, None) if use_input else (self.running_mean, self.running_var)
        out = F.instance_norm(batch, mean, var, self.weight, self.bias, use_input, eps=self.eps)
        tracked = use_input and self.track_running_stats and input.numel()
        if tracked and self.momentum is not None:  # a momentum of None means 0 here, as in PyTorch
            self._track(*kernels.instance_statistics(batch), self.momentum)
        return out.squeeze(0) if single else out

    def _check_channels(self, input: Tensor, dim: int) -> None:
        if input.shape[dim] == self.num_features:
            return
        if self.affine:
            raise ValueError(
                f"expected input's size at dim={dim} to match num_features "
                f"({self.num_features}), but got: {input.shape[dim]}."
            )
        warnings.warn(
            f"input's size at dim={dim} does not match num_features. You can silence this warning "
            "by not passing in num_features, which is not used because affine=False",
            stacklevel=4,
        )


class InstanceNorm1d(_InstanceNorm):
    """Instance norm of an input (n, c, l) or (c, l): see `functional.instance_norm`."""

    dims = (2, 3)


class InstanceNorm2d(_InstanceNorm):
    """Instance norm of an input (n, c, h, w) or (c, h, w): see `functional.instance_norm`."""

    dims = (3, 4)


class InstanceNorm3d(_InstanceNorm):
    """Instance norm of an input (n, c, d, h, w) or (c, d, h, w): see `functional.instance_norm`."""

    dims = (4, 5)
