"""The notebook runs from its first cell to its last and finds the growth law."""

import json
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "docs" / "from_one_convolution_to_the_growth_law.ipynb"
NUMBERS = "import json; print(json.dumps([law.exponent, relu_law.exponent, predicted_law.exponent]))"


@pytest.mark.slow
def test_it_runs_and_finds_the_growth_law():
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell(NUMBERS))
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": ROOT}}).execute()
    measured, relu, predicted = json.loads(notebook.cells[-1].outputs[0].text)
    assert predicted == pytest.approx(0.56, abs=0.005)  # exact theory, and the paper's number
    assert measured == pytest.approx(predicted, abs=0.03)
    assert relu == pytest.approx(predicted, abs=0.03)


def test_it_is_kept_with_small_outputs_and_without_errors():
    cells = [cell for cell in nbformat.read(NOTEBOOK, as_version=4).cells if cell.cell_type == "code"]
    assert len(cells) == 10
    assert [cell.execution_count for cell in cells] == list(range(1, 11))
    assert all(cell.outputs for cell in cells)
    assert {output.output_type for cell in cells for output in cell.outputs} <= {
        "stream",
        "display_data",
        "execute_result",
    }
    assert NOTEBOOK.stat().st_size < 200_000
