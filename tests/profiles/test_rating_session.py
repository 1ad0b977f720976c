"""A session of rating: what is shown, what is kept, what is learnt; with a small real predictor."""

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny import tiny_predictor

from reward.people.known import Calibration, Errors
from reward.people.newcomer import TastePrior
from steer.errors import ProfileError, UsageError
from steer.pages.learnt_view import build
from steer.profiles import Demographics, Profiles
from steer.profiles.learnt import FEWEST, learn
from steer.profiles.pictures import read_picture
from steer.profiles.session import EVERY, PRACTICE, RatingSession
from steer.profiles.snapshot import known_ratings
from steer.profiles.sources import (
    DatasetSource,
    FolderSource,
    RunsSource,
    SandboxSource,
    open_source,
    sandbox_folder,
)


@pytest.fixture(scope="module")
def predictor(tmp_path_factory):
    """With a sample of its training pictures, and a curve that somebody measured."""
    found = tiny_predictor(tmp_path_factory.mktemp("predictor"))
    rng = np.random.default_rng(0)
    colours = [Image.new("RGB", (16, 16), tuple(rng.integers(0, 256, 3).tolist())) for _ in range(30)]
    image = found.image_features(colours)
    metadata = found._metadata(image)
    text = found.encoder.texts(["a red car"] * 30)
    accuracy = {0: 0.4, 5: 0.45, 10: 0.5, 15: 0.52}
    errors = Errors(np.full(len(found.people), 0.5, np.float32), 1.0, {0: 0.9, 20: 0.5}, 0.8)
    found.calibration = Calibration(TastePrior(), accuracy, 12, image, text, metadata, errors)
    return found


@pytest.fixture
def folder(tmp_path):
    pictures(tmp_path / "holiday", 30)
    return tmp_path / "holiday"


@pytest.fixture
def me(tmp_path):
    return Profiles(tmp_path / "profiles").create("me")


def pictures(folder: Path, count: int) -> None:
    folder.mkdir()
    for number in range(count):
        colour = np.random.default_rng(number).integers(0, 256, 3)
        Image.new("RGB", (16, 16), tuple(colour.tolist())).save(folder / f"{number}.png")


def rated(session: RatingSession, count: int) -> list[str]:
    """Rate so many pictures; their ids."""
    shown = []
    for _ in range(count):
        item = session.next()
        red = Image.open(item.path).convert("RGB").getpixel((0, 0))[0]
        session.rate(item.id, 1 + 4 * red / 255)
        shown.append(item.id)
    return shown


def test_practice_comes_first_and_is_not_kept(predictor, folder, me):
    with RatingSession(me, predictor, FolderSource(folder), seed=0) as session:
        for left in range(PRACTICE, 0, -1):
            assert session.progress.practice_left == left
            item = session.next()
            assert item.practice and session.rate(item.id, 3) is None
        assert me.ratings == () and not session.next().practice
        rated(session, 1)
    with RatingSession(me, predictor, FolderSource(folder), seed=0) as again:
        assert not again.next().practice, "who has rated needs no practice"


def test_no_picture_is_shown_twice_and_every_fifth_is_held_out(predictor, folder, me):
    with RatingSession(me, predictor, FolderSource(folder), seed=0, practice=0) as session:
        shown = rated(session, 12)
    assert len(set(shown)) == 12
    assert [r.held_out for r in me.ratings] == [n % EVERY == EVERY - 1 for n in range(12)]
    assert {r.source for r in me.ratings} == {"folder:holiday"}


def test_the_picture_shown_stays_until_it_is_rated_or_skipped(predictor, folder, me):
    with RatingSession(me, predictor, FolderSource(folder), seed=0, practice=0) as session:
        first = session.next()
        assert session.next() == first
        session.skip(first.id)
        second = session.next()
        assert second.id != first.id
        rated(session, 20)
        assert first.id not in {r.picture.partition(".")[0] for r in me.ratings}


