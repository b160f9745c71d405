"""Colours can be told apart by everyone, and text can be read on all of them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np
import numpy.typing as npt
import pytest
from matplotlib.colors import to_rgb

from traceview.errors import UnknownNameError
from traceview.plot.theme import THEMES, Theme, contrast, text_on, theme_by_name

# How people see colours who lack one kind of cone: Machado, Oliveira and Fernandes (2009), severity 1, on linear RGB.
SIGHTS = {
    "all": np.eye(3),
    "protanopia": np.array([
        [0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998],
    ]),
    "deuteranopia": np.array([
        [0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881],
    ]),
    "tritanopia": np.array([
        [1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900],
    ]),
}  # fmt: skip
LEAST = 10.0
"""Colours this far apart (CIE 1976) are told apart at a glance, side by side."""

Floats = npt.NDArray[np.float64]


def lab(colour: str, sight: Floats) -> Floats:
    """Return a colour as a kind of eye sees it, in CIELAB under D65."""
    rgb = np.array(to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(sight @ linear, 0, 1)
    to_xyz = np.array([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750],
                       [0.0193339, 0.1191920, 0.9503041]])  # fmt: skip
    ratio = to_xyz @ seen / np.array([0.95047, 1.0, 1.08883])
    f = np.where(ratio > 0.008856, np.cbrt(ratio), 7.787 * ratio + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def apart(one: str, other: str, sight: Floats) -> float:
    return float(np.linalg.norm(lab(one, sight) - lab(other, sight)))


def told_apart(theme: Theme) -> Iterator[tuple[str, str]]:
    """Yield the pairs of colours that stand side by side and mean different things."""
    yield from combinations(theme.calls.values(), 2)
    yield from combinations(theme.verdicts.values(), 2)
    yield from combinations(theme.bands.values(), 2)
    yield from combinations((theme.request, theme.breaks, theme.pale), 2)
    yield from ((c, theme.window) for c in (theme.request, theme.breaks, theme.paper, *theme.calls.values()))


@pytest.mark.parametrize("sight", SIGHTS)
@pytest.mark.parametrize("theme", THEMES.values(), ids=lambda t: t.name)
def test_colours_are_told_apart_with_any_eyes(theme: Theme, sight: str) -> None:
    close = [(a, b, apart(a, b, SIGHTS[sight])) for a, b in told_apart(theme)]
    assert not [x for x in close if x[2] < LEAST]


@pytest.mark.parametrize("theme", THEMES.values(), ids=lambda t: t.name)
def test_text_is_read_on_paper_in_the_window_and_on_calls(theme: Theme) -> None:
    for ground in (theme.paper, theme.window):
        assert contrast(theme.ink, ground) >= 7
        assert contrast(theme.quiet, ground) >= 4.5
    for colour in theme.calls.values():
        assert contrast(text_on(colour), colour) >= 4.5


@pytest.mark.parametrize("theme", THEMES.values(), ids=lambda t: t.name)
def test_what_breaks_the_promise_stands_out_from_the_paper(theme: Theme) -> None:
    assert contrast(theme.breaks, theme.paper) >= 3
    assert contrast(theme.breaks, theme.window) >= 3


def test_contrast_is_that_of_wcag() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


def test_themes_are_had_by_name() -> None:
    assert theme_by_name("dark").name == "dark"
    with pytest.raises(UnknownNameError, match="did you mean 'light'"):
        theme_by_name("lihgt")
