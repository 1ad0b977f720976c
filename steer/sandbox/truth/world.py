"""The frozen world: its constants, its people, its truth, and the calibration that fixed them.

`data/WORLD.json` holds the version, every calibrated constant, the figures that the calibration reached and a
hash of all ratings. It is committed before any predictor is trained.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reward.files import write_whole
from steer.sandbox.make.dataset import N_PEOPLE, Assignment, assign
from steer.sandbox.scene import Scene
from steer.sandbox.truth import raters as raters_module
from steer.sandbox.truth.measure import NAMES, UNNAMED, measure
from steer.sandbox.truth.raters import Constants, Raters, consensus, semantics_of_all

Array = NDArray[np.floating[Any]]
PATH = Path(__file__).parents[1] / "data" / "WORLD.json"
VERSION = 2
SCENES_SEED = 20_261
RATERS_SEED = 1  # further populations, not looked at during development: 2 and 3
FRESH = 1000  # people of the population oracle
TARGETS = {"population_oracle": 0.50, "personal_oracle": 0.75}


@dataclass(frozen=True)
class World:
    """What is fixed before anything is judged."""

    constants: Constants
    version: int = VERSION
    scenes_seed: int = SCENES_SEED
    raters_seed: int = RATERS_SEED
    ratings_sha256: str = ""
    figures: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"sandbox:{self.version}"

    @classmethod
    def load(cls, path: Path = PATH) -> World:
        data = json.loads(path.read_text())
        return cls(
            constants=Constants.from_dict(data["constants"]),
            version=data["version"],
            scenes_seed=data["scenes_seed"],
            raters_seed=data["raters_seed"],
            ratings_sha256=data["ratings_sha256"],
            figures=data["figures"],
        )

    def save(self, path: Path = PATH) -> None:
        data = {
            "version": self.version,
            "scenes_seed": self.scenes_seed,
            "raters_seed": self.raters_seed,
            "ratings_sha256": self.ratings_sha256,
            "constants": self.constants.as_dict(),
            "measurements": list(NAMES),
            "figures": self.figures,
        }
        write_whole(path, (json.dumps(data, indent=2) + "\n").encode())

    def participants(self, raters_seed: int | None = None) -> Raters:
        """The 199 people of the data set; person i has id str(i + 1)."""
        return Raters.sample(
            N_PEOPLE, self.raters_seed if raters_seed is None else raters_seed, self.constants
        )

    def fresh(self, n: int = FRESH) -> Raters:
        """People whom no data set holds: the population."""
        return Raters.sample(n, 1_000_003, self.constants)


@dataclass(frozen=True)
class Table:
    """Measured images; n rows."""

    values: Array  # [n, len(NAMES)]
    unnamed: Array  # [n, UNNAMED]
    semantics: Array  # [n, len(KINDS)]

    def __len__(self) -> int:
        return len(self.values)

    def rows(self, index: Any) -> Table:
        return Table(self.values[index], self.unnamed[index], self.semantics[index])

    def expected(self, people: Raters) -> Array:
        return people.expected(self.values, self.unnamed, self.semantics)

    @classmethod
    def of(cls, images: Sequence[NDArray[np.uint8]], sources: Sequence[Scene | str]) -> Table:
        """Measure images, uint8 [H, W, 3]; `sources` are their scenes, or their prompts if no paintings."""
        measured = [measure(np.asarray(image)) for image in images]
        values = np.array([m.values for m in measured], np.float32).reshape(-1, len(NAMES))
        unnamed = np.array([m.unnamed for m in measured], np.float32).reshape(-1, UNNAMED)
        return cls(values, unnamed, semantics_of_all(sources))

    def save(self, path: Path) -> None:
        from safetensors.numpy import save_file

        save_file({name: np.ascontiguousarray(value) for name, value in vars(self).items()}, path)

    @classmethod
    def load(cls, path: Path) -> Table:
        from safetensors.numpy import load_file

        return cls(**load_file(path))


class Truth:
    """Expected ratings by the world's own people, for evaluation only."""

    def __init__(self, world: World | None = None, people: Raters | None = None) -> None:
        self.world = world or World.load()
        self.people = people or self.world.participants()
        self.ids = tuple(str(i + 1) for i in range(len(self.people)))

    def expected(self, images: Sequence[NDArray[np.uint8]], sources: Sequence[Scene | str]) -> Array:
        """t [people, images]; row i is the person with id str(i + 1)."""
        return Table.of(images, sources).expected(self.people)

    def population(self, images: Sequence[NDArray[np.uint8]], sources: Sequence[Scene | str]) -> Array:
        """Mean t over 1,000 people whom no data set holds, [images]."""
        return _mean_expected(Table.of(images, sources), self.world.fresh())


def rate_all(world: World, table: Table, raters_seed: int | None = None) -> dict[str, Array]:
    """Recorded ratings of every split, in the order of `assign(world.scenes_seed)`."""
    seed = world.raters_seed if raters_seed is None else raters_seed
    t = table.expected(world.participants(seed))
    people = world.participants(seed)
    return {
        name: people.rate(t[rows.people, rows.images], np.random.default_rng((seed, 7, i)))
        for i, (name, rows) in enumerate(assign(world.scenes_seed).items())
    }


def ratings_hash(assignment: dict[str, Assignment], ratings: dict[str, Array]) -> str:
    """sha256 over (split, person, image, rating) of all ratings."""
    digest = hashlib.sha256()
    for name, rows in assignment.items():
        digest.update(name.encode())
        for person, image, score in zip(
            rows.people.tolist(), rows.images.tolist(), ratings[name], strict=True
        ):
            digest.update(f"{person + 1},{image + 1},{score:.2f}\n".encode())
    return digest.hexdigest()


