"""PyTorch's functions and methods of tensors, one family a file. Importing this package declares
them all and attaches the methods and operators to Tensor."""

from dtrain.autograd.functions.arithmetic import *
from dtrain.autograd.functions.arranging import *
from dtrain.autograd.functions.binary import *
from dtrain.autograd.functions.casting import *
from dtrain.autograd.functions.changing import *
from dtrain.autograd.functions.combining import *
from dtrain.autograd.functions.comparison import *
from dtrain.autograd.functions.counting import *
from dtrain.autograd.functions.creation import *
from dtrain.autograd.functions.diagonals import *
from dtrain.autograd.functions.einsum import *
from dtrain.autograd.functions.extremes import *
from dtrain.autograd.functions.indexing import *
from dtrain.autograd.functions.joining import *
from dtrain.autograd.functions.limits import *
from dtrain.autograd.functions.linalg import *
from dtrain.autograd.functions.norms import *
from dtrain.autograd.functions.others import *
from dtrain.autograd.functions.picking import *
from dtrain.autograd.functions.quantiles import *
from dtrain.autograd.functions.ranges import *
from dtrain.autograd.functions.reduction import *
from dtrain.autograd.functions.registry import FUNCTIONS
from dtrain.autograd.functions.running import *
from dtrain.autograd.functions.scattering import *
from dtrain.autograd.functions.shape import *
from dtrain.autograd.functions.softmax import *
from dtrain.autograd.functions.sorting import *
from dtrain.autograd.functions.spread import *
from dtrain.autograd.functions.triangles import *
from dtrain.autograd.functions.typed import *
from dtrain.autograd.functions.types import *
from dtrain.autograd.functions.unary import *
from dtrain.autograd.operators import attach

__all__ = [*FUNCTIONS]
attach()
