"""backward() adds to .grad. What happens to a straight line's fit when nobody clears it.

python examples/from_pytorch/accumulated_gradients.py

Without clearing, each step follows the sum of all gradients so far: the fit overshoots, turns
back, overshoots again, and never settles. With clearing it converges.
With matplotlib installed (the extra "plot"), both curves go to accumulated_gradients.png.
"""

import dtrain as torch

LR = 0.01


def fit(iterations, clear, show=False):
    """Gradient descent on w and b; the loss of each iteration."""
    torch.manual_seed(6)
    x = torch.rand(20, 1) * 10
    y = 2 * x + (5 + torch.randn(20, 1))
    w = torch.randn((1), requires_grad=True)
    b = torch.zeros((1), requires_grad=True)
    losses = []
    for _ in range(iterations):
        loss = (0.5 * (y - (w * x + b)) ** 2).mean()
        if clear and w.grad is not None:
            w.grad.zero_()
            b.grad.zero_()
        loss.backward()
        if show:
            print(f"  w.grad {w.grad}  b.grad {b.grad}")
        w.data -= LR * w.grad
        b.data -= LR * b.grad
        losses.append(loss.item())
    return losses


def plot(without, with_clearing):
    try:
        from matplotlib import pyplot
    except ImportError:
        for at in (0, 1, 2, 5, 10, 15, 20, 50, 100, 300, 995, 999):
            print(f"{at:9}  {without[at]:16.1f}  {with_clearing[at]:13.1f}")
        return
    pyplot.plot(without, label="without clearing")
    pyplot.plot(with_clearing, label="with clearing")
    pyplot.xlabel("iteration")
    pyplot.ylabel("loss")
    pyplot.legend()
    pyplot.savefig("accumulated_gradients.png")


print("two iterations without clearing: the second gradient has the first one in it")
fit(2, clear=False, show=True)
print("two iterations with clearing")
fit(2, clear=True, show=True)
print("loss of 1,000 iterations")
print("iteration  without clearing  with clearing")
plot(fit(1000, clear=False), fit(1000, clear=True))
