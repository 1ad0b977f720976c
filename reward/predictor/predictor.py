"""A trained PAMELA with everything that scoring needs: encoders, people, vocabularies.

The Scorer of the loop.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import torch
from PIL import Image

from reward.encoders.features import beside
from reward.encoders.image_text import ImageTextEncoder, SentenceEncoder, sentence_encoder
from reward.encoders.statistics import image_statistics
from reward.encoders.weights import content_hash, resolve
from reward.errors import BadContext, CheckpointError, ScoreError
from reward.people.descriptions import demographics_sentence
from reward.people.known import Calibration, read_calibration
from reward.people.newcomer import (
    Method,
    OtherKinds,
    check_method,
    mix_start,
    others_of,
    own_weights,
    ridge_residual,
)
from reward.people.person import (
    PROFILE,
    Person,
    checked_ratings,
    describe_group,
    find_group,
    find_known,
    interpolate_user,
    make_person,
    preference_profile,
)
from reward.people.taste import likings
from reward.predictor.caches import FeatureCache, content_key
from reward.predictor.checkpoint import SENTENCE_FILES, CheckpointCard, Tables, read_checkpoint
from reward.predictor.network import TasteModel

CONTRADICTED = (
    "these ratings contradict what is known of people: they are taken for a taste of another kind, which "
    "more ratings tell better"
)
GENERATED = "pamela"  # of several data sets the one whose pictures are generated, as the loop's are
CACHED = 4096  # features kept in memory; a run of the loop sees about 110 images


class Predictor:
    """Scores images as one person would rate them, on the 1-5 scale, raw and never clamped."""

    name = "pamela"

    def __init__(
        self,
        model: TasteModel,
        card: CheckpointCard,
        tables: Tables,
        encoder: ImageTextEncoder,
        calibration: Calibration | None = None,
    ) -> None:
        self.model = model.eval().requires_grad_(False)
        self.card = card
        self.tables = tables
        self.encoder = encoder
        self.calibration = calibration or Calibration()
        self.world = card.world
        self.simulated = card.simulated
        self.people = card.people
        self.folder = Path()  # the checkpoint's, from where encoders in folders are found
        self.images_encoded = 0  # counts encoder work; an image seen before adds nothing
        self._images = FeatureCache(CACHED)
        self._texts = FeatureCache(CACHED)
        self._statistics = FeatureCache(CACHED)
        self._device = next(model.parameters()).device

    @classmethod
    def load(cls, folder: str | Path, device: str = "cpu") -> Predictor:
        """Load a checkpoint folder and its encoder. Raises CheckpointError with the next step."""
        card, model, tables = read_checkpoint(Path(folder))
        predictor = cls(
            model.to(device),
            card,
            tables,
            _encoder_of(Path(folder), card, device),
            read_calibration(Path(folder)),
        )
        predictor.folder = Path(folder)
        return predictor

    def wake(self) -> None:
        """Brings the encoders to the device of the predictor; nothing happens where they are there."""
        self._move(str(self._device))

    def rest(self) -> None:
        """Gives the encoders' memory on a GPU back; scoring needs `wake` first."""
        if self._device.type != "cpu":
            self._move("cpu")
            torch.cuda.empty_cache()

    def _move(self, device: str) -> None:
        self.encoder.model.to(device)
        if "sentences" in self.__dict__:  # loaded only for those whom the checkpoint does not describe
            self.sentences.model.to(device)

    def person(self, user: str) -> Person:
        """Someone known, by exact id, else by 1-based position in `people`. Raises UnknownPerson."""
        row = find_known(self.people, user)
        id = self.people[row].id
        return make_person("known", id, self._world_of(id), self._users()[row], self._demographics(row))

    def population(self) -> Person:
        """Nobody in particular: user and demographics tokens are left out."""
        world = self._world_of("population")
        return make_person("population", "population", world, None, None, size=len(self.people))

    def group(
        self, age: tuple[int, int] | None = None, gender: str | None = None, nationality: str | None = None
    ) -> Person:
        """Mean embedding of the members, with the group's own demographic sentence (section 5).

        Raises EmptyGroup.
        """
        rows = find_group(self.people, age, gender, nationality)
        ages = f"{age[0]}-{age[1]}" if age else None
        sentence = demographics_sentence({"age": ages, "gender": gender, "nationality": nationality})
        id = describe_group(age, gender, nationality)
        users = self._users()[rows].mean(0)
        return make_person("group", id, self._world_of(id), users, self._sentence(sentence), size=len(rows))

    def newcomer(
        self,
        images: Sequence[Image.Image],
        ratings: Sequence[float],
        demographics: Mapping[str, Any] | None = None,
        name: str = "new",
        *,
        prompts: Sequence[str] | None = None,
        method: Method = "mix",
    ) -> Person:
        """Someone new, by a few rated images; `prompts` are the texts that these were made from, if known.

        `method` is one of `reward.people.newcomer`: "mix" (the default), "knn" (equation 1 of the paper) or
        "ridge". Without ratings, or with equal ones, the known people stand in, those of like demographics
        first ("mix"), or the population ("ridge"), and `note` says so; equation 1 is not defined without
        ratings. Raises BadContext.
        """
        check_method(method)
        given = checked_ratings(ratings, len(images))
        if prompts is not None and len(prompts) != len(images):
            raise BadContext(f"{len(images)} images but {len(prompts)} prompts: give one for each image")
        sentence = self._sentence(demographics_sentence(demographics))
        count = len(given)
        if method == "knn":
            profile = preference_profile(self.image_features(images), given)
            user = interpolate_user(profile, self.tables.profiles, self._users())
            return make_person("new", name, PROFILE, user, sentence, ratings=count)
        note = "" if count and np.ptp(given) else _says_nothing(count, method, sentence is not None)
        if method == "ridge":
            residual = None if note else self._residual(images, given, prompts)
            return make_person("new", name, PROFILE, None, None, residual=residual, ratings=count, note=note)
        known = np.zeros((len(self.people), 0)) if note else self.known_ratings(images, prompts)
        return self._mixed(known, given, sentence, name)

    def mixed(
        self,
        known: np.ndarray,
        ratings: Sequence[float] | np.ndarray,
        demographics: Mapping[str, Any] | None = None,
        name: str = "new",
    ) -> Person:
        """`newcomer` by the default method, for pictures whose `known_ratings` [people, k] are at hand.

        Raises BadContext.
        """
        given = checked_ratings(ratings, known.shape[1])
        sentence = self._sentence(demographics_sentence(demographics))
        return self._mixed(known, given, sentence, name)

    def _mixed(self, known: np.ndarray, given: np.ndarray, sentence: np.ndarray | None, name: str) -> Person:
        count = len(given)
        note = "" if count and np.ptp(given) else _says_nothing(count, "mix", sentence is not None)
        if note:
            known, given = known[:, :0], given[:0]
        like = self._like
        start = mix_start(self.tables.demographics[like], sentence)
        prior = self.calibration.prior_of(GENERATED)
        theirs, other_kind = own_weights(known[like], given, prior, start, self._others)
        mix = np.zeros(len(self.people) + 1)
        mix[[*like, -1]] = theirs
        person = make_person(
            "new", name, PROFILE, None, sentence, mix=mix, ratings=count, note=note, other_kind=other_kind
        )
        return replace(person, note=CONTRADICTED) if person.contradicts else person

    def known_ratings(
        self, images: Sequence[Image.Image], prompts: Sequence[str] | None = None
    ) -> np.ndarray:
        """What every known person would give these images, [known people, n].

        `prompts` are the texts that these were made from; "" leaves the text out, None leaves out all.
        """
        texts = [""] * len(images) if prompts is None else list(prompts)
        known = np.zeros((len(self.people), len(images)))
        for told in (True, False):
            rows = [row for row, text in enumerate(texts) if bool(text) is told]
            if rows:
                given = [texts[row] for row in rows] if told else None
                with torch.inference_mode():
                    known[:, rows] = self._known(self._content([images[row] for row in rows], given))
        return known

    @cached_property
    def identity(self) -> str:
        """12 hex digits over all weights: predictors of one identity score alike."""
        digest = hashlib.sha256()
        for name, tensor in sorted(self.model.state_dict().items()):
            digest.update(name.encode() + tensor.cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()[:12]

    @cached_property
    def sample_ratings(self) -> np.ndarray | None:
        """What every known person would give a sample of the training pictures [known people, sample].

        The pictures' embeddings are `calibration.image`; None where the checkpoint has no sample.
        """
        known = self.calibration.known(self.model, self.tables.demographics)
        return None if known is None else known.astype(np.float64)

    def likings(self, person: Person, phrases: Sequence[str]) -> np.ndarray:
        """How each look goes with this person's predicted ratings, [phrases, 3]; see `reward.people.taste`.

        No row where the checkpoint has no sample of pictures.
        """
        sample = self.sample_ratings
        if sample is None or self.calibration.image is None or not phrases:
            return np.zeros((0, 3))
        texts = self._texts.rows(list(phrases), self.encoder.texts, self.encoder.text_dim)
        return likings(self.calibration.image @ texts.T, self._sample_ratings_of(person, sample), sample)

    def _sample_ratings_of(self, person: Person, sample: np.ndarray) -> np.ndarray:
        """What anyone would give the sample's pictures [sample]; `sample` is what the known people would."""
        calibration = self.calibration
        assert calibration.image is not None
        if person.mix is not None:
            return np.asarray(person.mix[:-1] @ sample + person.mix[-1])
        assert calibration.pictures is not None
        stored = (calibration.pictures, calibration.text, calibration.metadata)
        tokens = [None if array is None else self._tensor(array) for array in stored]
        with torch.inference_mode():
            content = self.model.project(*tokens)
            described = self.model.project(
                demographics=self._stack([person.demographics]), user=self._stack([person.user])
            )
            ratings = self.model.grid(content, described, 1)[0].cpu().numpy().astype(np.float64)
        if person.residual is not None:
            ratings += calibration.pictures @ person.residual[:-1] + person.residual[-1]
        return np.asarray(ratings)

    @property
    def sources(self) -> np.ndarray:
        """Name of the data set that each known person is from [known people]."""
        return np.array([self._world_of(person.id) for person in self.people])

    @cached_property
    def _like(self) -> np.ndarray:
        """Rows of the known people whom someone new is expected to be like: in a joint predictor those who
        rated generated pictures, where there are any."""
        of_generated = np.flatnonzero(self.sources == GENERATED)
        return of_generated if len(of_generated) > 1 else np.arange(len(self.people))

    @cached_property
    def _others(self) -> OtherKinds | None:
        sample = self.sample_ratings
        return others_of(None if sample is None else sample[self._like])

    def expected_accuracy(self, ratings: int) -> float | None:
        """Rank correlation to expect of the scores of someone new who rated so many images.

        Measured on people whom the predictor was not trained with; None where nobody measured it.
        """
        return self.calibration.expected_accuracy(ratings)

    def _residual(
        self, images: Sequence[Image.Image], ratings: np.ndarray, prompts: Sequence[str] | None
    ) -> np.ndarray:
        """Slopes along what is read of a picture, and an offset, of what the population's rating misses."""
        with torch.inference_mode():
            population = self.model.fuse(self._content(images, prompts)).cpu().numpy()
        mean, scale = self.model.image[0].arrays()
        return ridge_residual(self._pictures(images), ratings - population, mean, scale)

    def _known(self, content: dict[str, torch.Tensor]) -> np.ndarray:
        """What every known person would give these images [known people, n]."""
        return self.model.known(content, self._tensor(self.tables.demographics)).cpu().numpy()

    def _content(
        self, images: Sequence[Image.Image], prompts: Sequence[str] | None
    ) -> dict[str, torch.Tensor]:
        """Projected image, text and metadata tokens [n, hidden]; no text where there are no prompts."""
        features = self.image_features(images)
        text = (
            None if prompts is None else self._texts.rows(prompts, self.encoder.texts, self.encoder.text_dim)
        )
        return self.model.project(
            self._tensor(self._pictures(images)),
            None if text is None else self._tensor(text),
            self._tensor(self._metadata(features)),
        )

    def _users(self) -> np.ndarray:
        return self.model.users.weight.cpu().numpy()

    def _demographics(self, row: int) -> np.ndarray | None:
        known = self.tables.demographics[row]
        return known if known.any() else None

    def _sentence(self, sentence: str | None) -> np.ndarray | None:
        return None if sentence is None else self.sentences.encode([sentence])[0]

    @cached_property
    def sentences(self) -> SentenceEncoder:
        """The sentence encoder that it was trained with, checked. Raises CheckpointError."""
        return _sentence_encoder_of(self.folder, self.card, str(self._device))

    def _world_of(self, id: str) -> str:
        """The data set that an id names, as in "lapis:17"; else all that it was trained on."""
        world = self.world.partition(":")[0]  # without its version
        named, colon, _ = id.partition(":")
        return named if colon and named in world.split("+") else world

    def score(self, images: Sequence[Image.Image], prompt: str, person: Person) -> list[float]:
        """Expected rating of each image by this person; the text is `prompt`.

        Raises ImageError, ScoreError.
        """
        return [float(score) for score in self.score_people(images, prompt, [person])[0]]

    def score_people(
        self, images: Sequence[Image.Image], prompt: str, people: Sequence[Person]
    ) -> np.ndarray:
        """Expected ratings [people, images]; every image is encoded once. Raises ImageError, ScoreError."""
        scores = np.zeros((len(people), len(images)), np.float32)
        if not scores.size:
            return scores
        features, pictures = self.image_features(images), self._pictures(images)
        text = np.repeat(self._text_features(prompt), len(images), axis=0)
        metadata = self._metadata(features)
        # people who lack a token cannot share a batch with people who have it
        kinds: dict[tuple[bool, bool], list[int]] = {}
        for i, person in enumerate(people):
            if person.mix is None:
                kinds.setdefault((person.user is None, person.demographics is None), []).append(i)
        with torch.inference_mode():
            tokens = self.model.project(self._tensor(pictures), self._tensor(text), self._tensor(metadata))
            for rows in kinds.values():
                described = self.model.project(
                    demographics=self._stack([people[i].demographics for i in rows]),
                    user=self._stack([people[i].user for i in rows]),
                )
                scores[rows] = self.model.grid(tokens, described, len(rows)).cpu().numpy()
        if any(person.mix is not None for person in people):
            with torch.inference_mode():
                known = self._known(tokens)
        for row, person in enumerate(people):
            if person.mix is not None:
                scores[row] = person.mix[:-1] @ known + person.mix[-1]
            if person.residual is not None:
                scores[row] += pictures @ person.residual[:-1] + person.residual[-1]
        if not np.isfinite(scores).all():
            raise ScoreError(
                f"the predictor of {self.world} returned a score that is not a number, so its weights are "
                "damaged: copy its folder again or run `steer sandbox build`"
            )
        return scores

    def interval(
        self, images: Sequence[Image.Image], prompt: str, person: Person, share: float = 0.8
    ) -> tuple[np.ndarray, np.ndarray]:
        """From where to where this person's rating of each image lies with probability `share`: two [n].

        On the 1-5 scale, cut at its ends. For known people by what their ratings leave open, by how far the
        predictor's members are apart, and by how steadily they rate; for others by how far ratings of people
        whom it was not trained with lay from predictions after as many ratings, or none where the ratings
        contradict what is known of people. Raises ImageError, and ScoreError where nobody measured that.
        """
        errors = self.calibration.errors
        if errors is None:
            raise ScoreError(
                f"nobody measured how sure the predictor of {self.world} is: train it again (`steer reward "
                "train`), on data with val_seen and val_unseen ratings"
            )
        if not 0 < share < 1:
            raise ScoreError(f"an interval holds a share between 0 and 1 of the ratings, not {share:g}")
        scores = np.array(self.score(images, prompt, person))
        if person.kind == "known":
            noise = float(errors.known[find_known(self.people, person.id)])
            with torch.inference_mode():
                content = self._content(images, [prompt] * len(images))
            spread = errors.widened * np.sqrt(noise**2 + self._unsure(content, person))
        elif person.kind == "new":
            spread = np.full(len(scores), errors.of_new(0 if person.contradicts else person.ratings))
        else:
            spread = np.full(len(scores), errors.anyone)
        half = NormalDist().inv_cdf(0.5 + share / 2) * spread
        return np.maximum(scores - half, 1.0), np.minimum(scores + half, 5.0)

    def _unsure(self, content: dict[str, torch.Tensor], person: Person) -> np.ndarray:
        """Variance [n] of what the model thinks of a known person; `content` are the pictures' tokens [n]."""
        n = len(content["image"])
        with torch.inference_mode():
            described = self.model.project(
                demographics=self._stack([person.demographics]), user=self._stack([person.user])
            )
            tokens = content | {name: token.expand(n, -1) for name, token in described.items()}
            return np.asarray(self.model.variance(tokens).cpu().numpy())

    def adherence(self, images: Sequence[Image.Image], prompt: str) -> list[float]:
        """Cosine of each image with the text, -1 to 1: does it show what the prompt asks for?"""
        text = self._text_features(prompt)[0]
        return [float(cosine) for cosine in self.image_features(images) @ text]

    def metadata(self, images: Sequence[Image.Image]) -> list[dict[str, str | None]]:
        """Metadata of each image as the predictor sees it: inferred by the encoder, zero-shot."""
        combinations = self.card.metadata_vocabulary.combinations()
        chosen = self.card.metadata_vocabulary.infer(self.image_features(images), self.tables.queries)
        return [combinations[i] for i in chosen]

    def image_features(self, images: Sequence[Image.Image]) -> np.ndarray:
        """Unit-length image embeddings [n, image_dim], from memory where an image was seen before."""
        keys = [content_key(image) for image in images]
        by_key = dict(zip(keys, images, strict=True))

        def encode(missing: list[str]) -> np.ndarray:
            self.images_encoded += len(missing)
            return self.encoder.images([by_key[key] for key in missing])

        return self._images.rows(keys, encode, self.encoder.image_dim)

    def _pictures(self, images: Sequence[Image.Image]) -> np.ndarray:
        """What the model reads of each picture [n, picture_dim]: embedding, and statistics where it does."""
        features = self.image_features(images)
        if not self.card.statistics:
            return features
        keys = [content_key(image) for image in images]
        by_key = dict(zip(keys, images, strict=True))

        def measure(missing: list[str]) -> np.ndarray:
            return image_statistics([by_key[key] for key in missing])

        return beside(features, self._statistics.rows(keys, measure, self.card.config.statistics))

    def _metadata(self, features: np.ndarray) -> np.ndarray:
        """Sentence embeddings [n, profile_dim] of metadata inferred from image embeddings, zero-shot."""
        return self.tables.metadata[self.card.metadata_vocabulary.infer(features, self.tables.queries)]

    def _text_features(self, text: str) -> np.ndarray:
        return self._texts.rows([text], self.encoder.texts, self.encoder.text_dim)

    def _tensor(self, array: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self._device)

    def _stack(self, vectors: Sequence[np.ndarray | None]) -> torch.Tensor | None:
        arrays = [v for v in vectors if v is not None]
        return self._tensor(np.stack(arrays)) if arrays else None


def _says_nothing(ratings: int, method: Method, described: bool) -> str:
    """What becomes of a new person whose ratings say nothing about taste."""
    alike = ", those of like demographics first," if described else ""
    stand_in = f"the known people{alike} stand in" if method == "mix" else "the population stands in"
    if not ratings:
        return f"no ratings yet: {stand_in}"
    says = "one rating says" if ratings == 1 else f"{ratings} equal ratings say"
    return f"{says} nothing about taste: {stand_in}"


def _encoder_of(folder: Path, card: CheckpointCard, device: str) -> ImageTextEncoder:
    """The encoder that a checkpoint was trained with, checked by its hash."""
    id = str(card.encoder["id"])
    beside = folder / id  # the sandbox's lies next to its predictor
    encoder = ImageTextEncoder.load(beside if beside.is_dir() else id, card.encoder.get("revision"), device)
    if encoder.hash != card.encoder["sha256"]:
        remake = "run `steer sandbox build`" if card.simulated else "train the predictor again"
        raise CheckpointError(
            f"the predictor in {folder} was trained with another version of the encoder {id}: "
            f"restore that one, or {remake}"
        )
    return encoder


def _sentence_encoder_of(folder: Path, card: CheckpointCard, device: str) -> SentenceEncoder:
    """The sentence encoder that a checkpoint was trained with, by its commit or, in a folder, its content."""
    id, revision = str(card.sentence_encoder["id"]), card.sentence_encoder.get("revision")
    place = str(folder / id) if (folder / id).is_dir() else id
    found = sentence_encoder(place, revision, device)
    if found.dim != card.config.profile_dim:
        raise CheckpointError(
            f"the predictor in {folder} was trained with sentences of {card.config.profile_dim} numbers, but "
            f"{id} makes {found.dim}: restore the one that it was trained with"
        )
    wanted = card.sentence_encoder.get("sha256")
    if wanted and content_hash(resolve(place), SENTENCE_FILES) != wanted:
        raise CheckpointError(
            f"the predictor in {folder} was trained with another version of the sentence encoder {id}: "
            "restore that one, or train the predictor again"
        )
    return found
