"""By what a finding is known again: the bug's key holds in any disguise, and only for that bug."""

from __future__ import annotations

import gzip
import re
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

import traceview
from tests.conftest import ROOT, CapturePath
from tests.disguise import disguised
from tests.writers import MemorySource
from traceview import fingerprints
from traceview.api import Trace
from traceview.findings import Finding, ScanResult, Window
from traceview.fingerprints import ALGORITHMS, digest_of, fingerprinted, trace_digest, witness_steps
from traceview.formats import format_by_id
from traceview.vocabulary import builtin

SAMPLES = ROOT / "sample-traces"
SHAPES = ("lp1570134-first-diagram", "lp1570134-case-1", "lp1570134-case-2")
RULE = "mirror-exit-guest-io"
VARIATIONS = 1000


def scan_bytes(data: bytes, name: str = "memory") -> ScanResult:
    source = MemorySource(data, name=name)
    return Trace(source, format_by_id("log"), None, builtin()).scan([RULE])


def identities(result: ScanResult) -> set[str]:
    return {f.fingerprint.identity for f in result.findings if f.fingerprint is not None}


@cache
def around_the_bug(sample: str) -> tuple[list[str], int, int]:
    """Return the records of a sample with the places of the opening and the closing of its first window."""
    path = SAMPLES / sample / "trace.log"
    result = traceview.open(path).scan([RULE])
    window = result.windows[result.findings[0].window]
    assert window.open is not None
    assert window.close is not None
    records = path.read_text(encoding="utf-8").splitlines()
    first, last = window.open.line - 1, window.close.line - 1
    # The loop iteration that the window begins in stays whole; a hundred records before it are enough to cut at.
    begins = max(i for i in range(first) if ":main_loop_wait " in records[i])
    start, stop = max(begins - 100, 0), min(last + 100, len(records))
    return records[start:stop], begins - start, last - start


def first_identity(sample: str) -> str:
    (identity,) = identities(scan_bytes("\n".join(around_the_bug(sample)[0]).encode()))
    return identity


# the identity


@pytest.mark.parametrize("tenth", range(10))
def test_a_thousand_disguises_of_a_bug_have_its_identity(tenth: int) -> None:
    known = {sample: first_identity(sample) for sample in SHAPES}
    for seed in range(tenth, VARIATIONS, 10):
        sample = SHAPES[seed % len(SHAPES)]
        records, opened, closed = around_the_bug(sample)
        result = scan_bytes(disguised(records, opened, closed, seed))
        assert identities(result) == {known[sample]}, (sample, seed)


@pytest.mark.parametrize("seed", range(30))
def test_another_shape_of_the_same_records_is_another_identity(seed: int) -> None:
    records, opened, closed = around_the_bug("lp1570134-case-1")
    served = next(i for i in range(opened, closed) if "virtio_queue_host_notifier_read" in records[i])
    prefix = re.match(r"[^:]*:", records[served])
    assert prefix is not None
    # One more iteration of the loop between (a) and the dispatch that serves the kick: case 2.
    later = [*records[: served - 1], f"{prefix[0]}main_loop_wait nonblocking 1", *records[served - 1 :]]
    (identity,) = identities(scan_bytes(disguised(later, opened, closed + 1, seed)))
    assert identity == first_identity("lp1570134-case-2")
    assert identity != first_identity("lp1570134-case-1")


def test_the_shapes_the_second_door_and_another_device_are_bugs_of_their_own() -> None:
    samples = (*SHAPES, "stock-4.1-ide-lost-write")
    found = [i for s in samples for i in {f.fingerprint.identity for f in scan(s) if f.fingerprint and f.rule == RULE}]
    assert len(found) == len(set(found)) == len(samples)
    second_door = identities(traceview.open(SAMPLES / "second-door" / "trace.log").scan())
    assert second_door
    assert not second_door & set(found)


def made(window: Window, finding: Finding, *, vm: str = "") -> Finding:
    result = ScanResult([replace(case_1().traces[0], vm=vm)], [window], [replace(finding, window=0)])
    return fingerprinted(result, builtin())[0]


@cache
def case_1() -> ScanResult:
    return traceview.open(SAMPLES / "lp1570134-case-1" / "trace.log").scan()


def its_window(result: ScanResult) -> tuple[Window, Finding]:
    finding = result.findings[0]
    return result.windows[finding.window], finding


