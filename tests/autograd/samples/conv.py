"""Convolutions: every geometry, and both ways of laying out columns."""

from dtrain.autograd.ops.conv import Geometry
from dtrain.autograd.ops.windows import Axis
from tests.autograd.samples.draws import Sample, draw

PLAIN = {"geometry": Geometry((Axis(4, 3, 2), Axis(3, 2, 2)))}
STRIDED = {"geometry": Geometry((Axis(5, 2, 2, 3, 2, 1), Axis(4, 3, 2, 2, 1, 1)), 2)}
LONG = {"geometry": Geometry((Axis(6, 3, 3, 2, 3, 3),))}
POINT = {"geometry": Geometry((Axis(6, 6, 1),))}
WHOLE = {"geometry": Geometry((Axis(1, 1, 1), Axis(3, 1, 3), Axis(2, 1, 2)))}

SAMPLES = {
    "convolution": [
        Sample((draw(2, 1, 4, 3), draw(2, 1, 2, 2), draw(2)), PLAIN),
        Sample((draw(1, 2, 5, 4), draw(2, 1, 2, 2), None), STRIDED),
        Sample((draw(2, 1, 6), draw(2, 1, 3), draw(2)), LONG),
        Sample((draw(2, 2, 6), draw(1, 2, 1), draw(1)), POINT),
        Sample((draw(2, 1, 1, 3, 2), draw(2, 1, 1, 3, 2), draw(2)), WHOLE),
    ],
    "convolution_input": [
        Sample((draw(2, 2, 3, 2), draw(2, 1, 2, 2)), PLAIN),
        Sample((draw(1, 2, 2, 3), draw(2, 1, 2, 2)), STRIDED),
        Sample((draw(2, 2, 3), draw(2, 1, 3)), LONG),
        Sample((draw(2, 2, 1, 1, 1), draw(2, 1, 1, 3, 2)), WHOLE),
    ],
    "convolution_weight": [
        Sample((draw(2, 2, 3, 2), draw(2, 1, 4, 3)), PLAIN),
        Sample((draw(1, 2, 2, 3), draw(1, 2, 5, 4)), STRIDED),
        Sample((draw(2, 2, 3), draw(2, 1, 6)), LONG),
        Sample((draw(2, 2, 1, 1, 1), draw(2, 1, 1, 3, 2)), WHOLE),
    ],
}
