"""Random programs on tensors, which run line by line on two libraries that must not differ.

A program is text: each line is drawn for the tensors that the lines before it have made. What a
line raises is compared, and all that can be seen of every tensor: after each line, or in the end
alone, because looking at a view is itself a step.
"""

import warnings
from collections.abc import Callable

from tests.parity.autograd.lockstep import walks
from tests.parity.autograd.steps import Steps


class Program(Steps):
    """Draws the lines of a program, and runs them."""

    def __init__(self, seed: int, *libraries: object) -> None:
        super().__init__(seed, *libraries)
        self.looks = self.random.random() < 0.5
        self.kinds: list[tuple[int, Callable[[], str | None]]] = [
            (4, self.arithmetic), (3, self.unary), (8, self.view), (9, self.change),
            (3, self.assign), (2, self.reduction), (2, self.joined), (2, self.apart),
            (3, self.watched), (1, self.unwatched), (2, self.gradient), (2, self.backward),
            (1, self.on_grad), (1, self.product), (2, self.custom),
        ]  # fmt: skip

    def run(self) -> None:
        """Raises Difference where the libraries differ."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # `.grad` of results, create_graph
            self.lines()

    def lines(self) -> None:
        for _ in range(self.random.randint(1, 3)):
            self.leaf()
        weights = [weight for weight, _ in self.kinds]
        for _ in range(self.random.randint(3, 14)):
            [(_, draw)] = self.random.choices(self.kinds, weights)
            line = draw()
            if line is not None and not self.line(line) and (walks(line) or "doubled" in line):
                return  # what was done before the error is not compared
            if self.looks:
                self.both.compare()
        self.last()
        self.both.compare()

    def line(self, line: str) -> bool:
        """Run a line, now and then under no_grad; a name before "=" is new."""
        head = ""
        if self.random.random() < 0.1 and "grad" not in line:
            head = self.random.choice(["with t.no_grad(): ", "with t.set_grad_enabled(False): "])
        name, equals, _ = line.partition(" = ")
        ran = self.both.run(head + line)
        if ran and equals and name.isalnum() and name not in self.both.names:
            self.both.add(name)
        return ran

    def leaf(self) -> None:
        self.line(self.made())

    def last(self) -> None:
        """Backward from all that there is."""
        names = [name for name in self.both.names if self.value(name).is_floating_point()]
        total = " + ".join(f"(({name} * {name}).sum() + {name}.sum())" for name in names)
        self.line(f"({total}).backward()")


def main(first: int, count: int) -> None:
    """Run programs by number, and show those that differ:

    python -c "from tests.parity.autograd.programs import main; main(0, 10_000)"
    """
    import torch

    import dtrain

    for seed in range(first, first + count):
        try:
            Program(seed, torch, dtrain).run()
        except Exception as error:  # a Difference, or a program that is none
            print(f"program {seed}: {error!r}" if not str(error) else f"program {seed}:\n{error}")
