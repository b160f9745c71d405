"""``traceview triage``, ``list`` and ``show``, end to end; its help, and how it completes."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli import IN_OWN_PROCESS, Done, run, run_alone, sample
from tests.cli.triaged import copied_to, recorded
from traceview.cli.triage_options import STATES
from traceview.report.issue import TEMPLATES
from traceview.store import TriageState, open_store
from traceview.store.front import Store

COMMANDS = ("list", "show", "set", "note", "link", "merge", "report", "open", "stats", "export", "import", "deliver")
HEAVY = {"alembic", "jinja2", "lark", "numba", "numpy", "pandas", "plotly", "sqlalchemy", "urllib3"}


@pytest.fixture
def where(tmp_path: Path) -> Path:
    return copied_to(tmp_path)


@pytest.fixture
def store(where: Path) -> Store:
    return open_store(where)


def triage(where: Path | str, *words: str, stdin: bytes = b"") -> Done:
    return run("triage", *words, "--store", where, stdin=stdin)


def numbers(done: Done) -> list[str]:
    """Return the numbers of the findings that are listed, in their order."""
    return [line.split()[0] for line in done.lines[1:] if line[:1].strip().isdecimal() and " 2026-" in line]


# the first screen


def test_alone_it_shows_what_is_new_and_how_to_go_on(where: Path) -> None:
    done = triage(where)
    assert (done.code, done.err) == (0, "")
    assert done.lines[0].split() == ["#", "state", "severity", "seen", "VMs", "first", "last", "what"]
    assert sorted(numbers(done)) == ["1", "2", "3", "4"]
    assert "4 findings: 4 new" in done.lines
    assert done.lines[-1].startswith("traceview triage show ID tells all of one")


def test_a_screen_ends_where_it_is_full_and_says_what_is_left_out(where: Path) -> None:
    done = run("triage", "--store", where, env={"LINES": "3", "COLUMNS": "200"})
    assert sorted(numbers(done)) == ["1", "2", "3", "4"]
    few = run_alone("triage", "--store", where, env={"LINES": "10", "COLUMNS": "200"})
    assert few.out == done.out


@pytest.mark.parametrize("made", [False, True])
def test_an_empty_store_says_how_to_begin_and_is_not_made_by_asking(tmp_path: Path, made: bool) -> None:
    where = tmp_path / "new" / "findings.sqlite"
    if made:
        open_store(where)
    done = triage(where)
    assert (done.code, done.err) == (0, "")
    assert done.lines[0] == f"No scan was recorded yet in {where}."
    assert f"  traceview scan logs/ --store {where}" in done.lines
    assert where.exists() is made


def test_a_store_in_which_nothing_was_found_says_so(tmp_path: Path) -> None:
    where = tmp_path / "findings.sqlite"
    recorded(where, sample("fixed"))
    assert triage(where).lines[0] == "no finding"


@pytest.mark.parametrize(
    "command", ["list", "show 1", "set 1 known", "note 1 x", "stats", "export", "report 1", "open 1"]
)
def test_a_store_that_is_not_there_is_an_error_and_is_not_made(tmp_path: Path, command: str) -> None:
    where = tmp_path / "typo.sqlite"
    done = triage(where, *command.split())
    assert (done.code, done.out) == (2, "")
    assert "typo.sqlite: there is no such store" in done.complaint
    assert not where.exists()


def test_the_store_may_be_named_by_the_environment_before_or_behind_the_command(where: Path, tmp_path: Path) -> None:
    other = {"TRACEVIEW_STORE": str(tmp_path / "none.sqlite")}
    behind = triage(where, "list")
    assert run("triage", "--store", where, "list", env=other).out == behind.out
    assert run("triage", "--store", tmp_path / "none.sqlite", "list", "--store", where).out == behind.out
    assert run("triage", "list", env={"TRACEVIEW_STORE": str(where)}).out == behind.out
    assert run("triage", "list", env=other).code == 2


def test_what_is_no_store_is_a_clean_error(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("no database " * 100)
    done = triage(tmp_path / "x", "list")
    assert (done.code, done.out) == (2, "")
    assert "traceview: error: " in done.err


# the list


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ((), ["1", "2", "3", "4"]),
        (("--rule", "mirror-exit-*"), ["1", "2", "3"]),
        (("--rule", "mirror-final-drain-guest-io"), ["4"]),
        (("--vm", "second-door"), ["4"]),
        (("--host", "hyper-1"), ["1", "2", "3", "4"]),
        (("--host", "hyper-2"), []),
        (("--severity", "data-loss"), ["1", "2", "3", "4"]),
        (("--severity", "broken-promise"), []),
        (("--since", "2026-11-20"), ["1", "2", "3", "4"]),
        (("--since", "2026-11-20T03:13"), []),
        (("--since", "2026-11-20T04:00+01:00"), ["1", "2", "3", "4"]),
        (("--state", "new"), ["1", "2", "3", "4"]),
        (("--state", "known", "--state", "regressed"), []),
    ],
)
def test_filters_choose(where: Path, options: tuple[str, ...], found: list[str]) -> None:
    done = triage(where, "list", *options)
    assert (done.code, sorted(numbers(done))) == (0, found)


def test_what_is_ignored_fixed_or_merged_is_only_counted(where: Path, store: Store) -> None:
    store.set_state(1, TriageState.IGNORED, reason="test")
    store.merge(2, 3)
    done = triage(where, "list")
    assert sorted(numbers(done)) == ["3", "4"]
    assert done.lines[-1] == "not shown: 1 ignored, 1 merged (--all shows them)"
    assert sorted(numbers(triage(where, "list", "--all"))) == ["1", "2", "3", "4"]
    assert numbers(triage(where, "list", "--state", "ignored")) == ["1"]
    assert numbers(triage(where, "list", "--vm", "lp1570134-case-2")) == ["3"]


def test_the_list_is_data_for_machines(where: Path, store: Store, tmp_path: Path) -> None:
    store.set_state(1, TriageState.IGNORED, reason="test")
    target = tmp_path / "list.json"
    done = triage(where, "list", "--format", "json", "-o", str(target))
    assert (done.code, done.out) == (0, "")
    document = json.loads(target.read_text(encoding="utf-8"))
    assert {f["id"] for f in document["findings"]} == {2, 3, 4}
    assert document["hidden"] == {"ignored": 1, "fixed": 0, "merged": 0}


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (
            ("list", "--state", "knwon"),
            "'knwon' is none of new, confirmed, known, ignored, fixed, regressed; did you mean",
        ),
        (("list", "--severity", "bad"), "'bad' is none of data-loss, broken-promise"),
        (("list", "--since", "yesterday"), "'yesterday' is no date: expected a day such as 2026-11-20"),
        (("list", "--format", "csv"), "'csv' is none of text, json"),
        (("show", "77"), "finding #77 is not in the store"),
        (("show", "ab"), "'ab' is no finding"),
    ],
)
def test_what_makes_no_sense_is_a_usage_error(where: Path, words: tuple[str, ...], complaint: str) -> None:
    done = triage(where, *words)
    assert (done.code, done.out) == (2, "")
    assert complaint in done.complaint


# one finding


def test_all_of_one_is_shown_by_number_or_identity(where: Path, store: Store) -> None:
    done = triage(where, "show", "1")
    assert (done.code, done.err) == (0, "")
    assert done.lines[0].startswith("✗ DATA LOSS  #1  guest I/O between the end of a mirror job")
    assert "  kind       device virtio-blk, shape case-1" in done.lines
    assert "What was lost: 24576 B (24 KiB) in 6 extents, 4096 B (4 KiB) rewritten since" in done.lines
    assert any(line.startswith("(b)       blk_aio_writev blk 0x5634320b1e90") for line in done.lines)
    identity = store.finding("1").identity
    for ref in ("#1", identity, identity[:12]):
        assert triage(where, "show", ref).out == done.out


def test_a_merged_one_shows_what_it_was_merged_into(where: Path, store: Store) -> None:
    store.merge(2, 1)
    assert triage(where, "show", "2").out == triage(where, "show", "1").out


def test_how_far_a_fix_is_shown_is_told(where: Path, store: Store) -> None:
    store.set_state(1, TriageState.KNOWN, fixed_in="4.2.0")
    (line,) = (line for line in triage(where, "show", "1").lines if line.startswith("  fix "))
    assert "of 4.2.0 and newer" in line
    assert "needed to be 95% sure" in line


def test_all_of_one_is_data_for_machines(where: Path) -> None:
    document = json.loads(triage(where, "show", "4", "--format", "json").out)
    assert document["finding"]["id"] == 4
    assert len(document["occurrences"]) == document["finding"]["occurrences"] > 1
    assert document["occurrences"][0]["document"]["window"]["verdict"] == "violated"


# help, and what is imported for it


def help_of(command: str) -> str:
    return run("triage", *command.split(), "--help", env={"COLUMNS": "80"}).out


def test_the_help_names_every_command_in_a_line_each() -> None:
    lines = help_of("").splitlines()
    for command in COMMANDS:
        (line,) = (line for line in lines if line.startswith(f"  {command} "))
        assert line.endswith(".")
        assert not line.endswith("...")


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_the_examples_of_the_help_work_as_printed(
    command: str, where: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = help_of(command)
    assert max(map(len, text.splitlines())) <= 80
    (tmp_path / "vm.log").write_bytes(sample("lp1570134-case-1").read_bytes())
    (tmp_path / "findings.json").write_text(triage(where, "export").out, encoding="utf-8")
    (tmp_path / "hook.secret").write_text("x" * 32, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    lines = [line.strip() for line in text.split("Examples:")[1].splitlines() if line.strip()]
    assert lines
    for line in lines:
        done = Done(0, b"", "")
        for part in line.split(" | "):
            program, *words = shlex.split(part)
            assert program == "traceview"
            done = run(*words, stdin=done.raw, env={"TRACEVIEW_STORE": str(where)})
            assert (done.code, done.err) == (0, ""), line
        assert done.out or (tmp_path / line.split(" -o ")[1].split()[0]).stat().st_size, line


_PROBE = """
import sys
sys.argv = ["traceview", *sys.argv[1:]]
from traceview.cli import main
try:
    main()
