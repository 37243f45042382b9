"""The page in a real browser: Debian's chromium, or any that PLAYWRIGHT_CHROMIUM names."""

import os
import re
import shutil

import numpy as np
import pytest
from PIL import Image

from impasto.images.decoding import read_recipe

api = pytest.importorskip("playwright.sync_api")
CHROMIUM = os.environ.get("PLAYWRIGHT_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium: apt install chromium")

DONE = re.compile(r"Done, \d+ × \d+ px")
PATIENCE = 60_000
"""Milliseconds: these machines are slow at times."""


@pytest.fixture(scope="module")
def chromium():
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def visitor(chromium):
    """Somebody who comes: ``visitor(address)`` is what he sees. ``locale`` and the like are his browser's."""
    contexts = []

    def come(address, **how):
        context = chromium.new_context(**{"locale": "en-GB", "viewport": {"width": 1280, "height": 1000}} | how)
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        page = context.new_page()
        page.goto(address)
        api.expect(page.locator("#how-far p")).to_be_visible(timeout=PATIENCE)
        return page

    yield come
    for context in contexts:
        context.close()


@pytest.fixture
def pair(tmp_path):
    """A photograph of 96 x 64 px, and a painting."""
    y, x = np.mgrid[0:64, 0:96]
    waves = np.stack([np.sin(x / 9), np.cos(y / 7), np.sin(x * y / 300)], -1)
    Image.fromarray((127 * waves + 128).astype(np.uint8)).save(tmp_path / "sea.png")
    stripes = np.stack([x // 5 % 2, y // 4 % 2, (x + y) // 6 % 2], -1)
    Image.fromarray((255 * stripes).astype(np.uint8)).save(tmp_path / "cloth.jpg")
    return tmp_path / "sea.png", tmp_path / "cloth.jpg"


def choose(page, photograph, *paintings):
    """Upload pictures, as by dropping them."""
    uploads = page.locator("input[type=file]")
    uploads.nth(0).set_input_files(photograph)
    uploads.nth(1).set_input_files([*paintings])
    api.expect(page.locator("#photograph img")).to_have_count(1, timeout=PATIENCE)
    api.expect(page.locator("#paintings img").nth(len(paintings) - 1)).to_be_visible(timeout=PATIENCE)


def sentence(page):
    return api.expect(page.locator("#how-far p"))


def paint(page):
    page.locator("#paint").click()
    sentence(page).to_have_text(DONE, timeout=PATIENCE)


def history(page):
    return page.locator("#history .thumbnail-item")


def test_a_picture_from_uploads_to_its_files(visitor, address, pair, tmp_path):
    page = visitor(address)
    choose(page, *pair)
    page.get_by_label("256", exact=True).check()
    page.locator("#paint").click()
    api.expect(page.locator("#picture img")).to_be_visible(timeout=PATIENCE)
    sentence(page).to_have_text("Done, 256 × 171 px", timeout=PATIENCE)
    for kind, suffix in (("PNG", ".png"), ("JPEG", ".jpg"), ("TIFF", ".tif")):
        with page.expect_download() as download:
            page.get_by_role("button", name=kind).or_(page.get_by_role("link", name=kind)).first.click()
        path = tmp_path / f"got{suffix}"
        download.value.save_as(path)
        with Image.open(path) as picture:
            assert (picture.format, picture.size) == (kind, (256, 171))
        assert read_recipe(path)["settings"]["size"] == 256
        assert download.value.suggested_filename == f"sea-cloth{suffix}"


def test_again_and_back_and_after_a_reload(visitor, address, pair):
    page = visitor(address)
    choose(page, *pair)
    page.get_by_label("256", exact=True).check()
    paint(page)
    page.locator("#again").click()
    api.expect(history(page)).to_have_count(2, timeout=PATIENCE)
    sentence(page).to_have_text(DONE, timeout=PATIENCE)
    page.reload()
    api.expect(history(page)).to_have_count(2, timeout=PATIENCE)
    sentence(page).to_have_text(DONE, timeout=PATIENCE)
    api.expect(page.locator("#picture img")).to_be_visible(timeout=PATIENCE)
    history(page).nth(0).click()
    api.expect(page.locator("#photograph img")).to_have_count(1, timeout=PATIENCE)
    api.expect(page.locator("#paintings img")).to_have_count(1, timeout=PATIENCE)
    api.expect(page.get_by_label("256", exact=True)).to_be_checked(timeout=PATIENCE)


def test_painted_large_it_is_the_same_with_more_pixels(visitor, address, pair, tmp_path):
    page = visitor(address)
    choose(page, *pair)
    page.get_by_label("256", exact=True).check()
    paint(page)
    page.get_by_label("Large (px)").click()
    page.get_by_role("option", name="1536").click()
    page.locator("#large").click()
    sentence(page).to_have_text("Done, 1536 × 1024 px", timeout=2 * PATIENCE)
    api.expect(history(page)).to_have_count(2, timeout=PATIENCE)
    with page.expect_download() as download:
        page.get_by_role("button", name="TIFF").or_(page.get_by_role("link", name="TIFF")).first.click()
    download.value.save_as(tmp_path / "got.tif")
    with Image.open(tmp_path / "got.tif") as picture:
        assert picture.size == (1536, 1024)


def test_stopped_in_mid_run_the_picture_stays(visitor, patient, pair):
    page = visitor(patient)
    choose(page, *pair)
    page.locator("#paint").click()
    api.expect(page.locator("#picture img")).to_be_visible(timeout=PATIENCE)
    page.locator("#stop").click()
    sentence(page).to_have_text("Stopped, 512 × 341 px", timeout=PATIENCE)
    api.expect(page.locator("#picture img")).to_be_visible()
    api.expect(history(page)).to_have_count(1, timeout=PATIENCE)


def test_reloaded_in_mid_run_it_goes_on(visitor, patient, pair):
    page = visitor(patient)
    choose(page, *pair)
    page.locator("#paint").click()
    sentence(page).to_have_text(re.compile("Painting, "), timeout=PATIENCE)
    page.reload()
    sentence(page).to_have_text(re.compile("Painting, "), timeout=PATIENCE)
    api.expect(page.locator("#picture img")).to_be_visible(timeout=PATIENCE)
    page.locator("#stop").click()
    sentence(page).to_have_text(re.compile("Stopped, "), timeout=PATIENCE)


def test_two_people_do_not_see_each_other_and_wait_for_each_other(visitor, patient, pair):
    first, second = visitor(patient), visitor(patient)
    for page in (first, second):
        choose(page, *pair)
        page.locator("#paint").click()
    sentence(first).to_have_text(re.compile("Painting, "), timeout=PATIENCE)
    sentence(second).to_have_text("Waiting: 1 before yours", timeout=PATIENCE)
    assert second.locator("#picture img").count() == 0
    first.locator("#stop").click()
    sentence(first).to_have_text(re.compile("Stopped, "), timeout=PATIENCE)
    sentence(second).to_have_text(re.compile("Painting, "), timeout=PATIENCE)
    second.locator("#stop").click()
    sentence(second).to_have_text(re.compile("Stopped, "), timeout=PATIENCE)
    assert (history(first).count(), history(second).count()) == (1, 1)


def test_parts_are_painted_over_with_a_brush(visitor, address, pair, tmp_path):
    """What is grey is left as it is."""
    page = visitor(address)
    choose(page, *pair)
    page.get_by_label("256", exact=True).check()
    page.get_by_text("Paint parts differently").first.click()
    canvas = page.locator("canvas").first
    canvas.scroll_into_view_if_needed()
    page.wait_for_timeout(1500)  # until it has found its place
    page.get_by_label("Color", exact=False).first.click()
    page.locator("button[style*='158, 158, 158'], button[style*='#9e9e9e']").first.click()
    box = canvas.bounding_box()
    left, top, width, height = box["x"], box["y"], box["width"], box["height"]
    for row in range(5):  # all of the left half
        page.mouse.move(left + 0.15 * width, top + (0.1 + row / 5) * height)
        page.mouse.down()
        page.mouse.move(left + 0.35 * width, top + (0.1 + row / 5) * height, steps=2)
        page.mouse.up()
    paint(page)
    with page.expect_download() as download:
        page.get_by_role("button", name="PNG").or_(page.get_by_role("link", name="PNG")).first.click()
    download.value.save_as(tmp_path / "got.png")
    with Image.open(tmp_path / "got.png") as painted, Image.open(pair[0]) as before:
        off = np.abs(
            np.asarray(painted).astype(int) - np.asarray(before.resize(painted.size, Image.Resampling.LANCZOS))
        )
    assert off[:, :60].mean() < 2
    assert off[:, -60:].mean() > 10


def test_what_is_wrong_is_said_on_the_page(visitor, address, pair, tmp_path):
    page = visitor(address)
    page.locator("#paint").click()
    sentence(page).to_have_text("First choose a photograph.", timeout=PATIENCE)
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"nonsense")
    choose(page, bad, pair[1])
    page.locator("#paint").click()
    sentence(page).to_have_text(re.compile(r"It did not work: 'bad\.png' is damaged"), timeout=PATIENCE)
    drawing = tmp_path / "drawing.png"
    drawing.write_text('<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>')
    page.locator("input[type=file]").nth(0).set_input_files(drawing)
    page.wait_for_timeout(1000)
    page.locator("#paint").click()
    sentence(page).to_have_text(re.compile(r"It did not work: 'drawing\.png' is damaged, or not a"), timeout=PATIENCE)
    large = tmp_path / "large.png"
    Image.new("L", (2000, 1000)).save(large)
    page.locator("input[type=file]").nth(0).set_input_files(large)
    page.wait_for_timeout(1000)
    page.locator("#paint").click()
    sentence(page).to_have_text(re.compile(r"'large\.png' is too large at 2000 x 1000 px"), timeout=PATIENCE)
    heavy = tmp_path / "heavy.png"
    with heavy.open("wb") as file:
        file.truncate(20_000_000)  # 16 MB are allowed
    page.locator("input[type=file]").nth(0).set_input_files(heavy)
    api.expect(page.get_by_text(re.compile("exceed|too large|maximum", re.IGNORECASE)).first).to_be_visible(
        timeout=PATIENCE
    )
    page.reload()
    choose(page, *pair)
    page.get_by_label("256", exact=True).check()
    paint(page)


@pytest.mark.parametrize(
    ("locale", "said", "seen"),
    [("de-DE", "Malen", "Foto"), ("ko-KR", "그리기", "사진"), ("fr-FR", "Paint", "Photograph")],
)
def test_it_speaks_the_browsers_language(visitor, address, pair, locale, said, seen):
    """Also to those who hear what is to be seen."""
    page = visitor(address, locale=locale)
    api.expect(page.locator("#paint")).to_have_text(said, timeout=PATIENCE)
    choose(page, *pair)
    api.expect(page.locator("#photograph img").first).to_have_attribute("alt", seen, timeout=PATIENCE)


def test_on_a_telephone_all_is_within_the_screen(visitor, address, pair):
    page = visitor(address, viewport={"width": 390, "height": 844})
    choose(page, *pair)
    page.get_by_label("256", exact=True).check()
    paint(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    api.expect(page.locator("#how-far")).to_be_in_viewport(timeout=PATIENCE)


def test_it_can_be_used_by_keyboard_and_has_labels(visitor, address, pair):
    page = visitor(address)
    choose(page, *pair)
    page.get_by_label("256", exact=True).focus()
    page.keyboard.press("Space")
    page.locator("#paint").focus()
    page.keyboard.press("Enter")
    sentence(page).to_have_text(DONE, timeout=PATIENCE)
    unnamed = page.evaluate(
        """[...document.querySelectorAll("button, input:not([type=file]), img")].filter(e => e.offsetParent &&
        !(e.closest("[aria-label]") || e.alt || e.title || e.innerText || e.labels?.length ||
        e.querySelector("img[alt]:not([alt=''])"))).map(e => e.outerHTML)"""
    )
    assert unnamed == [], "\n".join(unnamed)
