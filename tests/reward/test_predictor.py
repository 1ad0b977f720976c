"""The predictor as the loop uses it: scores, memory, and checkpoints that are not what they should be."""

import json
import os
import time

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from tiny import VOCABULARY, tiny_checkpoint, tiny_encoder, tiny_predictor

from reward.errors import CheckpointError, ImageError, ScoreError, UnknownPerson
from reward.people.person import make_person
from reward.predictor.caches import FeatureCache
from reward.predictor.card import read_card
from reward.predictor.checkpoint import read_checkpoint, write_checkpoint
from reward.predictor.predictor import Predictor

PROMPT = "floating mossy rocks"


@pytest.fixture
def predictor(tmp_path):
    return tiny_predictor(tmp_path)


def pictures(count, seed=0):
    rng = np.random.default_rng(seed)
    return [Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)) for _ in range(count)]


def test_a_score_is_what_the_network_says_about_the_five_tokens(predictor):
    images, person = pictures(3), predictor.person("4")
    features = predictor.encoder.images(images)
    chosen = VOCABULARY.infer(features, predictor.tables.queries)
    expected = predictor.model(
        torch.from_numpy(features),
        torch.from_numpy(np.repeat(predictor.encoder.texts([PROMPT]), 3, axis=0)),
        torch.from_numpy(predictor.tables.metadata[chosen]),
        torch.from_numpy(predictor.tables.demographics[[3, 3, 3]]),
        torch.tensor([3, 3, 3]),
    )
    np.testing.assert_allclose(predictor.score(images, PROMPT, person), expected.numpy(), rtol=1e-5)


def test_many_people_score_as_each_would_alone(predictor):
    images = pictures(4)
    people = [
        predictor.person("1"),
        predictor.population(),
        predictor.person("20"),  # has no demographics
        predictor.group(age=(18, 30)),
        predictor.person("2"),
        make_person("group", "demographics only", "sandbox", None, predictor.tables.demographics[0]),
    ]
    together = predictor.score_people(images, PROMPT, people)
    assert together.shape == (6, 4)
    for row, person in zip(together, people, strict=True):
        np.testing.assert_allclose(row, predictor.score(images, PROMPT, person), rtol=1e-5)


def test_every_image_is_encoded_once_however_often_it_is_asked_about(predictor):
    images = pictures(5)
    predictor.score(images, PROMPT, predictor.person("1"))
    predictor.score_people(images, PROMPT, [predictor.person("2"), predictor.population()])
    predictor.adherence([*images, images[0].copy()], PROMPT)
    predictor.metadata(images)
    assert predictor.images_encoded == 5


def test_twenty_images_for_all_known_people_take_no_more_than_a_second_and_a_half(tmp_path):
    predictor = tiny_predictor(tmp_path, people=156)
    people = [predictor.person(known.id) for known in predictor.people]
    images = [image.resize((512, 512)) for image in pictures(20)]
    started = time.process_time()
    scores = predictor.score_people(images, PROMPT, people)
    assert time.process_time() - started < 1.5
    assert scores.shape == (156, 20)
    assert predictor.images_encoded == 20


def test_people_differ_and_the_text_counts(predictor):
    images = pictures(2)
    scores = predictor.score_people(images, PROMPT, [predictor.person("1"), predictor.person("2")])
    assert abs(scores[0] - scores[1]).min() > 1e-4
    other_text = predictor.score(images, "a red car", predictor.person("1"))
    assert abs(np.array(other_text) - scores[0]).min() > 1e-6


def test_adherence_is_the_cosine_of_image_and_text(predictor):
    images = pictures(3)
    expected = predictor.encoder.images(images) @ predictor.encoder.texts([PROMPT])[0]
    np.testing.assert_allclose(predictor.adherence(images, PROMPT), expected, rtol=1e-5)


def test_no_images_are_no_scores(predictor):
    assert predictor.score([], PROMPT, predictor.population()) == []
    assert predictor.score_people(pictures(2), PROMPT, []).shape == (0, 2)


