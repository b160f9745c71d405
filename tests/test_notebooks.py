"""The notebooks run from top to bottom in a kernel of their own, and are stored without outputs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nbclient
import nbformat
import pytest

from tests.conftest import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
CELL_SECONDS = 300
"""How long a cell may take on a machine that is busy with other tests."""

each = pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda p: p.stem)


def test_there_are_notebooks() -> None:
    assert [n.stem for n in NOTEBOOKS] == ["a-first-look", "anatomy-of-lp1570134", "from-log-to-triage"]


@each
def test_a_notebook_is_stored_without_outputs_and_counts(notebook: Path) -> None:
    book = json.loads(notebook.read_text(encoding="utf-8"))
    nbformat.validate(book)
    code = [c for c in book["cells"] if c["cell_type"] == "code"]
    assert code
    assert [c for c in code if c["outputs"] or c["execution_count"] is not None] == []
    assert [c["metadata"] for c in book["cells"] if c["metadata"]] == [], "no traces of the editor"


@each
def test_a_notebook_begins_with_a_title_and_says_where_to_run_it(notebook: Path) -> None:
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    assert "".join(cells[0]["source"]).startswith("# ")
    assert "from the folder `notebooks/`" in "".join(cells[0]["source"])


@each
def test_links_of_a_notebook_lead_to_files(notebook: Path) -> None:
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    prose = "".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
    targets = [t.partition(")")[0] for t in prose.split("](")[1:]]
    assert [t for t in targets if "://" not in t and not (notebook.parent / t).exists()] == []


def executed(notebook: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Any]:
    """Run a notebook in a clean kernel, in its own folder; return its cells with their outputs."""
    for name in ("JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR", "JUPYTER_CONFIG_DIR", "IPYTHONDIR", "MPLCONFIGDIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))  # nothing of the user's, nothing left there
    monkeypatch.setenv("PYTHONWARNINGS", "default")
    book = nbformat.read(notebook, as_version=4)  # type: ignore[no-untyped-call]
    client = nbclient.NotebookClient(
        book, timeout=CELL_SECONDS, kernel_name="python3", resources={"metadata": {"path": str(notebook.parent)}}
    )
    client.execute()
    cells: list[Any] = book.cells
    return cells


def text_of(cells: list[Any]) -> str:
    """Return all that the cells printed, and their values."""
    found = []
    for output in (o for c in cells if c.cell_type == "code" for o in c.outputs):
        found.append(output.get("text", ""))
        found.append(output.get("data", {}).get("text/plain", ""))
    return "\n".join(found)


@each
def test_a_notebook_runs_in_a_clean_kernel(notebook: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    cells = executed(notebook, monkeypatch, tmp_path)
    warned = [o.text for c in cells if c.cell_type == "code" for o in c.outputs if o.get("name") == "stderr"]
    assert warned == []
    expected = {
        "a-first-look": ["data-loss"],
        "anatomy-of-lp1570134": ["first-diagram", "case-1", "case-2", "mirror-final-drain-guest-io", "'fixed': {}"],
        "from-log-to-triage": ["100 findings", "data-loss", "drained-node-guest-io", "qemu_aio_coroutine_enter"],
    }[notebook.stem]
    text = text_of(cells)
    assert [words for words in expected if words not in text] == []
    assert any("image/png" in o.get("data", {}) for c in cells if c.cell_type == "code" for o in c.outputs)
