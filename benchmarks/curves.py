"""Training curves against PyTorch: python -m benchmarks.curves [--data DIR] [--plot FILE.svg]

A convolutional net with BatchNorm and a character transformer with a loss weighted by tokens, each
trained twice in float64 from the same weights over the same leaves: as a job by `dtrain.train`, and
by hand in PyTorch (`benchmarks/by_hand.py`). Clipping, schedule and moving average are on.

Prints the largest differences; relative to the value where that is larger than 1. Without --data
the digits and the text of the licence are learned, else Fashion-MNIST and tinyshakespeare.
"""

import argparse
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch

import dtrain
from benchmarks import by_hand
from benchmarks.curve_jobs import Characters, Cnn, Twin
from dtrain.training import Result

LEAST = 1e-17  # what a difference of 0 is drawn as


@dataclass
class Curves:
    """One job, trained by both."""

    job: Twin
    ours: Result
    theirs: by_hand.Run

    @property
    def losses(self) -> list[float]:
        """Of dtrain, a number for each step."""
        return self._recorded("loss")

    @property
    def rates(self) -> list[float]:
        """Of dtrain, a number for each step."""
        return self._recorded("lr")

    @property
    def differences(self) -> np.ndarray:
        """Of the losses, step by step."""
        return difference(self.losses, self.theirs.losses)

    @property
    def largest(self) -> dict[str, float]:
        """The largest difference of each kind of number."""
        state, buffers = arrays(self.ours.model), dict(self.ours.model.named_buffers()).keys()
        found = {
            "losses": float(self.differences.max()),
            "rates": float(difference(self.rates, self.theirs.rates).max()),
            "weights": largest(state, self.theirs.state, state.keys() - buffers),
        }
        if buffers:
            found["buffers"] = largest(state, self.theirs.state, buffers)
        if self.job.ema is not None:
            average = arrays(dtrain.load(self.ours.run_dir, which="ema"))
            found["moving average"] = largest(average, self.theirs.average, average)
        return found

    @property
    def clipped(self) -> int:
        """Steps whose gradient was longer than allowed."""
        limit = self.job.clip_grad_norm
        return 0 if limit is None else sum(norm > limit for norm in self.theirs.norms)

    def _recorded(self, name: str) -> list[float]:
        return [line[name] for line in self.ours.history if "loss" in line]


def train_both(job: Twin, run_dir: Path) -> Curves:
    """The job by dtrain, in this process, and by hand."""
    ours = dtrain.train(job, workers=0, run_dir=run_dir, quiet=True)
    return Curves(job, ours, by_hand.train(job))


def arrays(model: Any) -> by_hand.State:
    """A model's state in arrays, without a copy."""
    return {name: tensor.numpy() for name, tensor in model.state_dict().items()}


def difference(a: Any, b: Any) -> np.ndarray:
    """|a - b| / max(1, |b|), elementwise."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    found: np.ndarray = np.abs(a - b) / np.maximum(1, np.abs(b))
    return found


def largest(
    a: Mapping[str, np.ndarray], b: Mapping[str, np.ndarray], names: Iterable[str]
) -> float:
    """The largest difference of some entries of two state dicts, which must have the same."""
    if a.keys() != b.keys():
        raise ValueError(f"one state has {sorted(a)}, the other {sorted(b)}")
    return max(float(difference(a[name], b[name]).max()) for name in names)


def plot(curves: Mapping[str, Curves], file: Path) -> None:
    """Draw for each model the losses of both, and below how far they are apart."""
    from matplotlib import pyplot, rcParams

    rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "curves", "font.size": 9})
    figure, axes = pyplot.subplots(
        2, len(curves), figsize=(4.6 * len(curves), 5), sharex="col", squeeze=False
    )
    for (name, each), (above, below) in zip(curves.items(), axes.T, strict=True):
        steps = np.arange(len(each.losses))
        above.plot(steps, each.losses, linewidth=1, label="dtrain")
        above.plot(steps[::5], each.theirs.losses[::5], ".", markersize=4, label="PyTorch, by hand")
        above.set(title=name, ylabel="loss of the step")
        above.legend(frameon=False)
        below.semilogy(steps, np.maximum(each.differences, LEAST), linewidth=0.8, color="black")
        below.axhline(1e-9, color="red", linewidth=0.8)
        below.set(xlabel="step", ylabel="difference", ylim=(LEAST / 2, 1e-8))
    figure.tight_layout()
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, metadata={"Date": None} if file.suffix == ".svg" else None)
    pyplot.close(figure)


def jobs(data: Path | None) -> dict[str, Twin]:
    """What is trained: small real data, several epochs with a short last batch."""
    if data is None:
        return {
            "CNN, digits": Cnn(ema=0.99),
            "Transformer, a licence's text": Characters(epochs=40, ema=0.99),
        }
    cnn = Cnn(images="fashion", samples=1437, ema=0.99)
    transformer = Characters(text="shakespeare", samples=950, ema=0.99)
    for job in (cnn, transformer):
        job._use_data(data)
    return {"CNN, Fashion-MNIST": cnn, "Transformer, tinyshakespeare": transformer}


def main() -> None:
    """Train, print, draw."""
    parser = argparse.ArgumentParser(description="Training curves against PyTorch.")
    parser.add_argument("--data", type=Path, help="the folder of fashion-mnist and tinyshakespeare")
    parser.add_argument("--plot", type=Path, help="an image to write; needs matplotlib")
    given = parser.parse_args()
    if given.plot is not None and find_spec("matplotlib") is None:
        parser.error("--plot needs matplotlib: pip install '.[plot]'")
    torch.set_num_threads(1)
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for index, (name, job) in enumerate(jobs(given.data).items()):
            print(f"{name}:", flush=True)
            found[name] = each = train_both(job, Path(folder) / str(index))
            first, last = each.losses[0], each.losses[-1]
            print(f"  {len(each.losses)} steps, {each.clipped} of them clipped", end="; ")
            print(f"loss {first:.3f} to {last:.3f}; largest differences:")
            for kind, number in each.largest.items():
                print(f"    {kind:<16}{number:.1e}")
    if given.plot is not None:
        plot(found, given.plot)


if __name__ == "__main__":
    main()
