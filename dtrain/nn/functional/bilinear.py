# mypy: disable-error-code="no-any-return"
"""Bilinear maps."""

from dtrain.autograd.tensor import Tensor

__all__ = ["bilinear"]


def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """out[..., o] = input1[...] @ weight[o] @ input2[...] + bias[o].

    Shapes:  input1 (..., i);  input2 (..., j);  weight (o, i, j);  bias (o);  result (..., o).
    Raises:  RuntimeError if the shapes above do not hold.
    """
    out, first, second = weight.shape
    if tuple(input1.shape[:-1]) != tuple(input2.shape[:-1]):
        raise RuntimeError(
            f"bilinear(): input batch dimensions do not match: {tuple(input1.shape)} and "
            f"{tuple(input2.shape)}"
        )
    if (input1.shape[-1], input2.shape[-1]) != (first, second):
        raise RuntimeError(
            f"bilinear(): inputs of {input1.shape[-1]} and {input2.shape[-1]} features do not go "
            f"with a weight of shape {tuple(weight.shape)}"
        )
    columns = weight.permute(1, 0, 2).reshape(first, out * second)
    mapped = (input1 @ columns).reshape(*input1.shape[:-1], out, second)
    result = (mapped * input2.unsqueeze(-2)).sum(-1)
    return result if bias is None else result + bias
