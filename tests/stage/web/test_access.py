"""Who may ask. Each test is somebody who may not, and tries."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from starlette.datastructures import Headers

from hilum import config
from hilum.config import Settings
from hilum.errors import ConfigError
from hilum.web import access, session
from hilum.web.app import application
from hilum.web.session import COOKIE, SESSION_SECONDS, Patience, Sessions
from stage.ledger.reception_desk import Reception
from stage.web.client import Client
from stage.web.office import KEYS, Office

TOKEN = "correct horse battery stäple"
SECRET = {"Authorization": b"Bearer " + TOKEN.encode()}
ASKED = "/api/v1/jobs"
CHANGES = "/api/v1/jobs/02lung/retry"


def never_ended(_session: str) -> bool:
    return False


SESSIONS = Sessions(TOKEN, never_ended)


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Nobody waits; how long they would have."""
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr(Patience.__init__, "__defaults__", (sleep,))
    return waited


@pytest.fixture
def closed(desk: Reception, tmp_path: Path, unhurried: list[float]) -> Office:
    """A gateway with a token that other machines can reach."""
    return Office(desk, tmp_path, {**KEYS, "web": {"host": "0.0.0.0", "token": TOKEN}}).fill()


def raw(office: Office, method: str, path: str, headers: Mapping[str, Any] | list[tuple[str, Any]] = ()) -> Any:
    """As it comes from the network, without what a client would make of it."""
    return ask(office.client.app, method, path, headers)


def ask(app: Any, method: str, path: str, headers: Mapping[str, Any] | list[tuple[str, Any]] = ()) -> Any:
    """The same of an application."""
    given = headers.items() if isinstance(headers, Mapping) else headers
    lines = [
        (name.lower().encode(), value if isinstance(value, bytes) else value.encode("latin-1")) for name, value in given
    ]
    if not any(name == b"host" for name, _ in lines):
        lines.append((b"host", b"127.0.0.1"))
    return asyncio.run(_ask(app, method, path, lines))


class Answer:
    def __init__(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        self.status, self.body = status, body
        self.headers = Headers(raw=headers)


async def _ask(app: Any, method: str, path: str, headers: list[tuple[bytes, bytes]]) -> Answer:
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": headers,
        "client": ("10.0.0.9", 50000),
        "server": ("127.0.0.1", 80),
    }
    sent: list[dict[str, Any]] = []

    asked: list[bool] = []

    async def receive() -> dict[str, Any]:
        if asked:
            await asyncio.Event().wait()  # it stays
        asked.append(True)
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)
    body = b"".join(message.get("body", b"") for message in sent[1:])
    return Answer(sent[0]["status"], list(sent[0]["headers"]), body)


# --- without a token, on loopback


THIS_MACHINE_NEEDS_NO_TOKEN = ["127.0.0.1", "localhost:8080", "LOCALHOST", "[::1]:8080", "[::1]"]


def test_this_machine_needs_no_token(filled: Office) -> None:
    for host in THIS_MACHINE_NEEDS_NO_TOKEN:
        assert raw(filled, "GET", ASKED, {"host": host}).status == 200


A_NAME_THAT_IS_NOT_OURS_IS_NOT_ANSWERED = [
    "evil.example",  # a name that resolves to 127.0.0.1
    "evil.example:8080",
    "127.0.0.1.evil.example",
    "localhost.evil.example",
    "localhost@evil.example",
    "evil.example@localhost",
    "evil.example#localhost",
    "localhost:8080:1",
    "localhost/",
    "localhost.",
    "[::1",
    "[",
    "::1",
    "10.0.0.5",
    "",
    "localhost, evil.example",
    "lo\xe7alhost",
]


def test_a_name_that_is_not_ours_is_not_answered(filled: Office) -> None:
    for host in A_NAME_THAT_IS_NOT_OURS_IS_NOT_ANSWERED:
        answer = raw(filled, "GET", ASKED, {"host": host})
        assert answer.status == 421
        assert answer.headers["content-type"] == "application/problem+json"


def test_two_names_are_none(filled: Office) -> None:
    assert raw(filled, "GET", ASKED, [("host", "localhost"), ("host", "evil.example")]).status == 421


