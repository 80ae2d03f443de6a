"""In-place methods as functions: `torch.relu_(x)` is `x.relu_()`. PyTorch has these on top."""

from dtrain.autograd.functions import arithmetic, binary, indexing, limits, linalg, unary
from dtrain.autograd.functions.registry import FUNCTIONS, METHODS

DECLARED_IN = (arithmetic, binary, indexing, limits, linalg, unary)  # imported before this file
NAMES = """
abs_ acos_ acosh_ addmv_ arccos_ arccosh_ arcsin_ arcsinh_ arctan_ arctanh_ asin_ asinh_ atan_
atanh_ ceil_ clamp_ clamp_max_ clamp_min_ clip_ cos_ cosh_ deg2rad_ erf_ erfc_ exp2_ exp_ expm1_
fill_ fix_ floor_ frac_ gcd_ index_put_ lcm_ ldexp_ log10_ log1p_ log2_ log_ logit_ nan_to_num_
neg_ negative_ rad2deg_ reciprocal_ relu_ round_ rsqrt_ sigmoid_ sin_ sinc_ sinh_ sqrt_ square_
tan_ tanh_ trunc_ xlogy_ zero_
"""

__all__ = [*NAMES.split()]

for _name in __all__:
    globals()[_name] = FUNCTIONS[_name] = METHODS[_name]
