"""An exponential moving average of the weights: the setting `ema`."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from dtrain.autograd import wrap
from dtrain.layout import Array, Layout
from dtrain.optim.arithmetic import lerp


class Average:
    """average <- average + (1 - decay) (weights - average); the first update copies.

    Of trained parameters; frozen ones do not change, and buffers are the newest ones. Elementwise,
    on flat vectors.

    Source:  torch.optim.swa_utils.AveragedModel with get_ema_multi_avg_fn(decay), update by update.
    """

    def __init__(self, layout: Layout, decay: float) -> None:
        self._layout, self.decay = layout, decay
        self.vectors: dict[str, Array] = layout.allocate_gradients()
        self.updates = 0

    def update(self, weights: Mapping[str, Array]) -> None:
        """Take in the weights of another step: flat vectors, of which the trained ones count."""
        for name, average in self.vectors.items():
            if self.updates == 0:
                np.copyto(average, weights[name])
            else:
                lerp(average, weights[name], 1 - self.decay)
        self.updates += 1

    def arrays(self) -> dict[str, Array]:
        """Each trained parameter's average by its name, copied; before the first update nothing."""
        if self.updates == 0:
            return {}
        trained = [p for p in self._layout.parameters if p.trainable]
        return {p.name: self._layout.view(self.vectors, p).copy() for p in trained}

    def to_dict(self) -> dict[str, Any]:
        """For a checkpoint."""
        weights = {name: wrap(array) for name, array in self.arrays().items()}
        return {"updates": self.updates, "weights": weights}

    def load(self, saved: Mapping[str, Any], now: Mapping[str, Array]) -> None:
        """Take over what `to_dict` gave; what is not in it begins with the weights of now."""
        weights = saved["weights"]
        for name, average in self.vectors.items():
            np.copyto(average, now[name])
        for p in self._layout.parameters:
            if p.trainable and p.name in weights and weights[p.name]._array.shape == p.shape:
                self._layout.view(self.vectors, p)[...] = weights[p.name]._array
        self.updates = saved["updates"]
