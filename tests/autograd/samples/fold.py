"""Windows taken out and added back, over one and two axes."""

from dtrain.autograd.ops.windows import Axis
from tests.autograd.samples.draws import Sample, draw

IMAGE = (Axis(3, 2, 2), Axis(4, 2, 3, 2, 1, 1))
SIGNAL = (Axis(6, 2, 2, 3, 2, 1),)

SAMPLES = {
    "unfold_windows": [
        Sample((draw(2, 1, 3, 4),), {"axes": IMAGE}),
        Sample((draw(1, 2, 6),), {"axes": SIGNAL}),
    ],
    "fold": [
        Sample((draw(2, 6, 4),), {"axes": IMAGE}),
        Sample((draw(1, 4, 2),), {"axes": SIGNAL}),
    ],
}
