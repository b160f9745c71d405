"""Text of a trace in Markdown means nothing but itself, to the letter and to the trackers that read more into it."""

from __future__ import annotations

import re
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from tests.report import HOSTILE, RAW
from traceview.report.escape import printable
from traceview.report.issue_markdown import code, fenced, link, prose

MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
SPICED = st.text(st.sampled_from("ab1 `*_~<>[]()!#@$%^&:|\\/-+=.\n\t\"'{}")) | st.text()
"""Text, mostly of characters that Markdown or a tracker gives a meaning."""
# What GitLab and GitHub look for in rendered text outside code: mentions, references, labels, shortcodes, addresses.
TRACKER = re.compile(r"[@#!~%$^&][\w\"\[]|:\w+:|https?://|mailto:|www\.|\bG[HL]-\d", re.IGNORECASE)


def rendered(markdown: str) -> str:
    html: str = MARKDOWN.render(markdown)
    return html


def plain(html: str) -> str:
    return unescape(re.sub(r"<[^>]*>", "", html))


def outside_code(html: str) -> list[str]:
    """Return the pieces of text that do not stand in code, each by itself, as trackers look at them."""
    pieces = re.split(r"<[^>]*>", re.sub(r"<code.*?</code>", "<>", html, flags=re.DOTALL))
    return [unescape(p) for p in pieces]


@given(SPICED)
def test_prose_is_rendered_as_the_very_text(text: str) -> None:
    html = rendered(f"x{prose(text, limit=10**6)}x")
    assert set(re.findall(r"<(/?\w+)", html)) <= {"p", "/p", "code", "/code"}
    # Backticks around signs may be shown, where two such pieces touch; nothing else is added.
    squeezed = re.sub(r"[`\s]", "", plain(html))
    assert squeezed == re.sub(r"[`\s]", "", f"x{printable(text, limit=10**6)}x")


@given(SPICED)
def test_prose_mentions_and_refers_to_nothing(text: str) -> None:
    html = rendered(f"a finding: {prose(text)}.")
    assert not [piece for piece in outside_code(html) if TRACKER.search(piece)]


@pytest.mark.parametrize(
    "text",
    [
        "@all", "a@b.c", "#1", "group/project#1", "!1", "~bug", '~"kind::Bug"', "%v1", "$1", "&1", "^alert#1",
        "[vulnerability:1]", "*iteration:1", ":smile:", "https://example.org", "www.example.org", "GH-1", "GL-1",
        "![x](http://example.org/a.png)", "<img src=x>", "<!-- x", "[a](javascript:x)", "&lt;", "`a` @b", "``@b``",
    ],
)  # fmt: skip
def test_what_trackers_look_for_is_not_there(text: str) -> None:
    html = rendered(f"a finding: {prose(text)}.")
    assert not [piece for piece in outside_code(html) if TRACKER.search(piece)]
    assert set(re.findall(r"<(\w+)", html)) <= {"p", "code"}


def test_plain_words_stay_as_they_are() -> None:
    text = "guest I/O between the end of a mirror job, and 24576 B in 6 extents"
    assert prose(text) == text


@given(SPICED.filter(lambda t: printable(t).strip()))
def test_code_is_the_very_text(text: str) -> None:
    html = rendered(f"x {code(text, limit=10**6)} x")
    assert html.startswith("<p>x <code>")
    assert html.endswith("</code> x</p>\n")
    assert plain(html).split() == ["x", *printable(text, limit=10**6).split(), "x"]


def test_code_of_nothing_is_nothing() -> None:
    assert (code(""), code("  ")) == ("", "")


@given(st.lists(SPICED, max_size=6))
@pytest.mark.parametrize("before", ["", "1. x\n\n"])
def test_a_block_is_ended_by_nothing_in_it(before: str, lines: list[str]) -> None:
    block = "\n".join(fenced(lines, indent="   " if before else ""))
    html = rendered(f"{before}{block}\n\n## after\n")
    assert html.count("<pre>") == html.count("</pre>") == 1
    assert html.rstrip().endswith("<h2>after</h2>")
    inside = unescape(html.split("<code", 1)[1].split(">", 1)[1].split("</code>")[0])
    expected = [printable(line, 2000).rstrip() for line in lines]
    assert [line.strip() for line in inside.split("\n")[:-1]] == [line.strip() for line in expected]


@given(st.lists(SPICED, max_size=6))
def test_no_line_of_a_block_is_a_command_to_gitlab(lines: list[str]) -> None:
    assert not [line for line in fenced([*lines, "/close", "/label ~x"]) if line.startswith("/")]


def test_hostile_text_is_made_harmless_everywhere() -> None:
    texts = [prose(HOSTILE), code(HOSTILE), link(HOSTILE), *fenced([HOSTILE])]
    assert not [text for text in texts for raw in RAW if raw in text]


@pytest.mark.parametrize("address", ["https://example.org/1?a=b#c", "http://bugs.launchpad.net/qemu/+bug/1570134"])
def test_an_address_becomes_a_link(address: str) -> None:
    assert rendered(link(address)) == f'<p><a href="{address}">{address}</a></p>\n'.replace("&", "&amp;")


@pytest.mark.parametrize(
    "address", ["javascript:alert(1)", "https://a.b/ c", "https://a.b/><b>", "https://ä.b", "ftp://a"]
)
def test_anything_else_becomes_code(address: str) -> None:
    assert "<a " not in rendered(link(address))
    assert "<b>" not in rendered(link(address))
