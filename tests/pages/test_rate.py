"""The rating page, asked over HTTP: what it takes is kept, once, and what it shows is escaped."""

import errno
import os
import re

import pytest

pytest.importorskip("fastapi", reason="the pages need the extra web: pip install -e '.[web]'")

from panel import Panel
from PIL import Image
from rate_app import make_pictures, open_profile, rating_app
from web_client import client_of

from steer.pages.learnt_view import build, in_order
from steer.pages.server import render
from steer.profiles.learnt import Learnt, Seen, Similar


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return make_pictures(tmp_path_factory.mktemp("pictures"))


@pytest.fixture
def page(tmp_path, pictures):
    with rating_app(tmp_path / "profiles", Panel(), pictures) as (app, profile, session):
        client = client_of(app)
        client.profile, client.session, client.app_ = profile, session, app
        yield client


def state(client):
    return client.get("/rate/state").json()


def rate(client, value=3.0, id=None):
    return client.post("/rate/ratings", json={"id": id or state(client)["item"]["id"], "value": value})


def practise(client):
    while state(client)["practice_left"]:
        assert rate(client).status_code == 200


# --- rating


def test_practice_comes_first_and_is_not_kept(page):
    first = state(page)
    assert first["practice_left"] == 3 and first["item"]["practice"] and not first["can_undo"]
    practise(page)
    assert page.profile.ratings == () and not state(page)["item"]["practice"]


def test_a_rating_that_was_acknowledged_is_on_disk(page, tmp_path):
    practise(page)
    id = state(page)["item"]["id"]
    answer = rate(page, 4.37)
    assert answer.status_code == 200 and answer.json()["item"]["id"] != id
    kept = open_profile(tmp_path / "profiles").ratings  # as another process reads it
    assert [(r.picture.partition(".")[0], r.rating) for r in kept] == [(id, 4.37)]


def test_the_same_rating_sent_twice_is_taken_once(page):
    practise(page)
    id = state(page)["item"]["id"]
    first, again = rate(page, 2.0, id), rate(page, 2.0, id)
    assert first.status_code == again.status_code == 200
    assert len(page.profile.ratings) == 1 and first.json()["item"] == again.json()["item"]


def test_a_second_tab_is_told_and_cannot_rate_the_picture_that_the_first_one_rated(page):
    practise(page)
    id = state(page)["item"]["id"]
    assert rate(page, 2.0, id).status_code == 200
    late = rate(page, 5.0, id)
    assert late.status_code == 409 and "another tab" in late.json()["error"]
    assert [r.rating for r in page.profile.ratings] == [2.0]


def test_both_tabs_see_the_same_picture(page):
    assert state(page)["item"] == state(client_of(page.app_))["item"]


@pytest.mark.parametrize("value", [0.99, 5.01, -1, 1e9, "nan", None, "x", [3], True])
def test_what_is_no_rating_is_refused(page, value):
    practise(page)
    assert rate(page, value).status_code == 422
    for text in ("NaN", "Infinity"):
        body = f'{{"id": "{state(page)["item"]["id"]}", "value": {text}}}'
        answer = page.post("/rate/ratings", content=body, headers={"content-type": "application/json"})
        assert answer.status_code == 422
    assert page.profile.ratings == ()


@pytest.mark.parametrize("id", ["", "x", "../../etc/passwd", "0" * 63, "A" * 64])
def test_what_is_no_picture_cannot_be_rated(page, id):
    answer = page.post("/rate/ratings", json={"id": id, "value": 3.0})
    assert answer.status_code == 422 and page.profile.ratings == ()


def test_undo_shows_the_picture_again_with_the_rating_it_had_and_sent_twice_undoes_one(page):
    practise(page)
    ids = []
    for value in (1.5, 4.5):
        ids.append(state(page)["item"]["id"])
        rate(page, value)
    shown = state(page)["item"]["id"]
    for _ in range(2):
        answer = page.post("/rate/undo", json={"shown": shown}).json()
        assert (answer["item"]["id"], answer["item"]["value"]) == (ids[1], 4.5)
        assert [r.rating for r in page.profile.ratings] == [1.5]
    answer = page.post("/rate/undo", json={"shown": ids[1]}).json()
    assert (answer["item"]["id"], answer["item"]["value"]) == (ids[0], 1.5)
    assert page.profile.ratings == () and not answer["can_undo"]
    assert rate(page, 2.5).json()["ratings"] == 1


