"""How long elementwise kernels run: block by block, so that what they write is still in the cache.

NumPy makes one pass over memory for each operation. A formula of ten operations over an array that
is larger than the cache waits for memory ten times; over a block of it, once.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from dtrain.autograd.value import Array

# 256 kB of float32. Shorter blocks lose more to NumPy's calls than they gain, longer ones miss L2.
BLOCK = 1 << 16


def in_blocks(kernel: Callable[..., None], *arrays: Array, scratch: int = 0) -> None:
    """Call `kernel(*blocks, *work)` for one block of all arrays after the other.

    The arrays are contiguous and of one shape; some of them the kernel writes to. `work` is
    `scratch` arrays of the size of a block, with anything in them, for intermediate results.
    """
    flat = [array.reshape(-1) for array in arrays]
    size = flat[0].size
    work = np.zeros((scratch, min(size, BLOCK)), flat[0].dtype)
    for start in range(0, size, BLOCK):
        blocks = [each[start : start + BLOCK] for each in flat]
        kernel(*blocks, *(each[: blocks[0].size] for each in work))


def like(x: Array) -> Array:
    """An array of the shape and dtype of x in C order, for a kernel to fill."""
    return np.empty(x.shape, x.dtype)


def polynomial(x: Array, coefficients: Any, out: Array) -> None:
    """out = c[0] + c[1] x + c[2] x**2 + ..., by Horner's rule. `out` is not x."""
    if len(coefficients) == 1:
        out.fill(coefficients[0])
        return
    np.multiply(x, coefficients[-1], out=out)
    for coefficient in coefficients[-2:0:-1]:
        out += coefficient
        out *= x
    out += coefficients[0]
