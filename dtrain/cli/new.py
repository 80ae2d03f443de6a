"""`dtrain new`: a job to start from."""

from pathlib import Path

import click

from dtrain.errors import JobError

TEMPLATE = '''"""A job for dtrain. Try it: `dtrain check {name}`, then `dtrain run {name}`."""

import dtrain
from dtrain import nn, optim
from dtrain.data import datasets
from dtrain.nn import functional as F


class MyJob(dtrain.Job):
    # Annotated attributes are settings: dtrain run {name} --set hidden=128
    epochs: int = 20
    batch_size: int = 256  # samples of an optimizer step, all workers together
    micro_batches: int = 8  # parts of a batch: as many workers as this can share a step
    hidden: int = 64
    lr: float = 0.01

    def model(self):
        return nn.Sequential(nn.Linear(64, self.hidden), nn.ReLU(), nn.Linear(self.hidden, 10))

    def optimizer(self, model):
        return optim.AdamW(model.parameters(), lr=self.lr)

    def train_data(self):  # anything with len(data) and data[i]
        return datasets.Digits(train=True)

    def eval_data(self):
        return datasets.Digits(train=False)

    def loss(self, model, batch):  # a mean over the batch, or (sum, weight)
        images, labels = batch
        logits = model(images)
        self.log("accuracy", (logits.argmax(1) == labels).float().mean())
        return F.cross_entropy(logits, labels)


if __name__ == "__main__":
    dtrain.main(MyJob)
'''


@click.command(short_help="Write a job to start from.")
@click.argument("file", metavar="FILE.py", type=click.Path(path_type=Path))
def new(file: Path) -> int:
    """Write a job that runs as it stands, to change into your own."""
    if file.suffix != ".py":
        raise JobError(f"{file}: a job is a Python file; write {file}.py")
    try:
        with file.open("x", encoding="utf-8") as out:
            out.write(TEMPLATE.format(name=file.name))
    except FileExistsError:
        raise JobError(f"{file} exists and is not overwritten; choose another name") from None
    except OSError as error:
        raise JobError(f"cannot write {file}: {error.strerror}") from None
    click.echo(f"{file} is written; next: dtrain check {file}, dtrain run {file}")
    return 0
