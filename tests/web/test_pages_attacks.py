"""Attacks on the page give nothing: no session, forged forms, foreign names, scripts in words, strange ids."""

import itertools
import time

import pytest
from sqlmodel import select

from store.models import HumanEval, Turn
from tests.web.stored_games import TOKEN, XSS, XSS_NAME, Client, Elements, Serve, Stored
from web.pages import access
from web.pages.access import ACCESS, host_of, local_path

PRIVATE = (
    "/",
    "/games",
    "/games/won",
    "/policies",
    "/players",
    "/evaluate",
    "/exports",
    "/no-such",
    "/static/style.css",
)


async def csrf_of(client: Client) -> str:
    async with client.get("/games") as response:
        return Elements(await response.text()).value("csrf")


async def test_nothing_is_shown_without_a_session(serve: Serve):
    client = await serve(logged_in=False)
    for path, cookie in itertools.product(PRIVATE, ("", "x" * 43, TOKEN)):
        headers = {"Cookie": f"respect_page={cookie}"} if cookie else {}
        async with client.get(path, headers=headers, allow_redirects=False) as response:
            assert response.status == 303 and response.headers["Location"].startswith("/login"), path
        async with client.post(path, headers=headers) as response:
            assert response.status in (403, 404, 405), path


async def test_an_incorrect_token_opens_nothing(serve: Serve):
    client = await serve(logged_in=False)
    for token in ("", "x", TOKEN[:-1], TOKEN + "x", TOKEN.upper(), "é" * 20):
        async with client.post("/login", data={"token": token}) as response:
            assert response.status == 403 and "Set-Cookie" not in response.headers, token
    assert client.app is not None and not client.app[ACCESS].sessions


async def test_a_session_is_kept_by_a_strict_cookie_and_ends(serve: Serve, monkeypatch: pytest.MonkeyPatch):
    client = await serve(logged_in=False)
    async with client.post("/login", data={"token": TOKEN}, allow_redirects=False) as response:
        cookie = response.headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie and TOKEN not in cookie
    csrf = await csrf_of(client)
    async with client.post("/logout", data={"csrf": csrf}) as response:
        assert response.url.path == "/login"
    value = cookie.split("=", 1)[1].split(";")[0]
    again = {"Cookie": f"respect_page={value}"}  # a stolen cookie is of no use after that
    async with client.get("/", headers=again, allow_redirects=False) as response:
        assert response.status == 303
    client = await serve()
    later = time.monotonic() + access.SESSION_SECONDS + 1
    monkeypatch.setattr("web.pages.access.time.monotonic", lambda: later)
    async with client.get("/", allow_redirects=False) as response:
        assert response.status == 303


async def test_a_foreign_host_name_is_refused(serve: Serve):
    client = await serve()
    for host in (
        "evil.example",
        "evil.example:80",
        "127.0.0.1.evil.example",
        "localhost@evil.example",
        "",
        "[::1",
        "a b",
    ):
        for path in ("/", "/login", "/style.css", "/games/won"):
            async with client.get(path, headers={"Host": host}, allow_redirects=False) as response:
                assert response.status in (400, 403), await response.text()
                assert "round" not in await response.text()


async def test_a_form_of_another_page_is_refused(serve: Serve):
    client = await serve()
    for origin in (
        "https://evil.example",
        "null",
        "http://localhost.evil.example",
        "x",
    ):
        form = {"csrf": await csrf_of(client)}
        async with client.post("/logout", data=form, headers={"Origin": origin}) as response:
            assert response.status == 403
        async with client.get("/", allow_redirects=False) as response:
            assert response.status == 200  # still logged in


@pytest.mark.parametrize("csrf", [None, "", "x", "another session's"])
async def test_a_form_needs_the_token_of_its_own_session(serve: Serve, stored: Stored, csrf: str | None):
    client, other = await serve(), await serve()
    data = {"turn": str(stored.first_turns["won"]), "rater": "E", "correctness": "correct", "feedback": "yes"}
    if csrf is not None:
        data["csrf"] = await csrf_of(other) if csrf.startswith("another") else csrf
    for path in ("/evaluate", "/logout"):
        async with client.post(path, data=data) as response:
            assert response.status == 403
    with stored.database.session() as session:
        assert session.exec(select(HumanEval)).all() == []


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=b", b"x"),
        ("multipart/form-data; boundary=b", b'--b\r\nContent-Disposition: form-data; name="token"\r\n\r\nx'),
        ("application/x-www-form-urlencoded; charset=utf-16", b"token=\xff"),
        ("application/x-www-form-urlencoded; charset=klingon", b"token=x"),
    ],
)
async def test_what_is_no_form_is_refused(serve: Serve, kind: str, body: bytes):
    for logged_in in (False, True):
        client = await serve(logged_in=logged_in)
        for path in ("/login", "/evaluate", "/exports") if logged_in else ("/login",):
            async with client.post(path, data=body, headers={"Content-Type": kind}) as response:
                assert response.status == 400 and "could not be read" in await response.text()


async def test_read_only_mode_stores_nothing(serve: Serve, stored: Stored):
    client = await serve(read_only=True)
    data = {"turn": str(stored.first_turns["won"]), "rater": "E", "correctness": "correct", "feedback": "yes"}
    async with client.post("/evaluate", data={**data, "csrf": await csrf_of(client)}) as response:
        assert response.status == 403 and "read-only" in await response.text()
    async with client.get("/evaluate") as response:
        assert response.status == 403
    async with client.post("/exports", data={"csrf": await csrf_of(client), "format": "csv"}) as response:
        assert response.status == 403
    with stored.database.session() as session:
        assert session.exec(select(HumanEval)).all() == []
    async with client.post("/logout", data={"csrf": await csrf_of(client)}) as response:
        assert response.url.path == "/login"


