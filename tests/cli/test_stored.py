"""``traceview scan`` night after night: what is new fails once, what is known is told, what is covered is quiet."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook

from tests.cli import Done, run, run_alone, sample
from tests.store.receivers import listening
from traceview.cli.scan import exit_code
from traceview.cli.stored import BASELINE_REASON, SECRET_VARIABLE
from traceview.errors import StoreError
from traceview.findings import ScanResult
from traceview.store import TriageState, open_store
from traceview.triage import Recorder

CASE_1, CASE_2, CLEAN, CANCELLED = (
    sample(s) for s in ("lp1570134-case-1", "lp1570134-case-2", "fixed", "cancelled")
)  # fmt: skip
SECRET = "whsec_" + "c2VjcmV0LW9mLXRoaXJ0eS10d28tYnl0ZXMtbG9uZyE="


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "findings.sqlite"


def nightly(store: Path, *words: str | Path, env: dict[str, str] | None = None) -> Done:
    return run("scan", *words, "--store", store, "--fail-on", "new", "--host", "hyper-1", env=env)


# the store


def test_what_is_new_fails_once_and_is_told_with_its_number(store: Path) -> None:
    first, second = nightly(store, CASE_1), nightly(store, CASE_1)
    assert (first.code, second.code) == (1, 0)
    assert "filed as #1, new: seen for the first time" in first.out
    assert "(c) line 371" in first.out
    assert "✗" not in second.out
    assert "findings: 0 new, 1 known (traceview triage list)" in second.out


def test_a_known_bug_in_another_trace_is_counted_and_not_shown(store: Path) -> None:
    nightly(store, CASE_1)
    done = nightly(store, CASE_1, CASE_2)
    assert done.code == 1
    assert "findings: 1 new, 1 known" in done.out
    assert "filed as #2, new" in done.out
    assert "filed as #1" not in done.out


def test_without_fail_on_new_all_findings_are_shown_and_fail_as_ever(store: Path) -> None:
    nightly(store, CASE_1)
    done = run("scan", CASE_1, "--store", store)
    assert done.code == 1
    assert "filed as #1, new\n" in done.out


def test_a_bug_that_is_filed_as_known_does_not_fail(store: Path) -> None:
    nightly(store, CASE_1)
    open_store(store).set_state(1, TriageState.KNOWN, fixed_in="2.6.0-rc4")
    done = nightly(store, CASE_1)
    assert (done.code, "0 new, 1 known" in done.out) == (0, True)


def test_a_bug_that_came_back_fails_again(store: Path, tmp_path: Path) -> None:
    nightly(store, CASE_1, "--qemu", "2.6.0-rc3")
    open_store(store).set_state(1, TriageState.KNOWN, fixed_in="2.6.0-rc4")
    again = tmp_path / "other-vm.log"
    again.write_text(CASE_1.read_text(encoding="utf-8").replace("14885@", "99@").replace("0x5634", "0x7f01"))
    assert nightly(store, again, "--qemu", "2.6.0-rc3", "--vm", "old").code == 0
    again.write_text(CASE_1.read_text(encoding="utf-8").replace("14885@", "98@").replace("0x5634", "0x7f02"))
    done = nightly(store, again, "--qemu", "2.6.0", "--vm", "upgraded")
    assert done.code == 1
    assert "filed as #1, regressed: it has come back" in done.out


def test_a_clean_trace_is_recorded_too(store: Path) -> None:
    assert nightly(store, CLEAN).code == 0
    (scan,) = open_store(store).scans()
    assert (scan.note.vm, scan.note.host) == ("fixed", "hyper-1")
    assert sum(r.windows for r in scan.note.rules) > 0


def test_a_trace_that_could_not_be_judged_is_told_of_and_is_no_all_clear(store: Path, tmp_path: Path) -> None:
    short = tmp_path / "short.log"
    short.write_bytes(b"".join(CASE_1.read_bytes().splitlines(keepends=True)[:60]))
    done = nightly(store, short)
    assert done.code == 3
    assert f"inconclusive: 1 of 1 trace, which traceview scan PATH tells of: {short}" in done.out
    assert nightly(store, short, "--allow-inconclusive").code == 0


def test_fail_on_new_alone_takes_the_store_of_the_environment(tmp_path: Path) -> None:
    env = {"TRACEVIEW_STORE": str(tmp_path / "team.sqlite")}
    codes = [run("scan", CASE_1, "--fail-on", "new", env=env).code for _ in range(2)]
    assert codes == [1, 0]
    assert (tmp_path / "team.sqlite").is_file()


def test_fail_on_new_alone_makes_a_store_in_the_users_data_folder(tmp_path: Path) -> None:
    env = {"XDG_DATA_HOME": str(tmp_path), "HOME": str(tmp_path)}
    assert run("scan", CASE_1, "--fail-on", "new", env=env).code == 1
    assert [p.name for p in tmp_path.rglob("*.sqlite")] == ["findings.sqlite"]


def test_a_scan_without_a_store_leaves_none(tmp_path: Path) -> None:
    env = {"XDG_DATA_HOME": str(tmp_path), "TRACEVIEW_STORE": str(tmp_path / "team.sqlite")}
    run("scan", CASE_1, env=env)
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_cannot_be_opened_is_told_before_anything_is_read(tmp_path: Path) -> None:
    (tmp_path / "no-store").write_text("some text, and no database", encoding="utf-8")
    done = run("scan", tmp_path / "no-such-trace", "--store", tmp_path / "no-store")
    assert done.code == 2
    assert "no-store" in done.err
    assert "no-such-trace" not in done.err


def test_stdin_is_recorded_with_its_interleaving(store: Path) -> None:
    done = run_alone("scan", "-", "--store", store, "--vm", "piped", stdin=CASE_1.read_bytes())
    assert done.code == 1
    (occurrence,) = open_store(store).occurrences(1)
    assert (occurrence.scan.note.trace, occurrence.scan.note.vm) == ("<stdin>", "piped")
    assert "mirror_exit" in occurrence.interleaving


def test_the_json_says_where_the_store_has_a_finding(store: Path) -> None:
    done = run("scan", CASE_1, "--store", store, "--format", "json", "--host", "hyper-1")
    document = json.loads(done.out)
    assert document["findings"][0]["filed"] == {"number": 1, "state": "new", "news": "new"}
    assert (document["traces"][0]["vm"], document["traces"][0]["host"]) == ("lp1570134-case-1", "hyper-1")
    again = json.loads(run("scan", CASE_1, "--store", store, "--format", "json").out)
    assert again["findings"][0]["filed"] == {"number": 1, "state": "new", "news": ""}
    assert json.loads(run("scan", CASE_1, "--format", "json").out)["findings"][0]["filed"] is None


def test_sarif_says_what_is_new_to_the_store(store: Path) -> None:
    def news() -> list[Any]:
        (made,) = json.loads(run("scan", CASE_1, "--store", store, "--format", "sarif").out)["runs"]
        return [(r["properties"]["stored"], r["properties"]["news"]) for r in made["results"] if r["kind"] == "fail"]

    assert (news(), news()) == ([(1, "new")], [(1, "")])


# the baseline


def test_what_a_baseline_covers_is_told_with_its_reason_and_does_not_fail(tmp_path: Path) -> None:
    baseline = tmp_path / "baseline.txt"
    baseline.write_text(
        "rule:mirror-exit-* vm:lp1570134-case-1 reason: rack 7 gets the fix in March\n", encoding="utf-8"
    )
    done = run("scan", CASE_1, "--baseline", baseline)
    assert done.code == 0
    assert f"suppressed by {baseline} line 1: rack 7 gets the fix in March" in done.out
    assert "1 line, 1 finding covered" in done.err
    assert run("scan", CASE_1, CASE_2, "--baseline", baseline).code == 1


def test_lines_that_cover_nothing_or_have_expired_are_told(tmp_path: Path) -> None:
    baseline = tmp_path / "baseline.txt"
    baseline.write_text(
        "rule:drained-node-* reason: none of it here\nvm:lp1570134-* until:2020-01-31 reason: it was to be fixed\n",
        encoding="utf-8",
    )
    done = run("scan", CASE_1, "--baseline", baseline)
    assert done.code == 1
    assert "line 1 covers nothing" in done.err
    assert "line 2 has expired, and would have covered 1" in done.err


def test_matches_are_counted_over_all_traces(tmp_path: Path) -> None:
    baseline = tmp_path / "baseline.txt"
    baseline.write_text("rule:mirror-* reason: all of them\n", encoding="utf-8")
    done = run("scan", CASE_1, CASE_2, CANCELLED, "--baseline", baseline)
    assert done.code == 0
    assert "1 line, 3 findings covered" in done.err


def test_a_baseline_that_is_written_covers_all_that_was_found(tmp_path: Path) -> None:
    baseline = tmp_path / "baseline.txt"
    done = run("scan", CASE_1, CASE_2, "--write-baseline", baseline)
    assert (done.code, f"{baseline}: 2 new lines" in done.err) == (1, True)
    assert baseline.read_text(encoding="utf-8").count(f"reason: {BASELINE_REASON}") == 2
    assert run("scan", CASE_1, CASE_2, "--baseline", baseline).code == 0
    again = run("scan", CASE_1, CASE_2, CANCELLED, "--baseline", baseline, "--write-baseline", baseline,
                "--baseline-reason", "cancelled jobs are harmless")  # fmt: skip
    assert f"{baseline}: 1 new line\n" in again.err
    assert baseline.read_text(encoding="utf-8").endswith("reason: cancelled jobs are harmless\n")


def test_a_broken_baseline_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    baseline = tmp_path / "baseline.txt"
    baseline.write_text("rule:mirror-exit-guest-io\n", encoding="utf-8")
    for option in ("--baseline", "--write-baseline"):
        done = run("scan", tmp_path / "no-such-trace", option, baseline)
        assert done.code == 2
        assert "the line has no reason" in done.err
        assert "no-such-trace" not in done.err


def test_what_a_baseline_covers_is_recorded_and_is_no_news(store: Path, tmp_path: Path) -> None:
    baseline = tmp_path / "baseline.txt"
    baseline.write_text("rule:mirror-* reason: all of them\n", encoding="utf-8")
    assert nightly(store, CASE_1, "--baseline", baseline).code == 0
    assert open_store(store).finding("1").occurrences == 1
    assert nightly(store, CASE_1).code == 0


# webhooks


def test_what_is_new_is_posted_once_and_signed(store: Path) -> None:
    with listening() as receiver:
        for _ in range(2):
            nightly(store, CASE_1, "--webhook", receiver.url, env={SECRET_VARIABLE: SECRET})
    (post,) = receiver.accepted
    told = Webhook(SECRET).verify(post.body, post.headers)
    assert told["type"] == "finding.new"
    assert told["finding"]["rule"] == "mirror-exit-guest-io"
    assert told["occurrence"]["document"]["window"]["verdict"] == "violated"
    assert "mirror_exit" in told["occurrence"]["interleaving"]
    assert (told["scan"]["vm"], told["scan"]["host"]) == ("lp1570134-case-1", "hyper-1")


def test_what_a_dead_receiver_missed_comes_with_the_next_run(store: Path) -> None:
    with listening() as receiver:
        url, port = receiver.url, receiver.port
    missed = nightly(store, CASE_1, "--webhook", url)
    assert missed.code == 1
    assert "waits in the outbox" in missed.err
    later = open_store(store).outbox()
    assert [letter.attempts > 0 for letter in later] == [True]
    with listening(port=port) as receiver:
        # Its time comes a minute later or so: a person need not wait for it.
        done = run("triage", "deliver", "--now", "--store", store)
    assert (done.code, len(receiver.accepted)) == (0, 1)
    assert open_store(store).outbox() == []


def test_webhooks_without_a_secret_say_so(store: Path, tmp_path: Path) -> None:
    with listening() as receiver:
        done = nightly(store, CASE_1, "--webhook", receiver.url)
    assert "sent without a signature" in done.err
    secret = tmp_path / "secret"
    secret.write_text(SECRET + "\n", encoding="utf-8")
    with listening() as receiver:
        done = nightly(store, CASE_2, "--webhook", receiver.url, "--secret-file", secret)
    assert "without a signature" not in done.err
    Webhook(SECRET).verify(receiver.accepted[0].body, receiver.accepted[0].headers)


@pytest.mark.parametrize(
    ("words", "env", "said"),
    [
        (["--webhook", "ftp://host/x"], {}, "http"),
        (["--webhook", "http://localhost:1/x"], {SECRET_VARIABLE: "short"}, "secret"),
        (["--webhook", "http://localhost:1/x", "--secret-file", "/no/such/file"], {}, "/no/such/file"),
    ],
)
def test_a_webhook_that_cannot_work_is_refused_before_anything_is_read(
    words: list[str], env: dict[str, str], said: str, store: Path
) -> None:
    done = run("scan", "no-such-trace", "--store", store, *words, env=env)
    assert done.code == 2
    assert said in done.err
    assert "no-such-trace" not in done.err


# a store that fails in the middle


def test_a_store_that_fails_in_the_middle_does_not_cost_the_report(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise StoreError("findings.sqlite: the disk is full")

    monkeypatch.setattr(Recorder, "take", full)
    done = run("scan", CASE_1, "--store", store)
    assert done.code == 2
    assert "the disk is full" in done.err
    assert "✗ DATA LOSS" in done.out


def test_a_finding_that_is_no_news_is_no_reason_to_fail_on_new() -> None:
    assert exit_code(ScanResult(), "new", allow_inconclusive=False) == 0


def test_the_vm_is_told_by_the_command_line_beside_the_trace(store: Path, tmp_path: Path) -> None:
    shutil.copy(CASE_1, tmp_path / "trace.log")
    (tmp_path / "cmdline").write_text("qemu-system-x86_64 -name guest=web-3\n", encoding="utf-8")
    nightly(store, tmp_path / "trace.log")
    assert open_store(store).finding("1").vms == ("web-3",)
    nightly(store, CASE_2, "--vm", "named")
    assert open_store(store).finding("2").vms == ("named",)
