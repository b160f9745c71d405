"""The documentation says what is so: its commands print what it shows, its Python runs, its links lead somewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.timeline.story import FOUNDING
from traceview.rules import words
from traceview.rules.build import build_rules

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted(
    [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "sample-traces" / "README.md", *ROOT.glob("docs/*.md")]
)


def test_every_output_block_is_what_its_command_prints() -> None:
    done = subprocess.run(
        [sys.executable, "docs/outputs.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_within_the_repository_lead_to_files(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8"))
    missing = [t for t in targets if "://" not in t and not (page.parent / t).exists()]
    assert not missing


def _python_blocks(page: str) -> str:
    return "\n".join(re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL))


def test_the_library_page_runs_as_it_stands(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "sample-traces").symlink_to(ROOT / "sample-traces")
    monkeypatch.chdir(tmp_path)
    exec(compile(_python_blocks("docs/library.md"), "docs/library.md", "exec"), {})  # noqa: S102  (our own page)
    assert "data-loss" in capsys.readouterr().out


def test_the_readme_example_runs_on_any_log(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "vm.log").write_bytes((ROOT / "sample-traces/lp1570134-case-1/trace.log").read_bytes())
    monkeypatch.chdir(tmp_path)
    exec(compile(_python_blocks("README.md"), "README.md", "exec"), {})  # noqa: S102  (our own page)
    assert "mirror job" in capsys.readouterr().out


def _events_file() -> list[str]:
    """Return the patterns that the README tells people to trace on stock builds."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    block = text.split("where FILE holds", 1)[1].split("Where a trace lacks", 1)[0]
    return block.split()


@pytest.mark.parametrize("sample", ["stock-4.1-ide-lost-write", "stock-9.0-parked", "stock-7.2-mixed"])
def test_the_events_that_the_readme_names_are_enough_on_stock_builds(sample: str, tmp_path: Path) -> None:
    import traceview  # noqa: PLC0415

    names = re.compile("|".join(p.replace("*", r"\w*") for p in _events_file()))
    whole = ROOT / "sample-traces" / sample / "trace.log"
    lines = whole.read_bytes().splitlines(keepends=True)
    cut = tmp_path / "trace.log"
    cut.write_bytes(b"".join(x for x in lines if names.match(x.split(b":", 1)[-1].split(b" ")[0].decode("latin-1"))))
    expected = [
        (w.verdict, w.pivoted, [r.offset for r in w.requests if not r.held_back])
        for w in traceview.open(whole).scan(FOUNDING).windows
    ]
    result = traceview.open(cut).scan(FOUNDING)
    assert [
        (w.verdict, w.pivoted, [r.offset for r in w.requests if not r.held_back]) for w in result.windows
    ] == expected
    assert not result.traces[0].unjudged


def test_the_rule_of_ten_lines_makes_sense_and_has_ten_lines() -> None:
    text = (ROOT / "docs" / "rules.md").read_text(encoding="utf-8")
    rule = text.split("<!-- rules -->\n```text\n", 1)[1].split("```", 1)[0]
    assert len(rule.splitlines()) == 10
    assert [r.id for r in build_rules(rule, "my.rules", words())] == ["snapshot-node-guest-write"]


def _parts(svg: Path) -> tuple[list[str], list[str]]:
    """Return the texts of a picture, and the ids of its parts but for those that matplotlib counts up."""
    root = ElementTree.fromstring(svg.read_bytes())  # noqa: S314  (our own)
    texts = ["".join(e.itertext()).strip() for e in root.iter("{http://www.w3.org/2000/svg}text")]
    return texts, [i for e in root.iter() if "-" in (i := e.get("id", "")) and not re.search(r"_\d+$", i)]


def test_the_pictures_show_what_their_commands_draw(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "docs/draw.py", str(tmp_path)], cwd=ROOT, check=True)
    drawn = {p.name: _parts(p) for p in tmp_path.iterdir()}
    assert drawn == {p.name: _parts(p) for p in (ROOT / "docs" / "pictures").iterdir()}
    assert all({"(a)", "(b)", "(c)"} <= {t.partition(" ×")[0] for t in texts} for texts, _ in drawn.values())