def test_any_text_can_be_scored(predictor):
    for text in ("", "🦊" * 10_000, 'a "quoted" <script>\nline'):
        assert np.isfinite(predictor.score(pictures(1), text, predictor.population())).all()


def test_scoring_leaves_the_threads_and_the_random_state_alone(predictor):
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    first = predictor.score(pictures(2), PROMPT, predictor.person("1"))
    assert predictor.score(pictures(2), PROMPT, predictor.person("1")) == first
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), state)


def test_the_feature_memory_is_bounded_and_keeps_what_was_used_last():
    cache, asked = FeatureCache(2), []

    def encode(keys):
        asked.extend(keys)
        return np.array([[ord(key)] for key in keys], np.float32)

    cache.rows(["a", "b"], encode, 1)
    cache.rows(["a"], encode, 1)
    cache.rows(["c"], encode, 1)  # "b" goes
    assert cache.rows(["a", "c"], encode, 1).ravel().tolist() == [97, 99]
    assert asked == ["a", "b", "c"]
    # more in one call than fit in memory still come back in order, each encoded once
    assert cache.rows(["x", "y", "x", "z"], encode, 1).ravel().tolist() == [120, 121, 120, 122]
    assert asked[3:] == ["x", "y", "z"]


def test_a_corrupt_image_is_one_clear_error(predictor, tmp_path):
    pictures(1)[0].save(tmp_path / "whole.png")
    (tmp_path / "torn.png").write_bytes((tmp_path / "whole.png").read_bytes()[:200])
    with Image.open(tmp_path / "torn.png") as torn, pytest.raises(ImageError, match=r"torn\.png cannot be"):
        predictor.score([torn], PROMPT, predictor.population())


def test_a_score_that_is_not_a_number_is_an_error(predictor):
    predictor.model.head.bias.fill_(float("nan"))
    with pytest.raises(ScoreError, match="steer sandbox build"):
        predictor.score(pictures(1), PROMPT, predictor.person("1"))


def test_an_unknown_user_is_told_where_to_look(predictor):
    with pytest.raises(UnknownPerson, match="steer people list"):
        predictor.person("nobody")


def test_a_saved_predictor_loads_to_the_same_scores_and_card(tmp_path):
    folder = tiny_checkpoint(tmp_path)
    card, model, tables = read_checkpoint(folder)
    assert not model.training  # nothing is dropped out of a model that only predicts
    write_checkpoint(tmp_path / "again", model, card, tables)
    first, second = Predictor.load(folder), Predictor.load(tmp_path / "again")
    assert second.card == first.card
    assert (second.world, second.simulated) == ("sandbox:0", True)
    person = first.person("3")
    assert second.score(pictures(2), PROMPT, person) == first.score(pictures(2), PROMPT, person)
    assert second.person("3").hash == person.hash


def test_a_checkpoint_holds_no_pickle_and_leaves_no_temporary_files(tmp_path):
    folder = tiny_checkpoint(tmp_path)
    assert sorted(path.name for path in folder.iterdir()) == ["model.safetensors", "predictor.json"]


def test_a_missing_checkpoint_names_the_command_that_makes_one(tmp_path):
    with pytest.raises(CheckpointError, match="steer sandbox build"):
        Predictor.load(tmp_path / "nothing")


@pytest.mark.parametrize(
    "edit",
    [
        lambda card: card | {"schema_version": 99},
        lambda card: card | {"config": card["config"] | {"hidden": 24}},
        lambda card: card | {"config": card["config"] | {"colour": "red"}},
        lambda card: card | {"people": card["people"][:-1]},
        lambda card: {name: value for name, value in card.items() if name != "encoder"},
        lambda card: [card],
    ],
)
def test_a_card_that_does_not_fit_its_weights_is_refused(tmp_path, edit):
    folder = tiny_checkpoint(tmp_path)
    card = json.loads((folder / "predictor.json").read_text())
    (folder / "predictor.json").write_text(json.dumps(edit(card)))
    with pytest.raises(CheckpointError, match="steer sandbox build") as error:
        Predictor.load(folder)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("damage", ["torn", "extra", "missing"])
