"""Functions of tensors that modules are made of: PyTorch's `nn.functional`, one family a file."""

from dtrain import absent
from dtrain.nn.functional.activation import *  # noqa: F403
from dtrain.nn.functional.attention import *  # noqa: F403
from dtrain.nn.functional.bilinear import *  # noqa: F403
from dtrain.nn.functional.conv import *  # noqa: F403
from dtrain.nn.functional.distance import *  # noqa: F403
from dtrain.nn.functional.dotproduct import *  # noqa: F403
from dtrain.nn.functional.dropout import *  # noqa: F403
from dtrain.nn.functional.linear import *  # noqa: F403
from dtrain.nn.functional.loss import *  # noqa: F403
from dtrain.nn.functional.margin import *  # noqa: F403
from dtrain.nn.functional.normalization import *  # noqa: F403
from dtrain.nn.functional.pooling import *  # noqa: F403
from dtrain.nn.functional.softmax import *  # noqa: F403
from dtrain.nn.functional.sparse import *  # noqa: F403
from dtrain.nn.functional.vision import *  # noqa: F403

absent.explain(__name__)
