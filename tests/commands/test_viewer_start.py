"""The page of the viewer names what its start needs, as far as the bundle tells."""

import re
from pathlib import Path

import pytest

from pacsd.commands.viewer_start import hasten

PAGE = (
    '<html><head><script defer src="/viewer/app.bundle.0123456789abcdef.js"></script>'
    '<link href="/viewer/app.bundle.css" rel="stylesheet"></head></html>'
)
ENTRY = """
pluginImports_extensions.push("@ohif/extension-default");
pluginImports_modes.push("@ohif/mode-longitudinal");
pluginImports_modes.push("@ohif/mode-other");
async function loadModule(module) {
  if (module === "@ohif/extension-default") {
    const imported = await Promise.all([__webpack_require__.e(11), __webpack_require__.e(12)]).then(x);
  }
  if (module === "@ohif/extension-pdf") {
    const imported = await __webpack_require__.e(/* import() */ 21).then(x);
  }
  if (module === "@ohif/extension-never") {
    const imported = await __webpack_require__.e(/* import() */ 31).then(x);
  }
  if (module === "@ohif/mode-longitudinal") {
    const imported = await Promise.all(/* import() */ [__webpack_require__.e(11), __webpack_require__.e(41)]).then(x);
  }
  if (module === "@ohif/mode-other") {
    const imported = await __webpack_require__.e(/* import() */ 51).then(x);
  }
}
var chunkToChildrenMap = {"12":[61],"31":[71]};
"""
MODE = """const extensionDependencies = {
  ...more,
  '@ohif/extension-default': '^3',
  '@ohif/extension-pdf': '^3'
};"""
CHUNKS = ("11", "12", "21", "31", "41", "51", "61", "71")


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    (tmp_path / "index.html").write_text(PAGE)
    (tmp_path / "app.bundle.0123456789abcdef.js").write_text(ENTRY)
    (tmp_path / "app.bundle.css").write_text("body {}")
    (tmp_path / "12.css").write_text("p {}")
    (tmp_path / "31.css").write_text("q {}")
    for chunk in CHUNKS:
        (tmp_path / f"{chunk}.bundle.00000000000000{chunk}.js").write_text(MODE if chunk == "41" else "")
    return tmp_path


def named(bundle: Path) -> list[str]:
    """The scripts of the page, in order."""
    return re.findall(r'<script defer src="/viewer/(\w+)\.', (bundle / "index.html").read_text())


def test_what_every_start_and_the_first_mode_load_is_named_before_the_entry(bundle: Path) -> None:
    assert hasten(bundle) == 6
    assert named(bundle) == ["11", "12", "41", "51", "21", "61", "app"]


def test_style_sheets_get_names_that_may_be_kept_and_are_still_found(bundle: Path) -> None:
    hasten(bundle)
    page = (bundle / "index.html").read_text()
    sheets = re.findall(r'<link href="/viewer/([^"]+)" data-href="([^"]+)" rel="stylesheet">', page)
    assert [name for _, name in sheets] == ["app.bundle.css", "12.css"]
    for kept, name in sheets:
        assert re.fullmatch(r".+\.[0-9a-f]{16}\.css", kept)
        assert (bundle / kept).read_bytes() == (bundle / name).read_bytes()


@pytest.mark.parametrize("missing", ["app.bundle.0123456789abcdef.js", "11.bundle.0000000000000011.js"])
def test_only_what_is_there_is_named(bundle: Path, missing: str) -> None:
    (bundle / missing).unlink()
    assert hasten(bundle) == (0 if missing.startswith("app") else 5)
    assert "11" not in named(bundle)


@pytest.mark.parametrize("entry", ["", "nothing", ENTRY.replace("pluginImports", "imports")])
def test_a_bundle_that_tells_nothing_is_left_as_it_is(bundle: Path, entry: str) -> None:
    (bundle / "app.bundle.0123456789abcdef.js").write_text(entry)
    assert hasten(bundle) == 0
    assert (bundle / "index.html").read_text() == PAGE


def test_views_that_are_listed_otherwise_come_when_they_are_asked_for(bundle: Path) -> None:
    entry = bundle / "app.bundle.0123456789abcdef.js"
    entry.write_text(ENTRY.replace("[61]", "[61,"))
    assert hasten(bundle) == 5


def test_a_page_that_is_built_otherwise_is_left_as_it_is(bundle: Path) -> None:
    other = PAGE.replace("defer", "async")
    (bundle / "index.html").write_text(other)
    assert hasten(bundle) == 0
    assert (bundle / "index.html").read_text() == other
