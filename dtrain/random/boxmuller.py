"""Normal numbers from uniform ones, as PyTorch's vector code has them: 16 at a time.

    radius = sqrt(-2 log(1 - u[0:8]))      angle = 2 pi u[8:16]
    out[0:8] = radius cos(angle) std + mean      out[8:16] = radius sin(angle) std + mean

In float32 this follows PyTorch's AVX2 code operation by operation: the bits are those that PyTorch
has on any x86-64 processor since 2013, here on every machine. Its fused multiply-adds are formed in
float64, where the product of two float32 is exact; that the sum is then rounded twice shows in one
number of some millions, by its last bit. In float64 PyTorch's numbers are those of the C library,
and these are within 4 ulp of them.

Source: Box and Muller 1958; Moshier's Cephes library (logf, sinf, cosf: the polynomials); PyTorch,
ATen/native/cpu: DistributionTemplates.h and avx_mathfun.h.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from dtrain.autograd.value import Array
from dtrain.random import elementary
from dtrain.random.elementary import multiply_add, turned

GROUP = 16
_GROUPS_AT_ONCE = 512  # temporaries stay in the cache

# Highest power first.
_LOG = [
    7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1,
    -1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1,
]  # fmt: skip
_SIN = [-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1]
_COS = [2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2]
_QUARTER_PI = [0.78515625, 2.4187564849853515625e-4, 3.77489497744594108e-8]  # its parts
_LN2_HIGH, _LN2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)
_SQRT_HALF_BITS, _ONE_BITS = np.int32(0x3F3504F3), np.int32(0x3F800000)
_MANTISSA = np.int32(0x007FFFFF)
_TWO_PI = 2 * np.pi


def normals(uniforms: Array, mean: float, std: float) -> Array:
    """As many normal numbers as uniform ones, in float32 or float64; a multiple of 16."""
    out = np.empty_like(uniforms)
    groups, made = uniforms.reshape(-1, 2, GROUP // 2), out.reshape(-1, 2, GROUP // 2)
    for start in range(0, len(groups), _GROUPS_AT_ONCE):
        part = slice(start, start + _GROUPS_AT_ONCE)
        polar = polar32 if uniforms.dtype == np.float32 else polar64
        made[part, 0], made[part, 1] = polar(groups[part, 0], groups[part, 1], mean, std)
    return out


def polar64(first: Array, second: Array, mean: float, std: float) -> tuple[Array, Array]:
    """One group after another in float64."""
    radius = np.sqrt(-2.0 * elementary.log(1.0 - first))
    cos, sin = elementary.cos_sin(_TWO_PI * second)
    return multiply_add(radius * cos, std, mean), multiply_add(radius * sin, std, mean)


def polar32(first: Array, second: Array, mean: float, std: float) -> tuple[Array, Array]:
    """The same in float32."""
    radius = np.sqrt(np.float32(-2.0) * _log(np.float32(1.0) - first))
    cos, sin = _cos_sin(np.float32(_TWO_PI) * second)
    scale, shift = np.float64(np.float32(std)), np.float64(np.float32(mean))
    return _fused(_wide(radius * cos), scale, shift), _fused(_wide(radius * sin), scale, shift)


def _log(x: Array) -> Array:
    bits = x.view(np.int32) + (_ONE_BITS - _SQRT_HALF_BITS)
    power = ((bits >> 23) - np.int32(127)).astype(np.float32)
    f = ((bits & _MANTISSA) + _SQRT_HALF_BITS).view(np.float32) - np.float32(1.0)
    square = f * f
    series = _fused(_wide(_series(_wide(f), _LOG) * f), square, power * _LN2_LOW)
    return (f + (series - square * np.float32(0.5))) + power * _LN2_HIGH


def _cos_sin(x: Array) -> tuple[Array, Array]:
    eighth = (x * np.float32(4 / np.pi)).astype(np.int32)
    quarter = (eighth + np.int32(1)) >> 1
    turns = (quarter * np.int32(2)).astype(np.float32)
    for part in _QUARTER_PI:
        x = x - turns * np.float32(part)
    square = x * x
    square64, x64 = _wide(square), _wide(x)
    cos = _wide(_series(square64, _COS) * square)
    cos = _fused(cos, square64, square * np.float32(-0.5)) + np.float32(1.0)
    sin = _fused(_wide(_series(square64, _SIN) * square), x64, x64)
    return turned(cos, sin, quarter)


def _series(x64: Array, coefficients: Sequence[float]) -> Array:
    """Horner's rule, every step of it one fused multiply-add of float32."""
    total = x64 * np.float64(np.float32(coefficients[0]))
    total += np.float64(np.float32(coefficients[1]))
    for coefficient in coefficients[2:]:
        total = _wide(total.astype(np.float32))
        total *= x64
        total += np.float64(np.float32(coefficient))
    return total.astype(np.float32)


def _wide(x: Array) -> Array:
    """float32 as float64."""
    return x.astype(np.float64)


def _fused(x64: Array, factor: Any, term: Any) -> Array:
    """x * factor + term of float32 numbers, rounded once."""
    product = x64 * factor
    product += term
    out: Array = product.astype(np.float32)
    return out
