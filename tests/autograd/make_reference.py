"""Write down what every scenario returns on PyTorch: python -m tests.autograd.make_reference"""

import json
from pathlib import Path

import torch

from tests.autograd.scenarios import SCENARIOS

FILE = Path(__file__).with_name("reference.json")

if __name__ == "__main__":
    made = {name: function(torch) for name, function in SCENARIOS.items()}
    lines = [f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in made.items()]
    FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n")
