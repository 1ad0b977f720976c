"""The page of a taste: one click is one step, and a taste that is not one's own can only be read."""

from __future__ import annotations

import pytest

pytest.importorskip("fastapi", reason="the pages need the extra web: pip install -e '.[web]'")

from panel import Panel
from rate_app import make_pictures, rating_app
from web_client import TOKEN, client_of

from steer.pages.server import create_app
from steer.pages.taste import taste_pages
from steer.profiles.taste import readable

PANEL = Panel()


@pytest.fixture
def page(tmp_path):
    pictures = make_pictures(tmp_path / "pictures")
    with rating_app(tmp_path / "profiles", PANEL, pictures) as (app, profile, _):
        for number, path in enumerate(sorted(pictures.iterdir())[:12]):
            profile.rate(path, 1 + 4 * (number * 7 % 12) / 11, prompt="<b>hills", source="test")
        client = client_of(app)
        client.profile = profile
        yield client


def state(client):
    return client.get("/taste/state").json()


def say(client, verb, phrase):
    return client.post("/taste/say", json={"verb": verb, "phrase": phrase})


def test_each_liking_comes_with_words_and_pictures(page):
    found = state(page)
    assert found["editable"] and found["ratings"] == 12 and found["undo"] is None
    for held in found["held"]:
        assert "sure" in held["about"] and len(held["pictures"]) == 3
    picture = page.get(f"/taste/pictures/{found['held'][0]['pictures'][0]['id']}")
    assert picture.status_code == 200 and picture.headers["content-type"] == "image/png"
    assert page.get("/taste/pictures/profile").status_code == 404


def test_a_click_is_a_step_and_has_a_way_back(page):
    first = state(page)["held"][0]["phrase"]
    answer = say(page, "strike", first).json()
    assert answer["undo"]["words"] == f"strike {first}"
    assert [held["phrase"] for held in answer["held"] if held["said"] == "strike"] == [first]
    again = page.post("/taste/undo", json={"step": answer["undo"]["id"]}).json()
    assert again["undo"] is None and again["held"][0]["phrase"] == first
    late = page.post("/taste/undo", json={"step": answer["undo"]["id"]})
    assert late.status_code == 200, "asked again, nothing more is taken back"


def test_what_is_sent_twice_is_taken_once(page):
    for _ in range(2):
        assert say(page, "never", "neon").status_code == 200
    assert page.profile.corrections.last_step.id == "1"
    for _ in range(2):
        assert say(page, "clear", "neon").status_code == 200
    assert page.profile.corrections.in_force == ()


def test_what_makes_no_sense_is_said_in_one_line(page):
    assert "nothing is thought of" in say(page, "pin", "no such look").json()["error"]
    assert say(page, "never", "a, b").status_code == 400
    assert say(page, "sometimes", "neon").status_code == 422


def test_the_page_and_what_was_learnt_show_the_same_section(page):
    for path in ("/taste", "/learnt"):
        text = page.get(path).text
        assert 'id="say-it"' in text and "/static/taste.js" in text and "/static/taste.css" in text


def test_somebody_elses_taste_is_read_only():
    person = PANEL.person("3")
    client = client_of(create_app([taste_pages("panel:3", lambda: readable(PANEL, person))], TOKEN, "/taste"))
    found = state(client)
    assert found["held"] and not found["editable"] and found["undo"] is None
    assert 'id="say-it"' not in client.get("/taste").text
    answer = say(client, "never", "neon")
    assert answer.status_code == 400 and "read-only" in answer.json()["error"]
