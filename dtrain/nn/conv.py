# mypy: disable-error-code="no-any-return"
"""Convolutions as modules."""

import math
from collections.abc import Sequence
from typing import Any, ClassVar

from dtrain.autograd.tensor import Tensor
from dtrain.nn import functional as F
from dtrain.nn import init
from dtrain.nn.functional.convsizes import Sizes
from dtrain.nn.module import Module
from dtrain.nn.parameter import fresh

__all__ = [
    "Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d",
]  # fmt: skip

_MODES = ("zeros", "reflect", "replicate", "circular")


class _ConvNd(Module):
    """What all six share: arguments, parameters, initialisation, printing.

    Starts from PyTorch's numbers: weight, then bias uniform in +-1 / sqrt(fan_in), where fan_in is
    the number of products in the sum for one output.
    """

    ndim: ClassVar[int]
    transposed: ClassVar[bool]

    def _build(
        self,
        channels: tuple[int, int],
        kernel_size: Sizes,
        stride: Sizes,
        padding: Sizes | str,
        dilation: Sizes,
        output_padding: Sizes,
        groups: int,
        bias: bool,
        padding_mode: str,
        device: Any,
        dtype: Any,
    ) -> None:
        self.in_channels, self.out_channels = channels
        self.kernel_size, self.stride = self._each(kernel_size), self._each(stride)
        self.padding = padding if isinstance(padding, str) else self._each(padding)
        self.dilation, self.output_padding = self._each(dilation), self._each(output_padding)
        self.groups, self.padding_mode = groups, padding_mode
        self._check()
        many, few = channels if self.transposed else channels[::-1]
        shape = (many, few // groups, *self.kernel_size)
        self.weight = fresh(shape, device, dtype)
        self.register_parameter(
            "bias", fresh((self.out_channels,), device, dtype) if bias else None
        )
        self.reset_parameters()

    def _each(self, value: Any) -> tuple[int, ...]:
        return tuple(value) if isinstance(value, Sequence) else (value,) * self.ndim

    def _check(self) -> None:
        if self.groups <= 0:
            raise ValueError("groups must be a positive integer")
        for name in ("in_channels", "out_channels"):
            if getattr(self, name) % self.groups:
                raise ValueError(f"{name} must be divisible by groups")
        if isinstance(self.padding, str):
            if self.padding not in ("same", "valid"):
                raise ValueError(
                    f"Invalid padding string {self.padding!r}, should be one of 'same', 'valid'"
                )
            if self.padding == "same" and any(step != 1 for step in self.stride):
                raise ValueError("padding='same' is not supported for strided convolutions")
        if self.padding_mode not in _MODES:
            raise ValueError(
                f"padding_mode must be one of {_MODES}, but got padding_mode={self.padding_mode!r}"
            )
        if self.transposed and self.padding_mode != "zeros":
            raise ValueError(f'Only "zeros" padding mode is supported for {type(self).__name__}')

    def reset_parameters(self) -> None:
        """Draw the weights anew from the default generator. Source: He et al. 2015."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in, _ = init._calculate_fan_in_and_fan_out(self.weight)
            bound = 1 / math.sqrt(fan_in) if fan_in else 0.0
            init.uniform_(self.bias, -bound, bound)

    def extra_repr(self) -> str:
        none, one = (0,) * self.ndim, (1,) * self.ndim
        parts = [
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}",
            f"stride={self.stride}",
            f"padding={self.padding}" if self.padding != none else "",
            f"dilation={self.dilation}" if self.dilation != one else "",
            f"output_padding={self.output_padding}" if self.output_padding != none else "",
            f"groups={self.groups}" if self.groups != 1 else "",
            "bias=False" if self.bias is None else "",
            f"padding_mode={self.padding_mode}" if self.padding_mode != "zeros" else "",
        ]
        return ", ".join(part for part in parts if part)


class _Forward(_ConvNd):
    """Conv1d, Conv2d, Conv3d but for their docstrings."""

    transposed = False

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes = 1,
        padding: Sizes | str = 0,
        dilation: Sizes = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        channels = (in_channels, out_channels)
        self._build(
            channels,
            kernel_size,
            stride,
            padding,
            dilation,
            0,
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def forward(self, input: Tensor) -> Tensor:
        """See `functional.conv2d`; a padding_mode other than "zeros" pads first."""
        padding = self.padding
        if self.padding_mode != "zeros":
            input, padding = F.pad(input, self._around(), mode=self.padding_mode), (0,) * self.ndim
        convolve = (F.conv1d, F.conv2d, F.conv3d)[self.ndim - 1]
        return convolve(
            input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups
        )

    def _around(self) -> list[int]:
        """The padding as `functional.pad` takes it: last axis first, before and after."""
        if isinstance(self.padding, str):
            same = self.padding == "same"
            totals = [
                same * d * (k - 1) for d, k in zip(self.dilation, self.kernel_size, strict=True)
            ]
        else:
            totals = [2 * pad for pad in self.padding]
        return [side for total in totals[::-1] for side in (total // 2, total - total // 2)]


class Conv1d(_Forward):
    """Cross-correlation of signals (n, in_channels, length): see `functional.conv1d`."""

    ndim = 1


class Conv2d(_Forward):
    """Cross-correlation of images (n, in_channels, h, w): see `functional.conv2d`."""

    ndim = 2


class Conv3d(_Forward):
    """Cross-correlation of volumes (n, in_channels, d, h, w): see `functional.conv3d`."""

    ndim = 3


class _Transposed(_ConvNd):
    """ConvTranspose1d, 2d, 3d but for their docstrings."""

    transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes = 1,
        padding: Sizes = 0,
        output_padding: Sizes = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Sizes = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self._build(
            (in_channels, out_channels),
            kernel_size,
            stride,
            padding,
            dilation,
            output_padding,
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        """See `functional.conv_transpose2d`; `output_size` chooses among the sizes that a
        convolution of this stride takes to the size of the input."""
        extra = self.output_padding if output_size is None else self._extra(input, output_size)
        convolve: Any = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)[self.ndim - 1]
        return convolve(
            input,
            self.weight,
            self.bias,
            self.stride,
            self.padding,
            extra,
            self.groups,
            self.dilation,
        )

    def _extra(self, input: Tensor, output_size: Sequence[int]) -> list[int]:
        lead = input.ndim - self.ndim
        if len(output_size) not in (self.ndim, lead + self.ndim):
            raise ValueError(
                f"ConvTranspose{self.ndim}D: for {input.ndim}D input, output_size must have "
                f"{self.ndim} or {lead + self.ndim} elements (got {len(output_size)})"
            )
        wanted = list(output_size)[-self.ndim :]
        least = [
            (size - 1) * s - 2 * pad + d * (k - 1) + 1
            for size, s, pad, d, k in zip(
                input.shape[lead:],
                self.stride,
                self._each(self.padding),
                self.dilation,
                self.kernel_size,
                strict=True,
            )
        ]
        most = [low + s - 1 for low, s in zip(least, self.stride, strict=True)]
        if not all(
            low <= size <= high for low, size, high in zip(least, wanted, most, strict=True)
        ):
            raise ValueError(
                f"requested an output size of {wanted}, but valid sizes range from {least} to "
                f"{most} (for an input of {tuple(input.shape[2:])})"
            )
        return [size - low for size, low in zip(wanted, least, strict=True)]


class ConvTranspose1d(_Transposed):
    """The adjoint of a Conv1d, plus a bias: see `functional.conv_transpose1d`."""

    ndim = 1


class ConvTranspose2d(_Transposed):
    """The adjoint of a Conv2d, plus a bias: see `functional.conv_transpose2d`."""

    ndim = 2


class ConvTranspose3d(_Transposed):
    """The adjoint of a Conv3d, plus a bias: see `functional.conv_transpose3d`."""

    ndim = 3