def test_a_session_goes_on_where_the_last_one_was_killed(predictor, folder, me):
    with RatingSession(me, predictor, FolderSource(folder), seed=0, practice=0) as session:
        before = rated(session, 6)
        session.next()
    again = Profiles(me.folder.parent).open("me")
    with RatingSession(again, predictor, FolderSource(folder), seed=0) as session:
        assert session.progress.ratings == 6
        assert not set(rated(session, 6)) & set(before)


def test_undo_shows_the_picture_again_and_the_new_rating_counts(predictor, folder, me):
    with RatingSession(me, predictor, FolderSource(folder), seed=0, practice=0) as session:
        shown = rated(session, 5)
        assert session.undo().id == shown[-1] == session.next().id
        session.rate(shown[-1], 5)
        assert me.ratings[-1].rating == 5 and me.ratings[-1].held_out, "it stays a picture drawn at random"
        for _ in range(5):
            session.undo()
        assert session.undo() is None


def test_two_tabs_show_the_same_picture_and_the_later_rating_counts(predictor, folder, me):
    with RatingSession(me, predictor, FolderSource(folder), seed=0, practice=0) as session:
        one, other = session.next(), session.next()
        session.rate(one.id, 2)
        session.rate(other.id, 4)
        assert [r.rating for r in me.ratings] == [4]


def test_two_people_rate_the_same_pictures_apart(predictor, folder, me):
    you = Profiles(me.folder.parent).create("you")
    source = FolderSource(folder)
    with RatingSession(me, predictor, source) as mine, RatingSession(you, predictor, source) as yours:
        rated(mine, 3 + PRACTICE)
        rated(yours, 2 + PRACTICE)
    assert (len(me.ratings), len(you.ratings)) == (3, 2)


def test_only_pictures_of_the_session_can_be_rated_or_read(predictor, folder, me):
    with RatingSession(me, predictor, FolderSource(folder), practice=0) as session:
        item = session.next()
        assert session.picture(item.id) == item.path
        for id in ("0" * 64, "../profile.json", "", str(folder)):
            with pytest.raises(ProfileError, match="load the page again"):
                session.rate(id, 3)
            with pytest.raises(ProfileError):
                session.picture(id)
        item.path.write_bytes(b"another file")
        with pytest.raises(ProfileError, match="has changed"):
            session.rate(item.id, 3)
    assert me.ratings == ()


def test_files_that_are_no_pictures_are_counted_and_left_out(predictor, folder, me):
    (folder / "broken.png").write_bytes(b"no picture")
    (folder / "notes.txt").write_text("no picture either")
    with RatingSession(me, predictor, FolderSource(folder), practice=0) as session:
        rated(session, 30)
        assert session.next() is None, "the source has no more"
        assert session.progress.unreadable == 1


def test_a_picture_rated_in_a_gallery_meanwhile_teaches_too(predictor, folder, me, tmp_path):
    Image.new("RGB", (16, 16), "purple").save(tmp_path / "elsewhere.png")
    with RatingSession(me, predictor, FolderSource(folder), practice=0) as session:
        rated(session, 1)
        me.rate(tmp_path / "elsewhere.png", 5, prompt="a red car", source="run:x")
        rated(session, 1)
        assert session.learnt().ratings == 3


def test_a_choice_takes_little_time(predictor, folder, me):
    with RatingSession(me, predictor, FolderSource(folder), practice=0) as session:
        rated(session, 20)
        session._pool.wait(30, 60)
        started = time.process_time()
        session.next()
        assert time.process_time() - started < 0.1


def test_a_reward_that_knows_no_people_cannot_learn(me, folder):
    from fakes import PlainScorer

    scorer = PlainScorer(lambda image, person: 1.0)
    with pytest.raises(UsageError, match="knows no people"):
        RatingSession(me, scorer, FolderSource(folder))
    with pytest.raises(UsageError, match="knows no people"):
        me.person(scorer)


def test_pictures_are_marked_where_the_predictor_was_trained_on_others(predictor, folder, me, monkeypatch):
    with RatingSession(me, predictor, FolderSource(folder), practice=0) as session:
        assert session.next().in_domain is False, "one's own pictures are none of the painted world"
    monkeypatch.setattr(predictor, "simulated", False)
    you = Profiles(me.folder.parent).create("you")
    with RatingSession(you, predictor, FolderSource(folder), practice=0) as session:
        assert isinstance(session.next().in_domain, bool), "of a real predictor the embedding decides"


