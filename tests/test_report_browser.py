"""The report in headless Chromium: it draws, fits, follows theme and keyboard, and is alone."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from sb3_ac_ext.monitoring.history import History
from sb3_ac_ext.monitoring.records import Verdict
from sb3_ac_ext.report import write_report
from tests.test_report import (
    HEALTHY,
    RUN,
    SECTIONS,
    broken_worker_verdict,
    off_policy_history,
    on_policy_history,
    q_verdict,
)

CHROMIUM = next(
    (
        found
        for name in ("chromium", "chromium-browser", "google-chrome")
        if (found := shutil.which(name))
    ),
    None,
)
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
REPORTS: dict[str, tuple[Callable[[], History], Verdict]] = {
    "healthy": (on_policy_history, HEALTHY),
    "broken": (lambda: on_policy_history(broken=3), broken_worker_verdict()),
    "off-policy": (off_policy_history, q_verdict()),
    "empty": (History, Verdict("not enough evidence")),
}


@dataclass
class Visit:
    """An open report and all that the browser said and asked for meanwhile."""

    page: Any
    url: str
    messages: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def draw_everything(self) -> None:
        self.page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        self.until(
            "[...document.querySelectorAll('.plot')].every(p => p.querySelector('.main-svg'))"
        )

    def until(self, condition: str, seconds: float = 60) -> None:
        """Wait for a condition; playwright's own wait is an eval, which the page forbids."""
        end = time.monotonic() + seconds
        while not self.page.evaluate(condition):
            assert time.monotonic() < end, f"still not true: {condition}"
            self.page.wait_for_timeout(50)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        pytest.skip("playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: install Debian's package 'chromium'")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield running
        running.close()


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("reports")
    return {
        name: write_report(folder / f"{name}.html", make(), verdict, RUN)
        for name, (make, verdict) in REPORTS.items()
    }


@pytest.fixture
def visit(browser: Any, reports: dict[str, Path]) -> Iterator[Callable[..., Visit]]:
    contexts = []

    def open_report(name: str, width: int = 1280, scheme: str = "light") -> Visit:
        context = browser.new_context(
            viewport={"width": width, "height": 860}, color_scheme=scheme, reduced_motion="reduce"
        )
        contexts.append(context)
        opened = Visit(context.new_page(), reports[name].as_uri())
        opened.page.on("console", lambda said: opened.messages.append(f"{said.type}: {said.text}"))
        opened.page.on("pageerror", lambda error: opened.messages.append(f"page error: {error}"))
        opened.page.on("request", lambda request: opened.requests.append(request.url))
        opened.page.goto(opened.url)
        return opened

    yield open_report
    for context in contexts:
        context.close()


def luminance(colour: str) -> float:
    """Relative luminance of ``rgb(...)``, WCAG 2."""
    parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("name", REPORTS)
def test_draws_every_section_alone_and_without_complaint(
    visit: Callable[..., Visit], name: str
) -> None:
    opened = visit(name)
    opened.draw_everything()
    for section in SECTIONS:
        assert opened.page.locator(f"section#{section} > h2, #{section} .banner h2").is_visible()
    plots = opened.page.locator(".plot").count()
    assert plots == opened.page.locator(".plot.js-plotly-plot").count()
    assert plots == 0 if name == "empty" else plots >= 12
    for link in opened.page.locator("nav a").all():
        link.click()
    assert opened.messages == []
    assert opened.requests == [opened.url]


@pytest.mark.parametrize("width", [320, 375, 1280])
@pytest.mark.parametrize("name", REPORTS)
def test_nothing_runs_over_the_edge(visit: Callable[..., Visit], name: str, width: int) -> None:
    opened = visit(name, width=width)
    opened.draw_everything()
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= width
    too_wide = opened.page.evaluate(
        "[...document.querySelectorAll('.plot .main-svg')]"
        ".filter(s => s.getBoundingClientRect().right > innerWidth).length"
    )
    assert too_wide == 0


def test_plots_follow_a_narrower_window(visit: Callable[..., Visit]) -> None:
    opened = visit("broken")
    opened.draw_everything()
    opened.page.set_viewport_size({"width": 400, "height": 800})
    opened.until(
        "[...document.querySelectorAll('.plot .main-svg')]"
        ".every(s => s.getBoundingClientRect().width <= 400)"
    )


