"""Baseline rewards: the CSV contract, and Scorers made of it."""

import csv

import numpy as np
import pytest
import torch
from fakes import PROMPT, fake_parts
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import load_file
from tiny import tiny_checkpoint, tiny_clip, tiny_head
from transformers import CLIPImageProcessorPil, CLIPModel

from reward.baselines import (
    BASELINES,
    StoredScores,
    find_baseline,
    load_reward,
    read_scores,
    scores_of,
    write_images,
)
from reward.baselines.laion import LaionAesthetics
from reward.errors import BaselineError, CheckpointError
from steer import Settings, steer
from steer.errors import UsageError
from steer.whom import Who

HEADER = "image,scorer,score\n"


def written(tmp_path, text, name="scores.csv"):
    file = tmp_path / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


names = st.text(
    st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=12
).filter(lambda name: name == name.strip())  # fmt: skip


@given(st.dictionaries(st.tuples(names, names), st.floats(-1e6, 1e6), min_size=1, max_size=8))
def test_any_table_of_finite_scores_is_read_back_as_it_was_written(tmp_path_factory, table):
    file = tmp_path_factory.mktemp("csv") / "scores.csv"
    with file.open("w", encoding="utf-8", newline="") as lines:
        csv.writer(lines).writerows(
            [("image", "scorer", "score"), *((i, s, repr(v)) for (i, s), v in table.items())]
        )
    found = read_scores(file)
    assert {(i, s): v for s, scores in found.items() for i, v in scores.items()} == table


def test_scores_come_in_the_order_that_was_asked_for(tmp_path):
    file = written(tmp_path, HEADER + "a,hpsv3,1\nb,hpsv3,2.5\na,deqa,3\n")
    np.testing.assert_array_equal(scores_of(file, "hpsv3", ["b", "a", "b"]), [2.5, 1, 2.5])
    assert list(read_scores(file)) == ["hpsv3", "deqa"]


def test_a_byte_order_mark_and_blank_lines_do_no_harm(tmp_path):
    file = written(tmp_path, b"\xef\xbb\xbf" + HEADER.encode() + b"\r\na,hpsv3,1\r\n\r\n")
    assert read_scores(file) == {"hpsv3": {"a": 1.0}}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "starts with"),
        ("name,score\na,1\n", "expected image,scorer,score"),
        (HEADER, "holds no scores"),
        (HEADER + "a,hpsv3,nan\n", "line 2 has the score 'nan', not a number"),
        (HEADER + "a,hpsv3,inf\n", "not a number"),
        (HEADER + "a,hpsv3,good\n", "not a number"),
        (HEADER + "a,hpsv3,\n", "not a number"),
        (HEADER + "a,hpsv3,1\na,hpsv3,2\n", "line 3 scores a by hpsv3 a second time"),
        (HEADER + "a,hpsv3\n", "line 2 has 2 columns"),
        (HEADER + ",hpsv3,1\n", "names no image"),
        (HEADER + "a,,1\n", "names no scorer"),
        (b"\xff\xfe\x00", "cannot be read"),
    ],
)
def test_a_faulty_file_is_refused_in_one_line_that_names_the_fault(tmp_path, text, said):
    with pytest.raises(BaselineError, match=said) as error:
        read_scores(written(tmp_path, text))
    assert "\n" not in str(error.value) and "scores.csv" in str(error.value)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(BaselineError, match=r"none\.csv cannot be read"):
        read_scores(tmp_path / "none.csv")


def test_images_without_a_score_are_counted_and_the_first_is_named(tmp_path):
    file = written(tmp_path, HEADER + "a,hpsv3,1\n")
    with pytest.raises(BaselineError, match="lacks the scores by hpsv3 of 2 of 3 images, first b"):
        scores_of(file, "hpsv3", ["a", "b", "c", "b"])
    with pytest.raises(BaselineError, match="no scores by 'deqa', only by hpsv3"):
        scores_of(file, "deqa", ["a"])


def test_a_stored_baseline_is_a_scorer_that_finds_images_by_their_file(tmp_path):
    scorer = StoredScores.load(written(tmp_path, HEADER + "0001,hpsv3,7.5\nb.png,hpsv3,-1\n"), "hpsv3")
    for name in ("0001.png", "b.png", "c.png"):
        Image.new("RGB", (4, 4)).save(tmp_path / name)
    with Image.open(tmp_path / "0001.png") as first, Image.open(tmp_path / "b.png") as second:
        assert scorer.score([first, second], "a prompt", None) == [7.5, -1.0]
    with Image.open(tmp_path / "c.png") as third, pytest.raises(BaselineError, match=r"c\.png"):
        scorer.score([third])
    with pytest.raises(BaselineError, match="an image made just now"):
        scorer.score([Image.new("RGB", (4, 4))])
    assert scorer.name == "hpsv3" and not scorer.simulated