A_PAGE_OF_ANOTHER_SITE_CHANGES_NOTHING = [
    {"origin": "http://evil.example"},
    {"origin": "null"},  # a sandboxed frame, a file
    {"origin": ""},
    {"origin": "http://127.0.0.1.evil.example"},
    {"origin": "http://127.0.0.1:9999"},  # another server of this machine
    {"origin": "http://["},
    {"origin": "file://127.0.0.1"},
    {"origin": "http://evil.example@127.0.0.1"},
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
    {"sec-fetch-site": "cross-site", "origin": "http://127.0.0.1"},
    {"sec-fetch-site": "anything"},
]


def test_a_page_of_another_site_changes_nothing(filled: Office) -> None:
    for headers in A_PAGE_OF_ANOTHER_SITE_CHANGES_NOTHING:
        for method in ("POST", "PUT", "DELETE", "PATCH", "TRACE", "NONSENSE"):
            assert raw(filled, method, CHANGES, headers).status == 403
        assert filled.reception.row("jobs", id="02lung").state == "failed"


def test_two_origins_are_one_too_many(filled: Office) -> None:
    twice = [("origin", "http://127.0.0.1"), ("origin", "http://evil.example")]
    assert raw(filled, "POST", CHANGES, twice).status == 403


@pytest.mark.parametrize("headers", [{}, {"origin": "http://127.0.0.1"}, {"sec-fetch-site": "same-origin"}])
def test_a_page_of_ours_and_a_program_may(filled: Office, headers: dict[str, str]) -> None:
    assert raw(filled, "POST", CHANGES, headers).status == 202


# --- with a token


def test_another_address_than_loopback_does_not_start_without_a_token(office: Office) -> None:
    for host in ("0.0.0.0", "::", "10.0.0.5", "gateway.example"):
        with pytest.raises(ConfigError, match=r"web\.token"):
            config.load(office.site.path, {"HILUM__WEB__HOST": f'"{host}"'})
    for host in ("127.0.0.1", "127.0.0.2", "::1", "localhost"):
        config.load(office.site.path, {"HILUM__WEB__HOST": f'"{host}"'})
    settings: Settings = config.load(office.site.path, {"HILUM__WEB__HOST": "0.0.0.0", "HILUM__WEB__TOKEN": TOKEN})
    assert settings.web.token == TOKEN


def test_the_token_opens_everything(closed: Office) -> None:
    assert raw(closed, "GET", ASKED, SECRET).status == 200
    assert raw(closed, "GET", ASKED, {"Authorization": b"bearer   " + TOKEN.encode() + b" "}).status == 200
    assert raw(closed, "POST", CHANGES, SECRET).status == 202  # a program has no CSRF token
    assert raw(closed, "GET", ASKED, SECRET | {"host": "hilum.hospital.example"}).status == 200


NOBODY_ELSE_LEARNS_OR_CHANGES_ANYTHING: list[dict[str, Any]] = [
    {},
    {"Authorization": ""},
    {"Authorization": "Bearer"},
    {"Authorization": "Bearer "},
    {"Authorization": "Bearer wrong"},
    {"Authorization": b"Bearer " + TOKEN.encode()[:-1]},
    {"Authorization": b"Bearer " + TOKEN.encode() + b"x"},
    {"Authorization": b"Bearer " + TOKEN.encode("latin-1")},
    {"Authorization": b"Basic " + TOKEN.encode()},
    {"Authorization": b"Bearer \xff\xfe"},
    {"Authorization": TOKEN.encode()},
    {"X-Token": TOKEN.encode()},
    {"Cookie": f"{COOKIE}="},
    {"Cookie": f"{COOKIE}=.."},
    {"Cookie": f"{COOKIE}=99999999999.aa.{'0' * 64}"},
    {"Cookie": f"{COOKIE}=99999999999.{'0' * 64}"},
    {"Cookie": f"{COOKIE}={'9' * 4000}"},
    {"Cookie": f"{COOKIE}=\xb2.\xb2.\xb2"},
    {"Cookie": b"\xff\xfe\x00; =; ;;"},
]


