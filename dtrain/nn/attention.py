# mypy: disable-error-code="no-any-return"
"""Multi-head attention."""

from typing import Any

from dtrain.autograd.tensor import Tensor
from dtrain.nn import functional as F
from dtrain.nn import init
from dtrain.nn.functional.attention import alike
from dtrain.nn.functional.masks import canonical_mask
from dtrain.nn.linear import Linear
from dtrain.nn.module import Module
from dtrain.nn.parameter import fresh

__all__ = ["MultiheadAttention"]


class NonDynamicallyQuantizableLinear(Linear):
    """A Linear by the name that PyTorch prints for the output projection."""


class MultiheadAttention(Module):
    """Attention by several heads, each in a part of the embedding, joined by a projection.

        head[i] = attention(query @ Wq[i].T + bq[i], key @ Wk[i].T + bk[i], value @ Wv[i].T + bv[i])
        out = concat(head) @ Wo.T + bo

    Parameters: in_proj_weight (3 e, e), which holds Wq, Wk and Wv; or, where kdim or vdim is not
    embed_dim, q_proj_weight (e, e), k_proj_weight (e, kdim), v_proj_weight (e, vdim); in_proj_bias
    (3 e); out_proj; with add_bias_kv, bias_k and bias_v (1, 1, e): a key and a value more.
    Starts from PyTorch's numbers: Xavier's uniform for the weights, zeros for the biases.
    Raises:  ValueError or AssertionError for sizes that do not fit.
    Source:  Vaswani et al. 2017, section 3.2.2; Glorot and Bengio 2010.
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if embed_dim <= 0 or num_heads <= 0:
            raise ValueError(
                "embed_dim and num_heads must be greater than 0, "
                f"got embed_dim={embed_dim} and num_heads={num_heads} instead"
            )
        if embed_dim % num_heads:
            raise AssertionError("embed_dim must be divisible by num_heads")
        super().__init__()
        self.embed_dim, self.num_heads, self.head_dim = embed_dim, num_heads, embed_dim // num_heads
        self.kdim = embed_dim if kdim is None else kdim
        self.vdim = embed_dim if vdim is None else vdim
        self.dropout, self.batch_first, self.add_zero_attn = dropout, batch_first, add_zero_attn
        self._qkv_same_embed_dim = self.kdim == embed_dim and self.vdim == embed_dim
        self._register_projections(bias, device, dtype)
        self.out_proj = NonDynamicallyQuantizableLinear(
            embed_dim, embed_dim, bias=bias, device=device, dtype=dtype
        )
        for name in ("bias_k", "bias_v"):
            row = fresh((1, 1, embed_dim), device, dtype) if add_bias_kv else None
            self.register_parameter(name, row)
        self._reset_parameters()

    def _register_projections(self, bias: bool, device: Any, dtype: Any) -> None:
        width, packed = self.embed_dim, self._qkv_same_embed_dim
        for name, columns in (("q", width), ("k", self.kdim), ("v", self.vdim)):
            own = None if packed else fresh((width, columns), device, dtype)
            self.register_parameter(f"{name}_proj_weight", own)
        joined = fresh((3 * width, width), device, dtype) if packed else None
        self.register_parameter("in_proj_weight", joined)
        offsets = fresh((3 * width,), device, dtype) if bias else None
        self.register_parameter("in_proj_bias", offsets)

    def _reset_parameters(self) -> None:
        """Draw the projections of the input anew; the biases become 0."""
        own = (self.q_proj_weight, self.k_proj_weight, self.v_proj_weight)
        for weight in (self.in_proj_weight,) if self._qkv_same_embed_dim else own:
            init.xavier_uniform_(weight)
        if self.in_proj_bias is not None:
            init.zeros_(self.in_proj_bias)
            init.zeros_(self.out_proj.bias)
        for row in (self.bias_k, self.bias_v):
            if row is not None:
                init.xavier_normal_(row)

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """The attention and, if `need_weights`, its weights; else None.

        Shapes:  query (l, n, e), key (s, n, kdim), value (s, n, vdim), result (l, n, e), or with
                 n first if `batch_first`; (l, e) and so on for a single sequence;
                 weights (n, l, s), or (n, num_heads, l, s) if not averaged;
                 key_padding_mask (n, s);  attn_mask (l, s) or (n * num_heads, l, s).
        Masks, errors: see `functional.multi_head_attention_forward`.
        Without `need_weights` it is faster, and zeros, not nan, for a query that may see no key.
        """
        key_padding_mask = canonical_mask(
            key_padding_mask, "key_padding_mask", query.dtype, attn_mask, "attn_mask"
        )
        attn_mask = canonical_mask(attn_mask, "attn_mask", query.dtype)
        swapped = self.batch_first and query.ndim == 3
        if swapped:
            query, key, value = alike(lambda x: x.transpose(1, 0), query, key, value)
        out, weights = F.multi_head_attention_forward(
            query,
            key,
            value,
            self.embed_dim,
            self.num_heads,
            self.in_proj_weight,
            self.in_proj_bias,
            self.bias_k,
            self.bias_v,
            self.add_zero_attn,
            self.dropout,
            self.out_proj.weight,
            self.out_proj.bias,
            training=self.training,
            key_padding_mask=key_padding_mask,
            need_weights=need_weights,
            attn_mask=attn_mask,
            use_separate_proj_weight=not self._qkv_same_embed_dim,
            q_proj_weight=self.q_proj_weight,
            k_proj_weight=self.k_proj_weight,
            v_proj_weight=self.v_proj_weight,
            average_attn_weights=average_attn_weights,
            is_causal=is_causal,
        )
        return out.transpose(1, 0) if swapped else out, weights
