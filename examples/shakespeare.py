"""Shakespeare, character by character: a small transformer, and text from what it learned.

dtrain run examples/shakespeare.py --workers 2 --data DIR
python examples/shakespeare.py --sample runs/shakespeare-TIME --characters 500
"""

import argparse
import math
import string
import sys
from collections.abc import Mapping
from pathlib import Path

import dtrain
from dtrain import nn, optim
from dtrain.data import datasets
from dtrain.nn import functional as F
from dtrain.optim import lr_scheduler

CHARACTERS = "\n !$&',-.3:;?" + string.ascii_uppercase + string.ascii_lowercase


class Shakespeare(dtrain.Job):
    max_steps: int | None = 2000
    batch_size: int = 12  # windows
    micro_batches: int = 2
    eval_batch_size: int = 32
    eval_every: int | None = 500
    clip_grad_norm: float | None = 1.0
    context: int = 64  # characters in a window
    layers: int = 4
    heads: int = 4
    width: int = 128
    dropout: float = 0.0
    lr: float = 2.5e-3  # the highest
    lr_min: float = 1e-4  # at the end
    warmup: int = 100  # steps
    weight_decay: float = 0.1  # of matrices
    characters: str = CHARACTERS  # the vocabulary: a setting, so that it is recorded with the run

    def model(self) -> nn.Module:
        return Transformer(
            self.characters, self.context, self.layers, self.heads, self.width, self.dropout
        )

    def optimizer(self, model: nn.Module) -> optim.Optimizer:
        matrices = [p for p in model.parameters() if p.ndim >= 2]
        vectors = [p for p in model.parameters() if p.ndim < 2]
        groups = [{"params": matrices}, {"params": vectors, "weight_decay": 0.0}]
        return optim.AdamW(groups, self.lr, betas=(0.9, 0.99), weight_decay=self.weight_decay)

    def lr_scheduler(self, optimizer: optim.Optimizer) -> lr_scheduler.LambdaLR:
        """Linearly up from almost nothing, then down to lr_min along half a cosine."""
        steps, lowest = self.total_steps, self.lr_min / self.lr

        def factor(step: int) -> float:
            if step < self.warmup:
                return (step + 1) / (self.warmup + 1)
            progress = (step - self.warmup) / max(1, steps - self.warmup)
            return lowest + (1 - lowest) * (1 + math.cos(math.pi * min(1.0, progress))) / 2

        return lr_scheduler.LambdaLR(optimizer, factor)

    def train_data(self) -> datasets.CharText:
        return self.windows(train=True, stride=1)

    def eval_data(self) -> datasets.CharText:
        return self.windows(train=False, stride=self.context)

    def windows(self, train: bool, stride: int) -> datasets.CharText:
        text = datasets.CharText(self.data_dir, train, block_size=self.context, stride=stride)
        if text.vocabulary != tuple(self.characters):
            found = "".join(text.vocabulary)
            raise dtrain.errors.JobError(
                f"the text's characters are not those of the model; set characters to {found!r}"
            )
        return text

    def loss(self, model: nn.Module, batch: list[dtrain.Tensor]) -> tuple[dtrain.Tensor, float]:
        """The sum over all characters, and how many they are."""
        codes, following = batch
        logits = model(codes)
        total = F.cross_entropy(logits.flatten(0, 1), following.flatten(), reduction="sum")
        return total, following.numel()

    def summary(self, means: Mapping[str, float]) -> dict[str, float]:
        return {"bits_per_character": means["loss"] / math.log(2)}