def test_the_list_for_an_adapter_keeps_commas_quotes_and_line_breaks(tmp_path):
    rows = [("1", tmp_path / "a, b.png", 'a "red" car,\nparked'), ("2", tmp_path / "c.png", "")]
    write_images(tmp_path / "images.csv", rows)
    with (tmp_path / "images.csv").open(encoding="utf-8", newline="") as lines:
        read = [(r["image"], r["path"], r["prompt"]) for r in csv.DictReader(lines)]
    assert read == [(name, str(path), prompt) for name, path, prompt in rows]


def test_the_papers_six_baselines_are_there_and_none_claims_to_have_run():
    assert len(BASELINES) == 6 and not any(b.ran_on_real_weights for b in BASELINES.values())
    assert find_baseline("hpsv3").reads_prompt
    with pytest.raises(BaselineError, match="the baselines are laion-aesthetics"):
        find_baseline("pickscore")


# --- LAION-Aesthetics in this process, at tiny sizes


@pytest.fixture(scope="module")
def laion(tmp_path_factory):
    """Folders of a random CLIP and a random head, laid out as the releases are."""
    folder = tmp_path_factory.mktemp("laion")
    return tiny_clip(folder / "clip"), tiny_head(folder / "head")


def test_laions_score_is_the_head_on_clips_unit_embedding(laion):
    clip, head = laion
    images = [Image.effect_mandelbrot((40, 30), (-2, -1, 1, 1), 10 + i).convert("RGB") for i in range(3)]
    pixels = CLIPImageProcessorPil.from_pretrained(clip)(images, return_tensors="pt")["pixel_values"]
    with torch.inference_mode():
        x = CLIPModel.from_pretrained(clip).eval().get_image_features(pixel_values=pixels).pooler_output
        x = x / x.norm(dim=-1, keepdim=True)
        weights = load_file(head / "model.safetensors")
        for layer in (0, 2, 10):
            x = x @ weights[f"layers.{layer}.weight"].T + weights[f"layers.{layer}.bias"]
    scorer = LaionAesthetics.load(clip, head)
    np.testing.assert_allclose(scorer.score(images, "anything", None), x[:, 0].numpy(), rtol=1e-4, atol=1e-5)
    assert scorer.score([]) == [] and not hasattr(scorer, "people")


def test_laion_can_tell_how_well_an_image_fits_a_text(laion):
    scorer = LaionAesthetics.load(*laion)
    cosines = scorer.adherence([Image.new("RGB", (32, 32), "red")] * 2, "a red car " * 100)
    assert cosines[0] == cosines[1] and -1 <= cosines[0] <= 1


def test_a_head_that_does_not_fit_is_refused(laion, tmp_path):
    clip, head = laion
    with pytest.raises(CheckpointError, match=r"no aesthetic head for embeddings of 16 numbers"):
        LaionAesthetics.load(clip, tiny_head(tmp_path / "wide", sizes=(32, 1)))
    with pytest.raises(CheckpointError, match="no aesthetic head that ends in one score"):
        LaionAesthetics.load(clip, tiny_head(tmp_path / "long", sizes=(16, 4)))
    with pytest.raises(CheckpointError, match="copy or download it again"):
        LaionAesthetics.load(head, head)


def test_a_reward_is_a_baseline_by_name_or_a_predictors_folder(laion, tmp_path, monkeypatch):
    clip, head = laion
    monkeypatch.setattr("reward.baselines.laion.CLIP_ID", str(clip))
    monkeypatch.setattr("reward.baselines.laion.HEAD_ID", str(head))
    assert load_reward("laion-aesthetics").population().kind == "population"
    assert load_reward(tiny_checkpoint(tmp_path)).name == "pamela"
    with pytest.raises(BaselineError, match=r"compared but not steer a run; .*laion-aesthetics") as error:
        load_reward("hpsv3")
    assert "reward/adapters/hpsv3_scores.py" in str(error.value) and "\n" not in str(error.value)


def test_the_loop_steers_for_a_baseline(laion, tmp_path):
    scorer = LaionAesthetics.load(*laion)
    settings = Settings(iterations=1, proposals=3, confirm=2, gate_sd=None)
    found = steer(PROMPT, scorer.population(), fake_parts(scorer=scorer), settings=settings, out=tmp_path)
    assert found.status == "complete" and found.specificity is None
    assert found.best["score"] >= found.baseline["score"]


def test_a_baseline_knows_no_people_and_says_what_to_do(laion):
    scorer = LaionAesthetics.load(*laion)
    assert Who("population").find(scorer).label == "everyone:population"
    with pytest.raises(
        UsageError, match="knows no people, its opinion is everybody's: steer run --population"
    ):
        Who("known", user="17").find(scorer)
