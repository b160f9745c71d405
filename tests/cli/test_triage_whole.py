"""``traceview triage stats``, ``export``, ``import`` and ``deliver``, end to end."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests.cli import Done, run, sample
from tests.cli.triaged import copied_to, recorded
from traceview.store import open_store

SECRET = "a secret of some length, for tests"  # noqa: S105  (of no receiver)


@pytest.fixture
def where(tmp_path: Path) -> Path:
    return copied_to(tmp_path)


def triage(where: Path, *words: str | Path, stdin: bytes = b"", env: dict[str, str] | None = None) -> Done:
    return run("triage", *words, "--store", where, stdin=stdin, env=env)


# figures


def test_the_figures_of_the_store_are_told(where: Path) -> None:
    done = triage(where, "stats")
    assert (done.code, done.err) == (0, "")
    assert done.lines[0].startswith("4 findings, seen ")
    assert done.lines[0].endswith(" times in 5 scans")
    assert "          3  mirror-exit-guest-io" in done.lines
    assert "          4  hyper-1" in done.lines
    assert done.lines[-2:] == ["no scan is unfinished", "0 letters waiting in the outbox"]
    (old,) = (line.split() for line in done.lines if line.endswith("2.7 or older"))
    stats = open_store(where).stats()
    assert (int(old[0]), int(old[1])) == stats.by_release["2.7 or older"]


def test_an_unfinished_scan_is_named(where: Path) -> None:
    store = open_store(where)
    store.run(host="hyper-2").begin("/logs/killed.log", "d9", {})
    done = triage(where, "stats")
    assert "1 unfinished scan" in done.lines
    assert any(line.startswith("  /logs/killed.log") for line in done.lines)


def test_the_figures_are_data_for_machines(where: Path) -> None:
    document = json.loads(triage(where, "stats", "--format", "json").out)
    assert (document["schema_version"], document["findings"], document["scans"]) == (1, 4, 5)


# export and import


def test_what_is_exported_is_imported_and_nothing_twice(where: Path, tmp_path: Path) -> None:
    file, other = tmp_path / "findings.json", tmp_path / "deep" / "other.sqlite"
    assert triage(where, "export", "-o", file).out == ""
    first = triage(other, "import", file)
    assert (first.code, first.err) == (0, "")
    assert first.out.startswith("added: 5 scans, 4 findings, ")
    second = triage(other, "import", file)
    assert second.lines == ["nothing was added: all of it was there"]
    assert triage(other, "list").out == triage(where, "list").out
    assert json.loads(triage(other, "export").out)["findings"] == json.loads(file.read_text())["findings"]


def test_an_export_goes_through_a_pipe(where: Path, tmp_path: Path) -> None:
    exported = triage(where, "export")
    done = triage(tmp_path / "other.sqlite", "import", "-", stdin=exported.raw)
    assert (done.code, done.out.startswith("added: ")) == (0, True)


def test_an_export_never_writes_over_the_store_itself(where: Path) -> None:
    before = where.read_bytes()
    done = triage(where, "export", "-o", where)
    assert (done.code, where.read_bytes()) == (2, before)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"{", "is no JSON, so traceview triage export has not written it"),
        (b"\xff\xfe", "is no JSON"),
        (b"[" * 100_000, "is no JSON"),
        (b"[]", "expected the object that traceview triage export writes"),
        (b'{"schema_version": 99}', "schema_version"),
        (b"{}", "schema_version"),
    ],
)
def test_what_is_no_export_is_a_clean_error_and_adds_nothing(
    where: Path, tmp_path: Path, content: bytes, complaint: str
) -> None:
    file = tmp_path / "x.json"
    file.write_bytes(content)
    before = open_store(where).export()
    done = triage(where, "import", file)
    assert (done.code, done.out) == (2, "")
    assert complaint in done.complaint
    assert open_store(where).export() == before


def test_a_file_that_is_not_there_is_a_clean_error(where: Path, tmp_path: Path) -> None:
    done = triage(where, "import", tmp_path / "none.json")
    assert done.code == 2
    assert "none.json: cannot be read: No such file or directory" in done.complaint


# the outbox


class _Receiver(BaseHTTPRequestHandler):
    status = 200
    posted: list[dict[str, str]]

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.posted.append(dict(self.headers.items()))
        self.send_response(self.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *words: object) -> None:
        pass


@contextmanager
def receiver(status: int = 200) -> Iterator[tuple[str, list[dict[str, str]]]]:
    posted: list[dict[str, str]] = []
    handler = type("Handler", (_Receiver,), {"status": status, "posted": posted})
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/hook", posted
        server.shutdown()
        thread.join()


def test_what_waits_is_sent_signed_and_only_once(tmp_path: Path) -> None:
    where, secret = tmp_path / "f.sqlite", tmp_path / "secret"
    secret.write_text(f"{SECRET}\n", encoding="utf-8")
    with receiver() as (url, posted):
        recorded(where, sample("lp1570134-case-1"), webhooks=(url,))
        done = triage(where, "deliver", "--secret-file", secret)
        again = triage(where, "deliver", env={"TRACEVIEW_WEBHOOK_SECRET": SECRET})
    assert (done.code, done.err) == (0, "")
    assert done.lines == ["1 letter sent"]
    assert (again.code, again.lines) == (0, ["0 letters sent"])
    assert len(posted) == 1
    assert "webhook-signature" in {name.lower() for name in posted[0]}


def test_without_a_secret_it_is_said_that_nothing_was_signed(tmp_path: Path) -> None:
    where = tmp_path / "f.sqlite"
    with receiver() as (url, posted):
        recorded(where, sample("lp1570134-case-1"), webhooks=(url,))
        done = triage(where, "deliver")
    assert (done.code, len(posted)) == (0, 1)
    assert "sent without a signature: TRACEVIEW_WEBHOOK_SECRET or --secret-file has the secret" in done.complaint


def test_what_still_waits_is_exit_code_1_with_the_reason_and_when_it_is_due(tmp_path: Path) -> None:
    where = tmp_path / "f.sqlite"
    with receiver(404) as (url, _):
        recorded(where, sample("lp1570134-case-1"), webhooks=(url,))
        done = triage(where, "deliver")
    assert done.code == 1
    assert done.out.startswith("0 letters sent, 1 waiting (the next is due 20")
    assert url.removesuffix("/hook") in done.err
    assert "1 letter waiting in the outbox" in triage(where, "stats").out


@pytest.mark.parametrize(
    ("content", "complaint"),
    [(None, "the secret for webhooks cannot be read"), (b" \n", "at least"), (b"short", "at least")],
)
def test_a_secret_that_is_none_is_a_clean_error(
    where: Path, tmp_path: Path, content: bytes | None, complaint: str
) -> None:
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
    done = triage(where, "deliver", "--secret-file", file)
    assert (done.code, done.out) == (2, "")
    assert complaint in done.complaint
