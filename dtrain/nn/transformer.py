# mypy: disable-error-code="no-any-return"
"""The Transformer: stacks of layers that encode, stacks that decode, and both together."""

import copy
from typing import Any

import numpy as np

from dtrain.autograd.dtypes import get_default_dtype
from dtrain.autograd.modes import is_grad_enabled
from dtrain.autograd.tensor import Tensor, wrap
from dtrain.nn import functional as F
from dtrain.nn import init
from dtrain.nn.activation import GELU, ReLU
from dtrain.nn.containers import ModuleList
from dtrain.nn.functional.masks import canonical_mask
from dtrain.nn.module import Module
from dtrain.nn.normalization import LayerNorm
from dtrain.nn.transformer_layers import (
    Activation,
    Mask,
    TransformerDecoderLayer,
    TransformerEncoderLayer,
)

__all__ = [
    "Transformer",
    "TransformerDecoder",
    "TransformerDecoderLayer",
    "TransformerEncoder",
    "TransformerEncoderLayer",
]


class TransformerEncoder(Module):
    """A stack of `num_layers` copies of a layer, and a normalization at the end if given.

    As in PyTorch the copies start from equal parameters. `enable_nested_tensor`: in evaluation,
    where PyTorch would leave padding at the end of sequences out, its output is 0 there (before
    `norm`), as PyTorch's is.
    """

    def __init__(
        self,
        encoder_layer: Module,
        num_layers: int,
        norm: Module | None = None,
        enable_nested_tensor: bool = True,
        mask_check: bool = True,
    ) -> None:
        super().__init__()
        self.layers = _copies(encoder_layer, num_layers)
        self.num_layers = num_layers
        self.norm = norm
        self.enable_nested_tensor, self.mask_check = enable_nested_tensor, mask_check
        self.use_nested_tensor = enable_nested_tensor and _can_leave_out(encoder_layer)

    def forward(
        self,
        src: Tensor,
        mask: Mask = None,
        src_key_padding_mask: Mask = None,
        is_causal: bool | None = None,
    ) -> Tensor:
        """The sequence through all layers. `is_causal` None: see whether the mask is causal."""
        padding = canonical_mask(
            src_key_padding_mask, "src_key_padding_mask", src.dtype, mask, "mask"
        )
        mask = canonical_mask(mask, "mask", src.dtype)
        is_causal = _is_causal(mask, is_causal, src, self.layers[0])
        out = src
        for layer in self.layers:
            out = layer(out, src_mask=mask, is_causal=is_causal, src_key_padding_mask=padding)
        if padding is not None and mask is None and self._leaves_out(src, padding):
            out = out * wrap((padding._array == 0).astype(out._array.dtype)).unsqueeze(-1)
        return out if self.norm is None else self.norm(out)

    def _leaves_out(self, src: Tensor, padding: Tensor) -> bool:
        """Whether PyTorch would leave padding out: in evaluation, where all of it is at the end."""
        layer = self.layers[0]
        if not self.use_nested_tensor or layer.training or src.ndim != 3:
            return False
        hidden = padding._array != 0
        if self.mask_check and (hidden[:, :-1] & ~hidden[:, 1:]).any():
            return False
        known = (src, *layer.parameters())
        return not (is_grad_enabled() and any(tensor.requires_grad for tensor in known))


class TransformerDecoder(Module):
    """A stack of `num_layers` copies of a layer, and a normalization at the end if given."""

    def __init__(self, decoder_layer: Module, num_layers: int, norm: Module | None = None) -> None:
        super().__init__()
        self.layers = _copies(decoder_layer, num_layers)
        self.num_layers = num_layers
        self.norm = norm

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Mask = None,
        memory_mask: Mask = None,
        tgt_key_padding_mask: Mask = None,
        memory_key_padding_mask: Mask = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """The sequence through all layers. `tgt_is_causal` None: see whether the mask is causal."""
        tgt_is_causal = _is_causal(tgt_mask, tgt_is_causal, tgt, self.layers[0])
        out = tgt
        for layer in self.layers:
            out = layer(
                out,
                memory,
                tgt_mask=tgt_mask,
                memory_mask=memory_mask,
                tgt_key_padding_mask=tgt_key_padding_mask,
                memory_key_padding_mask=memory_key_padding_mask,
                tgt_is_causal=tgt_is_causal,
                memory_is_causal=memory_is_causal,
            )
        return out if self.norm is None else self.norm(out)