def test_nobody_else_learns_or_changes_anything(closed: Office) -> None:
    for headers in NOBODY_ELSE_LEARNS_OR_CHANGES_ANYTHING:
        paths = (ASKED, CHANGES, "/", "/jobs", "/metrics", "/health/status", "/api/v1/openapi.json", "/nothing")
        for method, path in product(("GET", "HEAD", "OPTIONS", "POST", "DELETE"), paths):
            answer = raw(closed, method, path, headers)
            assert answer.status == 401, (method, path)
            assert answer.headers["www-authenticate"] == "Bearer"
        assert closed.reception.row("jobs", id="02lung").state == "failed"


NO_PATH_LEADS_AROUND = [
    "/static/../api/v1/jobs",
    "/static/../../api/v1/jobs",
    "/static//api/v1/jobs",
    "/static/./../api/v1/jobs",
    "/static\\..\\api/v1/jobs",
    "/static/..\\api\\v1\\jobs",
    "//api/v1/jobs",
    "/api//v1/jobs",
    "/./api/v1/jobs",
    "/login/../api/v1/jobs",
    "/loginx",
    "/login/",
    "/login/api/v1/jobs",
    "/health/live/",
    "/health/live/../status",
    "/health/ready/../../api/v1/jobs",
    "/health/livex",
    "/healthy",
    "/static",
    "/STATIC/../api/v1/jobs",
    "/Login",
    "api/v1/jobs",
    "",
    "*",
    "/static/\x00/../api/v1/jobs",
]


def test_no_path_leads_around(closed: Office) -> None:
    for path in NO_PATH_LEADS_AROUND:
        answer = raw(closed, "GET", path)
        assert answer.status in {401, 404}
        assert b"lung" not in answer.body


def test_encoded_paths_are_judged_as_what_they_stand_for(closed: Office) -> None:
    for path in ("/static/%2e%2e/api/v1/jobs", "/static%2f..%2fapi/v1/jobs", "/%61pi/v1/jobs", "/login%2f..%2fjobs"):
        answer = closed.client.get(path)
        assert answer.status_code in {401, 404}, path
        assert "lung" not in answer.text


WHAT_IS_NO_SECRET_IS_OPEN = ["/health/live", "/health/ready", "/login", "/static/hilum.css"]


def test_what_is_no_secret_is_open(closed: Office) -> None:
    for path in WHAT_IS_NO_SECRET_IS_OPEN:
        assert raw(closed, "GET", path).status == 200


def test_static_files_are_those_of_the_package_alone(closed: Office) -> None:
    for path in ("/static/../app.py", "/static/../../../../etc/passwd", "/static/templates/base.html", "/static/"):
        assert raw(closed, "GET", path, SECRET).status == 404


def test_a_browser_is_led_to_the_login(closed: Office) -> None:
    answer = raw(closed, "GET", "/jobs", {"accept": "text/html,*/*"})
    assert (answer.status, answer.headers["location"]) == (303, "/login")
    assert raw(closed, "POST", "/api/v1/config/reload", {"accept": "text/html"}).status == 401


# --- sessions


def log_in(office: Office, token: str = TOKEN) -> Any:
    return office.client.post("/login", data={"token": token})


def test_a_login_gives_a_session_that_scripts_and_other_sites_do_not_get(closed: Office) -> None:
    answer = log_in(closed)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    line = answer.headers["set-cookie"].lower()
    for part in ("httponly", "samesite=strict", "path=/", f"max-age={SESSION_SECONDS}"):
        assert part in line
    assert "secure" not in line
    assert "domain" not in line
    assert closed.client.get(ASKED).status_code == 200
    assert closed.client.get("/jobs", headers={"accept": "text/html"}).status_code == 200


def test_over_tls_the_cookie_goes_over_tls_alone(closed: Office) -> None:
    client = Client(application(closed.desk), "https://hilum.example")
    assert "secure" in client.post("/login", data={"token": TOKEN}).headers["set-cookie"].lower()


def test_a_session_changes_nothing_without_the_word_of_its_page(closed: Office) -> None:
    log_in(closed)
    cookie = closed.client.cookies[COOKIE]
    other = SESSIONS.new()
    wrong: list[dict[str, Any]] = [
        {},
        {"x-csrf-token": ""},
        {"x-csrf-token": "0" * 64},
        {"x-csrf-token": SESSIONS.csrf(other)},
        {"x-csrf-token": Sessions("another token", never_ended).csrf(cookie)},
        {"x-csrf-token": b"\xff"},
    ]
    for headers in wrong:
        assert closed.client.post(CHANGES, headers=headers).status_code == 403
    assert closed.reception.row("jobs", id="02lung").state == "failed"
    right = {"x-csrf-token": SESSIONS.csrf(cookie)}
    assert closed.client.post(CHANGES, headers=right | {"origin": "http://evil.example"}).status_code == 403
    assert closed.client.post(CHANGES, headers=right).status_code == 202


