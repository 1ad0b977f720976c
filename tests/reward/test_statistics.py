"""Statistics of pixels: what each says of a picture, and a predictor that reads them beside the embedding."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageFilter
from tiny import tiny_dataset, tiny_encoder
from tiny_ratings import SHORT, tiny_ratings, train_on

from reward.data import load
from reward.encoders.features import encode_dataset, statistics_rows
from reward.encoders.image_text import SENTENCE_ENCODER_ID, ImageTextEncoder, sentence_encoder
from reward.encoders.statistics import NAMES, VERSION, image_statistics
from reward.errors import CheckpointError, DatasetError
from reward.evaluation.evaluate import seen_users, unseen_users
from reward.people.known import read_calibration
from reward.predictor.checkpoint import CARD_FILE, read_checkpoint
from reward.predictor.predictor import Predictor
from reward.training.recipe import PAPER, STEER
from reward.training.train import train


def scene(size=192):
    """A warm field below a blue one, with a bright disc left of the middle, and some grain."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0:size, 0:size] / size
    rgb = np.where((y < 0.5)[..., None], (80, 120, 200), (190, 120, 60)).astype(float)
    rgb[np.hypot(x - 0.3, y - 0.4) < 0.12] = (250, 240, 200)
    return Image.fromarray(np.clip(rgb + rng.normal(0, 6, rgb.shape), 0, 255).astype(np.uint8))


def measured(image):
    return dict(zip(NAMES, image_statistics([image])[0].tolist(), strict=True))


