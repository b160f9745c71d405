"""The page in a real browser, headless, from a file and without a network."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium.common.exceptions import NoAlertPresentException
from selenium.webdriver import ActionChains, Chrome, ChromeOptions, Keys
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.actions.wheel_input import ScrollOrigin
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from tests.report import SAMPLES
from tests.report.pages import CONTEXT, DEVICE, FILE, hostile, lossy, write_page
from tests.timeline.story import instrumented

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    CHROMIUM is None or DRIVER is None, reason="needs chromium and chromedriver (Debian: chromium, chromium-driver)"
)
OPTIONS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--no-first-run", "--disable-dev-shm-usage", "--window-size=1200,1000",
)  # fmt: skip
PATIENCE_S = 20.0


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    options = ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for option in (*OPTIONS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    # Nothing may be asked of the network: any request beyond file:// fails, and is an error on the console.
    chrome = Chrome(options=options, service=Service(str(DRIVER)))
    chrome.execute_cdp_cmd("Network.enable", {})
    chrome.execute_cdp_cmd(
        "Network.emulateNetworkConditions",
        {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0},
    )
    yield chrome
    chrome.quit()


@pytest.fixture(scope="module")
def case_1(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_page(tmp_path_factory.mktemp("case-1"), SAMPLES / "lp1570134-case-1" / "trace.log")


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_page(tmp_path_factory.mktemp("many"), lossy(instrumented(), 100))


def until(true: Callable[[], Any], what: str) -> Any:
    """Wait for something to become true, and return it."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if found := true():
            return found
        time.sleep(0.02)
    raise AssertionError(f"waited {PATIENCE_S} s in vain: {what}")


def shown(browser: Chrome, page: Path) -> WebElement:
    """Open a page and return its first timeline, drawn and in view."""
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})
    browser.get(page.as_uri())
    (timeline, *_) = browser.find_elements(By.CSS_SELECTOR, ".timeline")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", timeline)
    until(lambda: timeline.find_elements(By.CSS_SELECTOR, ".bars .point path"), "the timeline is drawn")
    return timeline


def span(timeline: WebElement) -> tuple[float, float]:
    """Return what part of the time a timeline shows."""
    return float(timeline.get_attribute("data-begin") or "nan"), float(timeline.get_attribute("data-end") or "nan")


def width(timeline: WebElement) -> float:
    begin, end = span(timeline)
    return end - begin


def bar(timeline: WebElement, words: str) -> WebElement:
    """Return the bar that has these words in it."""
    for point in timeline.find_elements(By.CSS_SELECTOR, ".bars .point"):
        texts = point.find_elements(By.TAG_NAME, "text")
        if texts and words in (texts[0].get_attribute("textContent") or ""):
            return point.find_element(By.TAG_NAME, "path")
    raise AssertionError(f"no bar says {words!r}")


def complaints(browser: Chrome) -> list[str]:
    return [entry["message"] for entry in browser.get_log("browser")]  # type: ignore[no-untyped-call]


def test_the_timeline_draws_and_the_console_stays_silent(browser: Chrome, case_1: Path) -> None:
    timeline = shown(browser, case_1)
    assert len(timeline.find_elements(By.CSS_SELECTOR, ".bars .point path")) >= 28
    assert len(timeline.find_elements(By.CSS_SELECTOR, ".scatterlayer .point")) >= 13
    letters = [t.get_attribute("textContent") for t in timeline.find_elements(By.CSS_SELECTOR, ".textpoint text")]
    assert letters == ["(a)", *["(b)"] * 8, "(c)"]
    assert complaints(browser) == []


def test_nothing_but_the_page_itself_is_asked_for(browser: Chrome, case_1: Path) -> None:
    shown(browser, case_1)
    assert browser.execute_script("return performance.getEntriesByType('resource').map((each) => each.name)") == []


def test_hovering_shows_the_fields_of_what_is_under_the_pointer(browser: Chrome, case_1: Path) -> None:
    timeline = shown(browser, case_1)
    ActionChains(browser).move_to_element(bar(timeline, "write 4096 B at 9486336")).perform()
    label = until(lambda: browser.find_elements(By.CSS_SELECTOR, ".tip:not([hidden])"), "a label comes up")[0]
    text = label.get_attribute("textContent") or ""
    for words in ("write 4096 B at 9486336", "drive0", "breaks the window's promise", "line 354, record 353"):
        assert words in text
    ActionChains(browser).move_to_element(browser.find_element(By.TAG_NAME, "h3")).perform()
    until(lambda: not browser.find_elements(By.CSS_SELECTOR, ".tip:not([hidden])"), "the label goes away")


