"""Functions of tensors that modules are made of: PyTorch's `nn.functional`, one family a file."""

from dtrain import absent
from dtrain.nn.functional.activation import *
from dtrain.nn.functional.attention import *
from dtrain.nn.functional.bilinear import *
from dtrain.nn.functional.conv import *
from dtrain.nn.functional.distance import *
from dtrain.nn.functional.dotproduct import *
from dtrain.nn.functional.dropout import *
from dtrain.nn.functional.linear import *
from dtrain.nn.functional.loss import *
from dtrain.nn.functional.margin import *
from dtrain.nn.functional.normalization import *
from dtrain.nn.functional.pooling import *
from dtrain.nn.functional.softmax import *
from dtrain.nn.functional.sparse import *
from dtrain.nn.functional.vision import *

absent.explain(__name__)