def stripes(across):
    plane = np.tile(np.where(np.arange(128) // 8 % 2, 220, 40).astype(np.uint8), (128, 1))
    return Image.fromarray(plane if across else plane.T)


def test_each_statistic_follows_what_it_is_named_after():
    plain = scene()
    now, grey = measured(plain), measured(plain.convert("L"))
    dark = measured(plain.point(lambda value: value // 2))
    soft = measured(plain.filter(ImageFilter.GaussianBlur(4)))
    assert dark["brightness"] < now["brightness"] and dark["brightness at 11"] < now["brightness at 11"]
    assert grey["colourfulness"] < 0.01 < now["colourfulness"]
    assert grey["saturation mean"] < 0.01 and grey["chroma mean"] < 0.01
    assert now["blue-yellow mean"] > measured(Image.new("RGB", (9, 9), "blue"))["blue-yellow mean"]
    assert soft["sharpness"] < now["sharpness"] and soft["detail at scale 1"] < now["detail at scale 1"]
    assert soft["spectral slope"] < now["spectral slope"]
    assert now["balance across"] < 0 and measured(plain.transpose(Image.Transpose.FLIP_LEFT_RIGHT))[
        "balance across"
    ] == pytest.approx(-now["balance across"], abs=0.02)
    one = measured(Image.new("RGB", (30, 30), "red"))
    assert one["contrast"] < 1e-3 and one["hue spread"] < 1e-3 < now["hue spread"]
    assert measured(stripes(across=True))["left-right symmetry"] == pytest.approx(-1, abs=0.01)
    assert measured(stripes(across=True))["up-down symmetry"] == pytest.approx(1, abs=0.01)


def test_edges_are_told_apart_by_their_directions():
    across, down = measured(stripes(across=True)), measured(stripes(across=False))
    assert across["edge direction 1"] > 0.9 and down["edge direction 5"] > 0.9
    assert across["edge direction entropy"] < 0.1 < measured(scene())["edge direction entropy"]


def test_shares_of_levels_hues_and_directions_are_shares():
    found = measured(scene())
    for start, count in (("brightness level", 8), ("edge direction", 8)):
        assert sum(found[f"{start} {i}"] for i in range(1, count + 1)) == pytest.approx(1, abs=1e-3)
    assert sum(found[f"hue {i}"] for i in range(1, 13)) == pytest.approx(found["chroma mean"], abs=1e-3)


def test_a_picture_of_any_size_mode_and_content_has_finite_statistics():
    modes = [scene().convert(mode) for mode in ("L", "RGBA", "CMYK")]
    flat = [Image.new("RGB", size, colour) for size in ((1, 1), (40, 7)) for colour in ("black", "white")]
    found = image_statistics([*modes, *flat])
    assert found.shape == (7, len(NAMES)) and found.dtype == np.float32 and np.isfinite(found).all()
    assert image_statistics([]).shape == (0, len(NAMES)) and len(set(NAMES)) == len(NAMES)


def test_the_size_of_a_picture_hardly_matters():
    small, large = measured(scene(128)), measured(scene(128).resize((512, 512), Image.Resampling.BICUBIC))
    for name in ("brightness", "contrast", "colourfulness", "hue spread", "left-right symmetry"):
        assert large[name] == pytest.approx(small[name], abs=0.02)


# --- a predictor that reads them


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("world")
    dataset = load(tiny_dataset(folder / "PAMELA"))
    encoder, sentences = ImageTextEncoder.load(tiny_encoder(folder / "encoder")), sentence_encoder()
    features = encode_dataset(dataset, encoder, sentences, folder / "store", statistics=True)
    recipe = replace(
        STEER,
        **{"hidden": 16, "heads": 2, "feedforward": 16, "epochs": 2, "batch_size": 64, "properties": 10},
        image_statistics=True,
    )
    train(
        dataset,
        features,
        recipe,
        folder / "predictor",
        world="sandbox:0",
        simulated=True,
        encoder={"id": "../encoder", "sha256": encoder.hash},
        sentence_encoder={"id": SENTENCE_ENCODER_ID},
    )
    return folder, dataset, features


def test_statistics_are_measured_once_and_kept_with_the_features(world, monkeypatch):
    folder, dataset, features = world
    assert features.statistics.shape == (60, len(NAMES))
    assert features.pictures.shape == (60, 32 + len(NAMES))
    monkeypatch.delattr("reward.encoders.features.image_statistics")
    again = statistics_rows(dataset.image_paths, folder / "store")
    np.testing.assert_array_equal(again, features.statistics)
    index = json.loads((folder / "store" / "index.json").read_text())
    assert index[f"statistics-{VERSION}"] == {"what": "statistics of pixels", "version": str(VERSION)}


def test_a_picture_is_scored_as_its_stored_statistics_are(world):
    folder, dataset, features = world
    predictor = Predictor.load(folder / "predictor")
    assert predictor.card.statistics == VERSION and predictor.card.trained["recipe"]["image_statistics"]
    model, table = predictor.model, np.arange(8)
    text_less = replace(features, text=np.zeros_like(features.text), metadata=features.inferred)
    found = seen_users(model, table, dataset, text_less, "test_seen")
    row = found.rows[0]
    person = predictor.person(dataset.user_ids[dataset.users[row]])
    image = Image.open(dataset.image_paths[dataset.images[row]])
    known = predictor.known_ratings([image])[:, 0]
    place = [one.id for one in predictor.people].index(person.id)
    assert known[place] == pytest.approx(float(found.scores[0]), abs=1e-4)
    for member in model.members:  # networks and linear tastes alike
        weights = member.image[2] if hasattr(member, "gate") else member.maps["image"]
        assert weights.weight.shape[1] == 32 + len(NAMES) and weights.weight[:, 32:].abs().max() > 0


def test_new_people_groups_looks_and_intervals_go_with_statistics(world):
    folder, dataset, features = world
    predictor = Predictor.load(folder / "predictor")
    images = [Image.open(path).convert("RGB") for path in dataset.image_paths[:6]]
    for method in ("mix", "ridge", "knn"):
        someone = predictor.newcomer(images, [1, 2, 3, 4, 5, 2], name="me", method=method)
        assert np.isfinite(predictor.score(images, "rocks", someone)).all()
        assert predictor.likings(someone, ["golden hour", "blue"]).shape == (2, 3)
    ridge = unseen_users(
        predictor.model, predictor.tables.profiles, dataset, features, "test_unseen", 0, 5, method="ridge"
    )
    assert np.isfinite(ridge.scores).all()
    calibration = read_calibration(folder / "predictor")
    assert calibration.statistics.shape == (len(calibration.image), len(NAMES))


def test_a_picture_is_measured_once_for_everyone(world, monkeypatch):
    folder, dataset, _ = world
    predictor = Predictor.load(folder / "predictor")
    images = [Image.open(dataset.image_paths[0]).convert("RGB")]
    first = predictor.score(images, "rocks", predictor.person("1"))
    monkeypatch.delattr("reward.predictor.predictor.image_statistics")
    assert predictor.score(images, "rocks", predictor.person("1")) == first


def test_a_predictor_without_statistics_reads_none_and_old_cards_say_nothing_of_them(tmp_path):
    dataset, features = tiny_ratings()
    measured = replace(features, statistics=np.zeros((60, len(NAMES)), np.float32))
    train_on((dataset, measured), tmp_path / "a", replace(SHORT, epochs=1, networks=1))
    train_on((dataset, features), tmp_path / "b", replace(SHORT, epochs=1, networks=1))
    cards, models = zip(*(read_checkpoint(tmp_path / name)[:2] for name in "ab"), strict=True)
    assert cards[0].statistics == cards[0].config.statistics == 0
    for one, other in zip(*(model.state_dict().values() for model in models), strict=True):
        np.testing.assert_array_equal(one, other)
    card = json.loads((tmp_path / "b" / CARD_FILE).read_text())
    del card["statistics"], card["config"]["statistics"]
    (tmp_path / "b" / CARD_FILE).write_text(json.dumps(card))
    assert read_checkpoint(tmp_path / "b")[0] == cards[1]
    assert not (STEER.image_statistics or PAPER.image_statistics)


def test_features_without_the_statistics_that_a_recipe_asks_for_are_refused(tmp_path):
    with pytest.raises(DatasetError, match="the features hold none"):
        train_on(tiny_ratings(), tmp_path, replace(SHORT, image_statistics=True))


def test_a_checkpoint_of_other_statistics_is_refused(world, tmp_path):
    card = json.loads((world[0] / "predictor" / CARD_FILE).read_text())
    (tmp_path / CARD_FILE).write_text(json.dumps(card | {"statistics": VERSION + 1}))
    with pytest.raises(CheckpointError, match=f"version {VERSION + 1} .* train it again"):
        read_checkpoint(tmp_path)
