"""The browser page in a real Chromium: people's text is shown with formatting, but never as markup."""

import functools
import threading
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from local_discord import PAGE

HOSTILE = [
    "<img src=x onerror=window.broken=1>",
    "<script>window.broken=1</script>",
    "[click](javascript:window.broken=1)",
    "[click](JaVaScRiPt:alert(1)) <javascript:alert(1)> [x](data:text/html,<script>1</script>)",
    "**<b onmouseover=window.broken=1>bold</b>** `<i>` ||<u>||",
    "```html\n<script>window.broken=1</script>\n```",
    'https://example.org/"onmouseover=window.broken=1',
    "> <iframe src=javascript:window.broken=1>",
    "<@1><#1></x:1><t:99999999999999:R><t:9999999999999:F>",
]


class Quiet(SimpleHTTPRequestHandler):
    """Serves the page's files without logging each request."""

    def log_message(self, format: str, *args: Any) -> None:
        del format, args


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """The page's files alone, without the service behind them."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(PAGE)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/"
    server.shutdown()
    thread.join()


@pytest.fixture
def render(chromium: Any, address: str) -> Callable[[str], str]:
    """The markup of a rendered text."""
    chromium.get(address)

    def draw(text: str) -> str:
        return chromium.execute_async_script(
            """
            const [text, done] = arguments;
            Promise.all([import("/markdown.js"), import("/dom.js")]).then(([{ markdown }, { h }]) => {
              const mention = (mark) => (id) => h("span", { class: "mention" }, mark + id);
              const names = { user: mention("@"), channel: mention("#"), role: mention("&") };
              names.command = mention("/");
              const box = h("div", {}, markdown(text, names));
              document.body.append(box);
              window.rendered = box;  // the page itself may append more
              done(box.innerHTML);
            }, (error) => done(String(error)));
            """,
            text,
        )

    return draw


@pytest.mark.parametrize("text", HOSTILE)
def test_what_people_write_never_becomes_markup(chromium: Any, render: Callable[[str], str], text: str):
    markup = render(text)
    unsafe = chromium.execute_script(
        """
        const box = window.rendered;
        const links = [...box.querySelectorAll("a")].filter((a) => !/^https?:$/.test(a.protocol));
        const listens = (node) => node.getAttributeNames().some((name) => name.startsWith("on"));
        const handlers = [...box.querySelectorAll("*")].filter(listens);
        const strangers = box.querySelectorAll("script, img, iframe, b, i, object");
        return [strangers.length, links.length, handlers.length];
        """
    )
    assert unsafe == [0, 0, 0], markup
    assert chromium.execute_script("return window.broken") is None


@pytest.mark.parametrize(
    ("text", "markup"),
    [
        ("**b** *i* __u__ ~~s~~ `c`", "<strong>b</strong> <em>i</em> <u>u</u> <s>s</s> <code>c</code>"),
        ("***both***", "<strong><em>both</em></strong>"),
        ("snake_case_name and 2 * 3 * 4", "snake_case_name and 2 * 3 * 4"),
        (r"\*plain\*", "*plain*"),
        ("<@12> <#34>", '<span class="mention">@12</span> <span class="mention">#34</span>'),
        ("[here](ftp://x.org) (a)", "<span>here</span> (a)"),
        ("</round start:5>", '<span class="mention">/round start</span>'),
    ],
)
def test_emphasis_and_mentions_within_a_line(render: Callable[[str], str], text: str, markup: str):
    assert render(text) == f'<div class="text">{markup}</div>'


def test_lines_become_headings_quotes_lists_and_code(render: Callable[[str], str]):
    text = "# Title\n> quoted\n> twice\n-# small\n- one\n  - nested\n1. first\n```py\nx = '<b>'\n```\nend"
    markup = render(text)
    assert '<h3 class="heading-1">Title</h3>' in markup
    assert '<blockquote><div class="text">quoted\ntwice</div></blockquote>' in markup
    assert '<div class="subtext">small</div>' in markup
    assert "<ul><li>one<ul><li>nested</li></ul></li>" in markup
    assert """<code data-language="py">x = '&lt;b&gt;'</code>""" in markup
    assert markup.endswith('<div class="text">end</div>')


def test_timestamps_are_times_in_words(render: Callable[[str], str]):
    assert "1970" in render("<t:0:D>")
    markup = render("<t:4102444800:R>")
    assert 'datetime="2100-01-01T00:00:00.000Z"' in markup
    assert "in " in markup


@pytest.mark.parametrize(
    "text", ["*a" + "**b" * 600, "_a" + "__b" * 600, "`" * 1999 + "a", "[" * 2000, "*_" * 1000]
)
def test_no_text_makes_the_page_hang(chromium: Any, render: Callable[[str], str], text: str):
    assert "<div" in render(text)
