"""Where rules come from: the package, folders of the user's, plug-ins."""

from __future__ import annotations

from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import pytest

from tests.rules.texts import PLAIN, changed
from traceview.errors import RuleFileError, TraceNotFoundError, TraceReadError, TraceviewError
from traceview.kept import keep
from traceview.resources import data_files
from traceview.rules import builtin_rules, load, load_rules, read_rule_files


def written(folder: Path, name: str = "my.rules", text: str = PLAIN) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Let rules be kept in an empty folder, and none be known to this process."""
    monkeypatch.setenv("TRACEVIEW_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(load, "builtin_rules", load.builtin_rules.__wrapped__)
    return tmp_path / "cache"


def test_the_rules_of_the_package_are_read_once_and_kept(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load.builtin_rules()
    assert first == builtin_rules()
    assert len(list(cache.iterdir())) == 1
    monkeypatch.setattr(load, "read_rule_files", None)
    assert load.builtin_rules() == first


def test_a_change_to_what_the_rules_are_made_from_has_them_read_anew(
    cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    load.builtin_rules()
    written(tmp_path / "pack")
    monkeypatch.setattr(
        load, "data_files",
        lambda room, suffix: [tmp_path / "pack" / "my.rules"] if room == "rules/pack" else data_files(room, suffix),
    )  # fmt: skip
    assert [r.id for r in load.builtin_rules()] == ["drained-node-io"]
    assert len(list(cache.iterdir())) == 2


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\x80\x04\x8c\x04nope\x94.", b"cnone\nnone\n."])
def test_what_cannot_be_made_rules_of_is_read_anew(cache: Path, content: bytes) -> None:
    load.builtin_rules()
    (file,) = cache.iterdir()
    keep(file.name, content)
    assert [r.id for r in load.builtin_rules()] == load_rules().ids


def test_without_folders_there_are_the_rules_of_the_package() -> None:
    assert load_rules().ids == [r.id for r in builtin_rules()]
    assert len(load_rules()) == len(builtin_rules())


def test_a_folder_adds_its_rules_behind_those_of_the_package(tmp_path: Path) -> None:
    written(tmp_path / "a")
    written(tmp_path / "b", "z.rules", changed(("drained-node-io", "second-rule")))
    ids = load_rules([tmp_path / "a", tmp_path / "b"]).ids
    assert ids == [*load_rules().ids, "drained-node-io", "second-rule"]


def test_a_file_can_be_given_in_the_place_of_its_folder(tmp_path: Path) -> None:
    folder = written(tmp_path / "a")
    written(folder, "other.rules", changed(("drained-node-io", "second-rule")))
    assert "drained-node-io" in load_rules([folder / "my.rules"])
    assert "second-rule" not in load_rules([folder / "my.rules"])


def test_a_folder_that_is_not_there_or_holds_no_rules_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TraceNotFoundError, match="no such folder of rules"):
        load_rules([tmp_path / "missing"])
    with pytest.raises(TraceNotFoundError, match=r"holds no rule file \(\*\.rules\)"):
        load_rules([tmp_path])


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "my.rules").write_bytes(b"rule \xff")
    with pytest.raises(TraceReadError, match=r"my\.rules: the rules cannot be read"):
        load_rules([tmp_path])


def test_what_is_wrong_in_all_files_is_told_at_once(tmp_path: Path) -> None:
    written(tmp_path, "a.rules", changed(("drained(node)", "draned(node)")))
    written(tmp_path, "b.rules", "rulee")
    with pytest.raises(RuleFileError) as told:
        load_rules([tmp_path])
    assert [c.split(": ")[0].rpartition("/")[2] for c in told.value.complaints] == ["a.rules:7:12", "b.rules:1:1"]


def test_an_id_of_the_package_cannot_be_taken(tmp_path: Path) -> None:
    written(tmp_path, text=changed(("drained-node-io", "mirror-exit-guest-io")))
    with pytest.raises(
        RuleFileError, match=r"there is a rule 'mirror-exit-guest-io' already, in .*mirror\.rules, line"
    ):
        load_rules([tmp_path])


def test_the_same_file_read_twice_takes_its_own_ids(tmp_path: Path) -> None:
    path = written(tmp_path) / "my.rules"
    with pytest.raises(RuleFileError, match="already"):
        read_rule_files([path, path])


# plug-ins


def plugged(monkeypatch: pytest.MonkeyPatch, target: object) -> None:
    """Let a plug-in be installed whose entry point is an object."""

    class Point(EntryPoint):
        def load(self) -> object:
            if isinstance(target, Exception):
                raise target
            return target

    points = EntryPoints([Point("mine", "mine:rules", load.PLUGINS)])
    monkeypatch.setattr(load, "entry_points", lambda group: points.select(group=group))


def test_a_plug_in_gives_a_path_or_several(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = written(tmp_path / "a")
    for target in (folder, str(folder), [folder / "my.rules"]):
        plugged(monkeypatch, target)
        assert load_rules().ids[-1] == "drained-node-io"
        assert "drained-node-io" not in load_rules(plugins=False)


def test_a_plug_in_can_be_a_package_with_rule_files_in_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = written(tmp_path / "rules_of_mine")
    (folder / "__init__.py").write_text("", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    plugged(monkeypatch, __import__("rules_of_mine"))
    assert load_rules().ids[-1] == "drained-node-io"


@pytest.mark.parametrize("target", [ImportError("no such module"), 5])
def test_a_plug_in_that_fails_is_named(monkeypatch: pytest.MonkeyPatch, target: object) -> None:
    plugged(monkeypatch, target)
    with pytest.raises(TraceviewError, match=r"plug-in 'mine' \(mine:rules\) gives no rules"):
        load_rules()


# choosing


def test_whoever_names_rules_wants_them_judged() -> None:
    chosen = load_rules().choose(["mirror-final-drain-guest-io"])
    assert chosen.ids == ["mirror-final-drain-guest-io"]
    assert all(r.must_judge for r in chosen)
    assert load_rules().choose(None).ids == load_rules().ids
