"""Which releases can have written a trace, by the events that it holds."""

from __future__ import annotations

import tomllib

import pytest

from tests.vocabulary.test_vocabulary import EVENTS
from traceview.events import Arg, Conversion, EventForm, Kind
from traceview.releases import ReleaseRange, release_key
from traceview.resources import data_files
from traceview.vocabulary import Dating, builtin
from traceview.vocabulary.dating import known_spans


def dated(names: list[str], *, forms: tuple[EventForm, ...] = (), text: bool = True) -> tuple[str | None, str]:
    """Return the range in words, and the reason."""
    dating = builtin().date(names, forms, text=text)
    return dating.text, dating.reason


def form(name: str, since: str) -> EventForm:
    return next(f for f in EVENTS[name].forms if f.releases is not None and f.releases[0] == since)


def test_events_that_any_release_or_none_has_tell_no_release() -> None:
    assert dated([]) == (None, "no event of the trace is particular to a release")
    assert dated(["main_loop_wait", "mirror_exit", "never_heard_of"])[0] is None


def test_the_first_release_of_the_youngest_event_is_the_first_that_can_have_written_a_trace() -> None:
    shown, reason = dated(["mirror_start", "job_completed", "blk_co_preadv"])
    assert (shown, reason) == ("3.0 or newer", "job_completed is there from 3.0")


def test_the_last_release_of_the_oldest_event_is_the_last_that_can_have_written_a_trace() -> None:
    shown, reason = dated(["block_job_cb", "paio_submit_co"])
    assert shown == "2.0 to 2.7"
    assert reason == "paio_submit_co is there from 2.0; block_job_cb is there up to 2.7"


def test_events_that_mean_nothing_to_the_block_layer_date_a_trace_all_the_same() -> None:
    assert "ide_exec_cmd" not in EVENTS
    assert dated(["ide_exec_cmd"])[0] == "2.11 to 7.2"
    assert dated(["bdrv_open_common", "ide_bus_exec_cmd"])[0] == "8.0 or newer"


def test_events_that_the_build_makes_of_commands_are_there_from_7_0() -> None:
    assert dated(["qmp_enter_blockdev_add", "qmp_exit_blockdev_add"])[0] == "7.0 or newer"


def test_the_form_of_a_records_text_tells_more_than_its_name() -> None:
    assert dated(["mirror_start"])[0] == "1.3 or newer"
    assert dated(["mirror_start"], forms=(form("mirror_start", "2.8"),))[0] == "2.8 or newer"
    assert dated(["mirror_start"], forms=(form("mirror_start", "1.3"),))[0] == "1.3 to 2.7"


def test_forms_that_look_alike_in_text_tell_no_more_than_all_of_them() -> None:
    """Up to 6.1 the size was printed unsigned; of a positive number the text does not say."""
    newest = form("blk_co_preadv", "6.2")
    assert dated(["blk_co_preadv"], forms=(newest,))[0] == "2.10 or newer"


def test_forms_that_look_alike_in_binary_tell_no_more_than_all_of_them() -> None:
    newest = form("blk_co_preadv", "6.2")
    assert dated(["blk_co_preadv"], forms=(newest,), text=False)[0] == "2.7 or newer"


def test_a_users_declaration_is_of_the_releases_whose_forms_look_like_it() -> None:
    own = EventForm(
        "mirror_start",
        (Arg("bs", Kind.POINTER), Arg("s", Kind.POINTER), Arg("opaque", Kind.POINTER)),
        ("bs ", Conversion("POINTER", 0), " s ", Conversion("POINTER", 1), " opaque ", Conversion("POINTER", 2)),
    )
    assert dated(["mirror_start"], forms=(own,))[0] == "2.8 or newer"


def test_one_release_alone_is_called_by_its_number() -> None:
    assert dated(["block_job_completed"])[0] == "2.12"


def test_events_that_no_release_has_together_are_said_so() -> None:
    shown, reason = dated(["block_job_completed", "job_completed"])
    assert shown is None
    assert reason == "job_completed (3.0 to 9.0) does not go with block_job_completed is there from 2.12, " + (
        "block_job_completed is there up to 2.12"
    )


def test_the_release_does_not_depend_on_the_order_of_the_names() -> None:
    names = ["mirror_start", "block_job_cb", "paio_submit_co", "virtio_blk_submit_multireq"]
    assert dated(names) == dated(names[::-1])


def test_a_build_with_tracepoints_of_its_own_is_not_dated_by_events_of_later_releases() -> None:
    shown, reason = dated(["mirror_exit", "blk_co_preadv", "paio_submit", "block_job_cb"])
    assert shown == "2.7 or older"
    assert "tracepoints of its own" in reason
    assert dated(["mirror_exit", "blk_co_preadv"])[0] is None


def test_a_release_that_the_user_gives_is_taken_as_it_is() -> None:
    given = Dating.given("v2.6.0-rc3")
    assert (given.text, given.reason) == ("2.6.0-rc3", "given by the user")
    assert given.span == ReleaseRange("2.6.0-rc3", "2.6.0-rc3")
    with pytest.raises(ValueError, match="is no release of QEMU"):
        Dating.given("master")


# the data


def test_each_event_of_the_data_is_named_once_and_dates_a_trace() -> None:
    (path,) = data_files("vocabulary/words", "releases.toml")
    names = [n for text in tomllib.loads(path.read_text(encoding="utf-8")).values() for n in text.split()]
    assert len(set(names)) == len(names) == len(known_spans())
    for since, until in known_spans().values():
        assert release_key("1.0") <= release_key(since) <= release_key(until) <= release_key("9.0")
        assert (since, until) != ("1.0", "9.0"), "an event that every release has tells nothing"


@pytest.mark.parametrize("name", [n for n in EVENTS if EVENTS[n].releases and n in known_spans()])
def test_the_data_says_of_an_event_what_the_vocabulary_says(name: str) -> None:
    assert known_spans()[name] == EVENTS[name].releases


def test_the_data_has_no_event_that_no_release_has() -> None:
    assert [n for n in EVENTS if EVENTS[n].releases is None and n in known_spans()] == []