def test_damaged_weights_are_refused(tmp_path, damage):
    file = tiny_checkpoint(tmp_path) / "model.safetensors"
    if damage == "torn":
        file.write_bytes(file.read_bytes()[:1000])
    else:
        tensors = load_file(file)
        tensors["surprise"] = torch.zeros(1)
        if damage == "missing":
            del tensors["surprise"], tensors["model.cls"]
        save_file(tensors, file)
    with pytest.raises(CheckpointError, match="cannot be read"):
        Predictor.load(file.parent)


def test_another_encoder_than_in_training_is_refused(tmp_path):
    folder = tiny_checkpoint(tmp_path)
    tiny_encoder(tmp_path / "encoder", seed=5)
    with pytest.raises(CheckpointError, match=r"another version of the encoder.*steer sandbox build"):
        Predictor.load(folder)


def card_with(**changed):
    return lambda card: card | changed


@pytest.mark.parametrize(
    "edit",
    [
        card_with(encoder={}),
        card_with(people=[]),
        card_with(people=[{"id": 3, "demographics": {}, "ratings": 1}] * 20),
        card_with(trained=None),
        lambda card: card | {"config": card["config"] | {"layers": 10**9}},
        lambda card: card | {"config": card["config"] | {"heads": 3}},
        lambda card: card | {"metadata_vocabulary": card["metadata_vocabulary"] | {"style": ["x"] * 10**5}},
    ],
)
def test_a_card_is_checked_before_anything_is_made_of_it(tmp_path, edit):
    test_a_card_that_does_not_fit_its_weights_is_refused(tmp_path, edit)


@pytest.mark.parametrize("text", ["[" * 10**5, '{"schema_version": NaN}', "", '{"a": "\\ud800'])
def test_a_card_that_is_no_json_is_refused(tmp_path, text):
    (tmp_path / "predictor.json").write_text(text)
    with pytest.raises(CheckpointError, match="cannot be read"):
        read_card(tmp_path)


@pytest.mark.parametrize(
    "name", ["predictor/predictor.json", "predictor/model.safetensors", "encoder/config.json"]
)
def test_a_pipe_in_place_of_a_file_is_refused_and_not_waited_at(tmp_path, name):
    folder = tiny_checkpoint(tmp_path)
    (tmp_path / name).unlink()
    os.mkfifo(tmp_path / name)
    with pytest.raises(CheckpointError, match="no plain file"):
        Predictor.load(folder)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e30])
def test_weights_that_are_no_numbers_of_a_trained_model_are_refused(tmp_path, value):
    folder = tiny_checkpoint(tmp_path)
    tensors = load_file(folder / "model.safetensors")
    tensors["model.head.bias"][0] = value
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"model\.head\.bias holds what is no number"):
        Predictor.load(folder)


@pytest.mark.parametrize(
    ("file", "edit", "complaint"),
    [
        ("config.json", lambda it: it["vision_config"].update(num_hidden_layers=10**9), "num_hidden_layers"),
        ("config.json", lambda it: it.pop("text_config"), "by config.json"),
        ("tokenizer_config.json", lambda it: it.update(tokenizer_class=[1]), "tokenizer_class"),
        ("tokenizer_config.json", lambda it: it.pop("pad_token"), "pad_token"),
    ],
)
def test_an_encoder_whose_settings_ask_for_another_model_is_refused_at_once(tmp_path, file, edit, complaint):
    folder = tiny_checkpoint(tmp_path)
    settings = json.loads((tmp_path / "encoder" / file).read_text())
    edit(settings)
    (tmp_path / "encoder" / file).write_text(json.dumps(settings))
    with pytest.raises(CheckpointError, match=complaint):
        Predictor.load(folder)


def test_half_a_character_in_a_prompt_is_read_as_a_question_mark(tmp_path):
    encoder = tiny_predictor(tmp_path).encoder
    assert (encoder.texts(["a \ud800 car"]) == encoder.texts(["a ? car"])).all()
