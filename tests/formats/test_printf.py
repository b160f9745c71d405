"""printf formats and line templates as pieces of a line."""

from __future__ import annotations

import pytest

from traceview.errors import GrammarError
from traceview.events import Arg, Conversion, Kind
from traceview.formats.printf import expand_macro, line_template, printf_pieces


@pytest.mark.parametrize(
    ("text", "terminal"),
    [
        ("%d", "DECIMAL"), ("%i", "DECIMAL"), ("%u", "UNSIGNED"), ("%x", "HEX"), ("%X", "UPPER_HEX"),
        ("%#x", "ALT_HEX"), ("%o", "OCTAL"), ("%p", "POINTER"), ("%s", "STRING"), ("%c", "CHARACTER"),
        ("%f", "FLOAT"), ("%g", "FLOAT"), ("%e", "FLOAT"), ("%a", "FLOAT"),
    ],
)  # fmt: skip
def test_each_conversion_is_a_terminal_of_the_line_grammar(text: str, terminal: str) -> None:
    assert printf_pieces(text) == (Conversion(terminal, 0),)


@pytest.mark.parametrize("length", ["hh", "h", "l", "ll", "j", "z", "t"])
def test_the_length_of_a_number_does_not_show_in_what_is_printed(length: str) -> None:
    assert printf_pieces(f"a %{length}u") == ("a ", Conversion("UNSIGNED", 0))


def test_conversions_take_the_arguments_in_their_order() -> None:
    assert printf_pieces("bs %p ret %d") == ("bs ", Conversion("POINTER", 0), " ret ", Conversion("DECIMAL", 1))


def test_two_per_cent_signs_are_one_and_part_of_the_literal() -> None:
    assert printf_pieces("at 100%% of %d%%") == ("at 100% of ", Conversion("DECIMAL", 0), "%")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("%4d", Conversion("DECIMAL", 0, width=4)),
        ("%-20s", Conversion("STRING", 0, width=-20)),
        ("%04x", Conversion("HEX", 0, zeros=4)),
        ("%016x", Conversion("HEX", 0, zeros=16)),
        ("%.8x", Conversion("HEX", 0, zeros=8)),
        ("%8.8x", Conversion("HEX", 0, width=8, zeros=8)),
        ("%#06x", Conversion("ALT_HEX", 0, zeros=6)),
        ("%-08d", Conversion("DECIMAL", 0, width=-8)),
        ("%.2f", Conversion("FLOAT", 0)),
    ],
)
def test_padding_with_blanks_is_width_and_padding_with_zeros_is_not(text: str, expected: Conversion) -> None:
    assert printf_pieces(text) == (expected,)


def test_a_flag_that_keeps_room_for_a_sign_allows_for_a_blank() -> None:
    assert printf_pieces("error % d") == ("error ", Conversion("DECIMAL", 0, width=1))


def test_the_text_of_errno_takes_no_argument() -> None:
    assert printf_pieces("%s: %m (%d)") == (
        Conversion("STRING", 0),
        ": ",
        Conversion("STRING", -1),
        " (",
        Conversion("DECIMAL", 1),
        ")",
    )


def test_a_width_from_an_argument_is_left_out() -> None:
    assert printf_pieces("0x%0*x") == ("0x", Conversion("HEX", 0))


def test_an_empty_format_has_no_pieces() -> None:
    assert printf_pieces("") == ()


@pytest.mark.parametrize("text", ["%", "ret %", "%y", "%5", "a %.*s"])
def test_what_is_no_printf_format_is_refused_with_a_caret(text: str) -> None:
    with pytest.raises(GrammarError, match="not a printf format") as e:
        printf_pieces(text)
    assert "^" in str(e.value)


@pytest.mark.parametrize(
    ("macro", "text"),
    [
        ("PRId64", "d"), ("PRIu64", "u"), ("PRIx64", "x"), ("PRIX64", "X"), ("PRIi32", "i"), ("PRIo8", "o"),
        ("PRIxPTR", "x"), ("PRIuMAX", "u"), ("HWADDR_PRIx", "x"), ("VADDR_PRIx", "x"), ("TARGET_PRIx64", "x"),
        ("HWADDR_FMT_plx", "%016x"), ("TARGET_FMT_plx", "%016x"), ("TARGET_FMT_lx", "%x"),
        ("TARGET_FMT_ld", "%d"), ("TARGET_FMT_lu", "%u"), ("RAM_ADDR_FMT", "%x"),
    ],
)  # fmt: skip
def test_format_macros_are_put_in_place(macro: str, text: str) -> None:
    assert expand_macro(macro) == text


def test_a_macro_that_no_declaration_uses_is_refused_by_name() -> None:
    with pytest.raises(GrammarError, match="'PRIz64' is not known"):
        expand_macro("PRIz64")


def test_a_template_names_its_arguments_and_how_they_are_printed() -> None:
    args, pieces = line_template("bs {bs:p} n {n:d} size {size:u} flags 0x{flags:x} {old:ax} name '{name:s}'")
    assert args == (
        Arg("bs", Kind.POINTER), Arg("n", Kind.INT), Arg("size", Kind.UINT), Arg("flags", Kind.UINT),
        Arg("old", Kind.UINT), Arg("name", Kind.STRING),
    )  # fmt: skip
    assert [p.terminal for p in pieces if isinstance(p, Conversion)] == [
        "POINTER", "DECIMAL", "UNSIGNED", "HEX", "ALT_HEX", "STRING",
    ]  # fmt: skip
    assert [p for p in pieces if isinstance(p, str)] == ["bs ", " n ", " size ", " flags 0x", " ", " name '", "'"]


def test_an_empty_template_is_an_event_without_arguments() -> None:
    assert line_template("") == ((), ())


@pytest.mark.parametrize("text", ["bs {bs}", "bs {bs:q}", "{:d}", "bs {bs:p", "bs } x"])
def test_what_is_no_template_is_refused_with_a_caret(text: str) -> None:
    with pytest.raises(GrammarError, match="not a line template") as e:
        line_template(text)
    assert "^" in str(e.value)
