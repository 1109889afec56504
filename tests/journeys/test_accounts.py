"""Accounts: what the page and programs do with them."""

import time
import uuid

import httpx

from tests.system import System

PASSWORD = "correct horse battery"


def name() -> str:
    return f"Zoë-{uuid.uuid4().hex[:12]}"


def test_registering_logs_in_and_logging_out_revokes_the_session(running_system: System):
    with running_system.client() as client:
        username = name()
        answer = client.post("/auth/register", json={"username": username, "password": PASSWORD})
        assert answer.status_code == 201, answer.text
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Lax" in cookie
        assert client.get("/auth/me").json() == {"id": answer.json()["id"], "username": username, "role": "user"}
        stolen = dict(client.cookies)
        assert client.post("/auth/logout", json={}).status_code == 204
        client.cookies.update(stolen)
        assert client.get("/auth/me").json()["id"] is None
        assert client.get("/executions").status_code == 401


def test_a_name_can_be_taken_once_however_it_is_written(running_system: System):
    with running_system.client() as client:
        username = name()
        assert client.post("/auth/register", json={"username": username, "password": PASSWORD}).status_code == 201
        again = client.post("/auth/register", json={"username": username.upper(), "password": PASSWORD})
        assert again.status_code == 409
        assert again.json()["detail"] == "This name is taken; choose another one."


def test_a_short_password_is_refused_and_nothing_is_made(running_system: System):
    with running_system.client() as client:
        username = name()
        refused = client.post("/auth/register", json={"username": username, "password": "short"})
        assert refused.status_code == 422
        assert "10 characters" in refused.json()["detail"]
        assert client.post("/auth/login", json={"username": username, "password": "short"}).status_code == 401


def test_wrong_passwords_are_refused_in_the_same_words_and_lock_after_five(running_system: System):
    with running_system.client() as client:
        username = name()
        client.post("/auth/register", json={"username": username, "password": PASSWORD})
        unknown = client.post("/auth/login", json={"username": name(), "password": PASSWORD})
        since = time.monotonic()
        wrong = [client.post("/auth/login", json={"username": username, "password": "no no no no"}) for _ in range(5)]
        assert {answer.status_code for answer in wrong} == {unknown.status_code} == {401}
        assert wrong[0].json()["detail"] == unknown.json()["detail"]
        locked = client.post("/auth/login", json={"username": username, "password": PASSWORD})
        assert locked.status_code == 429
        passed = time.monotonic() - since
        assert 900 - passed - 1 <= int(locked.headers["retry-after"]) <= 900
        time.sleep(2)
        later = client.post("/auth/login", json={"username": username, "password": PASSWORD})
        assert int(later.headers["retry-after"]) < int(locked.headers["retry-after"])
        assert "try again in 15 min" in later.json()["detail"]


def test_the_first_load_of_the_page_answers_without_errors_when_nobody_is_logged_in(running_system: System):
    with httpx.Client(base_url=running_system.url) as client:
        page = client.get("/")
        assert page.status_code == 200
        assert "Content-Security-Policy" in page.headers
        for path in ("/api/v1/auth/me", "/api/v1/runtimes", "/api/v1/k8s-limits", "/health/live", "/health/ready"):
            assert client.get(path).status_code == 200, path


def test_a_change_without_the_header_of_the_page_is_refused(running_system: System):
    with httpx.Client(base_url=f"{running_system.url}/api/v1") as client:
        answer = client.post("/auth/login", json={"username": "admin", "password": running_system.password})
        assert answer.status_code == 403
        assert "X-Requested-With" in answer.json()["detail"]
