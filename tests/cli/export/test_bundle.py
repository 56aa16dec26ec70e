from __future__ import annotations

import doctest
import gzip
from importlib.resources import files

import pytest

from llmobs_trace.cli.export import bundle

PAGES = files("llmobs_trace.viewer").joinpath("pages")


def test_its_example_is_true() -> None:
    found = doctest.testmod(bundle)
    assert found.attempted
    assert not found.failed


def test_each_module_comes_once_and_before_those_that_import_it() -> None:
    modules = {
        "app.js": 'import { b } from "./b.js";\nimport * as c from "./c.js";\nb(c.two);',
        "b.js": 'import {\n  one,\n  two,\n} from "./c.js";\nexport function b() {\n  return one + two;\n}',
        "c.js": "export const one = 1;\nexport const two = 2;\nexport class Three {}",
        "unused.js": "export const lost = 1;",
    }
    made = bundle.bundle(modules, "app.js")
    assert made.count('modules["c.js"] = ') == 1
    assert made.index('modules["c.js"] = ') < made.index('modules["b.js"] = ') < made.index("b(c.two);")
    assert "return { one, two, Three };" in made
    assert "lost" not in made


def test_a_name_that_is_handed_on_is_exported() -> None:
    modules = {
        "a.js": 'import { x } from "./b.js";',
        "b.js": 'export { x } from "./c.js";',
        "c.js": "export const x = 1;",
    }
    assert 'const { x } = modules["c.js"];\nreturn { x };' in bundle.bundle(modules, "a.js")


@pytest.mark.parametrize(
    "line",
    [
        'import x from "./b.js";',
        'import { x as y } from "./b.js";',
        "export default 1;",
        "export let x = 1;",
        'const x = await import("./b.js");',
        'import { x } from "elsewhere";',
    ],
)
def test_a_form_that_it_does_not_know_is_an_error(line: str) -> None:
    with pytest.raises(ValueError, match=r"a\.js: this form can't be bundled"):
        bundle.bundle({"a.js": line, "b.js": "export const x = 1;"}, "a.js")


def test_modules_that_need_each_other_are_an_error() -> None:
    modules = {
        "a.js": 'import { b } from "./b.js";',
        "b.js": 'import { a } from "./a.js";\nexport const b = 1;',
    }
    with pytest.raises(ValueError, match=r"imports itself, by way of a\.js and b\.js"):
        bundle.bundle(modules, "a.js")


def test_the_pages_modules_can_be_bundled_and_none_is_unused() -> None:
    modules = {file.name: file.read_text("utf-8") for file in PAGES.iterdir() if file.name.endswith(".js")}
    made = bundle.bundle(modules, "app.js")
    assert [name for name in modules if name != "app.js" and f'modules["{name}"] = ' not in made] == []


def test_the_page_asks_for_every_file_at_once() -> None:
    index = PAGES.joinpath("index.html").read_text("utf-8")
    names = [file.name for file in PAGES.iterdir() if not file.name.endswith(".html")]
    assert [name for name in names if f'"/assets/{name}"' not in index] == []


FORBIDDEN = (
    "innerHTML",
    "outerHTML",
    "insertAdjacentHTML",
    "document.write",
    "eval(",
    "new Function",
    "DOMParser",
    "srcdoc",
)


def test_no_page_makes_markup_or_code_of_text() -> None:
    for file in PAGES.iterdir():
        if file.name.endswith(".js"):
            source = file.read_text("utf-8")
            assert [word for word in FORBIDDEN if word in source] == [], file.name


def test_the_page_names_no_other_host_and_holds_neither_code_nor_style() -> None:
    index = PAGES.joinpath("index.html").read_text("utf-8")
    assert [word for word in ("//", "<style", "style=", "onload", "<script>") if word in index] == []


def test_all_pages_together_stay_light() -> None:
    """What a browser loads once, compressed as the server does it: a page of others weighs megabytes."""
    weight = sum(len(gzip.compress(file.read_bytes(), 3)) for file in PAGES.iterdir())
    assert weight < 135_000
