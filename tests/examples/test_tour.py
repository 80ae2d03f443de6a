"""The notebook is well-formed, and its cells are Python. `make notebook` executes it."""

import ast
import json
from typing import Any

import pytest

from tests.repo.modules import ROOT

TOUR = ROOT / "examples" / "tour.ipynb"
WRITEFILE = "%%writefile digits_job.py\n"


def notebook() -> dict[str, Any]:
    """The notebook's JSON."""
    found: dict[str, Any] = json.loads(TOUR.read_text("utf-8"))
    return found


def code() -> list[str]:
    """Its code cells, without the lines that are IPython's."""
    return [
        "".join(line for line in cell["source"] if not line.startswith("%"))
        for cell in notebook()["cells"]
        if cell["cell_type"] == "code"
    ]


def test_it_is_a_notebook_of_format_4_5() -> None:
    tour = notebook()
    assert (tour["nbformat"], tour["nbformat_minor"]) == (4, 5)
    assert tour["metadata"]["kernelspec"]["name"] == "python3"
    for cell in tour["cells"]:
        wanted = {"cell_type", "id", "metadata", "source"}
        if cell["cell_type"] == "code":
            wanted |= {"execution_count", "outputs"}
        assert set(cell) == wanted
    ids = [cell["id"] for cell in tour["cells"]]
    assert len(set(ids)) == len(ids)


def test_it_is_kept_without_outputs() -> None:
    cells = [cell for cell in notebook()["cells"] if cell["cell_type"] == "code"]
    assert not [cell["id"] for cell in cells if cell["outputs"] or cell["execution_count"]]


@pytest.mark.parametrize("cell", code(), ids=lambda cell: cell.strip().splitlines()[0][:40])
def test_each_cell_is_python(cell: str) -> None:
    compile(cell, TOUR.name, "exec")


def test_the_job_in_the_file_is_the_one_of_the_first_cells() -> None:
    [source] = [
        "".join(cell["source"]) for cell in notebook()["cells"] if cell["source"][0] == WRITEFILE
    ]
    in_file = ast.parse(source.removeprefix(WRITEFILE)).body
    [in_cell] = [ast.parse(cell).body for cell in code() if "class Digits(" in cell][:1]
    same = [ast.dump(node) for node in in_cell]
    assert [ast.dump(node) for node in in_file[: len(same)]] == same
    assert [type(node) for node in in_file[len(same) :]] == [ast.If]