def test_pictures_of_the_predictors_own_world_are_not_marked(predictor, folder, me):
    class Own:
        name = "own"

        def pictures(self):
            return (replace(one, world="sandbox") for one in FolderSource(folder).pictures())

    with RatingSession(me, predictor, Own(), practice=0) as session:
        assert session.next().in_domain is True


# --- people


def test_a_profile_is_a_person_of_its_state_by_name_and_hash(predictor, folder, me):
    me.tell(Demographics(30, "female"))
    with RatingSession(me, predictor, FolderSource(folder), practice=0) as session:
        rated(session, 8)
    person = me.person(predictor)
    assert (person.kind, person.label, person.ratings) == ("new", f"profile:me@{me.hash}", 8)
    images = [Image.open(me.path(r)).convert("RGB") for r in me.ratings]
    ratings = [r.rating for r in me.ratings]
    same = predictor.newcomer(images, ratings, me.demographics.known(), "me", prompts=[""] * 8)
    assert np.allclose(
        predictor.score(images, "a red car", person), predictor.score(images, "a red car", same)
    )
    before = me.state
    me.undo()
    assert me.person(predictor).hash != person.hash
    assert me.at(before.hash).person(predictor).hash == person.hash


def test_pictures_with_and_without_a_prompt_are_read_each_in_its_own_way(predictor, me, folder):
    paths = sorted(folder.iterdir())[:4]
    prompts = ["a red car", "", "a blue landscape", ""]
    for path, prompt in zip(paths, prompts, strict=True):
        me.rate(path, 3, prompt=prompt, source="test")
    together = known_ratings(predictor, me.state, me.ratings)
    for i, (path, prompt) in enumerate(zip(paths, prompts, strict=True)):
        alone = predictor.known_ratings([Image.open(path).convert("RGB")], [prompt] if prompt else None)
        assert np.allclose(together[:, [i]], alone, atol=1e-5)


# --- what was learnt


def test_what_was_learnt_is_measured_on_others_until_there_are_enough_ratings_of_ones_own(
    predictor, folder, me, monkeypatch
):
    # so noisy that no rating of the test's contradicts anything
    noisy = replace(predictor.calibration, prior=TastePrior(noise=3.0, bias=3.0))
    monkeypatch.setattr(predictor, "calibration", noisy)
    with RatingSession(me, predictor, FolderSource(folder), practice=0) as session:
        rated(session, 10)
        learnt = session.learnt()
    assert (learnt.ratings, learnt.held_out, learnt.expected, learnt.measured_on) == (10, 2, 0.5, 12)
    assert learnt.within == pytest.approx(1.2816 * 0.7, abs=1e-3)
    assert learnt.own is None and learnt.simulated and 0 < learnt.known < 1 and learnt.gain >= 0
    assert len(learnt.similar) == 5 and learnt.similar[0].agreement >= learnt.similar[-1].agreement
    assert all(one.own > 0 for one in learnt.liked) and all(one.own < 0 for one in learnt.disliked)


def test_ones_own_check_uses_the_held_out_ratings_and_nothing_that_was_fitted_to_them(predictor, folder, me):
    for number, path in enumerate(sorted(folder.iterdir())[: 2 * FEWEST]):
        red = Image.open(path).convert("RGB").getpixel((0, 0))[0]
        me.rate(path, 1 + 4 * red / 255, source="test", held_out=number % 2 == 0)
    known = known_ratings(predictor, me.state, me.ratings)
    learnt = learn(me.state, known, predictor)
    held_out = np.array([r.held_out for r in me.ratings])
    values = np.array([r.rating for r in me.ratings])
    rest = predictor.mixed(known[:, ~held_out], values[~held_out], me.demographics.known())
    from reward.evaluation.metrics import srocc

    assert learnt.own == pytest.approx(srocc(values[held_out], rest.mix[:-1] @ known[:, held_out]))
    assert learnt.own_ci95[0] <= learnt.own <= learnt.own_ci95[1]


