"""The film page as a patient holds it: phone size, fingers, and values compared with what pydicom reads."""

import math
import re
from collections.abc import Callable
from functools import partial
from importlib.resources import files
from typing import Any

import numpy
import pytest

pytest.importorskip("playwright.sync_api")

from playwright.sync_api import Page, Route, expect

from pacsd.web.film_script import joined
from tests.browser.chromium import Fingers, Point, Watched, picture
from tests.browser.conftest import Served
from tests.browser.studies import REPORT_LINES, Series, linear

PANE = ".pane"
SHADE = """([x, y]) => {
    const canvas = document.querySelector('.pane canvas');
    const ratio = canvas.width / canvas.getBoundingClientRect().width;
    return canvas.getContext('2d').getImageData(Math.round(x * ratio), Math.round(y * ratio), 1, 1).data[0];
}"""
PICTURE = """() => {
    const canvas = document.querySelector('.pane canvas');
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    let sum = 7;
    for (let at = 0; at < data.length; at += 4) sum = (sum * 31 + data[at]) % 1000003;
    return sum;
}"""


@pytest.fixture
def ct(handy: Watched, served: Served) -> Page:
    """The CT series, its middle image shown."""
    return opened(handy.page, served, served.studies.ct)


def opened(page: Page, served: Served, series: Series, *, query: str = "") -> Page:
    """The film page of a study, its first image shown."""
    page.goto(f"{served.origin}/film/{series.study}{query}")
    page.wait_for_selector(".pane[data-shown*='/']")
    return page


def state(page: Page, name: str) -> str:
    """What the pane says about itself."""
    return page.locator(PANE).first.get_attribute(f"data-{name}") or ""


def instance(page: Page) -> str:
    """SOP Instance UID of the image shown."""
    return state(page, "shown").rpartition("/")[0]


def press(page: Page, name: str) -> None:
    """A button of the bar, moved into sight as a finger would."""
    page.locator(f"#toolbar button[data-name={name}]").tap()


def at(page: Page, column: float, row: float) -> Point:
    """Where a point of a CT image of 512 columns stands on the page, as long as nothing has been moved."""
    box = page.locator(PANE).first.bounding_box()
    assert box is not None
    scale = min(box["width"], box["height"]) / 512
    left, top = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    return left + (column - 256) * scale, top + (row - 256) * scale


def within(page: Page, point: Point) -> list[float]:
    """A point of the page in the coordinates of the pane."""
    box = page.locator(PANE).first.bounding_box()
    assert box is not None
    return [point[0] - box["x"], point[1] - box["y"]]


def changed(page: Page, action: Callable[[], object]) -> None:
    """Do something after which the picture must be another."""
    before = page.evaluate(PICTURE)
    action()
    page.wait_for_function(f"before => ({PICTURE})() !== before", arg=before)


def test_page_is_light_and_speaks_chinese_first(ct: Page) -> None:
    weights = ct.evaluate(
        "performance.getEntriesByType('resource').filter(one => one.name.includes('/film/'))"
        ".map(one => [one.encodedBodySize, one.decodedBodySize])"
    )
    page = ct.evaluate("performance.getEntriesByType('navigation')[0].decodedBodySize")
    assert len(weights) == 3                 # style, script, icon
    assert page + sum(decoded for _, decoded in weights) < 200_000
    assert page + sum(encoded for encoded, _ in weights) < 60_000
    assert ct.evaluate("document.documentElement.lang") == "zh-CN"
    assert "序列" in ct.inner_text("#toolbar")
    assert "窗位 40 窗宽 80" in ct.inner_text(PANE)
    picture(ct, "film-ct")


def test_study_and_series_are_asked_for_once_before_the_scripts_run(ct: Page) -> None:
    asked = ct.evaluate(
        "performance.getEntriesByType('resource').filter(one => /studies\\?|series\\?/.test(one.name))"
        ".map(one => [one.initiatorType, one.startTime])"
    )
    began = ct.evaluate("performance.getEntriesByType('navigation')[0].domContentLoadedEventStart")
    assert [kind for kind, _ in asked] == ["link", "link"]
    assert all(start < began for _, start in asked)


