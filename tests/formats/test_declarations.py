"""QEMU's event declarations: every spelling that a release has had, and what is wrong with those that none had."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import strategies
from tests.formats import declared, read_log, read_simpletrace
from tests.strategies import Declared
from tests.writers import SimpletraceWriter, log_line
from traceview.errors import GrammarError, TraceNotFoundError, TraceReadError
from traceview.events import Arg, Conversion, EventForm, Kind, StringTable
from traceview.formats.declarations import Declaration, parse_declaration, read_declarations


def one(line: str) -> Declaration:
    (declaration,) = parse_declaration(line, "here")
    return declaration


def form(line: str) -> EventForm:
    return one(line).form


def refusal_of(line: str) -> str | None:
    """Return why a line is refused, or None if it is a declaration; anything else raised is an error of the test."""
    try:
        parse_declaration(line, "here")
    except GrammarError as e:
        return str(e)
    return None


def file_of(folder: Path, text: bytes | str) -> Path:
    path = folder / "trace-events"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_a_declaration_is_a_name_arguments_and_a_format() -> None:
    made = form('mirror_start(void *bs, void *s, int64_t cnt) "bs %p s %p dirty count %"PRId64')
    assert made.name == "mirror_start"
    assert made.args == (Arg("bs", Kind.POINTER), Arg("s", Kind.POINTER), Arg("cnt", Kind.INT))
    assert made.line == (
        "bs ",
        Conversion("POINTER", 0),
        " s ",
        Conversion("POINTER", 1),
        " dirty count ",
        Conversion("DECIMAL", 2),
    )
    assert made.releases is None


@pytest.mark.parametrize(
    ("c_type", "kind"),
    [
        ("int", Kind.INT), ("int8_t", Kind.INT), ("int16_t", Kind.INT), ("int32_t", Kind.INT), ("int64_t", Kind.INT),
        ("bool", Kind.INT), ("char", Kind.INT), ("long", Kind.INT), ("long int", Kind.INT), ("long long", Kind.INT),
        ("long long int", Kind.INT), ("signed", Kind.INT), ("signed int", Kind.INT), ("signed char", Kind.INT),
        ("short", Kind.INT), ("short int", Kind.INT), ("long signed int", Kind.INT), ("ssize_t", Kind.INT),
        ("off_t", Kind.INT), ("time_t", Kind.INT), ("const int", Kind.INT),
        ("unsigned", Kind.UINT), ("unsigned int", Kind.UINT), ("unsigned char", Kind.UINT), ("size_t", Kind.UINT),
        ("unsigned long", Kind.UINT), ("unsigned long long", Kind.UINT), ("long unsigned int", Kind.UINT),
        ("uint8_t", Kind.UINT), ("uint16_t", Kind.UINT), ("uint32_t", Kind.UINT), ("uint64_t", Kind.UINT),
        ("hwaddr", Kind.UINT), ("uintptr_t", Kind.UINT), ("const uint8_t", Kind.UINT),
    ],
)  # fmt: skip
def test_the_type_of_an_argument_says_whether_it_has_a_sign(c_type: str, kind: Kind) -> None:
    assert form(f'e({c_type} a) "%d"').args == (Arg("a", kind),)


@pytest.mark.parametrize("c_type", ["const char *", "const char*", "char *", "char const *", "const char *const "])
def test_one_pointer_to_char_is_a_string(c_type: str) -> None:
    assert form(f'e({c_type}a) "%s"').args == (Arg("a", Kind.STRING),)


@pytest.mark.parametrize(
    "c_type", ["void *", "const void *", "char **", "const char **", "uint8_t *", "unsigned char *", "struct Error **"]
)
def test_any_other_pointer_is_a_pointer(c_type: str) -> None:
    assert form(f'e({c_type}a) "%p"').args == (Arg("a", Kind.POINTER),)


@pytest.mark.parametrize("arguments", ["void", "", " ", " void ", "\tvoid"])
def test_an_event_without_arguments_is_written_with_void_or_with_nothing(arguments: str) -> None:
    made = form(f'qemu_co_queue_next_bh({arguments}) "x"')
    assert (made.args, made.line) == ((), ("x",))


def test_an_event_without_arguments_may_have_no_format_at_all() -> None:
    made = form("usb_host_auto_scan_enabled(void)")
    assert (made.args, made.line) == ((), ())
    assert made.render((), StringTable()) == ""


def test_blanks_between_the_parts_do_not_matter() -> None:
    spaced = form('  e ( void  *bs ,int   ret )   "bs %p"   " ret %d"  ')
    assert spaced == form('e(void *bs, int ret) "bs %p ret %d"')


def test_format_macros_stand_between_quoted_pieces_with_blanks_or_without() -> None:
    assert form('e(uint64_t a, int64_t b) "a 0x%" PRIx64 " b %"PRId64" end"').line == (
        "a 0x",
        Conversion("HEX", 0),
        " b ",
        Conversion("DECIMAL", 1),
        " end",
    )


def test_a_format_may_begin_with_a_macro_that_has_its_own_per_cent_sign() -> None:
    assert form("e(hwaddr a) HWADDR_FMT_plx").line == (Conversion("HEX", 0, zeros=16),)


def test_escaped_quotes_and_brackets_and_per_cent_signs_are_part_of_the_format() -> None:
    made = form(r'e(const char *name, int n) "name \"%s\" (n) 5%% \\ %d)"')
    assert made.line == ('name "', Conversion("STRING", 0), '" (n) 5% \\ ', Conversion("DECIMAL", 1), ")")


def test_a_format_that_ends_its_line_makes_the_same_record_and_a_blank_line() -> None:
    made = form(r'mptsas_process_message(void *dev, uint32_t ctx) "dev %p context 0x%08x\n"')
    assert made == form('mptsas_process_message(void *dev, uint32_t ctx) "dev %p context 0x%08x"')


def test_a_disabled_event_is_known_and_marked() -> None:
    assert one('disable slow_event(void) "x"').disabled
    assert not one('fast_event(void) "x"').disabled


def test_an_event_can_be_called_as_a_property_is() -> None:
    assert form('vcpu_reset(int n) "n %d"').name == "vcpu_reset"
    assert form('disable_all(int n) "n %d"').name == "disable_all"


def test_a_vcpu_event_has_its_cpu_before_its_arguments() -> None:
    made = form('vcpu guest_cpu_exit(int why) "why %d"')
    assert made.args == (Arg("__cpu", Kind.POINTER), Arg("why", Kind.INT))
    strings = StringTable()
    assert made.render((0x55, 3), strings) == "cpu=0x55 why 3"


def test_a_vcpu_event_without_format_still_prints_its_cpu() -> None:
    assert form("vcpu guest_cpu_enter(void)").render((0x55,), StringTable()) == "cpu=0x55 "


def test_a_tcg_event_is_two_events_one_when_code_is_translated_and_one_when_it_runs() -> None:
    trans, executed = parse_declaration(
        'vcpu tcg guest_mem(TCGv vaddr, uint16_t info) "info=%d", "vaddr=0x%016"PRIx64" info=%d"', "here"
    )
    assert trans.form.name == "guest_mem_trans"
    assert [a.name for a in trans.form.args] == ["__cpu", "info"]
    assert trans.form.render((1, 2), StringTable()) == "cpu=0x1 info=2"
    assert executed.form.name == "guest_mem_exec"
    assert [a.name for a in executed.form.args] == ["__cpu", "vaddr", "info"]
    assert executed.form.render((1, 0xABC, 2), StringTable()) == "cpu=0x1 vaddr=0x0000000000000abc info=2"


@pytest.mark.parametrize("version", [2, 3])
def test_both_halves_of_a_tcg_event_have_a_number(version: int) -> None:
    made = declared('tcg a(TCGv v) "x", "v=0x%x"', 'b(void) "y"')
    assert [f.name for f in made.numbered(version)] == ["a_trans", "a_exec", "b"]


def test_version_2_leaves_disabled_events_out_of_the_count_and_version_3_does_not() -> None:
    made = declared('a(void) "x"', 'disable b(void) "x"', 'disable tcg c(TCGv v) "x", "%x"', 'd(void) "x"')
    assert [f.name for f in made.numbered(2)] == ["a", "d"]
    assert [f.name for f in made.numbered(3)] == ["a", "b", "c_trans", "c_exec", "d"]


def test_a_format_that_does_not_print_its_arguments_one_by_one_leaves_the_binary_form_alone() -> None:
    made = form('gt64120_read(const char *regname, int width, uint64_t value) "read %s value:0x%0*" PRIx64')
    assert [a.name for a in made.args] == ["regname", "width", "value"]
    assert made.line == ()


def test_text_of_an_event_that_cannot_be_taken_apart_is_kept_whole() -> None:
    made = declared('qxl_io_log(int qid, const uint8_t *log_buf) "%d %s"', r'two_lines(int a) "a:\n%d"')
    data = log_line("qxl_io_log", "1 hello") + b"\n" + log_line("two_lines", "a:") + b"\n4\n"
    reading = read_log(data, declarations=made)
    assert [(r.name, r.values) for r in reading.records] == [
        ("qxl_io_log", {"text": "1 hello"}),
        ("two_lines", {"text": "a:"}),
    ]
    assert reading.stats.refused_count == 0


def test_text_of_an_event_without_arguments_whose_format_is_not_understood_is_no_refusal() -> None:
    made = declared('odd(void) "now %.*s"')
    reading = read_log(log_line("odd", "now what") + b"\n", declarations=made)
    assert reading.names == ["odd"]
    assert reading.stats.refused_count == 0


def test_comments_blank_lines_and_the_line_ends_of_other_systems_are_passed_over(tmp_path: Path) -> None:
    text = b'# block.c\r\n\r\n   \n  # indented\na(void *bs) "bs %p"\r\n\n#b(void) "x"\nc(void) "x"\n'
    made = read_declarations(file_of(tmp_path, text))
    assert [d.form.name for d in made] == ["a", "c"]
    assert len(made) == 2
    assert made.name == str(tmp_path / "trace-events")


def test_a_missing_final_newline_is_no_fault(tmp_path: Path) -> None:
    made = read_declarations(file_of(tmp_path, 'a(void) "x"\nb(int n) "n %d"'))
    assert [d.form.name for d in made] == ["a", "b"]


def test_an_event_is_found_by_its_name() -> None:
    made = declared('a(void) "x"', 'b(int n) "n %d"')
    b = made.get("b")
    assert b is not None
    assert b.args == (Arg("n", Kind.INT),)
    assert made.get("c") is None


def test_bytes_that_are_no_utf_8_do_no_harm(tmp_path: Path) -> None:
    made = read_declarations(file_of(tmp_path, b'# caf\xe9\na(int n) "\xb5 %d"\n'))
    reading = read_log(log_line("a", b"\xb5 7") + b"\n", declarations=made)
    assert reading.records[0].values == {"n": 7}
    assert reading.records[0].text.encode("utf-8", "surrogateescape") == b"a \xb5 7"


@pytest.mark.parametrize(
    "line",
    [
        "no brackets",
        'e(void *bs "bs %p"',
        'e void *bs) "bs %p"',
        'e(void *bs) "bs %p',
        'e(int a, int b,) "x"',
        '(void) "x"',
        'e(void) "x" trailing words',
        "12(void)",
    ],
)
def test_a_line_that_is_no_declaration_is_refused_with_its_place_and_a_caret(line: str, tmp_path: Path) -> None:
    path = file_of(tmp_path, f'# first\na(void) "x"\n{line}\n')
    with pytest.raises(GrammarError) as e:
        read_declarations(path)
    first, *rest = str(e.value).split("\n")
    assert first == f"{path}:3: not an event declaration:"
    assert any(shown.strip() == "^" for shown in rest)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('e(int) "%d"', "argument 'int' has no name"),
        ('e(int a, void *) "%d %p"', "has no name"),
        ('e(uint64_t a) "%"PRIq64', "format macro 'PRIq64' is not known"),
        ('tcg e(TCGv a) "%x"', "e has 1 format strings; tcg events have two"),
        ("tcg e(TCGv a)", "e has 0 format strings; tcg events have two"),
        ('e(int a) "%d", "%d"', "e has 2 format strings"),
    ],
)
def test_what_is_wrong_with_a_declaration_is_said_with_its_place(line: str, message: str, tmp_path: Path) -> None:
    path = file_of(tmp_path, f'a(void) "x"\n\n{line}\n')
    with pytest.raises(GrammarError, match=message) as e:
        read_declarations(path)
    assert str(e.value).startswith(f"{path}:3: ")


@pytest.mark.parametrize("text", ["", "# nothing but this\n\n"])
def test_a_file_that_declares_nothing_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(GrammarError, match="declares no event"):
        read_declarations(file_of(tmp_path, text))


def test_a_file_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(TraceNotFoundError, match="no such declarations file"):
        read_declarations(tmp_path / "trace-events-all")


def test_a_directory_cannot_be_read_as_declarations(tmp_path: Path) -> None:
    with pytest.raises(TraceReadError, match="cannot be read"):
        read_declarations(tmp_path)


@given(st.text(max_size=60).filter(lambda t: "\n" not in t))
def test_any_line_is_a_declaration_or_a_grammar_error(line: str) -> None:
    refusal = refusal_of(line)
    assert refusal is None or refusal.startswith("here: ")


@given(strategies.damaged(strategies.declarations().map(lambda made: made.declaration.encode())))
def test_any_damaged_line_is_a_declaration_or_a_grammar_error(line: bytes) -> None:
    refusal = refusal_of(line.decode("utf-8", "surrogateescape"))
    assert refusal is None or refusal.startswith("here: ")


def as_read(made: Declared) -> list[int | str]:
    """Return the values of a declared record as a reader gives them."""
    return [v.decode("utf-8", "surrogateescape") if isinstance(v, bytes) else v for v in made.values]


@given(strategies.declarations(words=True))
def test_a_record_has_the_same_values_in_a_log_and_in_binary_files(made: Declared) -> None:
    declarations = declared('before(void) "x"', 'disable off(void) "x"', made.declaration)
    logged = read_log(log_line(made.name, made.text) + b"\n", declarations=declarations).records
    numbers = {2: 1, 3: 2, 4: 9}
    binary = []
    for version, number in numbers.items():
        writer = SimpletraceWriter(version)
        if version == 4:
            writer.mapping(number, made.name)
        writer.record(number, made.values)
        binary.append(read_simpletrace(writer.data, declarations=declarations).records)
    for records in (logged, *binary):
        assert [list(r.values.values()) for r in records] == [as_read(made)]
        assert [r.text.encode("utf-8", "surrogateescape") for r in records] == [made.name.encode() + b" " + made.text]


@pytest.mark.captures
@pytest.mark.parametrize("name", ["qemu-2.6.0-rc3/log-and-simpletrace", "qemu-9.0.0"])
def test_real_declarations_files_are_read_in_whole(name: str, capture_path: Callable[[str, str], Path]) -> None:
    path = capture_path(name, "trace-events")
    lines = [line for line in path.read_text().split("\n") if line.strip() and not line.startswith("#")]
    made = read_declarations(path)
    assert len(made) >= len(lines)
    assert all(d.form.line or not d.form.args for d in made)