def test_the_wheel_zooms_only_once_the_timeline_has_the_focus(browser: Chrome, case_1: Path) -> None:
    timeline = shown(browser, case_1)
    whole = width(timeline)
    at = browser.execute_script("return scrollY")
    ActionChains(browser).scroll_from_origin(ScrollOrigin.from_element(timeline), 0, 40).perform()
    until(lambda: browser.execute_script("return scrollY") > at, "the wheel scrolls the page")
    time.sleep(0.3)  # that something does not happen can only be waited for
    assert width(timeline) == whole
    browser.execute_script("arguments[0].focus({preventScroll: true})", timeline)
    at = browser.execute_script("return scrollY")
    ActionChains(browser).scroll_from_origin(ScrollOrigin.from_element(timeline), 0, -200).perform()
    until(lambda: width(timeline) < 0.95 * whole, "the wheel zooms in")
    assert browser.execute_script("return scrollY") == at


def test_keys_zoom_pan_and_reset(browser: Chrome, case_1: Path) -> None:
    timeline = shown(browser, case_1)
    whole = span(timeline)
    browser.execute_script("arguments[0].focus()", timeline)
    timeline.send_keys("+")
    until(lambda: width(timeline) < 0.7 * (whole[1] - whole[0]), "+ zooms in")
    zoomed = span(timeline)
    timeline.send_keys(Keys.ARROW_RIGHT)
    until(lambda: span(timeline)[0] > zoomed[0], "the arrow pans")
    assert width(timeline) == pytest.approx(zoomed[1] - zoomed[0])
    timeline.send_keys("w")
    until(lambda: span(timeline)[0] == pytest.approx(0, abs=30), "w shows the window")
    assert span(timeline)[1] == pytest.approx(626, abs=30)
    timeline.send_keys("0")
    until(lambda: span(timeline) == pytest.approx(whole), "0 shows all of it")


def test_no_key_leads_beyond_what_is_drawn(browser: Chrome, case_1: Path) -> None:
    timeline = shown(browser, case_1)
    whole = span(timeline)
    browser.execute_script("arguments[0].focus()", timeline)
    timeline.send_keys("-", Keys.ARROW_LEFT, Keys.ARROW_LEFT, "-")
    assert span(timeline) == pytest.approx(whole)


def test_the_buttons_zoom_too(browser: Chrome, case_1: Path) -> None:
    timeline = shown(browser, case_1)
    whole = width(timeline)
    browser.find_element(By.CSS_SELECTOR, "[data-do=in]").click()
    until(lambda: width(timeline) == pytest.approx(0.6 * whole), "the button zooms in")
    browser.find_element(By.CSS_SELECTOR, "[data-do=reset]").click()
    until(lambda: width(timeline) == pytest.approx(whole), "the button resets")


def test_dragging_pans(browser: Chrome, case_1: Path) -> None:
    timeline = shown(browser, case_1)
    browser.execute_script("arguments[0].focus()", timeline)
    timeline.send_keys("+")
    until(lambda: width(timeline) < 800, "+ zooms in")
    before = span(timeline)
    ActionChains(browser).drag_and_drop_by_offset(bar(timeline, "drained section"), -80, 0).perform()
    until(lambda: span(timeline)[0] > before[0], "the drag pans")


def test_a_click_jumps_to_the_evidence(browser: Chrome, case_1: Path) -> None:
    timeline = shown(browser, case_1)
    ActionChains(browser).move_to_element(bar(timeline, "write 4096 B at 9486336")).click().perform()
    row = until(lambda: browser.find_elements(By.CSS_SELECTOR, ".evidence tr.chosen"), "a row is chosen")[0]
    assert row.get_attribute("data-record") == "353"
    assert "line 354" in row.text
    inside = "const r = arguments[0].getBoundingClientRect(); return r.top >= 0 && r.bottom <= innerHeight"
    until(lambda: browser.execute_script(inside, row), "the row is in view")
    assert "record 353" in browser.find_element(By.CSS_SELECTOR, ".picked").text


def test_a_click_on_a_call_opens_the_tree_at_its_record(browser: Chrome, case_1: Path) -> None:
    timeline = shown(browser, case_1)
    ActionChains(browser).move_to_element(bar(timeline, "notifier read")).click().perform()
    line = until(lambda: browser.find_elements(By.CSS_SELECTOR, ".tree[open] span.chosen"), "a line is chosen")[0]
    assert line.text.strip().startswith("virtio_queue_host_notifier_read")


def test_a_row_of_the_evidence_shows_itself_in_the_timeline(browser: Chrome, case_1: Path) -> None:
    timeline = shown(browser, case_1)
    browser.execute_script("arguments[0].focus()", timeline)
    timeline.send_keys(*"+++++")
    until(lambda: width(timeline) < 120, "it is zoomed in, far from the closing")
    button = browser.find_elements(By.CSS_SELECTOR, ".evidence button.jump")[-1]
    browser.execute_script("arguments[0].focus()", button)
    button.send_keys(Keys.ENTER)
    until(lambda: span(timeline)[0] <= 626 <= span(timeline)[1], "the timeline goes to the closing")
    assert "exit of job" in browser.find_element(By.CSS_SELECTOR, ".picked").text


