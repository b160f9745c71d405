"""Values as a database and JSON accept them."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.store.notes import note
from traceview.store import TriageState
from traceview.store.texts import plain, storable

texts = st.text(st.characters() | st.sampled_from("\0\ud800\udcff\udfff"))
values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(texts, inner),
)


@given(values)
def test_what_is_storable_is_utf_8_without_nul(value: Any) -> None:
    written = json.dumps(storable(value), ensure_ascii=False)
    assert "\\u0000" not in written
    written.encode()


@given(values)
def test_what_is_storable_stays_as_it_is(value: Any) -> None:
    once = storable(value)
    assert storable(once) == once
    assert type(once) is type(value)


def test_bytes_that_were_no_text_are_written_out() -> None:
    assert storable("a\udcff\0b\ud800é") == "a\\xff\\x00b\\ud800é"
    assert storable(b"caf\xe9".decode("utf-8", "surrogateescape")) == "caf\\xe9"


def test_records_are_walked() -> None:
    made = storable(note(vm="\0", options={"\0": ["\udc80"]}))
    assert made == note(vm="\\x00", options={"\\x00": ["\\x80"]})


def test_plain_data_is_what_json_has_words_for() -> None:
    moment = datetime(2026, 3, 1, 12, 0, 0, 5, tzinfo=timezone(timedelta(hours=2)))
    assert plain({"at": moment, "until": date(2026, 3, 1), "state": TriageState.NEW, "n": (1, None)}) == {
        "at": "2026-03-01T10:00:00.000005Z",
        "until": "2026-03-01",
        "state": "new",
        "n": [1, None],
    }
    assert plain(datetime(2026, 3, 1, tzinfo=UTC)) == "2026-03-01T00:00:00Z"
