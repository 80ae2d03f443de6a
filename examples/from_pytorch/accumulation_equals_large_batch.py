"""Gradients of micro-batches add up to that of the large batch, if each loss is divided.

python examples/from_pytorch/accumulation_equals_large_batch.py

A mean over 32 samples is the mean of 4 means over 8. So loss / accumulation_steps, backward() for
each micro-batch and one step() after the last do what one large batch does, in a quarter of the
memory.
"""

import dtrain as torch

accumulation_steps = 4
torch.manual_seed(1)
inputs, labels = torch.randn(32, 6), torch.randint(0, 3, (32,))
loss_fn = torch.nn.CrossEntropyLoss()


def make():
    torch.manual_seed(2)
    model = torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3))
    return model, torch.optim.SGD(model.parameters(), lr=0.5)


large, optimizer = make()
loss_fn(large(inputs), labels).backward()
optimizer.step()

small, optimizer = make()
for x, y in zip(inputs.chunk(accumulation_steps), labels.chunk(accumulation_steps), strict=True):
    loss = loss_fn(small(x), y) / accumulation_steps
    loss.backward()
optimizer.step()
optimizer.zero_grad()

for (name, one), other in zip(large.named_parameters(), small.parameters(), strict=True):
    print(name, "equal:", torch.allclose(one, other, atol=1e-6))
print(large[2].weight)
print(small[2].weight)
