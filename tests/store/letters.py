"""Letters in the outbox of a store: news of findings that were made up here."""

from __future__ import annotations

import uuid
from collections import Counter

from traceview.store import ScanNote, SeenFinding, Store
from traceview.store.model import Letter

__all__ = ["write"]


def write(store: Store, *urls: str, title: str = "guest I/O that mirror_exit loses") -> list[Letter]:
    """Record a trace for each distinct URL, with news for each time that it is named; return the letters about them."""
    known = {letter.id for letter in store.outbox()}
    for url, count in Counter(urls).items():
        with store.run(host="host-7", webhooks=[url]) as run:
            run.record(_note(uuid.uuid4().hex), [_seen(uuid.uuid4().hex, title) for _ in range(count)])
    return [letter for letter in store.outbox() if letter.id not in known]


def _note(name: str) -> ScanNote:
    return ScanNote(
        trace=f"logs/{name}.log", digest=name, format="log", host="host-7", vm="web-3", qemu="7.2", since="7.2.0",
        until="7.2.0", options={}, traceview="0.1.0", events=100, other_lines=0, gaps=0, inconclusive=False,
        command_line="", rules=(),
    )  # fmt: skip


def _seen(name: str, title: str) -> SeenFinding:
    return SeenFinding(
        identities=(f"v1-{name}",), group="v1-" + "a" * 32, instance=f"v1-{name}", rule="mirror-exit-guest-io",
        rule_version=1, title=title, label="LP 1570134", severity="data-loss", certain=True, device_kind="virtio-blk",
        shape="case-1", lost_bytes=4096, document={},
    )  # fmt: skip
