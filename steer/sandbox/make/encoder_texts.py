"""What the sandbox's encoder reads: captions and catalogue entries, what each names, and the tokenizer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from steer.sandbox.read import lexicon, synonyms
from steer.sandbox.read.captions import WEIGHTS, caption, phrases
from steer.sandbox.scene import SUBJECTS, Scene

Value = lexicon.Value | float

AXES = ("subject", "floating", *WEIGHTS, "group", "type")
UNNAMED = -1
PAD, END = "<pad>", "</s>"
SHORT = 0.25  # share of captions that name at most four settings, as people's prompts do
CATALOGUE = 0.15  # share of texts that are catalogue entries: what metadata is inferred with


def axis_values() -> dict[str, tuple[Value, ...]]:
    """Axis -> what a text can name of it; levels from low to high."""
    values: dict[str, tuple[Value, ...]] = {}
    for axis in AXES:
        if axis == "subject":
            values[axis] = tuple(SUBJECTS)
        elif axis == "group":
            values[axis] = tuple(sorted(set(SUBJECTS.values())))
        elif axis == "type":
            values[axis] = ("Art", "Photorealism")
        elif axis == "count":
            values[axis] = tuple(lexicon.COUNTS)
        elif axis in lexicon.LEVELS:
            values[axis] = tuple(value for value, _ in lexicon.LEVELS[axis])
        else:
            values[axis] = tuple(lexicon.VALUES[axis])
    return values


class Texts:
    """Draws texts for scenes and says what they name, as int64 [axes] positions in `axis_values`."""

    def __init__(self, bare: float = 0.0) -> None:
        """`bare`: share of texts that name the subject and nothing else, at the cost of full captions."""
        self.bare = bare
        self._places = {
            axis: {value: i for i, value in enumerate(values)} for axis, values in axis_values().items()
        }

    def everything(self, scene: Scene) -> np.ndarray:
        """What a caption would name that leaves out nothing; UNNAMED where a viewer could not tell."""
        named: dict[str, Value] = {
            axis: value for axis, value, _ in phrases(scene, np.random.default_rng(0), count=len(AXES))
        }
        return self._named(named | {"group": scene.group, "type": scene.type})

    def draw(self, scene: Scene, rng: np.random.Generator) -> tuple[str, np.ndarray]:
        """A text that is true of the scene, and what it names."""
        kind = rng.random()
        if kind < CATALOGUE:
            return self._catalogue_entry(scene, rng)
        count = int(rng.integers(0, 5)) if kind < CATALOGUE + SHORT else None
        if kind >= 1 - self.bare:
            count = 0
        chosen = phrases(scene, rng, count)
        return caption(scene, rng, chosen), self._named({axis: value for axis, value, _ in chosen})

    def _catalogue_entry(self, scene: Scene, rng: np.random.Generator) -> tuple[str, np.ndarray]:
        """One or more of PAMELA's metadata fields in words."""
        photo = scene.type == "Photorealism"
        style = (scene.metadata("")["style"] or "").replace("_", " ")
        parts = {
            "type": _one(
                rng, ("a photorealistic image", "a photograph") if photo else ("an artwork", "a painting")
            ),
            "group": _one(rng, (scene.group, f"a picture of {scene.group}")),
        }
        if not photo:
            parts["style"] = _one(rng, (f"in the style of {style}", f"a painting in the style of {style}"))
        kept = [axis for axis in parts if rng.random() < 0.6] or [str(rng.choice(list(parts)))]
        values: dict[str, Value] = {"type": scene.type, "group": scene.group, "style": scene.style}
        text = ", ".join(parts[axis] for axis in kept)
        return text, self._named({axis: values[axis] for axis in kept})

    def _named(self, named: dict[str, Value]) -> np.ndarray:
        return np.array([self._places[axis][named[axis]] if axis in named else UNNAMED for axis in AXES])


def describes(texts: np.ndarray, paintings: np.ndarray) -> np.ndarray:
    """Whether all that a text names is true of a painting: bool [paintings, texts].

    texts and paintings: int [n, axes] and [m, axes], what each text names and all that is true of a painting.
    """
    same = (texts[None] == UNNAMED) | (texts[None] == paintings[:, None])
    return np.asarray(same.all(axis=2))


def corpus(scenes: Iterable[Scene]) -> Iterator[str]:
    """What the tokenizer learns from: texts of the scenes, and words for things that prompts will name."""
    rng, texts = np.random.default_rng(0), Texts()
    for scene in scenes:
        yield texts.draw(scene, rng)[0]
    for words in synonyms.SUBJECT_WORDS.values():
        yield from words


def train_tokenizer(texts: Iterable[str], vocabulary: int) -> Tokenizer:
    """A lowercasing byte-level BPE: any text has tokens, also words and scripts that no caption uses."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[PAD, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    end = (END, tokenizer.token_to_id(END))
    tokenizer.post_processor = processors.TemplateProcessing(single=f"$A {END}", special_tokens=[end])
    return tokenizer


def as_hub_tokenizer(tokenizer: Tokenizer, length: int) -> PreTrainedTokenizerFast:
    """The same tokenizer as `AutoTokenizer` loads it; texts become `length` tokens."""
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=END,
        padding_side="right",
        model_max_length=length,
        model_input_names=["input_ids"],  # no attention mask: SigLIP attends to its padding
    )


def _one(rng: np.random.Generator, options: tuple[str, ...]) -> str:
    return options[int(rng.integers(len(options)))]
