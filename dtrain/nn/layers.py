"""All modules but the base, under their names in `dtrain.nn`."""

from dtrain.nn.activation import *
from dtrain.nn.attention import *
from dtrain.nn.batchnorm import *
from dtrain.nn.cells import *
from dtrain.nn.containers import *
from dtrain.nn.conv import *
from dtrain.nn.distance import *
from dtrain.nn.dropout import *
from dtrain.nn.flatten import *
from dtrain.nn.linear import *
from dtrain.nn.loss import *
from dtrain.nn.margin import *
from dtrain.nn.normalization import *
from dtrain.nn.padding import *
from dtrain.nn.pooling import *
from dtrain.nn.recurrent import *
from dtrain.nn.sparse import *
from dtrain.nn.transformer import *
from dtrain.nn.vision import *