def test_a_skipped_picture_is_not_asked_for_again(page):
    practise(page)
    id = state(page)["item"]["id"]
    after = page.post("/rate/skip", json={"id": id}).json()["item"]["id"]
    assert after != id
    assert page.post("/rate/skip", json={"id": id}).json()["item"]["id"] == after  # sent twice
    for _ in range(10):
        assert rate(page).json()["item"]["id"] != id


def test_the_fifteenth_rating_is_said_to_be_the_goal(page):
    practise(page)
    reached = [rate(page, 1 + i % 5).json()["reached"] for i in range(16)]
    assert reached == [False] * 14 + [True, False]
    assert state(page)["goal"] == 25


def test_when_all_pictures_are_rated_there_is_none_to_show(tmp_path):
    few = make_pictures(tmp_path / "few", 5)
    with rating_app(tmp_path / "profiles", Panel(), few) as (app, _, session):
        client = client_of(app)
        practise(client)
        while state(client)["item"]:
            assert rate(client).status_code == 200
        found = state(client)
        assert not found["waiting"] and found["ratings"] == session.progress.ratings >= 2


class Hostile:
    """Pictures whose prompts try to break out of the page."""

    name = 'pictures of <script>window.hacked=1</script>"'

    def __init__(self, folder):
        self.folder = folder

    def pictures(self):
        from steer.profiles.sources import Offered

        for path in sorted(self.folder.iterdir()):
            yield Offered(
                path, '</script><script>window.hacked=1</script><img src=x onerror="hack()">', "test"
            )


class Broken(Hostile):
    """Ends in an error after a few pictures."""

    name = "a broken source"

    def pictures(self):
        for number, offered in enumerate(super().pictures()):
            if number == 5:
                raise RuntimeError("the disk is gone")
            yield offered


def test_a_source_that_breaks_is_told_and_takes_no_rating_with_it(tmp_path, pictures):
    with rating_app(tmp_path / "profiles", Panel(), Broken(pictures)) as (app, profile, _):
        client = client_of(app)
        practise(client)
        given = 0
        while state(client)["item"]:
            assert rate(client).status_code == 200
            given += 1
        assert "the disk is gone" in state(client)["failure"] and not state(client)["waiting"]
        assert len(profile.ratings) == given == 2


def test_a_session_goes_on_where_the_last_one_stopped(tmp_path, pictures):
    with rating_app(tmp_path / "profiles", Panel(), pictures) as (app, _, _):
        client = client_of(app)
        practise(client)
        seen = [state(client)["item"]["id"]]
        rate(client, 4.0)
    with rating_app(tmp_path / "profiles", Panel(), pictures) as (app, _, _):
        client = client_of(app)
        found = state(client)
        assert found["ratings"] == 1 and found["practice_left"] == 0 and found["item"]["id"] not in seen
        assert client.get("/", follow_redirects=False).headers["location"] == "/rate"
        assert client.post("/rate/undo", json={"shown": found["item"]["id"]}).json()["item"]["id"] == seen[0]


def test_after_a_crash_the_same_picture_is_shown_and_its_rating_taken(tmp_path, pictures):
    with rating_app(tmp_path / "profiles", Panel(), pictures) as (app, _, _):
        client = client_of(app)
        practice = state(client)["item"]["id"]
    with rating_app(tmp_path / "profiles", Panel(), pictures) as (app, _, _):
        client = client_of(app)
        assert state(client)["item"]["id"] == practice and state(client)["practice_left"] == 3
        practise(client)
        rate(client, 1.0)
        shown = state(client)["item"]["id"]
    with rating_app(tmp_path / "profiles", Panel(), pictures) as (app, profile, _):
        client = client_of(app)
        assert state(client)["item"]["id"] == shown
        assert rate(client, 4.4, shown).status_code == 200
        assert profile.ratings[-1].rating == 4.4 and state(client)["item"]["id"] != shown
    kept = tmp_path / "profiles" / "me" / "shown.json"
    assert kept.stat().st_mode & 0o777 == 0o600
    kept.write_text('{"item": {"id": "../x"}}')
    with rating_app(tmp_path / "profiles", Panel(), pictures) as (app, _, _):
        assert state(client_of(app))["item"] is not None


