"""OHIF's prebuilt viewer below /viewer/, in a browser with WebGL drawn by the processor."""

from typing import Any

import pytest

pytest.importorskip("playwright.sync_api")

from playwright.sync_api import Page, expect

from tests.browser.chromium import Watched, picture
from tests.browser.conftest import Served
from tests.browser.studies import REPORT_LINES, Series

# what Cornerstone, OHIF's engine, says of the viewport at work: that an image has been drawn, and which
STATE = """() => {
    const viewport = window.cornerstone?.getEnabledElements?.()[0]?.viewport;
    if (!viewport?.getImageData?.()) return null;
    const { voiRange } = viewport.getProperties();
    return { type: viewport.type, index: viewport.getCurrentImageIdIndex?.(), count: viewport.getImageIds().length,
        image: viewport.getCurrentImageId?.(), window: voiRange && [voiRange.lower, voiRange.upper] };
}"""
# how many different shades the canvases show: an empty one has a single one
SHADES = """() => [...document.querySelectorAll('canvas.cornerstone-canvas')].map(canvas => {
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    const found = new Set();
    for (let at = 0; at < data.length; at += 4) found.add(data[at]);
    return found.size;
})"""
FIRST_MS = 60_000


def opened(watched: Watched, served: Served, series: Series) -> Page:
    """The viewer on a study, beginning with this series."""
    query = f"StudyInstanceUIDs={series.study}&initialSeriesInstanceUID={series.series}"
    watched.page.goto(f"{served.origin}/viewer/viewer?{query}")
    return watched.page


def shown(page: Page) -> dict[str, Any]:
    """The state once an image is drawn."""
    page.wait_for_function(f"() => ({STATE})() && ({SHADES})().every(count => count > 1)", timeout=FIRST_MS)
    return dict(page.evaluate(STATE))


def centre(page: Page) -> tuple[float, float]:
    """The middle of the first viewport."""
    box = page.locator("canvas.cornerstone-canvas").first.bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_ct_scrolls_sets_the_window_and_shows_mpr(ohif: Watched, viewer: Served) -> None:
    page = opened(ohif, viewer, viewer.studies.ct)
    before = shown(page)
    assert page.evaluate("crossOriginIsolated")
    assert (before["type"], before["count"], before["window"]) == ("stack", 28, [0, 79])
    page.mouse.move(*centre(page))
    page.mouse.wheel(0, 100)
    page.wait_for_function(f"() => ({STATE})().index === 1")
    assert page.evaluate(STATE)["image"] != before["image"]
    x, y = centre(page)
    page.mouse.down()
    page.mouse.move(x + 80, y + 30, steps=4)
    page.mouse.up()
    lower, upper = page.evaluate(STATE)["window"]
    assert upper - lower > 79
    overlay = page.locator("[data-cy=viewport-overlay-bottom-left]").inner_text().split()
    assert f"{upper - lower + 1:.0f}" in overlay
    picture(page, "ohif-ct")
    page.locator("[data-cy=Layout]").click()
    page.get_by_text("MPR", exact=True).click()
    planes = "() => window.cornerstone.getEnabledElements().map(one => one.viewport.getCamera().viewPlaneNormal)"
    drawn = f"() => ({planes})().length === 3 && ({SHADES})().every(count => count > 20)"
    page.wait_for_function(drawn, timeout=FIRST_MS)
    axes = [max(range(3), key=lambda axis: abs(plane[axis])) for plane in page.evaluate(planes)]
    assert sorted(axes) == [0, 1, 2]
    picture(page, "ohif-mpr")


def test_the_image_comes_before_the_panels_around_it(ohif: Watched, viewer: Served) -> None:
    ohif.page.add_init_script("""
        window.panels = [];
        addEventListener('CORNERSTONE_IMAGE_RENDERED', () => {
            const button = document.querySelector('[data-cy=Layout]');
            window.panels.push(button ? getComputedStyle(button).visibility : 'none');
        }, { capture: true, once: true });
    """)
    page = opened(ohif, viewer, viewer.studies.ct)
    shown(page)
    assert page.evaluate("window.panels") == ["hidden"]
    expect(page.locator("[data-cy=Layout]")).to_be_visible()


def test_mr(ohif: Watched, viewer: Served) -> None:
    page = opened(ohif, viewer, viewer.studies.mr)
    assert shown(page)["count"] == 128
    page.mouse.move(*centre(page))
    for step in range(1, 4):
        page.mouse.wheel(0, 100)
        page.wait_for_function(f"step => ({STATE})().index === step", arg=step)
    page.evaluate("() => window.cornerstone.getEnabledElements()[0].viewport.setImageIdIndex(63)")      # of the head
    drawn = f"() => ({STATE})().index === 63 && Math.max(...({SHADES})()) > 20"
    page.wait_for_function(drawn, timeout=FIRST_MS)
    picture(page, "ohif-mr")


def test_multi_frame_ultrasound(ohif: Watched, viewer: Served) -> None:
    page = opened(ohif, viewer, viewer.studies.us)
    assert shown(page)["count"] == 30
    assert max(page.evaluate(SHADES)) > 20
    page.mouse.move(*centre(page))
    page.mouse.wheel(0, 100)
    page.wait_for_function(f"() => ({STATE})().index === 1")
    picture(page, "ohif-us")


def test_structured_report(ohif: Watched, viewer: Served) -> None:
    page = opened(ohif, viewer, viewer.studies.sr)
    expect(page.get_by_text("Observation Context Mode:").first).to_be_visible(timeout=FIRST_MS)
    assert "Section Heading" in page.inner_text("[data-cy=viewport-grid]")
    picture(page, "ohif-sr")


def test_pdf(ohif: Watched, viewer: Served) -> None:
    page = opened(ohif, viewer, viewer.studies.pdf)
    document = page.locator("object[type='application/pdf'][data]")
    document.wait_for(timeout=FIRST_MS)
    page.wait_for_function("() => document.querySelector('object[type=\"application/pdf\"]').data.length > 10")
    text = page.evaluate(
        "async () => (await fetch(document.querySelector('object[type=\"application/pdf\"]').data)).text()"
    )
    assert text.startswith("%PDF-")
    assert REPORT_LINES[0] in text
    page.wait_for_timeout(1000)
    picture(page, "ohif-pdf")


def test_work_list_shows_the_studies(ohif: Watched, viewer: Served) -> None:
    page = ohif.page
    page.goto(viewer.origin)
    description = str(viewer.studies.ct.first.StudyDescription)
    expect(page.get_by_text(description, exact=True).first).to_be_visible(timeout=FIRST_MS)
    assert page.url.startswith(f"{viewer.origin}/viewer/")
    picture(page, "ohif-list")


def test_nothing_registers_a_service_worker(ohif: Watched, viewer: Served) -> None:
    ohif.page.goto(f"{viewer.origin}/viewer/")
    ohif.page.wait_for_load_state("networkidle")
    registered = "async () => (await navigator.serviceWorker.getRegistrations()).length"
    assert ohif.page.evaluate(registered) == 0
    roots = ohif.page.evaluate("() => window.config.dataSources.map(one => one.configuration.wadoRoot)")
    assert roots == [f"{viewer.origin}/dicom-web"]
