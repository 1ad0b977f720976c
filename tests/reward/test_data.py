"""PAMELA's layout on disk with its traps, and features encoded once."""

import json

import numpy as np
import pytest
from PIL import Image
from tiny import tiny_dataset, tiny_encoder

from reward.data import SPLITS, load
from reward.encoders.features import FeatureStore, encode_dataset
from reward.encoders.image_text import ImageTextEncoder, sentence_encoder
from reward.errors import DatasetError, ImageError
from reward.people.descriptions import metadata_sentence


@pytest.fixture
def root(tmp_path):
    return tiny_dataset(tmp_path / "PAMELA")


def edit(root, split, change):
    file = root / "annotations" / f"pamela_{split}.json"
    rows = json.loads(file.read_text())
    file.write_text(json.dumps(change(rows)))


def first(**fields):
    """Change the first row."""
    return lambda rows: [rows[0] | fields, *rows[1:]]


def test_ratings_people_and_images_are_read_as_columns(root):
    dataset = load(root)
    rows = json.loads((root / "annotations" / "pamela_val_unseen.json").read_text())
    mine = dataset.rows("val_unseen")
    assert len(mine) == len(rows)
    for index, row in zip(mine, rows, strict=True):
        assert dataset.user_ids[dataset.users[index]] == row["participant_id"]
        assert dataset.scores[index] == pytest.approx(row["original_score"])
        assert dataset.metadata[dataset.images[index]] == row["image_metadata"]
        assert dataset.prompt(dataset.images[index]) == row["image_metadata"]["prompt"]
    assert set(dataset.splits) == set(SPLITS)
    assert list(dataset.user_ids) == sorted(dataset.user_ids, key=int)
    assert all(path.is_file() for path in dataset.image_paths)


def test_the_folder_around_pamela_is_as_good(root):
    assert load(root.parent).user_ids == load(root).user_ids


def test_path_prefixes_are_normalised_to_one_image(root):
    before = len(load(root).image_ids)
    paths = json.loads((root / "annotations" / "pamela_train.json").read_text())
    edit(root, "train", first(image_path="./" + paths[0]["image_path"]))
    edit(root, "val_seen", lambda rows: [r | {"image_path": f"PAMELA/{r['image_path']}"} for r in rows])
    assert len(load(root).image_ids) == before


def test_null_style_and_demographics_are_kept_as_unknown(root):
    rows = json.loads((root / "annotations" / "pamela_train.json").read_text())
    user = rows[0]["participant_id"]
    for split in SPLITS:
        edit(
            root,
            split,
            lambda rows: [
                r | {"user_demographics": None} if r["participant_id"] == user else r for r in rows
            ],
        )
    dataset = load(root)
    assert dataset.demographics[dataset.user_ids.index(user)] == {}
    assert any(metadata["style"] is None for metadata in dataset.metadata)


def test_scores_stay_continuous_and_ids_are_text(root):
    edit(root, "train", first(original_score=4.37, participant_id=7))
    dataset = load(root)
    assert dataset.scores[0] == pytest.approx(4.37)
    assert "7" in dataset.user_ids


def test_a_repeated_rating_counts_once(root):
    edit(root, "train", lambda rows: [*rows, rows[0] | {"original_score": 1.0}])
    dataset = load(root)
    assert dataset.duplicates == 1
    assert (
        len(dataset.rows("train"))
        == len(json.loads((root / "annotations/pamela_train.json").read_text())) - 1
    )


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (first(original_score=5.2), "between 1 and 5"),
        (first(original_score=float("inf")), "between 1 and 5"),
        (first(original_score="good"), "not a number"),
        (first(participant_id=1.5), "neither text nor a whole number"),
        (first(image_id=[1]), "neither text nor a whole number"),
        (first(image_path="../../etc/passwd"), "outside the data set"),
        (first(image_path="/etc/passwd"), "outside the data set"),
        (first(image_path="images/none.png"), "images are missing"),
        (first(image_metadata="a fox"), "not an object"),
        (lambda rows: {"rows": rows}, "not a list"),
        (lambda rows: [rows], "not a list"),
    ],
)
def test_a_faulty_row_is_one_clear_error_that_names_it(root, change, says):
    edit(root, "train", change)
    with pytest.raises(DatasetError, match=says):
        load(root)