def test_what_is_of_one_trace_only_changes_the_instance_and_nothing_else() -> None:
    window, finding = its_window(case_1())
    before = made(window, finding).fingerprint
    moved = replace(window, requests=[replace(r, offset=r.offset + 4096, blk=r.blk + 64) for r in window.requests])
    after = made(moved, finding).fingerprint
    assert before is not None
    assert after is not None
    assert (before.identity, before.group) == (after.identity, after.group)
    assert before.instance != after.instance


@pytest.mark.parametrize(
    "change",
    [
        {"pivoted": False}, {"job_kind": "commit"}, {"ends_in_switch": True}, {"target_image": "other.qcow2"},
        {"reason": "a note"}, {"rewritten_bytes": 1}, {"node": 0x1234}, {"about": "other stand-ins"},
    ],
    ids=str,
)  # fmt: skip
def test_what_became_of_it_and_what_the_job_was_is_not_the_bug(change: dict[str, object]) -> None:
    window, finding = its_window(case_1())
    one, other = made(window, finding).fingerprint, made(replace(window, **change), finding).fingerprint  # type: ignore[arg-type]
    assert one == other


@pytest.mark.parametrize(
    "change",
    [{"rule": "another-rule"}, {"rule_version": 2}],
    ids=str,
)
def test_another_rule_or_another_major_version_of_it_is_another_bug_of_another_group(change: dict[str, object]) -> None:
    window, finding = its_window(case_1())
    one, other = made(window, finding).fingerprint, made(window, replace(finding, **change)).fingerprint  # type: ignore[arg-type]
    assert one is not None
    assert other is not None
    assert one.identity != other.identity
    assert one.group != other.group


def test_another_kind_of_device_is_another_bug_of_the_same_group() -> None:
    window, finding = its_window(case_1())
    assert window.device_kind == "virtio-blk"
    one, other = made(window, finding).fingerprint, made(replace(window, device_kind="nvme"), finding).fingerprint
    assert one is not None
    assert other is not None
    assert (one.identity != other.identity, one.group == other.group) == (True, True)


def test_the_name_of_an_iothread_is_the_users_and_not_part_of_the_bug() -> None:
    window, finding = its_window(case_1())

    def served_by(context: str) -> list[str]:
        served = replace(window, requests=[replace(r, context=context) for r in window.requests])
        return witness_steps(finding, served, builtin())

    assert served_by("iothread0") == served_by("0x55aa") != served_by("iohandler_ctx")
    assert served_by("iohandler_ctx") == ["open job#1", "request to job#1 by iohandler_ctx", "close job#1"]


# group and instance


def test_all_that_one_rule_finds_is_one_group() -> None:
    groups: dict[str, set[str]] = {}
    for sample in SHAPES:
        for finding in traceview.open(SAMPLES / sample / "trace.log").scan().findings:
            assert finding.fingerprint is not None
            groups.setdefault(finding.rule, set()).add(finding.fingerprint.group)
    assert all(len(found) == 1 for found in groups.values())
    assert len({g for found in groups.values() for g in found}) == len(groups)


def test_every_finding_of_a_trace_is_an_instance_of_its_own() -> None:
    for sample in SHAPES:
        findings = traceview.open(SAMPLES / sample / "trace.log").scan().findings
        assert len({f.fingerprint.instance for f in findings if f.fingerprint}) == len(findings)


def test_a_trace_that_is_moved_packed_or_has_grown_tells_the_same_instances(tmp_path: Path) -> None:
    data = (SAMPLES / "lp1570134-case-1" / "trace.log").read_bytes()
    whole = traceview.open(SAMPLES / "lp1570134-case-1" / "trace.log").scan()
    (tmp_path / "elsewhere.log.gz").write_bytes(gzip.compress(data))
    packed = traceview.open(tmp_path / "elsewhere.log.gz").scan()
    half = scan_bytes(b"".join(data.splitlines(keepends=True)[:700]))
    keys = [[f.fingerprint for f in r.findings if f.rule == RULE] for r in (whole, packed, half)]
    assert keys[0] == keys[1] == keys[2] != []
    assert whole.traces[0].digest == packed.traces[0].digest == half.traces[0].digest


def test_another_trace_has_another_digest() -> None:
    assert trace_digest(b"the same beginning", 1) != trace_digest(b"the same beginning", 2)
    assert trace_digest(b"one", 1) != trace_digest(b"other", 1)
    digests = [traceview.open(SAMPLES / s / "trace.log").scan().traces[0].digest for s in SHAPES]
    assert len(set(digests)) == len(SHAPES)


