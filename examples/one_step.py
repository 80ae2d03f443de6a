"""One optimizer step of the digits job, taken apart: the leaves, their tree, the one division.

python examples/one_step.py
"""

from functools import reduce

import numpy as np
from digits import Digits  # the job in the file beside this one

import dtrain
from dtrain.stepper import Sum
from dtrain.tree import Node, children, root, span


def main() -> None:
    """Take the first step apart and say what is seen."""
    stepper = dtrain.Stepper(Digits())
    print(f"Step {stepper.step}: {Digits.batch_size} samples in {stepper.leaves} leaves.")
    print("Each leaf is a forward and a backward on the same weights. Anyone may compute any of")
    print("them; what they are worth is added up in this tree, left before right, and no other:\n")
    print(f"{'node':<24}{'weight':>8}{'loss sum':>14}{'norm of gradient sum':>24}")
    total = add_up(stepper, root(stepper.leaves), depth=0)

    print(f"\nThe root is {total.name}.")
    print("It carries sums. The mean is taken once, here, by the root's weight:")
    print(f"    loss      {total.loss_sum:.6f} / {total.weight:g} = {total.means['loss']:.6f}")
    mean_norm = total.norm / total.weight
    print(f"    gradient  norm {total.norm:.6f} / {total.weight:g} = {mean_norm:.6f}")

    print("\nWhy the shape of the tree is fixed: the same leaves added one after another instead,")
    in_a_row = reduce(Sum.__add__, [stepper.leaf(k) for k in range(stepper.leaves)])
    print(f"    {in_a_row.name}")
    print(f"give other bits in {differing(total, in_a_row):,} of {elements(total):,} elements.")

    before = weights(stepper)
    outcome = stepper.apply(total)
    moved = np.linalg.norm(weights(stepper) - before)
    print(f"\nThe step, with learning rate {outcome.lr:g}, moved the weights by {moved:.6f}.")
    print(f"They are version {stepper.step} now, the same for any number of workers:")
    print(f"digest {stepper.digest()}")


def add_up(stepper: dtrain.Stepper, node: Node, depth: int) -> Sum:
    """The worth of a node, printed below those of its children."""
    if node.level == 0:
        total = stepper.leaf(node.index)
        name = f"leaf {node.index}"
    else:
        below = children(node, stepper.leaves)
        total = reduce(Sum.__add__, [add_up(stepper, child, depth + 1) for child in below])
        leaves = span(node, stepper.leaves)
        name = f"leaves {leaves.start} to {leaves.stop - 1}"
    row = f"{'    ' * depth}{name}"
    print(f"{row:<24}{total.weight:>8g}{total.loss_sum:>14.6f}{total.norm:>24.6f}")
    return total


def weights(stepper: dtrain.Stepper) -> np.ndarray:
    """All of the model's weights in a row, copied."""
    return np.concatenate([p.detach().numpy().ravel() for p in stepper.model.parameters()])


def elements(total: Sum) -> int:
    """How many numbers a gradient has."""
    return sum(gradient.size for gradient in total.gradients.values())


def differing(a: Sum, b: Sum) -> int:
    """In how many numbers two gradients differ."""
    return sum(int((a.gradients[name] != b.gradients[name]).sum()) for name in a.gradients)


if __name__ == "__main__":
    main()