def test_keys_go_from_item_to_item_and_on_to_the_evidence(browser: Chrome, case_1: Path) -> None:
    timeline = shown(browser, case_1)
    browser.execute_script("arguments[0].focus()", timeline)
    picked = browser.find_element(By.CSS_SELECTOR, ".picked")
    timeline.send_keys("n")
    first = until(lambda: picked.text, "an item is told of")
    timeline.send_keys("n")
    until(lambda: picked.text != first, "the next one is told of")
    timeline.send_keys("p")
    until(lambda: picked.text == first, "the one before is told of again")
    records = "return [...document.querySelectorAll('.evidence tr[data-record]')].map((r) => r.dataset.record)"
    wanted = browser.execute_script(records)
    for _ in range(60):
        if any(f"record {record}" in picked.text for record in wanted):
            break
        timeline.send_keys("n")
    timeline.send_keys(Keys.ENTER)
    active = browser.switch_to.active_element
    assert active.get_attribute("class") == "jump"


def test_hostile_names_stay_text(browser: Chrome, tmp_path: Path) -> None:
    timeline = shown(browser, write_page(tmp_path, hostile(), name=FILE))
    with pytest.raises(NoAlertPresentException):
        _ = browser.switch_to.alert.text
    assert not browser.find_elements(By.CSS_SELECTOR, "img, article b, .timeline a, article script:not([type])")
    labels = [t.get_attribute("textContent") for t in timeline.find_elements(By.CSS_SELECTOR, ".ytick text")]
    assert DEVICE in labels
    ActionChains(browser).move_to_element(bar(timeline, CONTEXT[:20])).perform()
    label = until(lambda: browser.find_elements(By.CSS_SELECTOR, ".tip:not([hidden])"), "a label comes up")[0]
    assert CONTEXT in (label.get_attribute("textContent") or "")
    assert complaints(browser) == []


def test_a_script_that_got_in_all_the_same_would_not_run(browser: Chrome, case_1: Path) -> None:
    shown(browser, case_1)
    browser.execute_script(
        "const s = document.createElement('script'); s.textContent = 'window.ran = 1'; document.body.append(s)"
    )
    assert browser.execute_script("return window.ran === undefined")
    assert any("Content Security Policy" in each for each in complaints(browser))


def test_a_hundred_timelines_are_drawn_when_they_come_into_view(browser: Chrome, many: Path) -> None:
    shown(browser, many)
    drawn = "return document.querySelectorAll('.timeline .main-svg:first-child').length"
    assert browser.execute_script(drawn) < 12
    last = browser.find_elements(By.CSS_SELECTOR, ".timeline")[-1]
    browser.execute_script("arguments[0].scrollIntoView()", last)
    until(lambda: last.find_elements(By.CSS_SELECTOR, ".bars .point path"), "the last timeline is drawn")
    assert browser.execute_script(drawn) <= 12
    assert complaints(browser) == []


def test_all_timelines_are_printed_and_what_was_folded_is_open(browser: Chrome, tmp_path: Path) -> None:
    shown(browser, write_page(tmp_path, lossy(instrumented(), 25)))
    browser.execute_script(
        "window.addEventListener('beforeprint', () => { window.printed = ["
        "[...document.querySelectorAll('.timeline')].filter((t) => t.querySelector('.bars path')).length,"
        "document.querySelectorAll('details:not([open])').length]; })"
    )
    browser.execute_cdp_cmd("Page.printToPDF", {})
    assert browser.execute_script("return window.printed") == [25, 0]
    assert browser.execute_script("return document.querySelectorAll('details:not([open])').length") > 0


def test_the_timeline_follows_the_colours_of_the_page(browser: Chrome, case_1: Path) -> None:
    timeline = shown(browser, case_1)

    def background() -> str:
        of = "return getComputedStyle(arguments[0].querySelector('.main-svg')).backgroundColor"
        return str(browser.execute_script(of, timeline))

    assert background() == "rgb(255, 255, 255)"
    browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    )
    until(lambda: background() == "rgb(15, 20, 25)", "the timeline turns dark")
    assert browser.execute_script("return getComputedStyle(document.body).backgroundColor") == "rgb(15, 20, 25)"


def test_the_keyboard_reaches_everything(browser: Chrome, case_1: Path) -> None:
    shown(browser, case_1)
    browser.execute_script("scrollTo(0, 0); document.activeElement.blur()")
    reached = []
    for _ in range(40):
        ActionChains(browser).send_keys(Keys.TAB).perform()
        active = browser.switch_to.active_element
        reached.append(active.get_attribute("class") or active.tag_name)
    assert reached[0] == "skip"
    assert any(name.startswith("timeline") for name in reached)
    assert {"button", "jump", "summary"} <= set(reached)