# versions


def test_a_key_says_by_which_algorithm_it_was_made() -> None:
    _, finding = its_window(case_1())
    keys = finding.fingerprint
    assert keys is not None
    assert all(re.fullmatch(r"v1-[0-9a-f]{32}", k) for k in (keys.identity, keys.group, keys.instance))
    assert (keys.older, keys.identities) == ((), (keys.identity,))


def test_when_the_algorithm_changes_findings_carry_their_old_keys_too(monkeypatch: pytest.MonkeyPatch) -> None:
    window, finding = its_window(case_1())
    old = finding.fingerprint
    assert old is not None
    newer = {**ALGORITHMS, 2: lambda *_: ("another idea",)}
    monkeypatch.setattr(fingerprints, "ALGORITHMS", newer)
    keys = made(window, finding).fingerprint
    assert keys is not None
    assert keys.identity == f"v2-{digest_of('another idea')}"
    assert keys.older == (old.identity,)


def test_the_keys_of_the_first_algorithm_are_what_they_were() -> None:
    # What is filed under them would be lost if they changed: a change of them is a new version.
    found = {
        sample: {f.fingerprint.identity for f in scan(sample) if f.fingerprint and f.rule == RULE} for sample in SHAPES
    }
    assert found == {
        "lp1570134-first-diagram": {"v1-efa095190cc3afc62f1f45e855b11667"},
        "lp1570134-case-1": {"v1-111a0c359c4052535dc72a288b528507"},
        "lp1570134-case-2": {"v1-207bcf96dbc3b7087cfa786d3c4f0298"},
    }


def scan(sample: str) -> Sequence[Finding]:
    return traceview.open(SAMPLES / sample / "trace.log").scan().findings


def test_parts_of_a_key_cannot_be_taken_for_their_neighbours() -> None:
    assert digest_of("ab", "c") != digest_of("a", "bc")


# real traces


def keys_of(path: Path, declared: Path | None = None) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for finding in traceview.open(path, trace_events=declared).scan().findings:
        assert finding.fingerprint is not None
        found.setdefault(finding.rule, set()).add(finding.fingerprint.identity)
    return found


@pytest.mark.captures
def test_a_mirror_and_a_commit_of_one_shape_are_one_bug(capture_path: CapturePath) -> None:
    mirror, commit, older = (
        keys_of(capture_path(c, "trace.log"))
        for c in ("qemu-2.6.0-rc3/mirror", "qemu-2.6.0-rc3/commit-abort", "qemu-2.5.0/mirror")
    )
    assert len(mirror[RULE]) == 1
    assert mirror[RULE] == commit[RULE] == older[RULE]


@pytest.mark.captures
def test_the_log_and_the_binary_of_one_run_tell_the_same_bugs(capture_path: CapturePath) -> None:
    name = "qemu-2.6.0-rc3/log-and-simpletrace"
    log = keys_of(capture_path(name, "trace.log"))
    assert log == keys_of(capture_path(name, "trace.bin"), capture_path(name, "trace-events"))
    assert log


@pytest.mark.captures
def test_case_1_and_case_2_are_two_bugs(capture_path: CapturePath) -> None:
    one, two = (keys_of(capture_path(f"qemu-2.6.0-rc3/{c}", "trace.log")) for c in ("mirror", "mirror-case-2"))
    assert not one[RULE] & two[RULE]
    assert one["mirror-final-drain-guest-io"] == two["mirror-final-drain-guest-io"]


@pytest.mark.captures
@pytest.mark.parametrize("name", ["qemu-2.5.0/mirror", "qemu-2.6.0-rc3/mirror-case-2", "qemu-4.1.0/mirror-ide-verify"])
def test_a_cut_of_a_trace_tells_no_other_bugs_than_the_whole(name: str, capture_path: CapturePath) -> None:
    path = capture_path(name, "trace.log")
    lines = path.read_bytes().splitlines(keepends=True)
    whole = keys_of(path)
    told: dict[str, set[str]] = {}
    for tenth in range(1, 9, 2):
        part = b"".join(lines[len(lines) * tenth // 10 : len(lines) * (tenth + 2) // 10])
        result = Trace(MemorySource(part), format_by_id("log"), None, builtin()).scan()
        for finding in result.findings:
            assert finding.fingerprint is not None
            told.setdefault(finding.rule, set()).add(finding.fingerprint.identity)
    assert all(told[rule] <= whole[rule] for rule in told)
    assert told
