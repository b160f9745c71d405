"""Whether the guest was moved is not claimed where the trace does not tell."""

from __future__ import annotations

from pathlib import Path

import traceview
from traceview.findings import Severity

SAMPLE = Path(__file__).parents[2] / "sample-traces" / "lp1570134-case-1" / "trace.log"


def test_without_the_event_of_the_switch_a_loss_is_a_broken_promise_with_its_reason(tmp_path: Path) -> None:
    path = tmp_path / "vm.log"
    lines = SAMPLE.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(x for x in lines if b":bdrv_replace_in_backing_chain " not in x))
    (window,) = [w for w in traceview.open(path).scan().windows if w.requests]
    assert window.severity is Severity.BROKEN_PROMISE
    assert window.reason.startswith("the switch itself was not traced")


def test_with_it_the_same_window_is_data_loss() -> None:
    (window,) = [w for w in traceview.open(SAMPLE).scan().windows if w.requests]
    assert window.severity is Severity.DATA_LOSS
    assert window.reason == ""