def test_a_torn_file_and_a_missing_one_are_clear_errors(root):
    file = root / "annotations" / "pamela_test_seen.json"
    file.write_text(file.read_text()[:50])
    with pytest.raises(DatasetError, match=r"pamela_test_seen\.json cannot be read"):
        load(root)
    file.unlink()
    with pytest.raises(DatasetError, match=r"lacks pamela_test_seen\.json.*steer sandbox build"):
        load(root)


class Counting:
    """An encoder that counts what it is asked to encode."""

    def __init__(self, encoder):
        self._encoder = encoder
        self.hash, self.image_dim, self.text_dim = encoder.hash, encoder.image_dim, encoder.text_dim
        self.source, self.encoded = encoder.source, 0

    def images(self, images):
        self.encoded += len(images)
        return self._encoder.images(images)

    def texts(self, texts):
        self.encoded += len(texts)
        return self._encoder.texts(texts)


def test_each_image_and_sentence_is_encoded_once_and_found_again(root, tmp_path):
    dataset, encoder = load(root), Counting(ImageTextEncoder.load(tiny_encoder(tmp_path / "encoder")))
    subjects = {dataset.image_ids[0]: "mossy rocks"}
    features = encode_dataset(dataset, encoder, sentence_encoder(), tmp_path / "store", subjects)
    with Image.open(dataset.image_paths[3]) as image:
        np.testing.assert_allclose(features.image[3], encoder.images([image])[0], atol=1e-6)
    np.testing.assert_allclose(features.text[3], encoder.texts([dataset.prompt(3)])[0], atol=1e-6)
    np.testing.assert_allclose(features.subject[0], encoder.texts(["mossy rocks"])[0], atol=1e-6)
    np.testing.assert_array_equal(features.subject[1:], features.text[1:])
    sentence = metadata_sentence(dataset.metadata[3])
    np.testing.assert_allclose(features.metadata[3], sentence_encoder().encode([sentence])[0], atol=1e-5)
    assert features.demographics.shape[0] == len(dataset.user_ids)

    before = encoder.encoded
    again = encode_dataset(dataset, encoder, sentence_encoder(), tmp_path / "store", subjects)
    assert encoder.encoded == before
    np.testing.assert_array_equal(again.image, features.image)


def test_an_interrupted_encoding_goes_on_where_it_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr("reward.encoders.features.SHARD", 2)
    asked = []

    def encode(chosen, fail_after=99):
        if len(asked) >= fail_after:
            raise KeyboardInterrupt
        asked.extend(chosen)
        return np.array([[i, i + 0.5] for i in chosen], np.float32)

    keys, quiet = ["a", "b", "c", "a", "d"], lambda what, done, of: None
    with pytest.raises(KeyboardInterrupt):
        FeatureStore(tmp_path, "e", 2).rows(keys, lambda c: encode(c, fail_after=2), quiet, "things")
    rows = FeatureStore(tmp_path, "e", 2).rows(keys, encode, quiet, "things")
    assert sorted(asked) == sorted(set(asked)) and {keys[i] for i in asked} == set("abcd")
    assert [keys[int(i)] for i in rows[:, 0]] == keys


def test_features_of_another_encoder_are_not_found(tmp_path):
    quiet = lambda what, done, of: None  # noqa: E731
    FeatureStore(tmp_path, "one", 1).rows(["a"], lambda c: np.ones((1, 1), np.float32), quiet, "things")
    rows = FeatureStore(tmp_path, "two", 1).rows(
        ["a"], lambda c: np.zeros((1, 1), np.float32), quiet, "things"
    )
    assert rows.tolist() == [[0]]


def test_an_image_of_the_data_set_that_does_not_decode_is_named(root, tmp_path):
    dataset = load(root)
    dataset.image_paths[2].write_bytes(b"\x89PNG\r\n\x1a\n rest is missing")
    encoder = ImageTextEncoder.load(tiny_encoder(tmp_path / "encoder"))
    with pytest.raises(ImageError, match=dataset.image_paths[2].name):
        encode_dataset(dataset, encoder, sentence_encoder(), tmp_path / "store")
