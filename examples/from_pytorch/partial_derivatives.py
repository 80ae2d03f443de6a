"""Partial derivatives: one backward() fills in .grad of every leaf, and of leaves only.

python examples/from_pytorch/partial_derivatives.py

For z = 3 x^2 + y^3 at x = 1, y = 2: dz/dx = 6 x = 6 and dz/dy = 3 y^2 = 12. Asking for z.grad
warns, as z is no leaf; retain_grad() is how to ask for it.
"""

import dtrain as torch

x = torch.tensor(1.0, requires_grad=True)
y = torch.tensor(2.0, requires_grad=True)
optimizer = torch.optim.SGD([x, y], lr=0.1)

z = 3 * x**2 + y**3
z.backward()
print("x.grad", x.grad)
print("y.grad", y.grad)
print("z.grad", z.grad)

optimizer.step()  # 1 - 0.1 * 6 and 2 - 0.1 * 12
print("x", x)
print("y", y)

optimizer.zero_grad()
z = 3 * x**2 + y**3
z.retain_grad()
z.backward()
print("z.grad", z.grad)
