"""The feature store: encoded once, found again, never mixed up, never lost."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny import tiny_dataset, tiny_encoder

from reward.data import load
from reward.encoders.features import FeatureStore, content_keys, encode_dataset, image_rows, mapped
from reward.encoders.image_text import ImageTextEncoder, sentence_encoder
from reward.errors import CheckpointError, ImageError


def silent(what, done, of):
    pass


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return ImageTextEncoder.load(tiny_encoder(tmp_path_factory.mktemp("encoder")))


@pytest.fixture
def pictures(tmp_path):
    """Seventy files, of which two have the same content."""
    files = []
    for i in range(70):
        files.append(tmp_path / f"{i:02}.png")
        Image.new("RGB", (20, 20), (3 * (i % 69), 90, 160)).save(files[-1])
    return files


def test_images_are_encoded_in_their_order_and_each_content_once(encoder, pictures, tmp_path, monkeypatch):
    reports, sizes = [], []
    encode = encoder.images
    monkeypatch.setattr(encoder, "images", lambda batch: sizes.append(len(batch)) or encode(batch))
    rows = image_rows(pictures, encoder, tmp_path / "store", lambda *report: reports.append(report))
    assert sum(sizes) == 69 and max(sizes) == 32
    assert reports == [("images", 0, 69), ("images", 64, 69), ("images", 69, 69)]
    for i in (0, 40, 68):
        with Image.open(pictures[i]) as image:
            np.testing.assert_allclose(rows[i], encode([image])[0], atol=1e-6)
    np.testing.assert_array_equal(rows[0], rows[69])
    again = image_rows(pictures[::-1], encoder, tmp_path / "store")
    assert sum(sizes) == 69
    np.testing.assert_array_equal(again[::-1], rows)


def test_an_image_without_a_prompt_has_a_text_of_zeros(encoder, tmp_path):
    root = tiny_dataset(tmp_path / "PAMELA", people=3, images=6)
    file = root / "annotations" / "pamela_train.json"
    rows = json.loads(file.read_text())
    for row in rows:
        if row["image_path"] == rows[0]["image_path"]:
            row["image_metadata"]["prompt"] = None
    file.write_text(json.dumps(rows))
    features = encode_dataset(load(root, quiet=True), encoder, sentence_encoder(), tmp_path / "store")
    assert not features.text[0].any() and not features.subject[0].any()
    assert features.text[1:].any(1).all() and features.metadata[0].any()


def test_an_unchanged_file_is_read_once_and_a_changed_one_again(pictures, tmp_path):
    first = content_keys(pictures[:2], tmp_path / "store")
    assert first[0] != first[1] and content_keys(pictures[:2], tmp_path / "store") == first
    stored = json.loads((tmp_path / "store" / "keys.json").read_text())
    stored[str(pictures[0])][2] = "remembered"
    (tmp_path / "store" / "keys.json").write_text(json.dumps(stored))
    assert content_keys(pictures[:2], tmp_path / "store") == ["remembered", first[1]]
    os.utime(pictures[0], (1, 1))
    assert content_keys(pictures[:2], tmp_path / "store") == first


def test_a_file_that_is_missing_or_torn_is_named(encoder, pictures, tmp_path):
    pictures[3].write_bytes(pictures[3].read_bytes()[:60])
    with pytest.raises(ImageError, match=r"03\.png is no whole PNG.*unpack the data set again"):
        image_rows(pictures, encoder, tmp_path / "store")
    pictures[3].unlink()
    with pytest.raises(ImageError, match=r"03\.png cannot be read"):
        image_rows(pictures, encoder, tmp_path / "store")


def test_the_index_says_what_each_encoders_name_stands_for(encoder, pictures, tmp_path):
    image_rows(pictures[:1], encoder, tmp_path / "store")
    FeatureStore(tmp_path / "store", "sentence-x", 2, {"what": "sentences", "model": "someone/x"})
    index = json.loads((tmp_path / "store" / "index.json").read_text())
    assert index["sentence-x"] == {"what": "sentences", "model": "someone/x"}
    about = index[f"image-{encoder.hash[:16]}"]
    assert about["model"] == encoder.source and about["sha256"] == encoder.hash and about["transformers"]


def test_a_shard_that_cannot_be_read_is_encoded_again(tmp_path):
    def encode(chosen):
        return np.full((len(chosen), 1), 7, np.float32)

    FeatureStore(tmp_path, "e", 1).rows(["a", "b"], encode, silent, "things")
    [shard] = tmp_path.glob("e-*.safetensors")
    shard.write_bytes(shard.read_bytes()[:20])
    assert FeatureStore(tmp_path, "e", 1).rows(["a"], encode, silent, "things").tolist() == [[7]]


def test_rows_of_another_length_are_refused(tmp_path):
    FeatureStore(tmp_path, "e", 1).rows(["a"], lambda c: np.ones((1, 1), np.float32), silent, "things")
    with pytest.raises(CheckpointError, match="of another encoder, remove the file"):
        FeatureStore(tmp_path, "e", 2)


def test_an_encoder_whose_name_begins_like_anothers_is_not_mixed_up_with_it(tmp_path):
    FeatureStore(tmp_path, "e-half", 1).rows(["a"], lambda c: np.ones((1, 1), np.float32), silent, "things")
    rows = FeatureStore(tmp_path, "e", 1).rows(["a"], lambda c: np.zeros((1, 1), np.float32), silent, "x")
    assert rows.tolist() == [[0]]


def test_features_lie_in_a_file_that_goes_with_them(tmp_path):
    rows = [np.random.default_rng(i).normal(size=3).astype(np.float32) for i in range(2500)]
    rows[7] = None  # an absent token
    before = set(tmp_path.iterdir())
    made = mapped(rows, 3, tmp_path)
    assert set(tmp_path.iterdir()) == before  # it has no name
    expected = np.stack([np.zeros(3, np.float32) if row is None else row for row in rows])
    np.testing.assert_array_equal(made, expected)
    assert isinstance(made.base, np.memmap) and made.dtype == np.float32
    made[0] = 5  # of this process alone, and no error
    assert mapped([], 3, tmp_path).shape == (0, 3)


def test_features_without_room_are_one_clear_error(tmp_path, monkeypatch):
    def full(**options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("reward.encoders.features.TemporaryFile", full)
    with pytest.raises(CheckpointError, match=r"no room for 0 MB of features \(No space left.*make room"):
        mapped([np.zeros(3, np.float32)], 3, tmp_path)


def test_a_store_that_may_not_be_written_to_still_serves_what_it_has(tmp_path):
    store = tmp_path / "store"
    FeatureStore(store, "e", 1).rows(["a"], lambda c: np.ones((1, 1), np.float32), silent, "things")
    store.chmod(0o500)
    try:
        rows = FeatureStore(store, "e", 1).rows(["a", None], lambda c: 1 / 0, silent, "things")
    finally:
        store.chmod(0o700)
    assert rows.tolist() == [[1], [0]]


def test_rows_that_are_stored_are_read_from_their_files_not_kept_in_memory(tmp_path):
    store = FeatureStore(tmp_path, "e", 2)
    store.rows(["a", "b"], lambda c: np.ones((len(c), 2), np.float32), silent, "things")
    [shard] = tmp_path.glob("e-*.safetensors")
    maps = Path("/proc/self/maps")
    if not maps.is_file():
        pytest.skip("only Linux tells what is mapped")
    assert str(shard) in maps.read_text()
