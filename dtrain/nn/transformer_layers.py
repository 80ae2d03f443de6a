# mypy: disable-error-code="no-any-return"
"""The layers of a Transformer: attention, and a network for each position."""

from collections.abc import Callable
from typing import Any, TypeAlias

from dtrain.autograd.tensor import Tensor
from dtrain.nn import functional as F
from dtrain.nn.attention import MultiheadAttention
from dtrain.nn.dropout import Dropout
from dtrain.nn.functional.masks import canonical_mask
from dtrain.nn.linear import Linear
from dtrain.nn.module import Module
from dtrain.nn.normalization import LayerNorm

Activation: TypeAlias = str | Callable[[Tensor], Tensor]
Mask: TypeAlias = Tensor | None


class _Layer(Module):
    """What the layers of encoder and decoder share."""

    def _attend(self, attention: Module, x: Tensor, memory: Tensor, *masks: Any) -> Tensor:
        """The attention of x to memory, without its weights."""
        attn_mask, key_padding_mask, is_causal = masks
        out: Tensor = attention(
            x,
            memory,
            memory,
            attn_mask=attn_mask,
            key_padding_mask=key_padding_mask,
            is_causal=is_causal,
            need_weights=False,
        )[0]
        return out

    def _feed_forward(self, x: Tensor) -> Tensor:
        return self.linear2(self.dropout(self.activation(self.linear1(x))))


class TransformerEncoderLayer(_Layer):
    """Attention of a sequence to itself, then two linear maps for each position; both with a sum.

        norm_first:  x + attention(norm1(x)), then x + feed_forward(norm2(x))
        else:        norm1(x + attention(x)), then norm2(x + feed_forward(x))

    `activation`, between the linear maps, is "relu", "gelu" or a function. Dropout follows each
    part, the activation, and is within the attention.
    Shapes:  (l, n, d_model), or (n, l, d_model) if `batch_first`; (l, d_model) for one sequence.
    Masks:   as for `MultiheadAttention`.
    Source:  Vaswani et al. 2017, section 3.1; Xiong et al. 2020 for norm_first.
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = F.relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        kind: dict[str, Any] = {"bias": bias, "device": device, "dtype": dtype}
        self.self_attn = MultiheadAttention(
            d_model, nhead, dropout=dropout, batch_first=batch_first, **kind
        )
        self.linear1 = Linear(d_model, dim_feedforward, **kind)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, **kind)
        self.norm_first = norm_first
        self.norm1 = LayerNorm(d_model, eps=layer_norm_eps, **kind)
        self.norm2 = LayerNorm(d_model, eps=layer_norm_eps, **kind)
        self.dropout1 = Dropout(dropout)
        self.dropout2 = Dropout(dropout)
        self.activation = _activation(activation)

    def forward(
        self,
        src: Tensor,
        src_mask: Mask = None,
        src_key_padding_mask: Mask = None,
        is_causal: bool = False,
    ) -> Tensor:
        """The sequence through both parts; `is_causal` says that src_mask is the causal mask."""
        padding = canonical_mask(
            src_key_padding_mask, "src_key_padding_mask", src.dtype, src_mask, "src_mask"
        )
        masks = canonical_mask(src_mask, "src_mask", src.dtype), padding, is_causal
        x = src
        if self.norm_first:
            x = x + self._own(self.norm1(x), *masks)
            return x + self.dropout2(self._feed_forward(self.norm2(x)))
        x = self.norm1(x + self._own(x, *masks))
        return self.norm2(x + self.dropout2(self._feed_forward(x)))

    def _own(self, x: Tensor, *masks: Any) -> Tensor:
        return self.dropout1(self._attend(self.self_attn, x, x, *masks))


class TransformerDecoderLayer(_Layer):
    """As an encoder's layer, with attention to the encoder's output, `memory`, in between.

    Arguments, shapes and source as for `TransformerEncoderLayer`; memory is (s, n, d_model), or
    (n, s, d_model) if `batch_first`.
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = F.relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        kind: dict[str, Any] = {"bias": bias, "device": device, "dtype": dtype}
        for name in ("self_attn", "multihead_attn"):
            attention = MultiheadAttention(
                d_model, nhead, dropout=dropout, batch_first=batch_first, **kind
            )
            self.add_module(name, attention)
        self.linear1 = Linear(d_model, dim_feedforward, **kind)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, **kind)
        self.norm_first = norm_first
        for at in (1, 2, 3):
            self.add_module(f"norm{at}", LayerNorm(d_model, eps=layer_norm_eps, **kind))
        for at in (1, 2, 3):
            self.add_module(f"dropout{at}", Dropout(dropout))
        self.activation = _activation(activation)

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Mask = None,
        memory_mask: Mask = None,
        tgt_key_padding_mask: Mask = None,
        memory_key_padding_mask: Mask = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """The sequence through the three parts; `..._is_causal`: that mask is the causal one."""
        own = tgt_mask, tgt_key_padding_mask, tgt_is_causal
        across = memory_mask, memory_key_padding_mask, memory_is_causal
        x = tgt
        if self.norm_first:
            x = x + self._own(self.norm1(x), *own)
            x = x + self._across(self.norm2(x), memory, *across)
            return x + self.dropout3(self._feed_forward(self.norm3(x)))
        x = self.norm1(x + self._own(x, *own))
        x = self.norm2(x + self._across(x, memory, *across))
        return self.norm3(x + self.dropout3(self._feed_forward(x)))

    def _own(self, x: Tensor, *masks: Any) -> Tensor:
        return self.dropout1(self._attend(self.self_attn, x, x, *masks))

    def _across(self, x: Tensor, memory: Tensor, *masks: Any) -> Tensor:
        return self.dropout2(self._attend(self.multihead_attn, x, memory, *masks))


def _activation(activation: Activation) -> Callable[[Tensor], Tensor]:
    if not isinstance(activation, str):
        return activation
    if activation not in ("relu", "gelu"):
        raise RuntimeError(f"activation should be relu/gelu, not {activation}")
    return getattr(F, activation)
