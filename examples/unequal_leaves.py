"""A batch in leaves of unequal weight: what is exact, and the mistake that is usually made.

python examples/unequal_leaves.py

A sample is a word, a token one of its letters. However 64 words are cut into leaves, the mean
gradient over their letters is one thing: sums are added up, and divided once. The usual loop takes
the mean of each micro-batch and then the mean of these means. It is another gradient, as soon as
one micro-batch has more letters than another, and nothing says so: the loss goes down all the same.
"""

import numpy as np

import dtrain
from dtrain import nn, optim
from dtrain.nn import functional as F

TEXT = """
shall i compare thee to a summers day thou art more lovely and more temperate rough winds do shake
the darling buds of may and summers lease hath all too short a date sometime too hot the eye of
heaven shines and often is his gold complexion dimmed and every fair from fair sometime declines
by chance or natures changing course untrimmed but thy eternal summer shall not fade nor lose
possession of that fair thou owest nor shall death brag thou wanderest in his shade when in
eternal lines to time thou growest so long as men can breathe or eyes can see so long lives this
and this gives life to thee
"""
PADDING = -100  # the class of a target that does not count
WORDS = TEXT.split()


class Letters(dtrain.Job):
    """The next letter of a word from the one before it."""

    dtype: str = "float64"
    batch_size: int = 64
    micro_batches: int = 8

    def model(self) -> nn.Module:
        return nn.Sequential(nn.Embedding(27, 16), nn.Tanh(), nn.Linear(16, 27))

    def optimizer(self, model: nn.Module) -> optim.Optimizer:
        return optim.SGD(model.parameters(), lr=0.5)

    def train_data(self) -> list[list[int]]:
        return [[ord(letter) - ord("a") for letter in word] for word in WORDS]

    def collate(self, samples: list[list[int]]) -> list[dtrain.Tensor]:
        """[x, y]: int64 of shape (words, letters of the longest); y is padded with PADDING."""
        shape = len(samples), max(map(len, samples))
        x, y = np.full(shape, 26), np.full(shape, PADDING)  # 26: a word begins
        for row, word in enumerate(samples):
            x[row, 1 : len(word)], y[row, : len(word)] = word[:-1], word
        return [dtrain.from_numpy(x), dtrain.from_numpy(y)]

    def loss(self, model: nn.Module, batch: list[dtrain.Tensor]) -> tuple[dtrain.Tensor, float]:
        x, y = batch
        scores = model(x).flatten(0, 1)
        total = F.cross_entropy(scores, y.flatten(), ignore_index=PADDING, reduction="sum")
        return total, float((y != PADDING).sum())  # a sum and its weight: never a mean


def mean_gradient(stepper: dtrain.Stepper) -> np.ndarray:
    """What dtrain does: add up the sums of the leaves, divide once by the sum of their weights."""
    root = stepper.root()
    return flat(root.gradients) / root.weight


def mean_of_means(stepper: dtrain.Stepper) -> np.ndarray:
    """The mistake: each micro-batch's mean, then the mean of those."""
    leaves = [stepper.leaf(k) for k in range(stepper.leaves)]
    means: np.ndarray = np.mean([flat(leaf.gradients) / leaf.weight for leaf in leaves], axis=0)
    return means


def flat(gradients: dict[str, np.ndarray]) -> np.ndarray:
    """All gradients in a row."""
    return np.concatenate([gradient.ravel() for gradient in gradients.values()])


def off(gradient: np.ndarray, whole: np.ndarray) -> float:
    """The largest difference to the gradient of the whole batch."""
    return float(np.abs(gradient - whole).max())


def stepper_at(micro_batches: int, step: int) -> dtrain.Stepper:
    """A run in which that step comes next."""
    stepper = dtrain.Stepper(Letters(micro_batches=micro_batches))
    for _ in range(step):
        stepper.apply()
    return stepper


def compare(step: int) -> None:
    """Print a row for each way to cut the step's batch."""
    print(f"{'':26}{'sums, divided once':<29}mean of means")
    print(f"{'leaves':>6}  {'letters in each':<18}{'norm':<20}{'off by':<9}", end="")
    print(f"{'norm':<20}{'off by':<9}error/norm")
    whole = mean_gradient(stepper_at(1, step))
    for micro_batches in (1, 8, 64):
        stepper = stepper_at(micro_batches, step)
        letters = [int(stepper.leaf(k).weight) for k in range(stepper.leaves)]
        each = f"{min(letters)} to {max(letters)}" if len(letters) > 1 else f"{letters[0]}"
        print(f"{stepper.leaves:>6}  {each:<18}", end="")
        right, wrong = mean_gradient(stepper), mean_of_means(stepper)
        for gradient in (right, wrong):
            print(f"{np.linalg.norm(gradient):<20.15f}{off(gradient, whole):<9.1e}", end="")
        print(f"{np.linalg.norm(wrong - whole) / np.linalg.norm(whole):.1%}")


def main() -> None:
    """A full batch, and the short one at the end of an epoch."""
    print("Mean gradients over letters, and their largest difference to that of a single leaf.")
    for step, name in ((0, "64 words"), (1, f"the {len(WORDS) - 64} words that are left")):
        print(f"\nStep {step}, {name}:\n")
        compare(step)


if __name__ == "__main__":
    main()
