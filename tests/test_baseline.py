"""A baseline says which findings are known, and why; its lines are told what use they are of."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import ROOT
from tests.report import HOSTILE, RAW, mark, request, result, sample, summary, window
from traceview.baseline import KEYS, Baseline, Line, LineState, LineUse, read_baseline, write_baseline
from traceview.errors import BaselineError
from traceview.findings import Fingerprint, Happening, ScanResult, Suppression
from traceview.fleet import scan_all
from traceview.resources import grammar_text
from traceview.rules import EXIT_RULE

TODAY = date(2027, 1, 15)
KNOWN = "v1-" + "0123456789abcdef" * 2
OTHER = "v1-" + "f" * 32
EXAMPLE = "  example: rule:mirror-* vm:web-* until:2027-03-31 reason: the hosts of rack 7 get the fix in March"
Written = Callable[[str | bytes], Path]


@pytest.fixture
def written(tmp_path: Path) -> Written:
    """Return a function that writes a baseline file."""

    def write(content: str | bytes) -> Path:
        path = tmp_path / "known.txt"
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogateescape"))
        return path

    return write


def scan(*identities: str, device: str = "drive0", title: str = "guest I/O") -> ScanResult:
    """Return a scan of the VM web-3 on host-7 with a finding for each identity."""
    trace = replace(summary("logs/web-3.log"), host="host-7", vm="web-3")
    windows = [window(request(device=device), target_image="/images/new disk.raw") for _ in identities]
    found = result(*windows, trace=trace)
    found.findings = [
        replace(f, title=title, fingerprint=Fingerprint(identity, "v1-" + "a" * 32, f"v1-{i:032x}", ("v0-old",)))
        for i, (f, identity) in enumerate(zip(found.findings, identities, strict=True))
    ]
    return found


def uses(path: Path, found: ScanResult, today: date = TODAY) -> list[LineUse]:
    return read_baseline(path).apply(found, today=today)


def covered(found: ScanResult) -> list[int]:
    """Return for each finding the line that covers it, 0 for none."""
    return [f.suppression.line if f.suppression is not None else 0 for f in found.findings]


def complaint(path: Path) -> list[str]:
    """Return the lines of what is said about a file."""
    with pytest.raises(BaselineError) as told:
        read_baseline(path)
    return str(told.value).split("\n")


# reading


def test_lines_are_read_with_their_patterns_reason_and_last_day(written: Written) -> None:
    path = written(
        "# comment\n"
        "\n"
        "rule:mirror-exit-guest-io vm:web-* until:2027-03-31 reason: the hosts of rack 7 get the fix in March\n"
        f"\t identity:{KNOWN}   reason:seen before # the nightly scan\r\n"
        r'image:"/images/a \"b\" \\c" reason: quoted'
    )
    assert read_baseline(path).lines == (
        Line(
            (("rule", "mirror-exit-guest-io"), ("vm", "web-*")),
            "the hosts of rack 7 get the fix in March",
            date(2027, 3, 31),
        ),
        Line((("identity", KNOWN),), "seen before # the nightly scan"),
        Line((("image", r'/images/a "b" \c'),), "quoted"),
    )
    assert [line.number for line in read_baseline(path).lines] == [3, 4, 5]


def test_a_byte_order_mark_is_no_part_of_the_first_line(written: Written) -> None:
    assert read_baseline(written(b"\xef\xbb\xbfrule:x reason: y\n")).lines == (Line((("rule", "x"),), "y"),)


def test_a_complaint_shows_place_caret_what_was_expected_and_the_nearest_key(written: Written) -> None:
    path = written("# known\nrul:mirror-* reason: y\n")
    assert complaint(path) == [
        f"{path}:2:1: unknown key 'rul'",
        "    2 | rul:mirror-* reason: y",
        "      | ^^^^",
        "  expected: rule:, device:, image:, vm:, host:, identity:, group:, trace:, until:, a comment (#)",
        "  did you mean rule:?",
        EXAMPLE,
    ]


@pytest.mark.parametrize(
    ("line", "column", "said", "expected"),
    [
        ("rule:x", 7, "the line has no reason", "reason:"),
        ("rule:x reason:", 15, "the line has no reason", "the reason, as text"),
        ("rule:x until:2027-03-31   ", 24, "the line has no reason", "reason:"),
        ("rule:", 6, "the line ends too early", "a value, text in double quotes"),
        ("rule: x reason: y", 6, "unexpected blank", "a value, text in double quotes"),
        ("reason: y", 1, "unexpected 'reason:'", "rule:"),
        ("until:2027-03-31 reason: y", 18, "unexpected 'reason:'", "rule:"),
        ("rule:x reasons: y", 8, "unknown key 'reasons'", "reason:"),
        ("rule:x expires:2027-03-31 reason: y", 8, "unknown key 'expires'", "until:"),
        ("rule mirror-* reason: y", 1, "unexpected 'rule'", "rule:"),
        ('vm:"a b reason: y', 4, 'this text has no end on its line, or a \\ before something else than " and \\', ""),
        ('vm:"a"b reason: y', 7, "unexpected 'b'", "a blank"),
        ("rule:x until:2027-3-1 reason: y", 14, "unexpected '2027-3-1'", "a date such as 2027-03-31"),
        ("rule:x until:2027-02-30 reason: y", 14, "there is no such day", "a date such as 2027-03-31"),
        ("rule:x until:٢٠٢٧-01-01 reason: y", 14, "unexpected '٢٠٢٧-01-01'", "a date such as 2027-03-31"),
        ("vm:a rule:x vm:b reason: y", 13, "vm stands twice: for another vm, write another line", ""),
        ("until:2027-01-01 rule:x until:2027-01-02 reason: y", 31, "until stands twice: a line has one end", ""),
    ],
)
def test_what_is_wrong_with_a_line_is_told_with_its_place(
    line: str, column: int, said: str, expected: str, written: Written
) -> None:
    path = written(f"rule:first reason: right\n{line}\n")
    lines = complaint(path)
    assert lines[0] == f"{path}:2:{column}: {said}"
    assert lines[2].index("^") == len("    2 | ") + column - 1
    assert expected in "\n".join(lines[3:])
    assert lines[-1] == EXAMPLE


@pytest.mark.parametrize("patterns", ["rule:*", "rule:?* vm:***", 'device:"*" image:*?'])
def test_a_line_that_would_silence_everything_is_refused(patterns: str, written: Written) -> None:
    assert "would cover every finding" in complaint(written(f"{patterns} reason: peace\n"))[0]


@pytest.mark.parametrize("inside", ["until:2027-03-31", "vm:web-3", "reason:again"])
def test_a_key_behind_reason_is_refused_where_it_would_neither_narrow_nor_end_the_line(
    inside: str, written: Written
) -> None:
    lines = complaint(written(f"rule:x reason: fixed soon {inside}\n"))
    assert lines[0].endswith(f":1:27: {inside.partition(':')[0]}: stands in the reason: put it before reason:, or a "
                             "blank behind its colon")  # fmt: skip
    assert read_baseline(written("rule:x reason: fixed soon, until: 2027, on everyvm:x\n")).lines


def test_all_complaints_of_a_file_are_told_at_once(written: Written) -> None:
    path = written("rule:x\nrule:y reason: right\nvmm:x reason: y\nrule:x until:2027-02-30 reason: fix until:2028\n")
    said = [line for line in complaint(path) if line.startswith(str(path))]
    assert [s.split(":")[1] for s in said] == ["1", "3", "4", "4"]


def test_some_other_file_is_refused_without_a_complaint_for_each_of_its_lines(written: Written) -> None:
    path = written("4711@1.000001:mirror_exit job 0x1\n" * 5000)
    with pytest.raises(BaselineError) as told:
        read_baseline(path)
    assert len(told.value.complaints) == 101
    assert told.value.complaints[-1].endswith("is it a baseline file?")
    assert "larger than 4 MiB" in complaint(written(b"\n" * ((4 << 20) + 1)))[0]


def test_a_file_that_cannot_be_read_is_told_with_its_name(tmp_path: Path) -> None:
    assert complaint(tmp_path / "none") == [
        f"{tmp_path / 'none'}: the baseline cannot be read: No such file or directory"
    ]
    assert complaint(tmp_path) == [f"{tmp_path}: the baseline cannot be read: Is a directory"]


def test_the_grammar_knows_the_same_keys() -> None:
    (keys,) = re.findall(r"^KEY: \((.*)\)", grammar_text("baseline"), re.MULTILINE)
    assert tuple(re.findall(r'"(\w+)"', keys)) == KEYS


# covering


@pytest.mark.parametrize(
    ("patterns", "fits"),
    [
        (f"rule:{EXIT_RULE}", True),
        ("rule:mirror-*", True),
        ("rule:Mirror-*", False),
        ("rule:mirror", False),
        ("device:drive0", True),
        ("device:drive[0-3]", True),
        ("device:drive[!0-3]", False),
        ("device:0xb1", True),
        ("device:0xB1", False),
        ('image:"/images/new disk.raw"', True),
        ("image:*.raw", True),
        ("image:*.qcow2", False),
        ("vm:web-?", True),
        ("vm:web-??", False),
        ("host:host-7", True),
        ("host:host-8", False),
        (f"identity:{KNOWN}", True),
        (f"identity:{OTHER}", False),
        ("identity:v0-old", True),
        (f"group:v1-{'a' * 32}", True),
        (f"group:{KNOWN}", False),
        ("trace:logs/*", True),
        ("trace:web-3.log", False),
        ("vm:web-* host:host-7 rule:*", True),
        ("vm:web-* host:host-8", False),
        ("vm:other host:host-7", False),
    ],
)
def test_a_line_covers_what_matches_all_its_patterns(patterns: str, fits: bool, written: Written) -> None:
    found = scan(KNOWN)
    (use,) = uses(written(f"{patterns} reason: y\n"), found)
    assert covered(found) == [int(fits)]
    assert (use.matches, use.state) == (int(fits), LineState.USED if fits else LineState.UNUSED)


def test_a_finding_that_is_covered_names_the_line_that_does(written: Written) -> None:
    found = scan(KNOWN)
    path = written("# rack 7\nvm:web-* until:2027-03-31 reason: fixed in March\n")
    uses(path, found)
    assert found.findings[0].suppression == Suppression(str(path), 2, "fixed in March", "2027-03-31")


def test_only_requests_that_count_lend_their_device(written: Written) -> None:
    parked = request(device="parked0", blk=0xB2, held_back=True, at=mark(13, 41, event="virtio_blk_handle_write"))
    found = result(window(request(device="", blk=0), parked))
    assert [u.matches for u in uses(written("device:parked0 reason: y\ndevice:(nil) reason: y\n"), found)] == [0, 0]


def test_what_breaks_a_promise_without_a_request_has_no_device(written: Written) -> None:
    found = result(replace(window(request(), happenings=[Happening(mark(12), "bdrv_open")]), requests=[]))
    found.findings = [replace(f, requests=(), happenings=(0,)) for f in found.findings]
    assert [u.matches for u in uses(written("device:* rule:mirror-* reason: y\n"), found)] == [0]


def test_a_name_that_is_no_utf_8_is_matched_byte_by_byte(written: Written) -> None:
    found = scan(KNOWN, device="d\udcff")
    assert uses(written(b"device:d\xff reason: y\n"), found)[0].matches == 1


def test_the_first_line_covers_a_finding_and_every_line_is_counted(written: Written) -> None:
    found = scan(KNOWN, OTHER, OTHER)
    told = uses(written(f"identity:{KNOWN} reason: a\nvm:web-3 reason: b\nvm:web-4 reason: c\n"), found)
    assert covered(found) == [1, 2, 2]
    assert told == [
        LineUse(1, f"identity:{KNOWN} reason: a", 1, LineState.USED),
        LineUse(2, "vm:web-3 reason: b", 3, LineState.USED),
        LineUse(3, "vm:web-4 reason: c", 0, LineState.UNUSED),
    ]


def test_a_line_covers_to_the_end_of_its_last_day_and_is_counted_after_it(written: Written) -> None:
    path = written("vm:web-* until:2027-03-31 reason: y\nrule:mirror-* reason: z\n")
    found = scan(KNOWN, OTHER)
    assert uses(path, found, date(2027, 3, 31))[0].state is LineState.USED
    assert covered(found) == [1, 1]
    found = scan(KNOWN, OTHER)
    assert uses(path, found, date(2027, 4, 1))[0] == LineUse(
        1, "vm:web-* until:2027-03-31 reason: y", 2, LineState.EXPIRED
    )
    assert covered(found) == [2, 2]


def test_what_another_baseline_covers_stays_covered_by_it(written: Written) -> None:
    found = scan(KNOWN)
    before = Suppression("team.txt", 7, "z")
    found.findings = [replace(f, suppression=before) for f in found.findings]
    assert uses(written("vm:web-3 reason: y\n"), found)[0].matches == 1
    assert found.findings[0].suppression == before


def test_findings_of_a_merged_result_are_held_against_their_own_trace(written: Written) -> None:
    found = scan(KNOWN)
    found.merge(result(window(request()), trace=replace(summary("b.log"), vm="db-1")))
    uses(written("vm:db-* reason: y\ntrace:logs/* reason: z\n"), found)
    assert covered(found) == [2, 1]


# writing


def test_a_new_file_has_one_commented_line_for_each_identity(tmp_path: Path) -> None:
    path = tmp_path / "known.txt"
    found = scan(KNOWN, OTHER, KNOWN)
    found.findings[2] = replace(found.findings[2], title="the same again")
    assert write_baseline(path, found, reason=" seen before the nightly scan ") == 2
    head, *rest = path.read_text().splitlines()
    assert head.startswith("# ")
    assert rest == [
        f"# {EXIT_RULE}, device drive0: guest I/O",
        f"identity:{KNOWN} reason: seen before the nightly scan",
        f"# {EXIT_RULE}, device drive0: guest I/O",
        f"identity:{OTHER} reason: seen before the nightly scan",
    ]


def test_what_was_written_covers_the_findings_it_was_written_from(tmp_path: Path) -> None:
    found = scan(KNOWN, OTHER)
    write_baseline(tmp_path / "known.txt", found, reason="y")
    assert [u.state for u in uses(tmp_path / "known.txt", found)] == [LineState.USED] * 2
    assert all(f.suppression is not None for f in found.findings)


def test_a_scan_of_a_real_trace_is_covered_by_the_baseline_that_it_wrote(tmp_path: Path) -> None:
    found = scan_all([sample("lp1570134-case-1"), sample("lp1570134-case-2")])
    assert write_baseline(tmp_path / "known.txt", found, reason="known") == 2
    uses(tmp_path / "known.txt", found)
    assert all(f.suppression is not None for f in found.findings)
    again = scan_all([sample("lp1570134-case-1")])
    assert write_baseline(tmp_path / "known.txt", again, reason="known") == 0


def test_a_file_is_extended_and_all_that_is_in_it_kept(written: Written) -> None:
    before = f"# ours \r\n\nidentity:{KNOWN}   reason: kept  \n# a name: \udcff"
    path = written(before)
    assert write_baseline(path, scan(KNOWN, OTHER), reason="new") == 1
    after = path.read_bytes().decode("utf-8", "surrogateescape")
    assert after == f"{before}\n# {EXIT_RULE}, device drive0: guest I/O\nidentity:{OTHER} reason: new\n"


def test_writing_again_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "known.txt"
    write_baseline(path, scan(KNOWN), reason="y")
    content, when = path.read_bytes(), path.stat().st_mtime_ns
    assert write_baseline(path, scan(KNOWN), reason="y") == 0
    assert (path.read_bytes(), path.stat().st_mtime_ns) == (content, when)
    write_baseline(tmp_path / "twin.txt", scan(KNOWN), reason="y")
    assert (tmp_path / "twin.txt").read_bytes() == content


def test_a_scan_without_findings_makes_a_file_that_can_be_read(tmp_path: Path) -> None:
    assert write_baseline(tmp_path / "known.txt", scan(), reason="y") == 0
    assert read_baseline(tmp_path / "known.txt").lines == ()


def test_what_any_line_covers_is_not_written(written: Written) -> None:
    assert write_baseline(written("vm:web-* reason: y\n"), scan(KNOWN), reason="z") == 0
    found = scan(KNOWN)
    found.findings = [replace(f, suppression=Suppression("team.txt", 7, "z")) for f in found.findings]
    assert write_baseline(written("vm:db-* reason: y\n"), found, reason="z") == 0


def test_a_line_that_has_expired_covers_nothing_where_the_day_is_given(written: Written) -> None:
    path = written("vm:web-* until:2027-03-31 reason: y\n")
    assert write_baseline(path, scan(KNOWN), reason="z") == 0
    assert write_baseline(path, scan(KNOWN), reason="z", today=date(2027, 3, 31)) == 0
    assert write_baseline(path, scan(KNOWN), reason="z", today=date(2027, 4, 1)) == 1


def test_names_in_comments_stay_on_their_line_and_are_harmless(tmp_path: Path) -> None:
    hostile = f"{HOSTILE}\nrule:mirror-* reason: mine"
    path = tmp_path / "known.txt"
    write_baseline(path, scan(KNOWN, device=hostile, title=hostile), reason="y")
    text = path.read_bytes().decode("utf-8", "surrogateescape")
    assert not any(raw in text.replace("\n", "") for raw in RAW if raw != "\n")
    assert read_baseline(path).lines == (Line((("identity", KNOWN),), "y"),)


@pytest.mark.parametrize(
    "reason", ["", "  \t", "a\nb", "a\nrule:x reason: b", "soon until:2027-01-01", "\ud800", "\udcc3\udca9"]
)
def test_a_reason_that_would_not_be_read_back_is_refused_and_nothing_is_written(reason: str, tmp_path: Path) -> None:
    with pytest.raises(BaselineError, match="reason"):
        write_baseline(tmp_path / "known.txt", scan(KNOWN), reason=reason)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_makes_no_sense_is_left_as_it_is(written: Written) -> None:
    path = written("rule:x\n")
    with pytest.raises(BaselineError, match=re.escape(f"{path}:1:7: the line has no reason")):
        write_baseline(path, scan(KNOWN), reason="y")
    assert path.read_text() == "rule:x\n"


def test_the_mode_of_a_file_and_a_link_to_it_are_kept(written: Written, tmp_path: Path) -> None:
    path = written("vm:db-* reason: y\n")
    path.chmod(0o640)
    link = tmp_path / "link.txt"
    link.symlink_to(path)
    write_baseline(link, scan(KNOWN), reason="z")
    assert link.is_symlink()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert KNOWN in path.read_text()


def test_a_write_that_fails_leaves_the_file_and_no_half_of_another(
    written: Written, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written("vm:db-* reason: y\n")

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(BaselineError, match="cannot be written: No space left on device"):
        write_baseline(path, scan(KNOWN), reason="z")
    assert [p.name for p in tmp_path.iterdir()] == ["known.txt"]
    assert path.read_text() == "vm:db-* reason: y\n"


def test_a_place_that_takes_no_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(BaselineError, match="cannot be written: No such file or directory"):
        write_baseline(tmp_path / "none" / "known.txt", scan(KNOWN), reason="y")
    with pytest.raises(BaselineError, match="no regular file"):
        write_baseline(tmp_path, scan(KNOWN), reason="y")


# any text

_VALUES = st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]) | st.sampled_from('*?[]"\\ \t#'))
_REASONS = _VALUES.map(str.strip).filter(lambda r: r and not re.search(rf"({'|'.join(KEYS)}|until|reason):", r))
_LINES = st.builds(
    lambda patterns, reason, until: Line(tuple(patterns.items()), reason, until),
    st.dictionaries(st.sampled_from(KEYS), _VALUES, min_size=1).filter(
        lambda patterns: any(not re.fullmatch(r"[*?]+", p) for p in patterns.values())
    ),
    _REASONS,
    st.none() | st.dates(),
)


@given(st.lists(_LINES, max_size=6))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_lines_that_are_written_are_read_back_the_same(written: Written, lines: list[Line]) -> None:
    text = "".join(f"{line.text}\n" for line in lines)
    assert read_baseline(written(text)).lines == tuple(lines)


_PIECES = st.lists(st.sampled_from([*"*?[]!-ab\\.^$(", "\n"]), max_size=8).map("".join)


@given(_PIECES, _PIECES)
def test_any_pattern_matches_any_name_as_a_shell_would_have_it(pattern: str, name: str) -> None:
    found = result(window(request()), trace=replace(summary(), vm=name))
    (use,) = Baseline("known.txt", (Line((("vm", pattern),), "y"),)).apply(found, today=TODAY)
    assert use.matches == int(fnmatchcase(name, pattern))


_FRAGMENTS = st.sampled_from(
    [
        *(f"{key}:" for key in (*KEYS, "until", "reason")), "web-*", '"a b"', '"', "\\", "#", " ", "\t", "\n", "\r",
        "2027-03-31", "2027-02-30", "\x0b", "\u2028", "\ufeff", "\xa0", "[", "v1-0", "x",
    ]
)  # fmt: skip


@given(st.binary() | st.text().map(str.encode) | st.lists(_FRAGMENTS).map(lambda parts: "".join(parts).encode()))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
def test_any_bytes_are_read_or_refused_with_a_place(written: Written, content: bytes) -> None:
    path = written(content)
    complaints: tuple[str, ...] = ()
    try:
        baseline = read_baseline(path)
    except BaselineError as e:
        complaints = e.complaints
    else:
        assert all(line.patterns and line.reason for line in baseline.lines)
        baseline.apply(scan(KNOWN), today=TODAY)
    assert all(c.startswith(f"{path}:") for c in complaints)


# what the documentation says


def block(mark_: str) -> str:
    """Return the block of the documentation that stands behind a mark."""
    text = (ROOT / "docs" / "baseline.md").read_text(encoding="utf-8")
    return text.split(f"<!-- {mark_} -->\n```text\n", 1)[1].split("```", 1)[0]


def test_the_file_in_the_documentation_makes_sense(written: Written) -> None:
    assert len(read_baseline(written(block("baseline"))).lines) == 3


def test_the_complaint_in_the_documentation_is_what_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("known.txt").write_text("\nrul:mirror-* vm:web-* reason: the hosts of rack 7 get the fix in March\n")
    assert complaint(Path("known.txt")) == block("complaint").splitlines()


def test_the_example_in_the_documentation_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "sample-traces").symlink_to(ROOT / "sample-traces")
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "docs" / "baseline.md").read_text(encoding="utf-8")
    code = text.split("```python\n", 1)[1].split("```", 1)[0]
    exec(compile(code, "docs/baseline.md", "exec"), {})  # noqa: S102  (our own page)
    shown = capsys.readouterr().out
    assert "used 1 identity:v1-" in shown
    assert "reason='an example'" in shown


def test_the_documentation_has_every_key() -> None:
    text = (ROOT / "docs" / "baseline.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`[a-z`, ]+) \|", text, re.MULTILINE)
    assert tuple(re.findall(r"`(\w+)`", " ".join(rows))) == KEYS
