"""Where rules come from: the pack that travels with the package, folders of the user's, and plug-ins."""

from __future__ import annotations

import hashlib
import pickle
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from importlib.resources import files
from pathlib import Path
from types import ModuleType

from traceview.errors import RuleFileError, TraceNotFoundError, TraceReadError, TraceviewError
from traceview.kept import keep, kept
from traceview.resources import PACKAGE, data_files, grammar_text
from traceview.rules.model import Rule
from traceview.rules.ruleset import RuleSet
from traceview.vocabulary import builtin
from traceview.vocabulary.words import Word, read_words

__all__ = ["PLUGINS", "builtin_rules", "load_rules", "read_rule_files", "rule_files", "words"]

PLUGINS = "traceview.rules"
"""The entry points of plug-ins: each names a package, or gives a path or a list of paths, with rule files in it."""
SUFFIX = ".rules"
_NOT_TO_BE_READ = (pickle.UnpicklingError, AttributeError, ImportError, LookupError, EOFError, TypeError, ValueError)
"""What reading kept rules raises where something else was kept."""
_MADE_FROM = (
    ("rules/pack", SUFFIX), ("rules", ".py"), ("vocabulary/words", ".toml"), ("vocabulary/words", ".py"),
    ("vocabulary", ".toml"), ("vocabulary", ".py"),
)  # fmt: skip
"""The rooms, and the files in them, that a change to the package's rules can come from."""


@cache
def words() -> dict[str, Word]:
    """Return the words of rules, with the roles that the built-in vocabulary's events have."""
    return read_words(builtin())


@cache
def builtin_rules() -> tuple[Rule, ...]:
    """Return the rules that come with the package: first those that must be judged, then by their files.

    They are read once and kept for later runs: reading them takes as long as reading a small trace.
    """
    name = f"rules-{_digest()}"
    known = kept(name)
    if known is not None:
        with suppress(*_NOT_TO_BE_READ):  # the text is at hand
            found = pickle.loads(known)  # noqa: S301  (from the user's own folder, where machine code is kept, too)
            if isinstance(found, tuple):
                return found
    rules = tuple(sorted(read_rule_files(data_files("rules/pack", SUFFIX)), key=lambda r: not r.must_judge))
    keep(name, pickle.dumps(rules))
    return rules


def _digest() -> str:
    """Return a digest of all that the package's rules are made from: their text, the words, and what reads them."""
    files = [f for room, suffix in _MADE_FROM for f in data_files(room, suffix)]
    made_of = hashlib.sha256(f"{sys.version}\n{PACKAGE}\n{grammar_text('rules')}".encode())
    for file in files:
        made_of.update(file.read_bytes())
    return made_of.hexdigest()[:20]


def load_rules(folders: Iterable[str | Path] = (), *, plugins: bool = True) -> RuleSet:
    """Return the rules of the package, of installed plug-ins, and of the user's folders (or single files).

    Raises TraceNotFoundError for a folder that is not there or holds no rule file, TraceReadError for a file that
    cannot be read, RuleFileError for one that makes no sense, or whose ids are taken.
    """
    rules = list(builtin_rules())
    found = [*(_plugin_files() if plugins else ()), *(f for folder in folders for f in rule_files(Path(folder)))]
    return RuleSet([*rules, *read_rule_files(found, taken=rules)])


def read_rule_files(paths: Iterable[Path], taken: Iterable[Rule] = ()) -> list[Rule]:
    """Return the rules of files, in their order; `taken` are rules whose ids they must not have.

    Raises RuleFileError with what is wrong in all of them, and TraceReadError.
    """
    rules: list[Rule] = []
    known = {r.id: f"{r.source}, line {r.line}" for r in taken}
    complaints: list[str] = []
    for path in paths:
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as e:
            raise TraceReadError(f"{path}: the rules cannot be read: {e}") from e
        from traceview.rules.build import build_rules  # noqa: PLC0415  (most runs read no rules but those that are kept)

        try:
            found = build_rules(text, str(path), words(), taken=known)
        except RuleFileError as e:
            complaints += e.complaints
            continue
        known |= {r.id: f"{r.source}, line {r.line}" for r in found}
        rules += found
    if complaints:
        raise RuleFileError(complaints)
    return rules


def rule_files(folder: Path) -> list[Path]:
    """Return the rule files of a folder, sorted by name; a file is itself.

    Raises TraceNotFoundError for what is not there, and for a folder without rule files.
    """
    if folder.is_file():
        return [folder]
    if not folder.is_dir():
        raise TraceNotFoundError(f"{folder}: there is no such folder of rules")
    found = sorted(folder.glob(f"*{SUFFIX}"))
    if not found:
        raise TraceNotFoundError(f"{folder}: holds no rule file (*{SUFFIX})")
    return found


def _plugin_files() -> Iterator[Path]:
    for point in sorted(entry_points(group=PLUGINS), key=lambda p: p.name):
        for path in _named_by(point):
            yield from rule_files(path)


def _named_by(point: EntryPoint) -> list[Path]:
    try:
        target = point.load()
        if isinstance(target, ModuleType):
            return [Path(str(files(target)))]
        return [Path(target)] if isinstance(target, str | Path) else [Path(p) for p in target]
    except Exception as e:
        # Whatever a plug-in does wrong, its user must learn which one it was.
        raise TraceviewError(f"plug-in {point.name!r} ({point.value}) gives no rules: {type(e).__name__}: {e}") from e
