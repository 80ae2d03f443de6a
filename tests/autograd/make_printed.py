"""Writes printed.json: what PyTorch prints. Run it where PyTorch is installed:

python -m tests.autograd.make_printed
"""

import importlib
import json
from pathlib import Path
from typing import Any

from tests.autograd.printed import ARRAYS, CASES, OPTIONS, Case

FILE = Path(__file__).with_name("printed.json")


def printed(torch: Any, case: Case) -> str:
    """What PyTorch makes of a case."""
    name, options, suffix = case
    tensor = torch.from_numpy(ARRAYS[name].copy())
    if suffix != "none":
        tensor.requires_grad_()
    if suffix == "made":
        tensor = tensor * 1
    torch.set_printoptions(profile="default")
    torch.set_printoptions(**OPTIONS.get(options, {}))
    try:
        return repr(tensor)
    finally:
        torch.set_printoptions(profile="default")


if __name__ == "__main__":
    torch = importlib.import_module("torch")
    texts = {"/".join(case): printed(torch, case) for case in CASES}
    FILE.write_text(json.dumps(texts, indent=1) + "\n", "utf-8")
