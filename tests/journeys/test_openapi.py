"""The OpenAPI document says what there is."""

import json
import re
from pathlib import Path
from uuid import UUID

import httpx

from api.app import create_app
from api.openapi import document

CHECKED_IN = Path(__file__).parents[2] / "webapp" / "openapi.json"


def test_the_page_was_made_for_the_api_as_it_is():
    current = json.loads(json.dumps(document(create_app(None))))
    assert json.loads(CHECKED_IN.read_text()) == current, "run: python -m api.document > webapp/openapi.json"


def test_it_is_served_without_a_login(running_system):
    answer = httpx.get(f"{running_system.url}/openapi.json")
    assert answer.json()["openapi"] == "3.1.0"


def test_every_route_of_the_api_is_in_it():
    rules = {re.sub(r"<(?:[^:>]+:)?([^>]+)>", r"{\1}", rule.rule) for rule in create_app(None).url_map.iter_rules()}
    ours = {rule for rule in rules if rule.startswith(("/api/", "/health/"))}
    assert set(document(create_app(None))["paths"]) == ours


def test_every_reference_leads_somewhere():
    text = json.dumps(document(create_app(None)))
    schemas = document(create_app(None))["components"]["schemas"]
    assert set(re.findall(r'"#/components/schemas/([^"]+)"', text)) <= set(schemas)


def test_whoever_is_not_logged_in_gets_401_exactly_where_the_document_says_so(running_system):
    with running_system.client() as stranger:
        for path, operations in document(create_app(None))["paths"].items():
            if not path.startswith("/api/v1") or path.endswith(("/login", "/register")):
                continue
            for method, operation in operations.items():
                fields = {"id": UUID(int=1), "stream": "stdout", "name": "execution_status", "position": 1}
                place = path.removeprefix("/api/v1").format(**fields)
                answer = stranger.request(method, place)
                assert (answer.status_code == 401) == ("401" in operation["responses"]), (method, path, answer)