def test_of_ratings_that_contradict_the_known_people_it_is_said_and_nothing_measured_is_claimed(
    predictor, folder, me, monkeypatch
):
    strict = replace(predictor.calibration, prior=TastePrior(0.05, 0.05))
    monkeypatch.setattr(predictor, "calibration", strict)
    files = sorted(folder.iterdir())
    images = [read_picture(path).image for path in files]
    known = predictor.known_ratings(images)
    mean = known.mean(0)
    against = np.random.default_rng(0).permutation(np.clip(3 + 40 * (mean - mean.mean()), 1, 5))
    for path, value in zip(files, against, strict=True):
        me.rate(path, float(value), source="test", held_out=True)
    learnt = learn(me.state, known, predictor)
    assert learnt.contradicted and "contradict" in learnt.note
    assert learnt.expected is None and learnt.within is None and learnt.gain is None and not learnt.curve
    assert learnt.own is not None
    page = build(learnt, "me", "a folder")
    assert "contradict" in page.notes[0] and "measured on nobody" in page.notes[1]
    assert {one.title for one in page.figures} == {"Your own check"}


def test_without_ratings_nothing_is_claimed(predictor, folder, me):
    with RatingSession(me, predictor, FolderSource(folder), practice=0) as session:
        session.next()
        learnt = session.learnt()
    assert learnt.note.startswith("no ratings yet") and learnt.similar == ()


# --- sources


def test_an_empty_folder_is_said(predictor, me, tmp_path):
    (tmp_path / "empty").mkdir()
    session = RatingSession(me, predictor, FolderSource(tmp_path / "empty"))
    with session, pytest.raises(ProfileError, match="no pictures in"):
        session.next()


def test_hidden_files_are_not_shown(folder):
    (folder / ".secret").mkdir()
    Image.new("RGB", (8, 8)).save(folder / ".secret" / "a.png")
    assert len(list(FolderSource(folder).pictures())) == 30


def test_the_sandbox_paints_on_demand_and_keeps_what_it_painted(tmp_path, monkeypatch):
    monkeypatch.setattr("steer.profiles.sources.SIDE", 32)
    first = next(SandboxSource(tmp_path / "cache").pictures())
    made = first.path.stat().st_mtime_ns
    assert first.prompt and first.source == "sandbox" and read_picture(first.path).image.size == (32, 32)
    assert next(SandboxSource(tmp_path / "cache").pictures()) == first
    assert first.path.stat().st_mtime_ns == made


def test_the_cache_is_the_builds(monkeypatch, tmp_path):
    from steer.sandbox.make.build import default_folder

    assert sandbox_folder() == default_folder()
    monkeypatch.setenv("STEER_CACHE", str(tmp_path))
    assert sandbox_folder() == default_folder() and sandbox_folder().parent == tmp_path


def test_pictures_of_runs_come_with_the_runs_own_prompt(tmp_path):
    from fake_run import fake_run

    fake_run(tmp_path / "runs", "a deer")
    offered = list(RunsSource(tmp_path / "runs").pictures())
    assert len(offered) > 5 and {one.prompt for one in offered} == {"a deer"}
    assert all(one.path.is_file() and one.source.startswith("run:") for one in offered)
    with pytest.raises(ProfileError, match="steer run"):
        list(RunsSource(tmp_path / "none").pictures())


def test_a_source_is_found_by_its_name(tmp_path, folder):
    from tiny import tiny_dataset

    assert isinstance(open_source("sandbox"), SandboxSource)
    assert open_source("runs", tmp_path) == RunsSource(tmp_path)
    assert open_source(str(folder)) == FolderSource(folder)
    dataset = open_source(str(tiny_dataset(tmp_path / "data")))
    assert isinstance(dataset, DatasetSource)
    offered = next(dataset.pictures())
    assert offered.path.is_file() and offered.prompt
    with pytest.raises(ProfileError, match="there is no folder"):
        open_source("nowhere")
