"""Labelled images in memory: kept as the bytes that they are, made into floats when asked for."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dtrain.autograd import Tensor, wrap
from dtrain.data.dataset import Dataset

Bytes = NDArray[np.uint8]
Labels = NDArray[np.int64]
Level = float | Sequence[float]


class Images(Dataset[tuple[Tensor, int]]):
    """Sample i is (image, label): a float32 Tensor of `shape`, and an int.

        image = (pixels / largest - mean) / std        in [0, 1] with mean 0 and std 1

    pixels: uint8 (n, ...);  labels: integers (n,);  shape: of one image, e.g. (784,) for a
    perceptron or (1, 28, 28) for convolutions;  mean, std: one for all pixels, or one for each
    channel, which is the first dimension of `shape`.
    Raises: ValueError when `shape` does not hold an image's pixels, or not that many channels.
    """

    def __init__(
        self,
        pixels: Bytes,
        labels: NDArray[Any],
        *,
        largest: int,
        shape: tuple[int, ...],
        mean: Level = 0.0,
        std: Level = 1.0,
    ) -> None:
        self.pixels = pixels.reshape(len(pixels), *shape)
        self.labels: Labels = labels.astype(np.int64)
        self.largest, self.mean, self.std = largest, mean, std
        self._mean, self._std = _for_channels(mean, shape), _for_channels(std, shape)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return wrap(self._scaled(self.pixels[index])), int(self.labels[index])

    def take(self, indices: NDArray[np.int64]) -> list[Tensor]:
        """The batch of these samples: [images (n, *shape) float32, labels (n,) int64]."""
        return [wrap(self._scaled(self.pixels[indices])), wrap(self.labels[indices])]

    def _scaled(self, pixels: Bytes) -> NDArray[np.float32]:
        image = pixels.astype(np.float32)
        image /= np.float32(self.largest)
        if self.mean != 0.0:
            image -= self._mean
        if self.std != 1.0:
            image /= self._std
        return image


def _for_channels(level: Level, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """A level for all pixels, or one for each channel, as it broadcasts to images."""
    levels = np.asarray(level, np.float32)
    if levels.ndim == 0:
        return levels
    if levels.shape != shape[:1]:
        raise ValueError(f"{levels.size} levels for channels of images of shape {shape}")
    return levels.reshape(-1, *[1] * (len(shape) - 1))