def test_image_that_is_looked_at_has_the_line_to_itself(ct: Page, served: Served) -> None:
    ct.wait_for_selector("html[data-loaded='28']", state="attached")
    first, *others = ct.evaluate(
        "performance.getEntriesByType('resource').filter(one => one.name.includes('/frames/'))"
        ".map(one => [one.name, one.startTime, one.responseEnd])"
    )
    assert served.studies.ct.by_place()[13] in first[0]
    assert len(others) == 27 and all(start >= first[2] for _, start, _ in others)


def test_middle_slice_comes_first_and_slices_are_ordered_by_place(ct: Page, served: Served) -> None:
    order = served.studies.ct.by_place()
    assert (state(ct, "index"), state(ct, "count")) == ("13", "28")
    assert instance(ct) == order[13]
    ct.locator("#slider").fill("28")
    ct.wait_for_selector(f".pane[data-shown='{order[27]}/1']")


def test_finger_scrolls(ct: Page, served: Served) -> None:
    changed(ct, lambda: Fingers(ct).drag((at(ct, 256, 100), at(ct, 256, 300))))
    index = int(state(ct, "index"))
    assert index > 14
    assert instance(ct) == served.studies.ct.by_place()[index]
    assert f"{index + 1}/28" in ct.inner_text(PANE)
    assert ct.locator("#slider").input_value() == str(index + 1)


def test_two_fingers_zoom_and_move(ct: Page) -> None:
    changed(ct, lambda: Fingers(ct).drag(
        (at(ct, 226, 256), at(ct, 156, 256)), (at(ct, 286, 256), at(ct, 356, 256))))  # fmt: skip
    zoom = float(state(ct, "zoom"))
    assert zoom == pytest.approx(200 / 60, rel=0.05)
    assert state(ct, "index") == "13"
    assert f"{round(zoom * 100)}%" in ct.inner_text(PANE)
    press(ct, "reset")
    ct.wait_for_selector(".pane[data-zoom='1']")


def test_window_preset_shades_real_values(ct: Page, served: Served) -> None:
    def preset() -> None:
        press(ct, "presets")
        ct.locator("dialog button", has_text="骨窗").tap()

    changed(ct, preset)
    assert (state(ct, "center"), state(ct, "width")) == ("450", "1800")
    for column, row in ((256, 256), (310, 205), (256, 60), (10, 10)):
        shade = ct.evaluate(SHADE, within(ct, at(ct, column + 0.5, row + 0.5)))
        assert shade == pytest.approx(expected(served.studies.ct, instance(ct), column, row, 450, 1800), abs=3)


def expected(series: Series, sop: str, column: int, row: int, center: float, width: float) -> float:
    """The shade that pydicom's pixels have around a point: the screen shows them smaller than they are."""
    dataset = series.datasets[sop]
    values = dataset.pixel_array[row - 1 : row + 2, column - 1 : column + 2].astype(numpy.float64)
    return linear(values * float(dataset.RescaleSlope) + float(dataset.RescaleIntercept), center, width)


def test_finger_sets_the_window(ct: Page) -> None:
    press(ct, "window")
    changed(ct, lambda: Fingers(ct).drag((at(ct, 150, 150), at(ct, 350, 260))))
    assert float(state(ct, "width")) > 120
    assert float(state(ct, "center")) > 45


def test_distance_of_known_length(ct: Page, served: Served) -> None:
    press(ct, "distance")
    Fingers(ct).drag((at(ct, 100.5, 120.5), at(ct, 340.5, 300.5)), steps=20)
    rows, columns = map(float, served.studies.ct.first.PixelSpacing)
    length = math.hypot(240 * columns, 180 * rows)
    shown = re.fullmatch(r"([\d.]+) mm", ct.locator("#status").inner_text())
    assert shown
    assert float(shown[1]) == pytest.approx(length, abs=0.5)
    picture(ct, "film-distance")
    press(ct, "erase")


def test_right_angle(ct: Page) -> None:
    press(ct, "angle")
    fingers = Fingers(ct)
    fingers.drag((at(ct, 100, 250), at(ct, 250, 250)), steps=20)
    fingers.drag((at(ct, 262, 262), at(ct, 250, 400)), steps=20)
    shown = re.fullmatch(r"([\d.]+)°", ct.locator("#status").inner_text())
    assert shown
    assert float(shown[1]) == pytest.approx(90, abs=0.8)


