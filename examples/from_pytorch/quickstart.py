"""PyTorch's quickstart: a training loop and a test loop over data loaders.

python examples/from_pytorch/quickstart.py

With DTRAIN_DATA set to a folder that has Fashion-MNIST's files it learns those, as the original
does; otherwise the handwritten digits that come with dtrain.
"""

import os

import dtrain as torch
from dtrain.data import datasets

batch_size = 64
learning_rate = 0.1
epochs = 5


def images(train):
    """A data set of tensors: floats in [0, 1], and labels."""
    folder = os.environ.get("DTRAIN_DATA")
    source = datasets.FashionMNIST(folder, train) if folder else datasets.Digits(train)
    pixels = torch.from_numpy(source.pixels).float() / source.largest
    return torch.utils.data.TensorDataset(pixels, torch.from_numpy(source.labels))


class NeuralNetwork(torch.nn.Module):
    def __init__(self, pixels):
        super().__init__()
        self.flatten = torch.nn.Flatten()
        self.linear_relu_stack = torch.nn.Sequential(
            torch.nn.Linear(pixels, 512),
            torch.nn.ReLU(),
            torch.nn.Linear(512, 512),
            torch.nn.ReLU(),
            torch.nn.Linear(512, 10),
        )

    def forward(self, x):
        return self.linear_relu_stack(self.flatten(x))


def train_loop(dataloader, model, loss_fn, optimizer):
    size = len(dataloader.dataset)
    model.train()
    for batch, (X, y) in enumerate(dataloader):
        loss = loss_fn(model(X), y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if batch % 10 == 0:
            loss, current = loss.item(), batch * batch_size + len(X)
            print(f"loss: {loss:>5f}  [{current:>5d}/{size:>5d}]")


def test_loop(dataloader, model, loss_fn):
    size, test_loss, correct = len(dataloader.dataset), 0, 0
    model.eval()
    with torch.no_grad():
        for X, y in dataloader:
            pred = model(X)
            test_loss += loss_fn(pred, y).item()
            correct += (pred.argmax(1) == y).type(torch.float).sum().item()
    test_loss /= len(dataloader)
    print(f"Test Error: \n Accuracy: {100 * correct / size:>0.1f}%, Avg loss: {test_loss:>8f} \n")


torch.manual_seed(0)
train_data, test_data = images(train=True), images(train=False)
train_dataloader = torch.utils.data.DataLoader(train_data, batch_size=batch_size, shuffle=True)
test_dataloader = torch.utils.data.DataLoader(test_data, batch_size=batch_size)
model = NeuralNetwork(train_data[0][0].numel())
print(model)
loss_fn = torch.nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=learning_rate)
for epoch in range(epochs):
    print(f"Epoch {epoch + 1}\n-------------------------------")
    train_loop(train_dataloader, model, loss_fn, optimizer)
    test_loop(test_dataloader, model, loss_fn)
print("Done!")