SURFACE = "getComputedStyle(document.querySelector('.chart')).backgroundColor"
BACKGROUND = "getComputedStyle(document.body).backgroundColor"
TICK = "getComputedStyle(document.querySelector('.plot .xtick text')).fill"


def test_dark_mode_is_dark_and_plots_follow_a_change_of_theme(visit: Callable[..., Visit]) -> None:
    opened = visit("broken", scheme="dark")
    opened.draw_everything()
    assert luminance(opened.page.evaluate(BACKGROUND)) < 0.02
    surface, tick = opened.page.evaluate(SURFACE), opened.page.evaluate(TICK)
    assert luminance(tick) > 0.3
    assert contrast(surface, tick) > 4.5
    opened.page.emulate_media(color_scheme="light")
    opened.until(f"{TICK} !== '{tick}'")
    surface, tick = opened.page.evaluate(SURFACE), opened.page.evaluate(TICK)
    assert luminance(surface) > 0.9
    assert contrast(surface, tick) > 4.5
    assert opened.messages == []


CONTRASTS = """() => {
  const solid = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const colour = getComputedStyle(e).backgroundColor;
      if (!/^rgba\\(.*, 0\\)$/.test(colour)) return colour;
    }
    return 'rgb(255, 255, 255)';
  };
  const found = [];
  for (const element of document.querySelectorAll('body *')) {
    const own = [...element.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
    if (!own || element.closest('.plot, svg, script, style, noscript, .hidden')) continue;
    found.push([getComputedStyle(element).color, solid(element), element.textContent.slice(0, 40)]);
  }
  return found;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", REPORTS)
def test_text_has_the_contrast_of_wcag_aa(
    visit: Callable[..., Visit], name: str, scheme: str
) -> None:
    rows = visit(name, scheme=scheme).page.evaluate(CONTRASTS)
    assert len(rows) > 30
    faint = {(text, ink, ground) for ink, ground, text in rows if contrast(ink, ground) < 4.5}
    assert faint == set()


def test_the_keyboard_reaches_skip_link_navigation_and_details(
    visit: Callable[..., Visit],
) -> None:
    page = visit("broken").page
    focused = "document.activeElement.getAttribute('href') ?? document.activeElement.tagName"
    page.keyboard.press("Tab")
    assert page.evaluate(focused) == "#main"
    assert page.evaluate("document.activeElement.getBoundingClientRect().top") >= 0
    for section in SECTIONS:
        page.keyboard.press("Tab")
        assert page.evaluate(focused) == f"#{section}"
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.matches('a, summary')")
    page.locator("#series summary").first.focus()
    page.keyboard.press("Enter")
    assert page.locator("table.numbers").is_visible()


def test_following_a_link_moves_to_its_section(visit: Callable[..., Visit]) -> None:
    opened = visit("broken")
    page = opened.page
    page.locator("nav a[href='#policy']").click()
    opened.until(
        "document.querySelector('nav a[aria-current]')?.getAttribute('href') === '#policy'"
    )
    assert page.locator("#policy h2").is_visible()


def test_every_plot_has_words(visit: Callable[..., Visit]) -> None:
    labels = visit("broken").page.evaluate(
        "[...document.querySelectorAll('.plot')].map(p => p.getAttribute('aria-label'))"
    )
    assert all(label and len(label) > 20 for label in labels)
    assert any("Worker 3, highlighted" in label for label in labels)


def test_values_appear_on_hover(visit: Callable[..., Visit]) -> None:
    page = visit("broken").page
    plot = page.locator("#returns .plot").first
    plot.scroll_into_view_if_needed()
    plot.locator(".main-svg").first.wait_for()
    box = plot.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.move(box["x"] + box["width"] / 2 + 3, box["y"] + box["height"] / 2)
    label = plot.locator(".hoverlayer .legend, .hoverlayer .hovertext").first
    label.wait_for()
    said = label.text_content()
    assert "step" in said
    assert "training" in said
    assert "±" in said
    assert "from" in said


def test_text_and_tables_are_complete_without_script(
    browser: Any, reports: dict[str, Path]
) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(reports["broken"].as_uri())
    assert page.locator("noscript").is_visible()
    assert page.locator("#verdict h2").text_content() == "Verdict: Critical"
    context.close()