class Transformer(nn.Module):
    """Codes of characters (n, t), t <= context, to scores of what follows each (n, t, characters).

    Source:  A. Radford et al., GPT-2, 2019; without biases and with one table for characters in
             and out, as in A. Karpathy, nanoGPT.
    """

    def __init__(
        self, characters: str, context: int, layers: int, heads: int, width: int, dropout: float
    ) -> None:
        super().__init__()
        self.characters, self.context = characters, context
        self.table = nn.Embedding(len(characters), width)
        self.positions = nn.Embedding(context, width)
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.Sequential(*(Block(heads, width, dropout) for _ in range(layers)))
        self.norm = nn.LayerNorm(width, bias=False)
        self.scores = nn.Linear(width, len(characters), bias=False)
        for name, weight in self.named_parameters():
            if weight.ndim == 2:  # those that end in the sum of all blocks' results start smaller
                is_last = name.endswith(("mix.weight", "down.weight"))
                nn.init.normal_(weight, std=0.02 / math.sqrt(2 * layers) if is_last else 0.02)
        self.scores.weight = self.table.weight

    def forward(self, codes: dtrain.Tensor) -> dtrain.Tensor:
        places = self.positions.weight[: codes.shape[1]]
        return self.scores(self.norm(self.blocks(self.dropout(self.table(codes) + places))))

    def write(self, prompt: str, characters: int, temperature: float) -> str:
        """The prompt, and so many characters more, each drawn from the scores / temperature."""
        codes = [self.characters.index(character) for character in prompt]
        with dtrain.no_grad():
            for _ in range(characters):
                scores = self(dtrain.tensor([codes[-self.context :]]))[0, -1]
                chances = F.softmax(scores / temperature, dim=0)
                codes.append(int(dtrain.multinomial(chances, 1)))
        return "".join(self.characters[code] for code in codes)


class Block(nn.Module):
    """What the characters before tell each character, then what it makes of that."""

    def __init__(self, heads: int, width: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.rate = heads, dropout
        self.norm = nn.LayerNorm(width, bias=False)
        self.attend = nn.Linear(width, 3 * width, bias=False)
        self.mix = nn.Linear(width, width, bias=False)
        self.think = nn.Sequential(
            nn.LayerNorm(width, bias=False),
            nn.Linear(width, 4 * width, bias=False),
            nn.GELU("tanh"),
        )
        self.down = nn.Linear(4 * width, width, bias=False)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: dtrain.Tensor) -> dtrain.Tensor:
        x = x + self.dropout(self.mix(self.attention(self.norm(x))))
        return x + self.dropout(self.down(self.think(x)))

    def attention(self, x: dtrain.Tensor) -> dtrain.Tensor:
        n, t, width = x.shape
        split = self.attend(x).reshape(n, t, 3, self.heads, width // self.heads)
        query, key, value = split.permute(2, 0, 3, 1, 4).unbind(0)
        rate = self.rate if self.training else 0.0
        seen = F.scaled_dot_product_attention(query, key, value, dropout_p=rate, is_causal=True)
        return seen.transpose(1, 2).reshape(n, t, width)


def sample(arguments: list[str]) -> None:
    """Write text from a run."""
    parser = argparse.ArgumentParser(description="Write text from a run of this job.")
    parser.add_argument("--sample", type=Path, metavar="RUN_DIR", required=True)
    parser.add_argument("--characters", type=int, default=500, help="how many to write")
    parser.add_argument("--temperature", type=float, default=0.8, help="lower: bolder guesses")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--prompt", default="\n", help="what the text starts with")
    given = parser.parse_args(arguments)
    try:
        model = dtrain.load(given.sample).eval()
    except (OSError, dtrain.errors.RunDirError) as error:
        parser.error(str(error))
    unknown = set(given.prompt) - set(model.characters)
    if not given.prompt or unknown or given.temperature <= 0:
        parser.error(
            "--temperature must be above 0, and --prompt some of the characters "
            f"{model.characters!r}"
        )
    dtrain.set_num_threads(1)  # a single window has too little work for more
    dtrain.manual_seed(given.seed)
    print(model.write(given.prompt, given.characters, given.temperature))


if __name__ == "__main__":
    if "--sample" in sys.argv:
        sample(sys.argv[1:])
    else:
        dtrain.main(Shakespeare)
