"""clone() stays in the graph, detach() leaves it: a loss of detached predictions trains nothing.

python examples/from_pytorch/detach.py
"""

import dtrain as torch

torch.manual_seed(0)
model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 1))
inputs, targets = torch.rand(8, 3), torch.rand(8, 1)
loss_fn = torch.nn.MSELoss()

pred = model(inputs)
loss = loss_fn(pred.clone().detach(), targets)
print("requires grad:", pred.clone().requires_grad, pred.clone().detach().requires_grad)
loss.requires_grad = True  # or backward() would say that there is nothing to differentiate
loss.backward()
print("detached:", [parameter.grad for parameter in model.parameters()])

loss = loss_fn(pred.clone(), targets)
loss.backward()
for name, parameter in model.named_parameters():
    print(name, parameter.grad)