async def test_scripts_in_words_and_names_are_text(serve: Serve, stored: Stored):
    client = await serve()
    for path in ("/games/won", "/evaluate"):
        async with client.get(path) as response:
            html = await response.text()
        assert XSS not in html and "&lt;script&gt;alert(&#34;words&#34;)&lt;/script&gt;" in html
        assert XSS in Elements(html).text
        assert not Elements(html).named("script") and not Elements(html).named("img")
    name = XSS_NAME
    data = {"csrf": await csrf_of(client), "turn": str(stored.first_turns["won"]), "rater": name}
    async with client.post("/evaluate", data=data) as response:  # shown again, as it is not complete
        html = await response.text()
        assert response.status == 400 and not Elements(html).named("img")
        assert Elements(html).value("rater") == name
    async with client.post(
        "/evaluate", data={**data, "correctness": "correct", "feedback": "yes"}
    ) as response:
        html = await response.text()
        assert response.url.path.startswith("/evaluate/") and not Elements(html).named("img")
        assert name in Elements(html).text


async def test_a_filter_that_is_none_is_refused(serve: Serve):
    client = await serve()
    for path in (
        "/games?outcome=won'--",
        "/games?game=multiref%22",
        "/games?origin=discord%00",
        "/games?round=1%20OR%201=1",
        "/games?round=9e9",
        "/games?round=" + "9" * 400,
        "/games?player=' OR ''='",
        "/games?player=" + "F" * 32,
        "/games?adapter=a%00b",
        "/games?adapter=" + "a" * 500,
        "/games?page=-1",
        "/games?page=1;DROP TABLE game",
        "/games?page=%C2%B2",
        "/players?page=x",
        "/evaluate?after=1%20UNION%20SELECT%201",
        "/evaluate?after=" + "9" * 40,
    ):
        async with client.get(path) as response:
            assert response.status == 400, await response.text()
            assert "Traceback" not in await response.text()


async def test_sql_in_a_filter_is_a_name_like_any_other(serve: Serve, stored: Stored):
    client = await serve()
    for adapter in (
        "' OR '1'='1",
        "%",
        "round-0001-b-sup' --",
        '"; DROP TABLE game; --',
    ):
        async with client.get("/games", params={"adapter": adapter}) as response:
            assert response.status == 200 and "0 games" in await response.text()
        with stored.database.session() as session:
            assert len(session.exec(select(Turn)).all()) == 5


async def test_a_path_leads_nowhere_else(serve: Serve):
    client = await serve()
    for path in (
        "/games/..%2F..%2Fetc%2Fpasswd",
        "/games/won'%20OR%20''='",
        "/games/won%00",
        "/games/" + "a" * 5000,
        "/policies/..%2F..%2Frespect.db",
        "/policies/%00",
        "/players/..%2F..%2Fx",
        "/players/' OR 1=1",
        "/static/../access.py",
        "/style.css/../../access.py",
        "/..%2f..%2fpseudonyms.secret",
        "/evaluate/1e9",
        "/evaluate/" + "9" * 30,
        "/evaluate/٣",
    ):
        async with client.get(path) as response:
            assert response.status in (400, 404), await response.text()
            assert "import" not in await response.text()


async def test_a_form_may_not_be_large(serve: Serve):
    client = await serve()
    async with client.post("/logout", data={"csrf": "x" * 200_000}) as response:
        assert response.status == 413


async def test_every_answer_has_the_headers(serve: Serve):
    client = await serve()
    for path in (
        "/",
        "/login",
        "/style.css",
        "/no-such",
        "/games?outcome=x",
    ):
        async with client.get(path, allow_redirects=False) as response:
            policy = response.headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy and "unsafe" not in policy and "script-src" not in policy
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            assert response.headers["Referrer-Policy"] == "same-origin"
            if path != "/style.css":
                assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ("/games?outcome=won", "/games?outcome=won"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example", "/"),
        ("/a\r\nSet-Cookie: x=y", "/"),
        ("javascript:alert(1)", "/"),
        ("", "/"),
    ],
)
async def test_the_login_leads_to_pages_of_this_site_only(serve: Serve, given: str, path: str):
    assert local_path(given) == path
    client = await serve(logged_in=False)
    form = {"token": TOKEN, "next": given}
    async with client.post("/login", data=form, allow_redirects=False) as response:
        assert response.headers["Location"] == path


@pytest.mark.parametrize(
    ("header", "host"),
    [
        ("localhost:9465", "localhost"),
        ("LOCALHOST", "localhost"),
        ("127.0.0.1", "127.0.0.1"),
        ("[::1]:80", "::1"),
        ("a@b", None),
        ("a/b", None),
        ("", None),
        ("a:x", None),
    ],
)
def test_the_name_in_a_host_header(header: str, host: str | None):
    assert host_of(header) == host


async def test_a_broken_store_shows_a_sentence(serve: Serve, stored: Stored):
    client = await serve()
    with stored.database.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE consent RENAME TO gone")
    async with client.get("/players") as response:
        html = await response.text()
    assert response.status == 503 and "respect db check" in html and "SELECT" not in html