class Transformer(Module):
    """An encoder of `src` and a decoder of `tgt` that attends to it: Vaswani et al. 2017, fig. 1.

    Shapes:  src (s, n, d_model), tgt and result (t, n, d_model), with n first if `batch_first`,
             without n for one sequence; src_mask (s, s), tgt_mask (t, t), memory_mask (t, s), or
             (n * nhead, ...) each; ..._key_padding_mask (n, s) or (n, t).
    Starts from PyTorch's numbers: Xavier's uniform for every weight with two dimensions.
    Raises:  RuntimeError for a batch or a width that does not fit.
    """

    def __init__(
        self,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = F.relu,
        custom_encoder: Any = None,
        custom_decoder: Any = None,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        kind: dict[str, Any] = {"bias": bias, "device": device, "dtype": dtype}
        layer: dict[str, Any] = {
            "dim_feedforward": dim_feedforward,
            "dropout": dropout,
            "activation": activation,
            "layer_norm_eps": layer_norm_eps,
            "batch_first": batch_first,
            "norm_first": norm_first,
            **kind,
        }
        if custom_encoder is None:
            encoder_layer = TransformerEncoderLayer(d_model, nhead, **layer)
            norm = LayerNorm(d_model, eps=layer_norm_eps, **kind)
            custom_encoder = TransformerEncoder(encoder_layer, num_encoder_layers, norm)
        self.encoder = custom_encoder
        if custom_decoder is None:
            decoder_layer = TransformerDecoderLayer(d_model, nhead, **layer)
            norm = LayerNorm(d_model, eps=layer_norm_eps, **kind)
            custom_decoder = TransformerDecoder(decoder_layer, num_decoder_layers, norm)
        self.decoder = custom_decoder
        self._reset_parameters()
        self.d_model, self.nhead, self.batch_first = d_model, nhead, batch_first

    def _reset_parameters(self) -> None:
        for parameter in self.parameters():
            if parameter.ndim > 1:
                init.xavier_uniform_(parameter)

    def forward(
        self,
        src: Tensor,
        tgt: Tensor,
        src_mask: Mask = None,
        tgt_mask: Mask = None,
        memory_mask: Mask = None,
        src_key_padding_mask: Mask = None,
        tgt_key_padding_mask: Mask = None,
        memory_key_padding_mask: Mask = None,
        src_is_causal: bool | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """What the decoder makes of tgt, given what the encoder makes of src."""
        axis = 0 if self.batch_first else 1
        if src.ndim == 3 and src.shape[axis] != tgt.shape[axis]:
            raise RuntimeError("the batch number of src and tgt must be equal")
        if src.shape[-1] != self.d_model or tgt.shape[-1] != self.d_model:
            raise RuntimeError("the feature number of src and tgt must be equal to d_model")
        memory = self.encoder(
            src,
            mask=src_mask,
            src_key_padding_mask=src_key_padding_mask,
            is_causal=src_is_causal,
        )
        out: Tensor = self.decoder(
            tgt,
            memory,
            tgt_mask=tgt_mask,
            memory_mask=memory_mask,
            tgt_key_padding_mask=tgt_key_padding_mask,
            memory_key_padding_mask=memory_key_padding_mask,
            tgt_is_causal=tgt_is_causal,
            memory_is_causal=memory_is_causal,
        )
        return out

    @staticmethod
    def generate_square_subsequent_mask(sz: int, device: Any = None, dtype: Any = None) -> Tensor:
        """The causal mask (sz, sz): -inf where the key comes after the query, else 0."""
        mask = wrap(np.triu(np.full((sz, sz), -np.inf, dtype or get_default_dtype()), 1))
        return mask if device is None else mask.to(device)


def _copies(layer: Module, count: int) -> ModuleList:
    return ModuleList([copy.deepcopy(layer) for _ in range(count)])


def _is_causal(mask: Mask, told: bool | None, x: Tensor, layer: Module) -> bool:
    """What the user says; otherwise whether the mask is the causal one."""
    if told is not None or mask is None:
        return told is True
    axis = 1 if x.ndim == 3 and layer.self_attn.batch_first else 0
    causal = np.triu(np.full((x.shape[axis],) * 2, -np.inf), 1)
    return np.array_equal(mask._array, causal)


def _can_leave_out(layer: Module) -> bool:
    """Whether PyTorch has its fast path for such a layer, which leaves padding out."""
    if not isinstance(layer, TransformerEncoderLayer) or layer.norm_first:
        return False
    known = (F.relu, F.gelu), (ReLU, GELU)
    return (
        layer.self_attn.batch_first
        and layer.self_attn.in_proj_bias is not None
        and layer.self_attn.num_heads % 2 == 0
        and layer.norm1.eps == layer.norm2.eps
        and (layer.activation in known[0] or isinstance(layer.activation, known[1]))
    )
