"""All modules but the base, under their names in `dtrain.nn`."""

from dtrain.nn.activation import *  # noqa: F403
from dtrain.nn.attention import *  # noqa: F403
from dtrain.nn.batchnorm import *  # noqa: F403
from dtrain.nn.cells import *  # noqa: F403
from dtrain.nn.containers import *  # noqa: F403
from dtrain.nn.conv import *  # noqa: F403
from dtrain.nn.distance import *  # noqa: F403
from dtrain.nn.dropout import *  # noqa: F403
from dtrain.nn.flatten import *  # noqa: F403
from dtrain.nn.linear import *  # noqa: F403
from dtrain.nn.loss import *  # noqa: F403
from dtrain.nn.margin import *  # noqa: F403
from dtrain.nn.normalization import *  # noqa: F403
from dtrain.nn.padding import *  # noqa: F403
from dtrain.nn.pooling import *  # noqa: F403
from dtrain.nn.recurrent import *  # noqa: F403
from dtrain.nn.sparse import *  # noqa: F403
from dtrain.nn.transformer import *  # noqa: F403
from dtrain.nn.vision import *  # noqa: F403
