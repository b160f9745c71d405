"""The command line reads files that belong together as one trace, and says so."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli import run
from tests.sets import lossy_mirror, rotate

LOG = lossy_mirror().log()


def test_a_folder_of_rotated_files_is_one_trace(tmp_path: Path) -> None:
    rotate(tmp_path, LOG, [14], packing=[1])
    done = run("scan", tmp_path)
    assert done.code == 1
    assert "files: 2 read as one trace: vm.log.1.gz, vm.log" in done.lines
    assert any("vm.log.1.gz line " in line for line in done.lines)
    assert any("vm.log line " in line for line in done.lines)
    shown = run("show", tmp_path, "--finding", "2")
    assert shown.code == 0
    assert any("vm.log line " in line and line.startswith("(b)") for line in shown.lines)


def test_the_siblings_of_a_file_are_read_where_that_is_asked_for(tmp_path: Path) -> None:
    paths = rotate(tmp_path, LOG, [14])
    events = [
        json.loads(run("scan", paths[-1], "--format", "json", *o).out)["traces"][0]["events"]
        for o in ([], ["--rotated"])
    ]
    assert events == [LOG.count(b"\n") - 14, LOG.count(b"\n")]
    shown = run("show", paths[-1], "--finding", "2", "--rotated")
    assert shown.code == 0
    assert run("show", paths[-1], "--finding", "2").code != 0


def test_tables_the_health_and_an_export_take_the_siblings_too(tmp_path: Path) -> None:
    whole = tmp_path / "whole.log"
    whole.write_bytes(LOG)
    newest = rotate(tmp_path / "logs", LOG, [14])[-1]

    def rows(command: str, path: Path, *options: str) -> list[dict[str, object]]:
        lines = run(command, path, "--format", "jsonl", *options).lines
        told = [json.loads(line) for line in lines if line]
        return [{k: v for k, v in row.items() if k != "trace"} for row in told]

    for command in ("windows", "requests", "events"):
        assert rows(command, newest, "--rotated") == rows(command, whole) != rows(command, newest)
    healthy = [
        json.loads(run("check", path, "--format", "json", *options).out)
        for path, options in ((newest, ["--rotated"]), (whole, []))
    ]
    assert healthy[0]["traces"][0]["records"] == healthy[1]["traces"][0]["records"] == LOG.count(b"\n")
    pages = [tmp_path / "part.pftrace", tmp_path / "all.pftrace"]
    for page, options in zip(pages, ([], ["--rotated"]), strict=True):
        assert run("export", newest, "-o", page, *options).code == 0
    assert pages[0].stat().st_size < pages[1].stat().st_size
    assert run("vocabulary", newest).code == 0


def test_nothing_is_written_over_a_file_of_a_set(tmp_path: Path) -> None:
    paths = rotate(tmp_path, LOG, [14])
    for path in paths:
        before = path.read_bytes()
        assert run("scan", paths[-1], "--rotated", "-o", path).code == 2
        assert path.read_bytes() == before


def test_lives_beyond_the_limit_are_told(tmp_path: Path) -> None:
    path = tmp_path / "vm.log"
    shown = b"virtio_blk_handle_write req 0x1 sector 1 nsectors 8\n"
    path.write_bytes(b"".join(b"%d@1600000000.%06d:%b" % (i, i, shown) for i in range(1, 6)))
    done = run("scan", path, "--max-lives", "2")
    assert done.code == 3
    assert "more than 2 lives of QEMU" in done.out
    assert "lives of QEMU: 5" in run("scan", path).out
    assert run("scan", path, "--max-lives", "0").code == 2


def test_a_stored_scan_of_a_set_is_found_again(tmp_path: Path) -> None:
    rotate(tmp_path / "logs", LOG, [14])
    store = tmp_path / "findings.sqlite"
    assert run("scan", tmp_path / "logs", "--store", store, "--fail-on", "new").code == 1
    assert run("scan", tmp_path / "logs", "--store", store, "--fail-on", "new").code == 0
    page = tmp_path / "page.html"
    done = run("triage", "open", "1", "--store", store, "-o", page)
    assert done.code == 0, done.err
    assert page.stat().st_size > 1000


def test_all_formats_name_the_file_in_which_a_record_stands(tmp_path: Path) -> None:
    paths = rotate(tmp_path, LOG, [14])
    sarif = json.loads(run("scan", tmp_path, "--format", "sarif").out)["runs"][0]
    uris = [a["location"]["uri"].removeprefix("file://") for a in sarif["artifacts"]]
    assert uris == [str(p) for p in paths]
    violated = [r for r in sarif["results"] if r["kind"] == "fail"]
    assert violated
    for found in violated:
        where = found["locations"][0]["physicalLocation"]
        path = paths[where["artifactLocation"]["index"]]
        assert "blk_aio_pwritev" in path.read_text(encoding="utf-8").splitlines()[where["region"]["startLine"] - 1]
    for issue in json.loads(run("scan", tmp_path, "--format", "gitlab").out):
        text = Path(issue["location"]["path"]).read_text(encoding="utf-8").splitlines()
        assert "blk_aio_pwritev" in text[issue["location"]["lines"]["begin"] - 1]


def test_the_name_of_a_file_is_no_markup(tmp_path: Path) -> None:
    for path in rotate(tmp_path, LOG, [14]):
        path.rename(tmp_path / path.name.replace("vm", "a`|\x1b[31m<b>*"))
    markdown = run("scan", tmp_path, "--format", "markdown").out
    assert "\x1b" not in markdown
    assert "\x1b" not in run("scan", tmp_path).out
    row = next(line for line in markdown.splitlines() if line.startswith("| 1 |"))
    assert row.count("|") - row.count("\\|") == markdown.splitlines()[markdown.splitlines().index(row) - 1].count("|")
