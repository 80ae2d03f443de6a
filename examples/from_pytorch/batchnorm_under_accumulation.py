"""BatchNorm under accumulation: the gradients wait for the step, the running statistics do not.

python examples/from_pytorch/batchnorm_under_accumulation.py

Every forward in training does
    running = (1 - momentum) * running + momentum * (mean or variance of this micro-batch)
so 4 micro-batches move the running statistics 4 times where a large batch moves them once. And each
is normalized by its own mean, so even the gradients are not quite those of the large batch. With
momentum=None the running mean is the plain average over all forwards, and then they agree.
"""

import dtrain as torch

torch.manual_seed(3)
inputs = 3 + 2 * torch.randn(32, 2)


def statistics(momentum, micro_batches):
    norm = torch.nn.BatchNorm1d(2, momentum=momentum)
    for x in inputs.chunk(micro_batches):
        loss = norm(x).square().mean() / micro_batches
        loss.backward()
    print(f"momentum {momentum}, {micro_batches} forward(s)")
    print("  running_mean", norm.running_mean)
    print("  running_var ", norm.running_var)
    print("  counted     ", norm.num_batches_tracked)


for momentum in (0.1, 0.5, None):
    for micro_batches in (1, 4):
        statistics(momentum, micro_batches)
