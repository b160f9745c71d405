"""Trace text is hostile: what is shown of it cannot steer a terminal, and no spreadsheet takes it for a formula."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traceview.report.escape import printable, spreadsheet_cell, valid_text

ANY_TEXT = st.text(st.characters())  # with surrogates, which the default leaves out
RAW_BYTES = st.binary().map(lambda raw: raw.decode("utf-8", "surrogateescape"))


@given(ANY_TEXT | RAW_BYTES)
def test_nothing_that_steers_a_terminal_is_left(text: str) -> None:
    categories = {unicodedata.category(c) for c in printable(text)}
    assert not categories & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


@given(ANY_TEXT | RAW_BYTES)
def test_what_is_shown_can_be_written_in_utf8_on_one_line(text: str) -> None:
    assert len(printable(text).encode("utf-8").splitlines()) <= 1


@pytest.mark.parametrize(
    "text", ["", "drive0", "/var/lib/libvirt/images/Grüße 磁盘.qcow2", "µ → ✗ é", "a\u00a0b", "0x5597d6923260"]
)
def test_harmless_text_is_shown_as_it_is(text: str) -> None:
    assert printable(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J", "\\x1b[2J"),
        ("a\nb\r\tc", "a\\x0ab\\x0d\\x09c"),
        ("\x9b31m", "\\x9b31m"),
        ("gpj.\u202eexe", "gpj.\\u202eexe"),
        ("\u2066x\u2069", "\\u2066x\\u2069"),
        ("\ufeffBOM", "\\ufeffBOM"),
        ("a\u2028b\u2029", "a\\u2028b\\u2029"),
        (b"disk\xff\xc3.img".decode("utf-8", "surrogateescape"), "disk\\xff\\xc3.img"),
        ("\U000e0041", "\\U000e0041"),
        ("\x00", "\\x00"),
        ("\x7f", "\\x7f"),
    ],
)
def test_harmful_characters_are_shown_by_their_codes(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_long_text_is_cut_and_says_so() -> None:
    assert printable("x" * 11, limit=10) == "x" * 9 + "…"
    assert printable("x" * 10, limit=10) == "x" * 10


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "＝", "＋", "－", "＠", " =", "\u00a0="])
def test_a_spreadsheet_takes_no_cell_for_a_formula(start: str) -> None:
    text = f'{start}HYPERLINK("http://x","y")'
    assert spreadsheet_cell(text) == f"'{text}"


@pytest.mark.parametrize("start", ["\t=", "\r\n=", "\x00="])
def test_a_formula_behind_a_control_character_shows_that_character(start: str) -> None:
    assert spreadsheet_cell(f"{start}1+1").startswith("\\x")


@given(ANY_TEXT | RAW_BYTES)
def test_no_cell_begins_like_a_formula(text: str) -> None:
    assert spreadsheet_cell(text).strip()[:1] not in ("=", "+", "-", "@", "＝", "＋", "－", "＠")


@pytest.mark.parametrize("text", ["", "drive0", "a=b", "mirror-exit-guest-io", "bs 0x1 offset -1"])
def test_a_harmless_cell_is_left_as_it_is(text: str) -> None:
    assert spreadsheet_cell(text) == text


@given(st.binary())
def test_valid_text_can_be_written_as_utf8_and_read_back_from_json(raw: bytes) -> None:
    text = valid_text(raw.decode("utf-8", "surrogateescape"))
    assert text.encode("utf-8").decode("utf-8") == text
    assert json.loads(json.dumps(text)) == text


@given(st.text())
def test_valid_text_leaves_text_as_it_is(text: str) -> None:
    assert valid_text(text) == text


def test_valid_text_shows_the_bytes_that_are_no_utf8() -> None:
    assert valid_text(b"caf\xe9 \xe2\x82\xac".decode("utf-8", "surrogateescape")) == "caf\\xe9 €"
