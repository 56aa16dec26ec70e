"""Draws texts that would do something if they were more than text, and says what a page made of them."""

from __future__ import annotations

import random
from typing import Final

from playwright.sync_api import Page
from support.viewed import HOSTILE

HOST: Final = "http://198.51.100.7"
_ADDRESSES = (
    "javascript:window.ran=1",
    "JaVaScRiPt:window.ran=1",
    "java\tscript:window.ran=1",
    "&#106;avascript:window.ran=1",
    "\x01javascript:window.ran=1",
    "data:text/html,<script>window.ran=1</script>",
    "data:image/svg+xml;base64,PHN2Zy8+",
    "vbscript:window.ran=1",
    "file:///etc/passwd",
    "blob:null/1",
    "//198.51.100.7/x",
    "/experiments",
    "#x",
    f"{HOST}/x.png",
    f'https://good.example@{HOST.removeprefix("http://")}/?q="onload=window.ran=1',
    "https://example.com/a_(b)",
    "mailto:a@example.com?subject=<b>",
    "",
)
_MARKUP = (
    *HOSTILE,
    "<iframe src=javascript:window.ran=1>",
    "<style>@import url(http://198.51.100.7/x.css)</style>",
    "<link rel=stylesheet href=http://198.51.100.7/x.css>",
    "<base href=http://198.51.100.7/>",
    "<meta http-equiv=refresh content='0;url=http://198.51.100.7/'>",
    "<a href=javascript:window.ran=1 autofocus onfocus=window.ran=1>x</a>",
    "<details open ontoggle=window.ran=1>",
    "<math><mtext><table><mglyph><style><img src=x onerror=window.ran=1>",
    "&lt;img src=x onerror=window.ran=1&gt; &#60;script&#62; &nbsp;&NewLine;",
    "<![CDATA[ <script>window.ran=1</script> ]]>",
    "<div style='background:url(http://198.51.100.7/x)'>",
)
_SIGNS = (
    "*",
    "**",
    "***",
    "_",
    "__",
    "~~",
    "`",
    "``",
    "[",
    "]",
    "](",
    "![",
    "(",
    ")",
    "\\",
    "<",
    ">",
    "|",
    "\n",
    "  ",
)
_LINES = (
    "# ",
    "> ",
    "- ",
    "1. ",
    "```",
    "~~~",
    "| a | b |\n|---|---|\n",
    "---\n",
    "    ",
    "\t",
    "- [ ] ",
    "\n\n",
)
_WORDS = ("word", "two words", "日本語", "עברית", "👩‍👩‍👧", "a_b_c", "\x00", "\ud7ff")

# What a long text is made of again and again, and what stands before and after all of it: in each a naive
# reader would look from every place to the end.
REPEATED: Final = {
    "words": ("", "word ", ""),
    "one line without a space": ("", "x", ""),
    "stars": ("", "*a ", ""),
    "pairs of stars": ("", "**a* ", ""),
    "underlines": ("", "_a_", ""),
    "brackets that open": ("", "[", ""),
    "brackets and an address": ("", "[a](", ""),
    "addresses that never end": ("", "](a(", ""),
    "titles that never end": ("", '[a](b "c ', ""),
    "nested links": ("[" * 500, "a](b) [", ""),
    "pictures": ("", "![a](http://198.51.100.7/x) ", ""),
    "backticks of many lengths": ("", "`a``b```c````d", ""),
    "backticks that never close": ("", "` ``", ""),
    "addresses": ("", "https://", ""),
    "brackets of angles": ("", "<https://a ", ""),
    "backslashes": ("", "\\", ""),
    "spaces": ("a", " ", "b"),
    "quotes in quotes": ("", ">", " x"),
    "lists in lists": ("", "- ", "x"),
    "list items": ("", "- a\n", ""),
    "lists that go deeper": ("", "  - a\n      - b\n", ""),
    "fences": ("", "```\na\n", ""),
    "rows of a table": ("| a | b |\n|---|---|\n", "| c | d |\n", ""),
    "a line of pipes": ("|", "a|", "\n|-|"),
    "headings": ("", "# a #\n", ""),
    "JSON that never ends": ("", '[{"a":\n', ""),
    "JSON again and again": ("", '{"a": [1, 2]}\nword\n', ""),
    "carets": ("", "  ^^^\n  x\n", ""),
    "entities": ("", "&amp;&#x3c;", ""),
}

