"""The report in a real browser: slider, filter, links, theme, widths, and no network."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

DRAWN = "#viewer-stage[data-drawn]"
EVIL = "<script>alert(1)</script>"
COLORS = """() => Object.fromEntries(
  ['paper', 'ground', 'ink', 'muted', 'accent', 'good', 'bad'].map((name) => {
    document.body.style.color = `var(--${name})`;
    const found = getComputedStyle(document.body).color.match(/[\\d.]+/g).slice(0, 3);
    document.body.style.color = '';
    return [name, found.map(Number)];
  }))"""


@pytest.fixture
def open_report(browser, street_report):
    """Return a function (width, hash, **context) -> page; errors and requests fail the test."""
    wrong, contexts = [], []

    def go(width=1440, place="", **more):
        context = browser.new_context(viewport={"width": width, "height": 900}, reduced_motion="reduce", **more)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: _note_message(message, wrong))
        page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
        page.on("dialog", lambda dialog: wrong.append(f"dialog: {dialog.message}"))
        page.on("request", lambda request: _note_request(request.url, wrong))
        page.goto(street_report.as_uri() + place)
        if more.get("java_script_enabled", True):
            page.wait_for_selector(DRAWN)
        return page

    yield go
    for context in contexts:
        context.close()
    assert wrong == []


def _note_message(message, wrong):
    if message.type == "error":  # what the policy blocks is one, too
        wrong.append(f"console: {message.text}")


def _note_request(url, wrong):
    if not url.startswith(("file:", "data:")):
        wrong.append(f"request: {url[:100]}")


def _pixels(locator):
    return np.asarray(Image.open(io.BytesIO(locator.screenshot())).convert("RGB")).astype(int)


def _split(page):
    return page.eval_on_selector("#viewer-over", "e => getComputedStyle(e).clipPath")


def _shown(page):
    return page.eval_on_selector_all(".card:not([hidden])", "all => all.map(e => e.id)")


def test_divider_moves_by_keyboard(open_report):
    page = open_report()
    before, clip = _pixels(page.locator("#viewer-stage")), _split(page)
    page.focus("#viewer-divider")
    for _ in range(20):
        page.keyboard.press("ArrowRight")
    assert page.input_value("#viewer-divider") == "70"
    assert _split(page) != clip
    after = _pixels(page.locator("#viewer-stage"))
    width = after.shape[1]
    changed = np.abs(after - before).sum(axis=(0, 2))
    assert changed[int(0.53 * width) : int(0.68 * width)].sum() > 0  # now the left picture's
    assert changed[int(0.75 * width) : int(0.85 * width)].sum() == 0


def test_divider_follows_the_mouse(open_report):
    page = open_report()
    page.locator("#viewer-stage").scroll_into_view_if_needed()
    box = page.locator("#viewer-stage").bounding_box()
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] / 2, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 5, middle, steps=4)
    page.mouse.up()
    assert page.input_value("#viewer-divider") == "20"
    assert "20%" in _split(page)
    page.mouse.move(box["x"] + box["width"] * 0.9, middle)
    assert page.input_value("#viewer-divider") == "20"


def test_views_show_what_they_say(open_report):
    page = open_report()
    page.uncheck("#viewer-blend")
    for view in ("truth", "prediction"):
        page.select_option("#viewer-left", view)
        page.wait_for_function(f"document.getElementById('viewer-under').ariaLabel.startsWith('{view}')")
        drawn = page.evaluate(
            """() => {
              const canvas = document.getElementById('viewer-under');
              const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
              return [canvas.height, canvas.width, Array.from(data.data)];
            }"""
        )
        expected = page.evaluate("view => document.querySelector(`.card.current img.${view}`).src", view)
        picture = Image.open(io.BytesIO(base64.b64decode(expected.partition(",")[2])))
        height, width, values = drawn
        pixels = np.array(values).reshape(height, width, 4)[..., :3]
        assert np.array_equal(pixels, np.asarray(picture.convert("RGB")))


def test_class_filter_keeps_frames_that_hold_the_class(open_report):
    page = open_report()
    everything = _shown(page)
    data = page.evaluate("JSON.parse(document.getElementById('report-data').textContent).frames")
    place = next(str(i) for i in range(4) if any(str(i) not in f["iou"] for f in data))
    before = _pixels(page.locator("#viewer-under"))
    page.select_option("#viewer-class", place)
    holding = sorted((f for f in data if place in f["iou"]), key=lambda f: f["iou"][place])
    assert _shown(page) == [frame["id"] for frame in holding]
    assert 0 < len(holding) < len(everything) == 4
    page.wait_for_selector(f"{DRAWN[:-1]}$=':class-{place}']")
    assert np.abs(_pixels(page.locator("#viewer-under")) - before).max() > 20
    caption = page.inner_text("#viewer-caption")
    assert f"IoU {100 * holding[0]['iou'][place]:.1f} %" in caption
    page.click("#viewer-classes button[aria-pressed=true]")
    assert sorted(_shown(page)) == sorted(everything)


def test_class_bar_leads_to_the_frames_of_the_class(open_report):
    page = open_report()
    page.click(".chart-iou tbody a:text('tree')")
    page.wait_for_function("document.getElementById('viewer-class').value === '1'")
    box = page.locator("#viewer").bounding_box()
    assert -5 < box["y"] < 900
    page.reload()
    page.wait_for_selector(DRAWN)
    assert page.input_value("#viewer-class") == "1"


def test_confusion_cell_leads_to_the_frame_with_most_of_it(open_report):
    page = open_report()
    data = page.evaluate("JSON.parse(document.getElementById('report-data').textContent).frames")
    pair, most = max(
        ((pair, count) for frame in data for pair, count in frame["pairs"].items()), key=lambda item: item[1]
    )
    target, pred = pair.split("-")
    page.click(f"td[data-target='{target}'][data-pred='{pred}']")
    page.wait_for_selector(f"{DRAWN[:-1]}$=':pair-{pair}']")
    assert f"{most:,} px of" in page.inner_text("#viewer-caption")


def test_arrow_keys_turn_frames_and_hash_leads_back(open_report):
    page = open_report()
    first, second = _shown(page)[:2]
    page.focus("#viewer-next")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("location.hash") == f"#{second}"
    page.keyboard.press("ArrowLeft")
    assert page.evaluate("location.hash") == f"#{first}"
    linked = open_report(place=f"#{second}:class-0")
    assert linked.locator(".card.current").get_attribute("id") == second
    assert linked.input_value("#viewer-class") == "0"


def test_theme_button_changes_the_colours_for_good(open_report):
    page = open_report(color_scheme="light")
    shade = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(shade)
    page.click("#theme")
    dark = page.evaluate(shade)
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert dark != light
    page.reload()
    page.wait_for_selector(DRAWN)
    assert page.evaluate(shade) == dark


def test_text_stands_out_from_its_ground_in_both_themes(open_report):
    page = open_report()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        colors = page.evaluate(COLORS)
        for name in ("ink", "muted", "accent", "good", "bad"):
            for ground in ("paper", "ground"):
                assert _contrast(colors[name], colors[ground]) >= 4.5, (scheme, name, ground)


def _contrast(one, other):
    """WCAG 2.2, contrast ratio."""

    def luminance(color):
        parts = [value / 255 for value in color]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("width", [390, 1440])
def test_page_fits_its_width_and_is_not_blank(open_report, tmp_path, width):
    page = open_report(width)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    file = tmp_path / f"report_{width}.png"
    page.screenshot(path=file, full_page=True)
    pixels = np.asarray(Image.open(file).convert("L"))
    assert pixels.shape[1] == width
    bands = np.array_split(pixels, 8)
    assert all(band.std() > 5 for band in bands)


def test_names_of_classes_are_text(open_report):
    page = open_report()
    assert page.inner_text(f".chart-iou tbody tr:has-text('{EVIL}') a") == EVIL
    assert page.locator("main script").count() == 0


def test_without_javascript_all_frames_are_there(open_report):
    page = open_report(java_script_enabled=False)
    assert page.locator("#viewer").is_hidden()
    assert page.locator("#theme").is_hidden()
    assert page.locator(".card img:visible").count() == 4 * 4
    href = page.locator(".by-class li a[href^='#frame-']").first.get_attribute("href")
    assert page.locator(f"[id='{href[1:]}']").is_visible()
