"""Modules joined to one file; that it works as they do a browser shows (tests/browser/test_film.py)."""

import pytest

from pacsd.web.film_script import joined

MODULES = {
    "page.js": "import { two as second } from './numbers.js';\nimport * as words from './words.js';\n\nsay(second);\n",
    "words.js": "import { two } from './numbers.js';\nconst two_ = two;\nexport function word() {\n  return two_;\n}\n",
    "numbers.js": "const one = 1;\nexport const two = one + one;\nexport class Any {}\nexport async function no() {}\n",
    "circle.js": "import { word } from './round.js';\nexport const a = word;\n",
    "round.js": "import { a } from './circle.js';\nexport const word = a;\n",
    "default.js": "export default 1;\n",
    "changing.js": "export let count = 1;\n",
    "other.js": "import fs from 'fs';\n",
}


def test_each_module_runs_once_before_who_imports_it_and_gives_what_it_exports() -> None:
    assert joined("page.js", MODULES.__getitem__) == (
        "const $numbers = (() => {\n"
        "const one = 1;\nconst two = one + one;\nclass Any {}\nasync function no() {}\nreturn { two, Any, no };\n"
        "})();\n"
        "const $words = (() => {\n"
        "const { two } = $numbers;\nconst two_ = two;\nfunction word() {\n  return two_;\n}\nreturn { word };\n"
        "})();\n"
        "const { two: second } = $numbers;\nconst words = $words;\n\nsay(second);\n"
    )


def test_what_is_joined_last_exports_as_it_did() -> None:
    assert joined("numbers.js", MODULES.__getitem__) == MODULES["numbers.js"]


@pytest.mark.parametrize("name", ["circle.js", "default.js", "changing.js", "other.js"])
def test_what_would_not_work_the_same_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"circle of modules|cannot be joined"):
        joined(name, MODULES.__getitem__)