# --- a disk that is full


def test_on_a_full_disk_a_rating_is_refused_and_the_same_one_is_taken_once_there_is_room(page, monkeypatch):
    practise(page)
    id = state(page)["item"]["id"]
    real = os.fsync

    def full(file):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    answer = rate(page, 4.0, id)
    assert answer.status_code == 507
    assert "No space left" in answer.json()["error"] and "make room" in answer.json()["error"]
    assert page.profile.ratings == () and state(page)["item"]["id"] == id
    monkeypatch.setattr(os, "fsync", real)
    assert rate(page, 4.0, id).status_code == 200
    assert [r.rating for r in page.profile.ratings] == [4.0]


# --- pictures


def test_only_pictures_of_the_session_are_served(page, tmp_path):
    item = state(page)["item"]
    answer = page.get(f"/pictures/{item['id']}")
    assert answer.status_code == 200 and answer.headers["content-type"] == "image/png"
    (tmp_path / "secret.png").write_bytes(answer.content)
    for name in ("0" * 64, "secret.png", "..%2fsecret.png", "%2e%2e%2f%2e%2e%2fetc%2fpasswd", "x/../y", "*"):
        assert page.get(f"/pictures/{name}").status_code == 404


def test_files_that_are_no_pictures_are_left_out_and_counted(tmp_path):
    folder = make_pictures(tmp_path / "mixed", 4)
    (folder / "000.png").write_text("<script>alert(1)</script>")
    (folder / "huge.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"0" * 100)
    (folder / "page.html").write_text("<script>alert(1)</script>")
    (folder / "drawing.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>")
    Image.new("1", (9000, 9000)).save(folder / "many.png")
    with rating_app(tmp_path / "profiles", Panel(), folder) as (app, _, session):
        client = client_of(app)
        practise(client)
        assert state(client)["item"] is None and not state(client)["waiting"]
        assert session.progress.unreadable == 3 and session.progress.ready == 3


def test_a_folder_without_pictures_is_an_error_that_says_so(tmp_path):
    from steer.errors import ProfileError

    (tmp_path / "empty").mkdir()
    with (
        pytest.raises(ProfileError, match="there are no pictures in"),
        rating_app(tmp_path / "profiles", Panel(), tmp_path / "empty"),
    ):
        pass


# --- about the person


def test_demographics_are_kept_in_the_profile_and_may_be_left_out(page):
    told = {"age": 34, "gender": "female", "nationality": " South   Korea "}
    assert page.post("/demographics", json=told).status_code == 200
    known = page.profile.demographics
    assert (known.age, known.gender, known.nationality) == (34, "female", "South Korea")
    assert 'value="South Korea"' in page.get("/start").text
    assert (
        page.post("/demographics", json={"age": None, "gender": "", "nationality": None}).status_code == 200
    )
    assert not page.profile.demographics


@pytest.mark.parametrize("told", [{"age": 0}, {"age": 999}, {"gender": "x" * 61}, {"age": "young"}])
def test_demographics_that_make_no_sense_are_refused_in_one_line(page, told):
    answer = page.post("/demographics", json=told)
    assert answer.status_code in (400, 422) and len(answer.json()["error"].splitlines()) == 1
    assert not page.profile.demographics


def test_a_new_profile_starts_with_what_it_is_about(page):
    assert page.get("/", follow_redirects=False).headers["location"] == "/start"
    text = page.get("/start").text
    assert "prefer not to say" in text.lower() and "no run and no export" in text


# --- what the pages say


def test_the_question_and_the_five_anchors_are_the_papers(page):
    text = page.get("/rate").text
    assert "aesthetic value" in text
    assert "how beautiful it is, how much you like it, prefer it and are drawn to it" in text
    anchors = re.findall(r'aria-label="(\d), (\w+)"', text)
    assert anchors == [("1", "bad"), ("2", "poor"), ("3", "fair"), ("4", "good"), ("5", "excellent")]
    assert 'type="range" id="range" min="1" max="5" step="0.01"' in text


def test_prompts_and_names_are_text_and_never_markup(tmp_path, pictures):
    with rating_app(tmp_path / "profiles", Panel(), Hostile(pictures), name="o'neil") as (app, _, _):
        client = client_of(app)
        practise(client)
        for value in (1.0, 5.0, 4.0, 2.0):
            rate(client, value)
        for path in ("/start", "/rate", "/learnt"):
            text = client.get(path).text
            assert "<script>window" not in text and "<img src=x" not in text and "o'neil" not in text
            assert "o&#39;neil" in text or "o\\u0027neil" in text


def test_what_has_been_learnt_is_shown_with_the_next_command(page):
    assert "Nothing rated yet" in page.get("/learnt").text
    practise(page)
    for i in range(15):
        rate(page, 1 + (i * 7) % 5)
    text = page.get("/learnt").text
    assert "What 15 ratings say" in text
    assert "steer run --user me --prompt &#39;floating mossy rocks&#39;" in text
    assert "simulated" in text and "Your own check" in text


FULL = Learnt(
    15, 12, True, "", 0.5, ((0, 0.3), (5, 0.42), (15, 0.5), (25, 0.53)), 16, 0.41, (0.1, 0.7), 0.6, 0.004,
    True,
    (Similar("17", 0.62, {"age": 34, "gender": "female", "nationality": None}),),
    (Seen("a" * 64, "rocks", 4.2, 0.9),), (Seen("b" * 64, "", 1.8, -0.7),),
)  # fmt: skip


def test_the_learnt_page_puts_figures_into_sentences():
    page = build(FULL, "anna b", "paintings of the sandbox")
    figures = {one.title: one for one in page.figures}
    assert figures["Expected accuracy"].value == "0.50"
    assert "16 simulated people" in figures["Expected accuracy"].text
    assert "95% interval 0.10 to 0.70" in figures["Your own check"].text
    assert figures["When to stop"].value == "Enough"
    assert page.similar == [{"id": "17", "about": "34, female", "agreement": "0.62"}]
    assert page.command == "steer run --user 'anna b' --prompt 'floating mossy rocks'"
    assert page.curve["here"][0] < page.curve["ks"][-1]["x"]


def test_pages_that_the_studio_opened_lead_back_to_it():
    back = "http://127.0.0.1:1/studio/?token=t"
    page = build(FULL, "me", "paintings")
    rating = {"name": "me", "anchors": [], "simulated": True}
    for template, values in (("learnt.html.j2", {"page": page}), ("rate.html.j2", rating)):
        text = render(template, back=back, data={}, **values).body.decode()
        assert f'<a href="{back}">studio</a>' in text
    assert "studio" not in render("learnt.html.j2", page=page, back="", data={}).body.decode()


def test_the_learnt_page_shows_all_of_it():
    text = render("learnt.html.j2", page=build(FULL, "anna b", "paintings"), back="", data={}).body.decode()
    for part in ("34, female", "you: 15", "steer run --user", "Enough"):
        assert part in text
    assert text.count("<img") == 2 and 'alt="rocks"' in text


def test_a_rank_correlation_is_told_as_pairs_in_order():
    assert [in_order(rho) for rho in (-1.0, 0.0, 0.5, 1.0)] == [0, 50, 67, 100]


def test_before_ten_held_out_ratings_there_is_no_check_of_ones_own():
    page = build(Learnt(8, 1, False, expected=0.4), "me", "x")
    check = next(one for one in page.figures if one.title == "Your own check")
    assert check.value == "Not yet" and "9 more pictures" in check.verdict