def test_ct_value_is_what_pydicom_reads(ct: Page, served: Served) -> None:
    press(ct, "value")
    for turned in ((), ("rotate",), ("flipH",), ("flipV", "rotate")):
        for name in turned:
            press(ct, name)
        for column, row in ((256, 256), (310, 205), (256, 62), (300, 340)):
            assert_value(ct, served.studies.ct, at(ct, column, row))
    picture(ct, "film-value")


def assert_value(page: Page, series: Series, point: Point) -> None:
    Fingers(page).drag((point, point), steps=1)
    shown = re.fullmatch(r"(-?[\d.]+) HU +\((\d+), (\d+)\)", page.locator("#status").inner_text())
    assert shown, page.locator("#status").inner_text()
    assert float(shown[1]) == series.value(instance(page), int(shown[2]), int(shown[3]))
    assert state(page, "value") == f"{shown[1]} HU"


def test_rotation_and_mirroring_move_the_letters(ct: Page) -> None:
    def letters() -> str:
        return "".join(ct.inner_text(f".pane .{side}") for side in ("top", "right", "bottom", "left"))

    assert letters() == "ALPR"
    changed(ct, partial(press, ct, "rotate"))
    assert letters() == "RALP"
    changed(ct, partial(press, ct, "flipH"))
    assert letters() == "RPLA"
    changed(ct, partial(press, ct, "flipV"))
    assert letters() == "LPRA"


def test_inversion(ct: Page) -> None:
    point = within(ct, at(ct, 10, 10))
    assert ct.evaluate(SHADE, point) == 0
    changed(ct, partial(press, ct, "invert"))
    assert ct.evaluate(SHADE, point) == 255


def test_series_with_pictures_and_layout(ct: Page) -> None:
    press(ct, "series")
    pictures = ct.locator("dialog .picture :is(img, canvas)")
    expect(pictures).to_have_count(1)
    picture(ct, "film-series")
    ct.keyboard.press("Escape")
    press(ct, "layout")
    ct.locator("dialog li").nth(2).locator("button").tap()
    expect(ct.locator(PANE)).to_have_count(4)
    picture(ct, "film-layout")


def test_language_and_study(ct: Page, served: Served) -> None:
    ct.locator("#language").tap()
    assert "Series" in ct.inner_text("#toolbar")
    ct.locator("#info").tap()
    dialog = ct.inner_text("dialog")
    assert str(served.studies.ct.first.PatientID) in dialog
    assert "2015-02-06" in dialog
    ct.reload()
    ct.wait_for_selector(".pane[data-shown*='/']")
    assert ct.evaluate("document.documentElement.lang") == "en"


def rests(page: Page) -> None:
    """The image on show stays, once the one that was on its way has come."""
    shown = ""
    for _ in range(10):
        before, shown = shown, state(page, "index")
        if shown == before:
            return
        page.wait_for_timeout(400)
    raise AssertionError("the images go on")


def test_ultrasound_plays(handy: Watched, served: Served) -> None:
    page = opened(handy.page, served, served.studies.us)
    assert state(page, "count") == "30"
    start = int(state(page, "index"))
    page.wait_for_selector("html[data-loaded='30']", state="attached")
    picture(page, "film-us")
    press(page, "cine")
    page.wait_for_function(
        "start => Number(document.querySelector('.pane').dataset.index) > start + 3", arg=start
    )
    press(page, "cine")
    rests(page)


def test_compressed_images_are_shown(handy: Watched, served: Served) -> None:
    page = opened(handy.page, served, served.studies.compressed)
    frames = int(served.studies.compressed.first.NumberOfFrames)
    assert state(page, "count") == str(frames)
    page.wait_for_selector(f"html[data-loaded='{frames}']", state="attached")
    changed(page, lambda: page.keyboard.press("End"))
    picture(page, "film-compressed")


