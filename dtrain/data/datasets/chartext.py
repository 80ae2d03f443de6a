"""Text by characters: windows of it, and at each place the character that comes next."""

from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from dtrain.autograd import Tensor, wrap
from dtrain.data.dataset import Dataset
from dtrain.data.datasets.published import Root, Source, present
from dtrain.errors import JobError

SOURCE = Source(
    name="CharText",
    origin="the GitHub repository karpathy/char-rnn, data/tinyshakespeare/input.txt",
    folders=("", "tinyshakespeare"),
    advice=", or name another text by file=",
)


class CharText(Dataset[tuple[Tensor, Tensor]]):
    """Sample i is (x, y), int64 of shape (block_size,): codes of characters, and of the next ones.

        x = text[s : s + block_size],  y = text[s + 1 : s + 1 + block_size],  s = i * stride

    root:  a text file in UTF-8, or the folder of `file`, or one above it: root and
           root/tinyshakespeare are looked in. A job passes `self.data_dir`.
    train: the beginning of the text, or its end
    stride: characters from one window to the next: 1 for every window there is, block_size to
           predict each character once
    test_fraction: how much of the text is its end; no window reaches from one part into the other

    Raises:  JobError that says what is missing or no text, and where to get one; ValueError for a
             part that is shorter than one window, or a setting out of range.
    Source:  windows as in A. Karpathy, minGPT, CharDataset.
    """

    vocabulary: tuple[str, ...]
    """The distinct characters of the whole text, sorted; a code is a place in it."""

    def __init__(
        self,
        root: Root,
        train: bool = True,
        *,
        block_size: int = 128,
        stride: int = 1,
        test_fraction: float = 0.1,
        file: str = "input.txt",
    ) -> None:
        self._cut(_text(root, file), train, block_size, stride, test_fraction)

    @classmethod
    def from_text(
        cls,
        text: str,
        train: bool = True,
        *,
        block_size: int = 128,
        stride: int = 1,
        test_fraction: float = 0.1,
    ) -> Self:
        """The same of a text that is there already."""
        made = cls.__new__(cls)
        made._cut(text, train, block_size, stride, test_fraction)
        return made

    def _cut(
        self, text: str, train: bool, block_size: int, stride: int, test_fraction: float
    ) -> None:
        if block_size < 1 or stride < 1 or not 0 <= test_fraction <= 1:
            raise ValueError(
                "CharText needs block_size >= 1, stride >= 1 and a test_fraction in [0, 1], not "
                f"{block_size}, {stride} and {test_fraction}"
            )
        self.block_size, self.stride = block_size, stride
        characters, codes = np.unique(_points(text), return_inverse=True)
        self._characters = characters
        self.vocabulary = tuple(map(chr, characters.tolist()))
        border = len(text) - int(len(text) * test_fraction)
        part = codes[:border] if train else codes[border:]
        self._codes = part.astype(np.min_scalar_type(max(len(characters) - 1, 0)))
        if len(self) < 1:
            which = "training" if train else "test"
            raise ValueError(
                f"the {which} part has {len(part)} characters, too few for a window of "
                f"block_size={block_size} and the character after it"
            )

    def __len__(self) -> int:
        return max(len(self._codes) - self.block_size - 1, -1) // self.stride + 1

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        if not -len(self) <= index < len(self):
            raise IndexError(f"index {index} is out of range for {len(self)} windows")
        x, y = self.take(np.array([index]))
        return wrap(x._array[0]), wrap(y._array[0])

    def take(self, indices: NDArray[np.int64]) -> list[Tensor]:
        """The batch of these windows: [x, y], int64, shapes (len(indices), block_size)."""
        n = len(self)
        at = np.asarray(indices, np.int64)
        if len(at) and not (at.min() >= -n and at.max() < n):
            raise IndexError(f"indices are out of range for {n} windows")
        places = (at % n * self.stride)[:, None] + np.arange(self.block_size)
        return [wrap(self._codes[places + ahead].astype(np.int64)) for ahead in (0, 1)]

    def encode(self, text: str) -> Tensor:
        """The codes of characters: int64, shape (len(text),).

        Raises ValueError for a character that is not in the vocabulary.
        """
        points = _points(text)
        codes = np.searchsorted(self._characters, points)
        found = self._characters[np.minimum(codes, len(self._characters) - 1)] == points
        if not found.all():
            unknown = text[int(np.argmin(found))]
            raise ValueError(f"{unknown!r} is not in the vocabulary of {len(self.vocabulary)}")
        return wrap(codes.astype(np.int64))

    def decode(self, codes: Any) -> str:
        """The text of codes: a Tensor, array or list of integers, of any shape.

        Raises IndexError for a code that is not in the vocabulary.
        """
        array = codes._array if isinstance(codes, Tensor) else np.asarray(codes, np.int64)
        if array.size and (array.min() < 0 or array.max() >= len(self.vocabulary)):
            raise IndexError(f"codes are from 0 to {len(self.vocabulary) - 1}")
        return "".join(self.vocabulary[code] for code in array.ravel().tolist())


def _points(text: str) -> NDArray[np.uint32]:
    """The code points of a text."""
    return np.frombuffer(text.encode("utf-32-le"), "<u4")


def _text(root: Root, file: str) -> str:
    """The text of a file, or of one in a folder. Line ends stay what they are."""
    if root is not None and Path(root).is_file():
        path = Path(root)
    else:
        [path, *_] = present(root, SOURCE, [file])
    try:
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise JobError(
            f"CharText: {path} is no text in UTF-8 (byte {error.start}: {error.reason})"
        ) from None
