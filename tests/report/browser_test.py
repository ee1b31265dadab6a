"""The page in a real browser: clicks, hover, search, screens, colours."""

import headless_browser
import pytest

from keras_dim import report

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        None in headless_browser.find(),
        reason="needs the programs chromium and chromedriver",
    ),
]
NUM_DRAWN = "return document.querySelectorAll('#outliers .image').length"
DETAIL = "const d = document.querySelector('#detail'); return d.hidden ? null "
TITLE = f"{DETAIL}: d.querySelector('h2').textContent"
# The position of an image on the screen, by a part of its name.
PLACE = """
    const row = data.names.findIndex((name) => name.includes(arguments[0]));
    document.querySelector("#canvas").scrollIntoView({ block: "center" });
    const box = document.querySelector("#canvas").getBoundingClientRect();
    const [x, y] = toScreen(row);
    return [box.x + x, box.y + y];"""
COLOURS = """
    const { width, height } = canvas;
    const copy = document.createElement("canvas");
    Object.assign(copy, { width, height });
    const context = copy.getContext("2d", { willReadFrequently: true });
    context.drawImage(canvas, 0, 0);
    const pixels = context.getImageData(0, 0, width, height);
    const colours = new Set(new Uint32Array(pixels.data.buffer)).size;"""


@pytest.fixture(scope="module")
def browser():
    with headless_browser.Browser() as opened:
        yield opened


@pytest.fixture
def page(browser, written):
    """The browser with the open page; there must be no errors."""
    browser.open(written[0] / report.PAGE)
    assert browser.wait(NUM_DRAWN) == 53
    yield browser
    assert browser.errors() == []


def test_hovering_shows_the_name_of_an_image(page):
    page.mouse(("move", *page.run(PLACE, "flower/07")))
    tip = "const t = document.querySelector('#tip'); return "
    assert (
        page.wait(f"{tip} !t.hidden && t.textContent") == "flower/07.pngflower"
    )
    page.mouse(("move", 640, 5))
    assert page.wait(f"{tip} t.hidden")


def test_a_click_on_the_map_or_an_image_shows_similar_images(page):
    page.mouse(("move", *page.run(PLACE, "flower/05")), ("down",), ("up",))
    assert page.wait(TITLE) in ("flower/05.png", "flower/same_as_05.png")
    first = page.run(
        "const b = document.querySelector('#detail .image');"
        "b.click(); return b.title;"
    )
    # The exact copy is nearest.
    assert first in ("flower/05.png", "flower/same_as_05.png")
    assert page.wait(TITLE) == first
    assert "in its group" in page.run(f"{DETAIL}: d.textContent")
    page.keys("\ue00c")
    assert page.wait("return document.querySelector('#detail').hidden")


def test_search_finds_names_and_shows_them_as_text(page):
    page.run("document.querySelector('#query').focus()")
    page.keys("ONERROR=alert")
    found = page.wait(
        "const m = document.querySelectorAll('#matches .image');"
        "return m.length === 1 && m[0].title"
    )
    assert found.startswith("flower/<img src=x onerror=alert(1)><script>")
    page.run("document.querySelector('#matches .image').click()")
    assert page.wait(TITLE) == found
    assert page.run("return document.images.length") == 0
    page.run("document.querySelector('#query').value = 'no such name'")
    page.run("document.querySelector('#query').oninput()")
    assert "0 images found" in page.run(
        "return document.querySelector('#matches').textContent"
    )


def test_the_map_moves_zooms_and_changes_colours(page):
    start = page.run(PLACE, "china/00")
    middle = page.run(PLACE, "china/00")
    page.mouse(
        ("move", middle[0], middle[1]),
        ("down",),
        ("move", middle[0] + 30, middle[1] + 20),
        ("up",),
    )
    moved = page.run(PLACE, "china/00")
    assert moved == pytest.approx([start[0] + 30, start[1] + 20], abs=1)
    # A drag is no click.
    assert page.run(TITLE) is None
    page.run("document.querySelector('#whole').click()")
    assert page.run(PLACE, "china/00") == pytest.approx(start, abs=0.1)
    page.run("document.querySelector('#in').click()")
    assert page.run("return view.zoom") == pytest.approx(1.6)
    page.run("document.querySelector('#canvas').focus()")
    page.keys("0+")
    assert page.run("return view.zoom") == pytest.approx(1.4)
    for number in range(page.run("return COLOURS.length")):
        page.run(
            "const c = document.querySelector('#colour');"
            "c.value = arguments[0]; c.onchange();",
            number,
        )
        # The background, and dots of one colour or more.
        assert page.wait(f"{COLOURS} return colours > 1")


def test_the_zoomed_map_shows_images(page):
    page.run("zoom(8, ...toScreen(0))")
    # Thumbnails have many colours, dots few.
    assert page.wait(f"{COLOURS} return colours > 400")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280, 2200])
def test_the_page_fits_the_screen_and_is_legible(
    browser, written, width, scheme
):
    browser.open(written[0] / report.PAGE, width, 800, scheme)
    assert browser.wait(NUM_DRAWN) == 53
    for opened in ("hide()", "show(3)"):
        browser.run(opened)
        sizes = "return [document.documentElement.scrollWidth, innerWidth]"
        scroll, inner = browser.run(sizes)
        assert scroll <= inner == width
    # Contrast of text and background, by the formula of WCAG 2.
    contrast = browser.run("""
        const light = (text) => {
          const [r, g, b] = text.match(/\\d+/g).map((n) => n / 255).map((v) =>
            (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
          return 0.2126 * r + 0.7152 * g + 0.0722 * b;
        };
        const ground = light(getComputedStyle(document.body).backgroundColor);
        return ["h1", "p", "nav a", "dt", "dd"].map((name) => {
          const found = document.querySelector(name);
          const ink = light(getComputedStyle(found).color);
          const pair = [ink, ground].sort((a, b) => b - a);
          return (pair[0] + 0.05) / (pair[1] + 0.05);
        });""")
    assert min(contrast) >= 4.5
    assert browser.errors() == []