# ---- calibration ----


def calibrate(table: Table, demographic: float = 1.15, ai_look: float = 0.06, rounds: int = 5) -> World:
    """Fix the constants on a measured data set so that both oracles reach their targets.

    Standardises the measurements, sets the units of the parts, then alternates: the noise from the personal
    oracle, the personal spread from the population oracle.
    """
    constants = Constants(
        mean=tuple(np.round(table.values.mean(0, dtype=np.float64), 6).tolist()),
        sd=tuple(np.round(table.values.std(0, dtype=np.float64), 6).tolist()),
        demographic=demographic,
        ai_look=ai_look,
    )
    shared = consensus(table.values, table.semantics, constants)
    people = Raters.sample(500, 77, constants)
    units, centres = [float(shared.std())], [float(shared.mean())]
    for part in people.parts(table.values, table.unnamed, table.semantics):
        centres.append(float(part.mean()))
        units.append(float(np.sqrt((part - part.mean(0)).var(1).mean())))
    constants = replace(
        constants, units=tuple(np.round(units, 4).tolist()), centres=tuple(np.round(centres, 4).tolist())
    )
    world = World(constants)
    for _ in range(rounds):
        now = oracles(world, table)
        c = world.constants
        # correlations of sums: r^2 = signal / (signal + rest); step towards the target, damped
        for key, name, power in (("personal_oracle", "noise", -1.0), ("population_oracle", "personal", -1.0)):
            ratio = (_odds(TARGETS[key]) / _odds(now[key])) ** (power * 0.5)
            change: dict[str, Any] = {name: round(float(getattr(c, name) * ratio), 4)}
            c = replace(c, **change)
        world = replace(world, constants=c)
    return world


def _odds(r: float) -> float:
    return r * r / (1 - r * r)


def oracles(world: World, table: Table, raters_seed: int | None = None) -> dict[str, float]:
    """Both oracles on exactly the rows of the seen test users: mean over users of SROCC with the ratings."""
    rows = assign(world.scenes_seed)["test_seen"]
    used = np.unique(rows.images)
    place = np.searchsorted(used, rows.images)
    seed = world.raters_seed if raters_seed is None else raters_seed
    people = world.participants(seed)
    part = table.rows(used)
    t = part.expected(people)
    crowd = _mean_expected(part, world.fresh())
    index = list(assign(world.scenes_seed)).index("test_seen")
    y = people.rate(t[rows.people, place], np.random.default_rng((seed, 7, index)))
    population, personal = [], []
    for person in np.unique(rows.people):
        mine = rows.people == person
        population.append(spearman(crowd[place[mine]], y[mine]))
        personal.append(spearman(t[person, place[mine]], y[mine]))
    return {"population_oracle": float(np.mean(population)), "personal_oracle": float(np.mean(personal))}


def personal_parts(table: Table, people: Raters) -> Array:
    """What is a person's own in t: without bias, scale and what all people share; [people, n]."""
    t = table.expected(people).astype(np.float64)
    own = (t - t.mean(1, keepdims=True)) / people.scale[:, None]
    return own - own.mean(0)


def participation_ratio(parts: Array) -> float:
    """(sum of eigenvalues)^2 / sum of squared eigenvalues of the matrix's covariance: its effective rank."""
    energy = np.linalg.svd(parts, compute_uv=False) ** 2
    return float(energy.sum() ** 2 / (energy**2).sum())


def demographic_share(world: World, table: Table, n: int = 3000) -> float:
    """Share of the within-image variance of ratings that demographics explain (adjusted R^2)."""
    people = Raters.sample(n, 555, world.constants)
    y = people.rate(table.expected(people), np.random.default_rng(556)).astype(np.float64)
    y -= y.mean(0)
    ages = np.array([d["age"] for d in people.demographics], float)
    columns = [np.ones(n), (ages - 35) / 12, ((ages - 35) / 12) ** 2]
    for key, values in (("gender", raters_module.GENDERS), ("nationality", raters_module.NATIONALITIES)):
        columns += [np.array([d[key] == v for d in people.demographics], float) for v in list(values)[1:]]
    design = np.column_stack([c for c in columns if c.any()])
    fit, *_ = np.linalg.lstsq(design, y, rcond=None)
    rest = ((y - design @ fit) ** 2).sum(0) / (n - design.shape[1])
    return float(1 - rest.mean() / (y**2).sum(0).mean() * (n - 1))


def spearman(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Spearman's rank correlation, average ranks for ties; 0 where one side is constant."""
    from scipy.stats import rankdata

    x, y = rankdata(a), rankdata(b)
    x, y = x - x.mean(), y - y.mean()
    norm = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / norm if norm else 0.0


def percentile_of_default(
    world: World, table: Table, subjects: NDArray[np.str_], default: Table, default_subjects: NDArray[np.str_]
) -> dict[str, float]:
    """Per subject: percentile of the default look's mean true population rating among its images."""
    people = world.fresh()
    among, looks = _mean_expected(table, people), _mean_expected(default, people)
    return {
        str(s): round(100 * float((among[subjects == s] < looks[default_subjects == s].mean()).mean()), 1)
        for s in np.unique(subjects)
    }


def _mean_expected(table: Table, people: Raters, chunk: int = 500) -> Array:
    parts = [table.rows(slice(i, i + chunk)).expected(people).mean(0) for i in range(0, len(table), chunk)]
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)
