"""What an optimizer's step is: the same numbers by SGD and by hand.

python examples/from_pytorch/step_by_hand.py
"""

import dtrain as torch

x = torch.tensor([1.0, 2.0], requires_grad=True)
optimizer = torch.optim.SGD([x], lr=0.001)
loss = (100 * x).sum()
loss.backward()
print("gradient", x.grad)
optimizer.step()
print("by SGD", x)

x = torch.tensor([1.0, 2.0], requires_grad=True)
loss = (100 * x).sum()
loss.backward()
with torch.no_grad():  # a step is no part of what is differentiated
    x -= 0.001 * x.grad
print("by hand", x)
