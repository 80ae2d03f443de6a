"""A view written into what it is a view of."""

from dtrain.autograd import wrap
from dtrain.autograd.inplace import Path
from tests.autograd.samples.draws import Sample, draw

CORNER = Path(wrap(draw(2, 3))[1:, :2]._view.steps)

SAMPLES = {
    "put": [Sample((draw(2, 3), draw(1, 2)), {"at": CORNER})],
    "cut": [Sample((draw(2, 3),), {"at": CORNER})],
}
