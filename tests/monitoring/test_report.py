# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report in a real browser: in every state, large and small, light and dark."""

from __future__ import annotations

import contextlib
import os
import pathlib
import typing as t

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

STATES = ("no_run", "one_run", "two_years", "failing_night", "suspect_point", "hostile")
SIZES = {"desktop": (1280, 900), "phone": (390, 844)}
# Screenshots of every state go here when somebody wants to look at them.
LOOK = os.environ.get("REPORT_SCREENSHOTS")


class Visit:
    """A page that is open, and everything that it did."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.console: list[str] = []
        self.requests: list[str] = []
        self.dialogs: list[str] = []
        page.on("console", lambda message: self.console.append(message.text))
        page.on("pageerror", lambda error: self.console.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("dialog", lambda dialog: (self.dialogs.append(dialog.message), dialog.dismiss()))


@contextlib.contextmanager
def visit(browser: Browser, path: pathlib.Path, size: str, scheme: t.Any, **options: t.Any) -> t.Iterator[Visit]:
    width, height = SIZES[size]
    # The page's own policy forbids every script. It is not what these tests rely on.
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme, bypass_csp=True, **options
    )
    try:
        opened = Visit(context.new_page())
        opened.page.goto(path.as_uri())
        yield opened
    finally:
        context.close()


def accessibility(page: Page) -> list[str]:
    """What axe finds."""
    found = Axe().run(page).response["violations"]
    return [f"{one['id']}: {one['help']}: {one['nodes'][0]['html'][:200]}" for one in found]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", list(SIZES))
@pytest.mark.parametrize("state", STATES)
def test_every_state_is_readable_accessible_and_silent(
    browser: Browser, pages: dict[str, pathlib.Path], state: str, size: str, scheme: str
) -> None:
    with visit(browser, pages[state], size, scheme) as opened:
        # Two years are the same signs many times over, and take axe half a minute: one light, one dark.
        judged = state != "two_years" or (size, scheme) in (("phone", "light"), ("desktop", "dark"))
        if LOOK:
            opened.page.screenshot(path=f"{LOOK}/{state}-{size}-{scheme}.png", full_page=True)
        assert (accessibility(opened.page) if judged else []) == []
        assert opened.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "the page scrolls sideways"
        assert opened.requests == [pages[state].as_uri()]
        assert (opened.console, opened.dialogs) == ([], [])


@pytest.mark.parametrize(
    ("state", "word", "kind"),
    [
        ("no_run", "Nothing yet", "none"),
        ("one_run", "Good", "ok"),
        ("two_years", "Good", "ok"),
        ("failing_night", "Failed", "fail"),
        ("suspect_point", "Look at this", "warn"),
    ],
)
def test_the_verdict_comes_first(
    browser: Browser, pages: dict[str, pathlib.Path], state: str, word: str, kind: str
) -> None:
    with visit(browser, pages[state], "phone", "light") as opened:
        verdict = opened.page.locator("main > *").first
        assert verdict.locator(".word").inner_text() == word
        assert kind in (verdict.get_attribute("class") or "").split()
        box = verdict.bounding_box()
        assert box is not None and box["y"] + box["height"] < SIZES["phone"][1], "it needs no scrolling"
        assert opened.page.title().startswith(word)


def test_names_are_shown_and_never_run(browser: Browser, pages: dict[str, pathlib.Path], states: t.Any) -> None:
    with visit(browser, pages["hostile"], "desktop", "light") as opened:
        assert opened.page.locator("script, img, iframe, object, embed, [onerror], [onload]").count() == 0
        text = opened.page.inner_text("body")
        assert "<img src=x onerror=alert(1)>\\x1b[31m\\u202egnp" in text
        assert "</script><script>alert(2)</script>" in text
        assert not any(sign in text for sign in "\x1b\u202e")
        labels = opened.page.locator("svg[role=img]").evaluate_all("all => all.map(one => one.ariaLabel)")
        assert any("alert(1)" in label for label in labels)


def test_it_can_be_walked_through_by_keyboard(browser: Browser, pages: dict[str, pathlib.Path]) -> None:
    with visit(browser, pages["failing_night"], "desktop", "light") as opened:
        page = opened.page
        focusable = page.locator("a[href], summary, [tabindex='0']").filter(visible=True).count()
        seen = []
        for _step in range(focusable):
            page.keyboard.press("Tab")
            seen.append(page.evaluate("document.activeElement.outerHTML.slice(0, 300) + scrollY"))
            outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert outline != "none", f"nobody sees that this has the focus: {seen[-1]}"
        assert seen[0].startswith('<a class="skip"')
        assert len(set(seen)) == focusable
        page.locator("summary").first.focus()
        page.keyboard.press("Enter")
        assert page.locator("details[open] table").first.is_visible()


def test_every_plot_has_a_name_and_the_same_values_as_a_table(
    browser: Browser, pages: dict[str, pathlib.Path], states: t.Any
) -> None:
    with visit(browser, pages["failing_night"], "desktop", "light") as opened:
        plots = opened.page.locator("figure.plot")
        assert plots.count() == 3
        for number in range(plots.count()):
            plot = plots.nth(number)
            name = plot.locator("> svg").get_attribute("aria-label") or ""
            plot.locator("summary").click()
            rows = plot.locator("tbody tr").all_inner_texts()
            assert len(rows) == 13
            newest = rows[0].split("\t")
            assert newest[0] == "2026-11-29"
            assert all(cell in name for cell in newest[1:])
        sizes = plots.first.locator("tbody tr").all_inner_texts()
        night = states.failing_night()["runs"][0]["outcomes"]
        assert sizes[0].split("\t")[2] == "-"  # the pull of blobs failed that night
        assert sizes[0].split("\t")[3] == f"{night[2]['bytes'] / 2**40:.1f} TiB"


def test_bars_and_lines_are_as_high_as_their_values(browser: Browser, pages: dict[str, pathlib.Path]) -> None:
    with visit(browser, pages["one_run"], "desktop", "light") as opened:
        bars = opened.page.locator("figure.plot").nth(1).locator("svg .rect")
        heights = bars.evaluate_all("all => all.map(one => one.getBBox().height)")
        table = opened.page.locator("figure.plot").nth(1)
        table.locator("summary").click()
        cells = table.locator("tbody td").all_inner_texts()
        values = [float(cell.split()[0]) * {"MiB": 1, "GiB": 1024}[cell.split()[1]] for cell in cells]
        assert len(heights) == 3
        for height, value in zip(heights, values, strict=True):
            assert height / sum(heights) == pytest.approx(value / sum(values), abs=0.02)


def test_the_calendar_says_each_day_in_words_too(browser: Browser, pages: dict[str, pathlib.Path]) -> None:
    with visit(browser, pages["suspect_point"], "desktop", "light") as opened:
        days = {
            text.split()[0]: " ".join(text.split()[1:])
            for text in opened.page.locator(".month .day").evaluate_all("all => all.map(one => one.textContent)")
        }
        assert "suspect" in days["28!"] if "28!" in days else "suspect" in " ".join(days.values())
    with visit(browser, pages["two_years"], "desktop", "light") as opened:
        texts = opened.page.locator(".month .day").evaluate_all("all => all.map(one => one.textContent)")
        assert len(texts) > 3 * 730
        for word in ("proven by a drill", "checked", "sealed, complete", "failed, no point", "no night at all"):
            assert any(word in text for text in texts), word


def test_paper_has_the_whole_page(browser: Browser, pages: dict[str, pathlib.Path]) -> None:
    with visit(browser, pages["failing_night"], "desktop", "dark") as opened:
        opened.page.emulate_media(media="print")
        style = opened.page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert style == "rgb(255, 255, 255)", "paper is white, also where the screen is dark"
        printed = opened.page.pdf(format="A4", print_background=True)
        assert printed.count(b"/Type /Page\n") + printed.count(b"/Type /Page ") + printed.count(b"/Type/Page/") >= 2


def test_it_needs_no_script(browser: Browser, pages: dict[str, pathlib.Path]) -> None:
    with visit(browser, pages["two_years"], "desktop", "light", java_script_enabled=False) as opened:
        assert opened.page.locator("h2").count() == 6
    content = pages["two_years"].read_text()
    assert "<script" not in content and "http://" not in content and "https://" not in content
    assert len(content) < 2_000_000