def test_the_page_of_a_session_has_its_word(closed: Office) -> None:
    log_in(closed)
    page = closed.client.get("/jobs", headers={"accept": "text/html"}).text
    assert SESSIONS.csrf(closed.client.cookies[COOKIE]) in page


def test_a_session_ends(closed: Office) -> None:
    log_in(closed)
    cookie = closed.client.cookies[COOKIE]
    assert closed.client.post("/logout").status_code == 403  # a page of somebody else must not end it
    answer = closed.client.post("/logout", headers={"x-csrf-token": SESSIONS.csrf(cookie)})
    assert answer.status_code == 204
    assert COOKIE not in closed.client.cookies
    assert closed.client.get(ASKED).status_code == 401
    kept = {"cookie": f"{COOKIE}={cookie}", "accept": "text/html"}  # by somebody who has it from somewhere
    for app in (closed.client.app, application(replace(closed.desk, owner="another gateway"))):
        assert ask(app, "GET", ASKED, kept).headers["location"] == "/login"
        assert ask(app, "GET", "/login", kept).status == 200, "not back and forth for ever"
        assert ask(app, "POST", CHANGES, kept | {"x-csrf-token": SESSIONS.csrf(cookie)}).status == 401
    [line] = closed.reception.history(machine="session")
    assert (line.event, line.why) == ("ended", "somebody logged out of the dashboard")
    assert line.subject in cookie
    log_in(closed)
    assert closed.client.get(ASKED).status_code == 200, "only that one"


def test_a_ledger_that_cannot_be_read_lets_no_session_in(closed: Office) -> None:
    log_in(closed)
    with closed.database.write() as connection:
        connection.exec_driver_sql("ALTER TABLE history RENAME TO gone")
    answer = closed.client.get(ASKED)
    assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
    assert "whether this session still holds cannot be told" in answer.json()["detail"]


def test_a_wrong_token_is_told_on_the_page_and_waits(closed: Office, unhurried: list[float]) -> None:
    answer = log_in(closed, "wrong")
    assert (answer.status_code, "set-cookie" in answer.headers) == (401, False)
    assert unhurried == [2.0]
    assert closed.client.post("/login", content=b"token=" + b"x" * 10_000).status_code == 413
    assert closed.client.post("/login", content=b"\xff\xfe").status_code == 401
    assert log_in(closed, "").status_code == 401


def test_a_page_of_another_site_cannot_log_anybody_in(closed: Office) -> None:
    answer = closed.client.post("/login", data={"token": TOKEN}, headers={"origin": "http://evil.example"})
    assert (answer.status_code, "set-cookie" in answer.headers) == (403, False)


def test_without_a_token_the_login_leads_to_the_overview(filled: Office) -> None:
    assert filled.client.get("/login").headers["location"] == "/"
    assert filled.client.post("/login", data={"token": "x"}).headers["location"] == "/"


def test_cookies_are_good_for_half_a_day_and_for_one_token() -> None:
    now = 1_000_000.0
    over: set[str] = set()
    sessions = Sessions(TOKEN, over.__contains__, lambda: now)
    cookie = sessions.new()
    assert cookie != sessions.new()
    assert sessions.holds(cookie)
    assert Sessions(TOKEN, never_ended, lambda: now).holds(cookie)  # another gateway with the same token
    assert not Sessions(TOKEN + "x", never_ended, lambda: now).holds(cookie)
    for place in range(len(cookie)):
        other = "1" if cookie[place] != "1" else "2"
        assert not sessions.holds(cookie[:place] + other + cookie[place + 1 :])
    for text in ("", ".", "..", cookie[:-1], cookie + "0", f"0{cookie}", f"{cookie}.{cookie}", "²." + cookie):
        assert not sessions.holds(text)
    now += SESSION_SECONDS - 1
    assert sessions.holds(cookie)
    over.add(session.id_of(cookie))
    assert not sessions.holds(cookie)
    over.clear()
    now += 1
    assert not sessions.holds(cookie)


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        ([f"{COOKIE}=a"], "a"),
        ([f"other=1; {COOKIE}=a;third"], "a"),
        ([f"ot her=[1; {COOKIE}=a"], "a"),  # of a server that gives cookies another form
        (["other=1", f"{COOKIE}=a"], "a"),
        ([f"{COOKIE}=a; {COOKIE}=b"], ""),  # one of them was put there by somebody
        ([f"x{COOKIE}=a"], ""),
        ([COOKIE], ""),
        ([], ""),
    ],
)
def test_a_session_is_found_among_cookies(lines: list[str], found: str) -> None:
    assert session.session_of(Headers(raw=[(b"cookie", line.encode()) for line in lines])) == found