# What may be in what is drawn; every other element or attribute is one too many.
_CHECK = """async ([texts, forms]) => {
  const { words } = await import("/assets/words.js");
  const tags = new Set(["DIV", "P", "SPAN", "UL", "OL", "LI", "BLOCKQUOTE", "HR", "TABLE", "THEAD", "TBODY",
    "TR", "TH", "TD", "STRONG", "EM", "DEL", "CODE", "A", "IMG", "DETAILS", "SUMMARY", "BUTTON"]);
  const names = new Set(["class", "dir", "title", "href", "target", "rel", "src", "alt", "start", "tabindex",
    "role", "aria-label", "type", "open"]);
  const wrong = [];
  for (const text of texts) for (const form of forms) {
    const box = words(text, form);
    document.body.append(box);
    for (const element of [box, ...box.querySelectorAll("*")]) {
      const say = (what) => wrong.push(`${what} of ${JSON.stringify(text.slice(0, 200))}`);
      if (!tags.has(element.tagName)) say(`element ${element.tagName}`);
      for (const { name, value } of element.attributes) {
        if (!names.has(name)) say(`attribute ${name}`);
        if (name === "href" && !/^(https?:\\/\\/|mailto:)/i.test(value)) say(`href ${value}`);
        if (name === "href" && element.target !== "_blank") say("a link in this window");
        if (name === "src" && !value.startsWith("data:image/")) say(`src ${value}`);
      }
    }
    box.remove();
  }
  return wrong;
}"""
_TIME = """async ([text, form]) => {
  const { words } = await import("/assets/words.js");
  const began = performance.now();
  const box = words(text, form);
  document.body.append(box);
  for (let turn = 0; turn < 100_000; turn += 1) {
    const more = [...box.querySelectorAll("button.more")].at(-1);
    if (more === undefined) break;
    more.click();
  }
  const took = performance.now() - began;
  box.remove();
  return took;
}"""


def texts(count: int, seed: int = 1) -> list[str]:
    """So many of them, the same for the same seed."""
    chosen = random.Random(seed)
    return [_text(chosen) for _ in range(count)]


def _text(chosen: random.Random) -> str:
    parts = []
    for _ in range(chosen.randrange(1, 30)):
        kind = chosen.randrange(7)
        if kind == 0:
            link = f"{chosen.choice(('', '!'))}[{chosen.choice((*_WORDS, *_MARKUP, *_SIGNS))}]"
            title = chosen.choice(("", ' "a title"'))
            parts.append(f"{link}({chosen.choice(_ADDRESSES)}{title})")
        elif kind == 1:
            parts.append(f"<{chosen.choice(_ADDRESSES)}>")
        elif kind == 2:
            parts.append("\n" + chosen.choice(_LINES) * chosen.choice((1, 1, 2, 40)))
        elif kind == 3:
            parts.append(chosen.choice(_SIGNS) * chosen.choice((1, 1, 3, 60)))
        else:
            parts.append(chosen.choice((_MARKUP, _ADDRESSES, _WORDS, _WORDS)[kind - 3]))
    return chosen.choice(("", " ")).join(parts)


def wrong(page: Page, server: str, some: list[str]) -> list[str]:
    """What a page made of them that it should not have made."""
    page.goto(server)
    found: list[str] = page.evaluate(_CHECK, [some, ["markdown", "text"]])
    return found


def seconds(page: Page, name: str, characters: int, form: str = "markdown") -> float:
    """How long a page takes to show all of such a text; it has to be on the server's."""
    before, part, after = REPEATED[name]
    text = before + part * (max(0, characters - len(before + after)) // len(part)) + after
    took: float = page.evaluate(_TIME, [text, form])
    return took / 1000
