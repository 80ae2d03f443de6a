"""PyTorch's functions and methods of tensors, one family a file. Importing this package declares
them all and attaches the methods and operators to Tensor."""

from dtrain.autograd.functions.arithmetic import *  # noqa: F403
from dtrain.autograd.functions.arranging import *  # noqa: F403
from dtrain.autograd.functions.binary import *  # noqa: F403
from dtrain.autograd.functions.casting import *  # noqa: F403
from dtrain.autograd.functions.changing import *  # noqa: F403
from dtrain.autograd.functions.combining import *  # noqa: F403
from dtrain.autograd.functions.comparison import *  # noqa: F403
from dtrain.autograd.functions.counting import *  # noqa: F403
from dtrain.autograd.functions.creation import *  # noqa: F403
from dtrain.autograd.functions.diagonals import *  # noqa: F403
from dtrain.autograd.functions.einsum import *  # noqa: F403
from dtrain.autograd.functions.extremes import *  # noqa: F403
from dtrain.autograd.functions.indexing import *  # noqa: F403
from dtrain.autograd.functions.joining import *  # noqa: F403
from dtrain.autograd.functions.limits import *  # noqa: F403
from dtrain.autograd.functions.linalg import *  # noqa: F403
from dtrain.autograd.functions.norms import *  # noqa: F403
from dtrain.autograd.functions.others import *  # noqa: F403
from dtrain.autograd.functions.picking import *  # noqa: F403
from dtrain.autograd.functions.quantiles import *  # noqa: F403
from dtrain.autograd.functions.ranges import *  # noqa: F403
from dtrain.autograd.functions.reduction import *  # noqa: F403
from dtrain.autograd.functions.registry import FUNCTIONS
from dtrain.autograd.functions.running import *  # noqa: F403
from dtrain.autograd.functions.scattering import *  # noqa: F403
from dtrain.autograd.functions.shape import *  # noqa: F403
from dtrain.autograd.functions.softmax import *  # noqa: F403
from dtrain.autograd.functions.sorting import *  # noqa: F403
from dtrain.autograd.functions.spread import *  # noqa: F403
from dtrain.autograd.functions.triangles import *  # noqa: F403
from dtrain.autograd.functions.typed import *  # noqa: F403
from dtrain.autograd.functions.types import *  # noqa: F403
from dtrain.autograd.functions.unary import *  # noqa: F403
from dtrain.autograd.operators import attach

__all__ = [*FUNCTIONS]
attach()
