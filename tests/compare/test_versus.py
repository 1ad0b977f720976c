"""Two tastes on one prompt: changes come with intervals, and groups that do not differ are said so."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from fake_run import Hostile, Landscapes, crowd_parts
from fakes import FakePerson
from hypothesis import given
from hypothesis import strategies as st
from versus_runs import OLD, QUICK, YOUNG, Divided, Groups, compared, run_for

from steer import Record, Run, Settings
from steer.cli.app import run_command
from steer.compare.pixels import NAMES
from steer.compare.versus import changes, compare
from steer.errors import RecordError, UsageError
from steer.pages.versus import write_versus
from steer.whom import parse_group


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    return compared(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def page(pair):
    (left, right), found = pair
    return write_versus(left.parent, left, right, found)


def test_both_winners_are_told_with_what_they_add_and_what_their_pictures_show(pair):
    folders, found = pair
    for folder, side in zip(folders, (found.left, found.right), strict=True):
        result = Record(folder).result
        assert side.prompt == result["best"]["prompt"] and side.run == folder.name
        assert [change.name for change in side.changes] == list(NAMES)
        assert all(word in side.prompt for word in side.added)
        assert len(side.images) == len(found.seeds) == 1 + QUICK.confirm
    assert [r.label for r in found.ratings] == [found.left.short, found.right.short, "population"]


def test_groups_of_one_taste_are_said_not_to_differ(pair):
    found = pair[1]
    assert not found.between.differs and "not shown to differ" in found.between_words
    assert "not shown to differ from the other known people" in found.left.apart_words


def test_groups_of_opposed_tastes_are_said_to_differ_with_an_interval(tmp_path):
    found = compared(tmp_path, Divided())[1]
    assert found.between.differs and found.between.correlation < 0
    assert "differs from" in found.between_words
    assert re.search(r"correlate −0\.\d\d \[−\d\.\d\d, −?\d\.\d\d\]", found.between_words)


def test_a_group_of_fewer_than_ten_is_warned_of(pair):
    found = pair[1]
    assert found.left.size == 9 and "only 9 people" in found.left.warning


def test_the_json_is_the_whole_comparison(pair, page):
    data = json.loads((page.parent / "versus.json").read_text())
    assert data["schema_version"] == 1 and data["left"]["prompt"] == pair[1].left.prompt
    assert data["between"]["p"] == pair[1].between.p
    assert {"saturation", "brightness", "contrast", "warmth"} <= {c["name"] for c in data["changes"]}


def test_changes_are_told_only_where_they_are_visible_and_hold_over_seeds():
    rng = np.random.default_rng(0)
    before = rng.normal(30, 0.2, (4, len(NAMES)))
    after = before.copy()
    after[:, NAMES.index("saturation")] += 10 + rng.normal(0, 0.2, 4)
    after[:, NAMES.index("brightness")] -= 8
    after[:, NAMES.index("warmth")] += np.array([40, -38, 39, -20])  # on average more, but not on every seed
    after[:, NAMES.index("contrast")] += 0.5  # sure, but nobody would see it
    said = {change.name: change.words for change in changes(before, after)}
    assert said["saturation"] == "more saturated" and said["brightness"] == "darker"
    assert said["warmth"] == said["contrast"] == said["sharpness"] == ""


def test_without_confirmation_there_is_one_seed_and_no_interval(tmp_path):
    found = compared(tmp_path, settings=Settings(iterations=1, proposals=4, confirm=0))[1]
    assert len(found.seeds) == 1 and all(change.ci95 is None for change in found.changes)
    assert all(rating.ci95 is None for rating in found.ratings)


class Parsed(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def all(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]


def test_the_page_is_self_contained_and_its_links_lead_to_the_runs(page):
    parsed = Parsed(page.read_text(encoding="utf-8"))
    assert all(image["src"].startswith("data:image/webp") for image in parsed.all("img"))
    assert len(parsed.all("img")) == 3 * (1 + QUICK.confirm)
    assert not parsed.all("script") and not [
        t for t, _ in parsed.tags if t == "link" and "stylesheet" in str(_)
    ]
    links = [a["href"] for a in parsed.all("a")]
    assert links and all((page.parent / link).resolve().exists() for link in links)
    assert page.stat().st_size < 4_000_000


def test_the_page_shows_both_winners_the_warning_and_that_people_are_simulated(pair, page):
    text = page.read_text(encoding="utf-8")
    assert "Simulated person" in text and "only 9 people" in text
    assert pair[1].left.short in text and pair[1].right.short in text
    assert "you will like" not in text.lower()


def test_hostile_prompts_stay_text_on_the_page(tmp_path):
    (left, right), found = compared(
        tmp_path, prompt='<img src=x onerror="alert(1)">rocks', proposer=Hostile()
    )
    page = write_versus(tmp_path, left, right, found)
    parsed = Parsed(page.read_text(encoding="utf-8"))
    assert not parsed.all("script") and all(i["src"].startswith("data:") for i in parsed.all("img"))


def test_runs_without_common_ground_are_refused_in_one_line(tmp_path):
    scorer = Groups()
    people = tuple(scorer.group(age=age) for age in (YOUNG, OLD))
    one = run_for(scorer, people[0], tmp_path)
    for prompt, settings, what in (
        ("a lighthouse", QUICK, "prompt"),
        ("floating mossy rocks", Settings(iterations=1, proposals=3, confirm=0, seed=5), "image seed"),
    ):
        other = run_for(scorer, people[1], tmp_path, prompt, settings)
        with pytest.raises(UsageError, match=f"not the same {what}"):
            compare(Record.read(one), Record.read(other), scorer, people)


def test_a_run_that_is_not_complete_is_refused_with_the_command_that_completes_it(tmp_path, pair):
    scorer, person = Groups(), FakePerson("p1")
    run = Run.start("floating mossy rocks", person, crowd_parts(scorer=scorer), QUICK, tmp_path)
    next(iter(run))
    run.close()
    with pytest.raises(UsageError, match="steer runs resume"):
        compare(Record.read(pair[0][0]), Record.read(run.folder), scorer, (person, person))


def test_a_lost_picture_is_named(tmp_path):
    (left, right), _ = compared(tmp_path)
    scorer = Groups()
    (left / "images" / "r00c00.png").unlink()
    people = tuple(scorer.group(age=age) for age in (YOUNG, OLD))
    with pytest.raises(RecordError, match=r"r00c00\.png"):
        compare(Record.read(left), Record.read(right), scorer, people)


# --- the command line

SMALL = ["--iterations", "1", "--proposals", "3", "--confirm", "2", "--prompt", "mossy rocks"]


@pytest.fixture
def steer(capsys, monkeypatch):
    """Run one command line with fakes in every seat; gives exit code, standard output, standard error."""

    def load(preset="auto", **options):
        return crowd_parts(options, scorer=Groups(), renderer=Landscapes(32), judge=None)

    monkeypatch.setattr("steer.machine.loading.load", load)
    monkeypatch.setattr("steer.machine.loading.load_scorer", lambda preset, overrides: load().scorer)

    def run(*words):
        code = run_command(list(words))
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def run_folders(isolated):
    return sorted(path.parent for path in (isolated / "runs").glob("*/config.json"))


def test_versus_makes_a_run_for_each_group_and_a_page_whose_path_is_the_last_line(steer, isolated):
    code, out, err = steer("demographic", "--age", "19-35", "--versus", "41-57", *SMALL)
    assert code == 0, err
    runs = [Record(folder) for folder in run_folders(isolated)]
    assert sorted(run.config["person"]["label"] for run in runs) == [
        "sandbox:age 19-35 (9 people)",
        "sandbox:age 41-57 (9 people)",
    ]
    assert len({json.dumps(run.config["seeds"]) for run in runs}) == 1
    assert all((run.folder / "gallery.html").is_file() for run in runs)
    page = Path(out.splitlines()[-1])
    assert page.name == "versus.html" and page.is_file()
    assert "not shown to differ" in out and "only 9 people" in err and "simulated person" in err


def test_each_run_of_a_comparison_can_be_made_again_alone(steer, isolated):
    steer("demographic", "--age", "19-35", "--versus", "population", *SMALL)
    commands = sorted(" ".join(Record(folder).config["argv"][:3]) for folder in run_folders(isolated))
    assert commands[0] == "demographic --age 19-35" and commands[1].startswith("run --population")


def test_json_is_one_object_with_both_sides(steer):
    code, out, _ = steer("demographic", "--age", "19-35", "--versus", "gender:male", "--json", *SMALL)
    data = json.loads(out)
    assert code == 0 and data["left"]["kind"] == data["right"]["kind"] == "group"
    assert Path(data["page"]).is_file() and data["between"]["others"] < data["right"]["size"]


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ("90-99", "nobody known is age 90-99"),
        ("60-46", "runs backwards"),
        ("19-35", "the same 9 people"),
        ("18-36", "the same 9 people"),
        ("tall people", "names no group"),
        ("19-20,30-40", "gives age twice"),
        ("", "names no group"),
    ],
    ids=["empty", "reversed", "same", "same people", "no group", "twice", "nothing"],
)
def test_groups_that_make_no_comparison_are_one_clear_error_before_anything_runs(
    steer, isolated, other, said
):
    code, out, err = steer("demographic", "--age", "19-35", "--versus", other, *SMALL)
    errors = [line for line in err.splitlines() if line.startswith("error")]
    assert code == 2 and out == "" and len(errors) == 1 and said in errors[0]
    assert not run_folders(isolated)


def test_a_plan_of_both_starts_nothing(steer, isolated):
    code, out, err = steer("demographic", "--age", "19-35", "--versus", "41-57", "--plan", *SMALL)
    assert code == 0 and "two runs" in err and "images" in out and not run_folders(isolated)


def test_two_finished_runs_can_be_compared_later(steer, isolated):
    steer("run", "--user", "3", *SMALL)
    steer("run", "--user", "4", *SMALL)
    names = [folder.name for folder in run_folders(isolated)]
    code, out, err = steer("runs", "compare", *names)
    assert code == 0, err
    assert Path(out.splitlines()[-1]).is_file() and "differ" not in out.replace("difference", "")


@given(st.integers(0, 120), st.integers(0, 120))
def test_ages_after_versus_are_read_as_ages_before_it(low, high):
    low, high = sorted((low, high))
    assert parse_group(f"{low}-{high}").age == parse_group(f"age: {low} - {high}").age == (low, high)


def test_terms_after_versus_may_be_joined():
    who = parse_group("46-60, gender:Female,nationality: South Africa")
    assert (who.age, who.gender, who.nationality) == ((46, 60), "Female", "South Africa")
    assert parse_group("population").kind == "population"