finally:
    print(*sorted({name.partition(".")[0] for name in sys.modules}), file=sys.stderr)
"""


def probed(*words: str, env: dict[str, str] | None = None) -> tuple[str, set[str]]:
    """Return what a run printed, and which packages it imported."""
    done = subprocess.run(
        [sys.executable, "-c", _PROBE, *words], env={**IN_OWN_PROCESS, **(env or {})}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    return done.stdout, set(done.stderr.splitlines()[-1].split())


@pytest.mark.parametrize("words", [["--help"], ["list", "--help"], ["list", "--state", "nonsense"]])
def test_help_and_usage_errors_import_nothing_heavy(words: list[str]) -> None:
    assert probed("triage", *words)[1] & HEAVY == set()


def completed(words: str, where: Path) -> tuple[str, set[str]]:
    count = len(words.split()) - (not words.endswith(" "))
    return probed(
        env={"_TRACEVIEW_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(count),
             "TRACEVIEW_STORE": str(where)},
    )  # fmt: skip


def test_states_and_templates_complete_without_the_library(where: Path) -> None:
    shown, modules = completed("traceview triage list --state re", where)
    assert shown.split() == ["regressed"]
    assert modules & HEAVY == set()
    assert completed("traceview triage report 1 --template q", where)[0].split() == ["qemu-gitlab"]


def test_findings_complete_by_their_numbers(where: Path, tmp_path: Path) -> None:
    assert sorted(completed("traceview triage show ", where)[0].split()) == ["1", "2", "3", "4"]
    assert completed("traceview triage show 3", where)[0].split() == ["3"]
    assert completed("traceview triage show ", tmp_path / "none.sqlite")[0].split() == []


def test_what_is_written_down_for_completion_is_what_the_library_knows() -> None:
    from traceview.cli.triage_issue import TEMPLATES as named  # noqa: N811, PLC0415

    assert set(STATES) == {s.value for s in TriageState}
    assert named == TEMPLATES
