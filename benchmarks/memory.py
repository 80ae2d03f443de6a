"""Peak memory of forward and backward: python benchmarks/memory.py

Two questions, each answered as a ratio measured in one run:

- gradient accumulation: do 8 micro-batches need more memory than one? (No: a graph is freed while
  backward walks it, and the gradients are added to those that are there.)
- several tasks on one trunk: one graph for the sum of the losses, against a forward and a backward
  for each task. Same gradients; the second computes the trunk once for each task, and holds the
  activations of one task at a time.

Memory is what Python and NumPy allocate, as `tracemalloc` counts it, above what was there before.
"""

import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import dtrain as torch
from dtrain import nn
from dtrain.nn import functional as F

FEATURES, WIDTH, CLASSES, SAMPLES, TASKS = 64, 128, 10, 2048, 4
MICRO_BATCHES = 8


def peak(work: Callable[[], None]) -> int:
    """The most bytes that were allocated at once during some work."""
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        work()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


def trunk() -> nn.Module:
    """Four layers."""
    torch.manual_seed(0)
    layers: list[nn.Module] = [nn.Linear(FEATURES, WIDTH), nn.ReLU()]
    for _ in range(3):
        layers += [nn.Linear(WIDTH, WIDTH), nn.Tanh()]
    return nn.Sequential(*layers)


def batches(count: int) -> Iterator[tuple[Any, Any]]:
    """Batches of random samples with labels."""
    rng = np.random.default_rng(0)
    for _ in range(count):
        x = rng.normal(size=(SAMPLES, FEATURES)).astype(np.float32)
        yield torch.from_numpy(x), torch.from_numpy(rng.integers(0, CLASSES, SAMPLES))


def accumulate(count: int) -> int:
    """Peak bytes of `count` micro-batches, whose gradients add up."""
    model = nn.Sequential(trunk(), nn.Linear(WIDTH, CLASSES))
    given = list(batches(count))

    def work() -> None:
        for x, y in given:
            (F.cross_entropy(model(x), y) / count).backward()

    return peak(work)


def tasks(one_graph: bool) -> tuple[int, Any]:
    """Peak bytes of a step over several tasks on one trunk, and the trunk's first gradient."""
    shared = trunk()
    heads = [nn.Linear(WIDTH, CLASSES) for _ in range(TASKS)]
    given = list(batches(TASKS))

    def work() -> None:
        if one_graph:
            losses = [
                F.cross_entropy(head(shared(x)), y)
                for head, (x, y) in zip(heads, given, strict=True)
            ]
            torch.stack(losses).sum().backward()
        else:
            for head, (x, y) in zip(heads, given, strict=True):
                F.cross_entropy(head(shared(x)), y).backward()

    bytes_peak = peak(work)
    first = next(shared.parameters()).grad
    assert first is not None
    return bytes_peak, first.numpy()


def main() -> None:
    """Print both comparisons."""
    accumulate(1)  # what is made once, at the first call, is not counted
    one, many = accumulate(1), accumulate(MICRO_BATCHES)
    print("gradient accumulation")
    print(f"  1 micro-batch       {one / 2**20:8.2f} MiB")
    print(f"  {MICRO_BATCHES} micro-batches     {many / 2**20:8.2f} MiB   x {many / one:.3f}")
    (together, a), (apart, b) = tasks(one_graph=True), tasks(one_graph=False)
    print(f"{TASKS} tasks on one trunk; the gradients differ by {np.abs(a - b).max():.1e}")
    print(f"  one graph           {together / 2**20:8.2f} MiB")
    print(f"  a backward for each {apart / 2**20:8.2f} MiB   x {apart / together:.3f}")


if __name__ == "__main__":
    main()