# --- guessing


def test_guesses_of_one_address_wait_and_others_do_not() -> None:
    async def guess() -> None:
        held = asyncio.Event()

        async def sleep(_seconds: float) -> None:
            await held.wait()

        patience = Patience(sleep)
        guesses = [asyncio.create_task(patience.judge("10.0.0.1", lambda: False)) for _ in range(20)]
        await asyncio.sleep(0)
        done = [one for one in guesses if one.done()]
        assert [one.result() for one in done] == [None] * 16  # not looked at: four wait
        looked: list[int] = []

        def right() -> bool:
            looked.append(1)
            return True

        assert await patience.judge("10.0.0.1", right) is None
        assert not looked  # or else a right guess would be seen at once among thousands
        assert await patience.judge("10.0.0.2", right) is True
        held.set()
        assert [one for one in await asyncio.gather(*guesses) if one is not None] == [False] * 4
        assert await patience.judge("10.0.0.1", right) is True
        assert not patience._waiting

    asyncio.run(guess())


def test_too_many_wrong_tokens_are_a_429(closed: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hilum.web.session._MOST_WAITING", 0)
    answer = raw(closed, "GET", ASKED, {"Authorization": "Bearer wrong"})
    assert (answer.status, answer.headers["retry-after"]) == (429, "2")
    assert log_in(closed, "wrong").status_code == 429


def test_a_request_without_end_is_not_read(closed: Office) -> None:
    answer = closed.client.post(
        "/api/v1/config/validate",
        content=b"x" * (4 * 1024 * 1024 + 1),
        headers={"Authorization": SECRET["Authorization"]},
    )
    assert answer.status_code == 413


# --- what goes with every answer


def test_browsers_are_kept_in_bounds(closed: Office) -> None:
    for path, headers in ((ASKED, SECRET), (ASKED, {}), ("/login", {}), ("/static/hilum.css", {}), ("/x", SECRET)):
        found = raw(closed, "GET", path, headers).headers
        policy = found["content-security-policy"]
        assert "unsafe" not in policy
        assert policy.startswith("default-src 'none'; script-src 'self';")
        assert "frame-ancestors 'none'" in policy
        assert found["x-content-type-options"] == "nosniff"
        assert ("cache-control" not in found or found["cache-control"] != "no-store") is path.startswith("/static/")
        assert "access-control-allow-origin" not in found


def test_nothing_that_is_asked_becomes_part_of_a_header(filled: Office) -> None:
    split = "x\r\nSet-Cookie: a=b"
    for name in ("host", "origin", "accept", "cookie", "authorization", "x-csrf-token"):
        answer = raw(filled, "POST", f"/api/v1/jobs/{split}/retry", {name: split})
        assert all("\r" not in value and "\n" not in value for value in answer.headers.values())
        assert "set-cookie" not in answer.headers


def test_a_websocket_is_not_taken(filled: Office) -> None:
    sent: list[Mapping[str, Any]] = []

    async def connect() -> None:
        async def receive() -> dict[str, Any]:
            return {"type": "websocket.connect"}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {"type": "websocket", "path": "/api/v1/events", "headers": []}
        guard = access.Access(application(filled.desk), token=None, sessions=None, hosts=frozenset())
        await guard(scope, receive, send)

    asyncio.run(connect())
    assert sent == [{"type": "websocket.close", "code": 1008}]