def test_report_as_text(handy: Watched, served: Served) -> None:
    page = handy.page
    page.goto(f"{served.origin}/film/{served.studies.tree.study}")
    report = page.locator("dialog .report")
    report.wait_for()
    text = report.inner_text()
    assert "Riesmeier Jörg" in text
    assert "已审核" in text
    assert re.search(r"Diameter：\s*3 cm", text)
    assert '&%$§"!()<>{}/;' in text
    picture(page, "film-report")


def test_pdf_report_is_handed_out(handy: Watched, served: Served) -> None:
    page = handy.page
    page.goto(f"{served.origin}/film/{served.studies.pdf.study}")
    with page.expect_download() as download:
        page.locator("dialog .open").tap()
    content = download.value.path().read_bytes()
    assert content.startswith(b"%PDF-")
    assert REPORT_LINES[0].encode() in content


def test_study_that_is_not_there(handy: Watched, served: Served) -> None:
    handy.page.goto(f"{served.origin}/film/1.2.3.4.5")
    expect(handy.page.locator(".pane .message")).to_have_text("没有找到此检查，或无权查看。")


HOSTILE = """<img src=x onerror="window.hacked=1">"""


def answered(page: Page, pattern: str, changed: Callable[[list[dict[str, Any]]], None]) -> None:
    """Let answers in JSON reach the page only as `changed` makes them."""

    def handle(route: Route) -> None:
        answer = route.fetch()
        found = answer.json()
        changed(found)
        route.fulfill(response=answer, json=found)

    page.route(re.compile(pattern), handle)


def test_hostile_texts_stay_texts(handy: Watched, served: Served) -> None:
    def study(found: list[dict[str, Any]]) -> None:
        found[0]["00100010"] = {"vr": "PN", "Value": [{"Alphabetic": HOSTILE}]}
        found[0]["00081030"] = {"vr": "LO", "Value": [HOSTILE]}

    def report(found: list[dict[str, Any]]) -> None:
        found[0]["0040A730"]["Value"][0] = {
            "0040A040": {"vr": "CS", "Value": ["TEXT"]}, "0040A160": {"vr": "UT", "Value": [HOSTILE]}
        }  # fmt: skip

    page = handy.page
    answered(page, r"/studies\?", study)
    answered(page, r"/metadata$", report)
    page.goto(f"{served.origin}/film/{served.studies.tree.study}")
    page.locator("dialog .report").wait_for()
    assert HOSTILE in page.inner_text("dialog .report")
    assert page.inner_text("#patient") == HOSTILE
    assert page.inner_text("#description").endswith(HOSTILE)
    assert page.evaluate("[window.hacked, document.images.length]") == [None, 0]


def test_a_data_set_that_claims_countless_frames_does_not_stop_the_page(handy: Watched, served: Served) -> None:
    def lie(found: list[dict[str, Any]]) -> None:
        found[0]["00280008"] = {"vr": "IS", "Value": [2_000_000_000]}

    answered(handy.page, r"/metadata$", lie)
    page = handy.page
    page.goto(f"{served.origin}/film/{served.studies.us.study}")
    page.wait_for_selector(".pane[data-count='20000']")
    assert "20000" in page.inner_text("#status")


def down(page: Page, pattern: str) -> Callable[[Route], None]:
    """Let no answer of these addresses come, until it is unrouted."""

    def handle(route: Route) -> None:
        route.abort("connectionrefused")

    page.route(pattern, handle)
    return handle


def test_a_server_that_is_down_is_said_and_asked_again(monitor: Watched, served: Served) -> None:
    monitor.expected += ("Failed to load resource",)
    page = monitor.page
    handle = down(page, "**/dicom-web/**")
    page.goto(f"{served.origin}/film/{served.studies.ct.study}")
    message = page.locator(".pane .message")
    expect(message).to_contain_text("网络不通")
    page.unroute("**/dicom-web/**", handle)
    message.get_by_text("重试").click()
    page.wait_for_selector(".pane[data-shown*='/']")


def test_a_report_that_cannot_be_had_is_not_called_missing(monitor: Watched, served: Served) -> None:
    monitor.expected += ("Failed to load resource",)
    page = monitor.page
    down(page, "**/metadata")
    page.goto(f"{served.origin}/film/{served.studies.tree.study}")
    expect(page.locator("dialog .body")).to_have_text("网络不通")


