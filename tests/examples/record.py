"""Writes down what PyTorch prints for each script: python -m tests.examples.record

The files in `printed` were made so, with PyTorch 2.13 (AVX2).
"""

from tests.examples.scripts import NAMES, STORED, run

if __name__ == "__main__":
    STORED.mkdir(exist_ok=True)
    for name in NAMES:
        (STORED / f"{name}.txt").write_text(run(name, by_pytorch=True).text, "utf-8")
