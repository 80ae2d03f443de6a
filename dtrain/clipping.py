"""Clipping a step's mean gradient before it is applied: by its norm, or element by element."""

from collections.abc import Sequence

import numpy as np

from dtrain.autograd import wrap
from dtrain.layout import Array
from dtrain.nn.utils.clip import get_total_norm, scale_arrays


def clip_norm(gradients: Sequence[Array], most: float) -> float:
    """Scale gradients, in place, so that their norm is at most `most`; returns it as it was.

        g <- g * min(1, most / (norm + 1e-6)),    norm = | (|g_1|, |g_2|, ...) |

    One gradient for each parameter that was reached, in their order: norms are taken per tensor,
    then over tensors, whatever the chunks.
    Source:  torch.nn.utils.clip_grad_norm_ (2.13), bit for bit the same arithmetic.
    """
    norm = get_total_norm([wrap(gradient) for gradient in gradients])._array
    scale_arrays(gradients, most, norm)
    return float(norm)


def clip_value(gradient: Array, most: float) -> None:
    """Bring every element into [-most, most], in place."""
    np.clip(gradient, -most, most, out=gradient)