def test_study_without_images_says_so(handy: Watched, served: Served) -> None:
    def presentation(found: list[dict[str, Any]]) -> None:
        found[0]["00080060"] = {"vr": "CS", "Value": ["PR"]}

    answered(handy.page, r"/series\?", presentation)
    handy.page.goto(f"{served.origin}/film/{served.studies.us.study}")
    expect(handy.page.locator(".pane .message")).to_have_text("此检查没有可显示的影像。")


def test_other_panes_end_what_plays(handy: Watched, served: Served) -> None:
    page = opened(handy.page, served, served.studies.us)
    press(page, "cine")
    press(page, "layout")
    page.locator("dialog li").nth(1).locator("button").tap()
    expect(page.locator(PANE)).to_have_count(2)
    expect(page.locator("button[data-name=cine]")).to_have_attribute("aria-pressed", "false")
    rests(page)


def test_mouse_and_keyboard_do_the_same(monitor: Watched, served: Served) -> None:
    page = opened(monitor.page, served, served.studies.ct, query="?lang=en")
    box = page.locator(PANE).bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    changed(page, lambda: page.mouse.wheel(0, 120))
    assert state(page, "index") == "14"
    hovered = re.fullmatch(r"(-?[\d.]+) HU +\((\d+), (\d+)\)", page.locator("#status").inner_text())
    assert hovered
    for key, index in (("End", "27"), ("Home", "0"), ("ArrowDown", "1"), ("PageDown", "4")):
        page.keyboard.press(key)
        page.wait_for_selector(f".pane[data-index='{index}']")
    changed(page, lambda: page.keyboard.press("3"))
    assert (state(page, "center"), state(page, "width")) == ("-600", "1500")
    changed(page, lambda: page.keyboard.press("+"))
    page.mouse.down(button="right")
    page.mouse.move(x + 90, y, steps=5)
    page.mouse.up(button="right")
    page.wait_for_function("() => Number(document.querySelector('.pane').dataset.width) > 2000")
    picture(page, "film-desk")


def test_memory_is_bounded_and_what_nobody_waits_for_is_aborted(ct: Page) -> None:
    script = joined("cache.js", lambda name: (files("pacsd.web") / "film" / name).read_text())
    ct.route("**/cache.js", lambda route: route.fulfill(body=script, content_type="text/javascript"))
    found = ct.evaluate(CACHE, "/cache.js")
    assert found["size"] <= found["budget"]
    assert found["middle"] and not found["far"]
    assert found["most"] <= 4
    assert found["firstAsked"] == 100
    assert found["aborted"]


CACHE = """async source => {
    const { FrameCache } = await import(source);
    const dataset = { '00280100': { Value: [16] }, '00280101': { Value: [16] }, '00280102': { Value: [15] } };
    const images = Array.from({ length: 200 }, (_, index) => ({
        index, key: `${index}`, series: '1', rows: 512, columns: 512, samples: 1, photometric: 'MONOCHROME2', dataset,
    }));
    let running = 0, most = 0, firstAsked, aborted = false, hold = false;
    const dicomWeb = { frame: async (image, form, signal) => {
        firstAsked ??= image.index;
        most = Math.max(most, ++running);
        await new Promise((done, failed) => {
            signal.addEventListener('abort', () => { aborted = true; running--; failed(signal.reason); });
            setTimeout(done, hold ? 1000 : 1);
        });
        running--;
        return { type: 'application/octet-stream', bytes: new Uint8Array(512 * 512 * 2) };
    } };
    const budget = 20 * 2 ** 20;
    const cache = new FrameCache(dicomWeb, { budget, concurrent: 4, onChange: () => {} });
    const owner = {};
    cache.focus(owner, images, 100);
    while (cache.count < 38) await new Promise(done => setTimeout(done, 5));
    cache.focus(owner, images, 30);
    while (!cache.get(images[45])) await new Promise(done => setTimeout(done, 5));
    const has = index => Boolean(cache.get(images[index]));
    const result = { size: cache.size, budget, middle: has(30), far: has(110) };
    hold = true;
    cache.focus(owner, images, 190);
    cache.release(owner);
    return { ...result, most, firstAsked, aborted };
}"""
