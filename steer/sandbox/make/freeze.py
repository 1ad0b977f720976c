"""Make a version of the world: fit the read-outs, calibrate the raters, measure what they turned out to be.

Run once for each version, before any predictor is trained; `build` then follows what it wrote to `data/`:

    list(fit(folder))           # then copy folder/measure.safetensors to data/
    *_, made = freeze(folder)   # then copy folder/measurements.safetensors to tests/data/
    made.save()
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from steer.sandbox.make import dataset
from steer.sandbox.make.build import (
    Layout,
    load_image,
    map_files,
    measure_dataset,
    measure_file,
    paint_dataset,
    paint_files,
)
from steer.sandbox.make.encoder_pairs import StepDone
from steer.sandbox.scene import SUBJECTS, Scene, draw
from steer.sandbox.truth import world
from steer.sandbox.truth.measure import EXPLICIT, NAMES, fit_readouts, settings_of, statistics
from steer.sandbox.truth.raters import AGE_BINS, semantics_of_all
from steer.sandbox.truth.world import Table, World

READOUTS = 1500  # paintings that the read-outs are fitted on, in no data set
READOUTS_SEED = 777
DEFAULTS = 15  # paintings of the default look, each subject
DEFAULTS_SEED = 778


def fit(folder: Path, workers: int = 2, n: int = READOUTS) -> Iterator[StepDone]:
    """Paint for the read-outs, fit them, write `folder`/measure.safetensors."""
    scenes = dataset.make_scenes(READOUTS_SEED, (n,))
    paths = [folder / "readouts" / f"{i:05d}.png" for i in range(n)]
    yield from paint_files("read-out paintings", list(zip(paths, scenes, strict=True)), workers)
    rows: list[tuple[Any, ...]] = []
    yield from map_files("read-outs", statistics_file, paths, rows, workers)
    banks, explicit = np.stack([r[0] for r in rows]), np.stack([r[1] for r in rows])
    fit_readouts(banks, explicit, np.stack([settings_of(s) for s in scenes])).save(
        folder / "measure.safetensors"
    )


def default_looks(folder: Path, workers: int = 2) -> Iterator[StepDone]:
    """Paint the look that a bare prompt gets, for every subject."""
    yield from paint_files(
        "default looks", list(zip(_default_paths(folder), default_scenes(), strict=True)), workers
    )


def default_scenes() -> list[Scene]:
    subjects = [subject for subject in SUBJECTS for _ in range(DEFAULTS)]
    return [
        draw(np.random.default_rng((DEFAULTS_SEED, i)), house_style=True, subject=subject)
        for i, subject in enumerate(subjects)
    ]


def _default_paths(folder: Path) -> list[Path]:
    return [folder / "defaults" / f"{i:04d}.png" for i in range(len(SUBJECTS) * DEFAULTS)]


def freeze(folder: Path, workers: int = 2) -> Iterator[StepDone | World]:
    """Make the world of this version in `folder`: paint, fit, measure, calibrate; the last item is the World.

    The read-outs used are those in the package: fit them first, and commit them.
    """
    layout = Layout(folder)
    yield from paint_dataset(layout, world.SCENES_SEED, workers)
    yield from default_looks(folder, workers)
    yield from measure_dataset(layout, workers)
    scenes, _ = dataset.read_scenes(layout.scenes)
    table = Table.load(layout.measured)
    rows: list[tuple[Any, ...]] = []
    yield from map_files("default looks measured", measure_file, _default_paths(folder), rows, workers)
    looks = Table(
        np.stack([r[0] for r in rows]), np.stack([r[1] for r in rows]), semantics_of_all(default_scenes())
    )
    save_measurements(folder / "measurements.safetensors", table, looks)
    made = world.calibrate(table)
    assignment = dataset.assign(made.scenes_seed)
    made = replace(made, ratings_sha256=world.ratings_hash(assignment, world.rate_all(made, table)))
    yield replace(made, figures=figures(made, table, scenes, looks))


def save_measurements(path: Path, table: Table, looks: Table) -> None:
    """What tests need of the paintings: measurements of the data set and of the default looks."""
    from safetensors.numpy import save_file

    parts = {"": table, "default_": looks}
    save_file(
        {
            f"{prefix}{name}": getattr(t, name)
            for prefix, t in parts.items()
            for name in ("values", "unnamed")
        },
        path,
    )


def figures(made: World, table: Table, scenes: Sequence[Scene], looks: Table) -> dict[str, Any]:
    """Every statement about the raters, measured on the whole data set."""
    settings = np.stack([settings_of(scene) for scene in scenes])
    subjects = np.array([scene.subject for scene in scenes])
    style = np.array([scene.style for scene in scenes])
    ages = np.array([d["age"] for d in made.fresh(2000).demographics])
    few = table.rows(slice(0, 2000))
    t = few.expected(made.fresh(2000))
    own = world.personal_parts(few, made.fresh())
    within = np.mean([own[:, subjects[:2000] == s].var(1).mean() for s in np.unique(subjects)])
    saturation = few.values[:, NAMES.index("saturation")]
    leaning = [float(np.corrcoef(saturation, row)[0, 1]) for row in t]
    liking = t[:, style[:2000] == "photo"].mean(1) > t[:, style[:2000] == "digital"].mean(1)
    y = np.concatenate(list(world.rate_all(made, table).values()))
    return {
        "oracles": {str(seed): _rounded(world.oracles(made, table, seed)) for seed in (1, 2, 3)},
        "participation_ratio": round(world.participation_ratio(own), 2),
        "personal_variance_within_subject": round(float(within / own.var()), 3),
        "demographic_share": round(world.demographic_share(made, table.rows(slice(0, 500))), 4),
        "prefer_photo_to_digital": round(float(liking.mean()), 3),
        "saturation_liking_by_age": {
            f"{low}-{high}": round(
                float(np.mean([v for v, a in zip(leaning, ages, strict=True) if low <= a <= high])), 3
            )
            for low, high in AGE_BINS
        },
        "default_look_percentile": world.percentile_of_default(
            made, table, subjects, looks, np.repeat(list(SUBJECTS), DEFAULTS)
        ),
        "rho": _rounded(
            {name: world.spearman(table.values[:, k], settings[:, k]) for k, name in enumerate(NAMES)}
        ),
        "ratings": {"mean": round(float(y.mean()), 3), "sd": round(float(y.std()), 3)},
    }


def _rounded(values: dict[str, float]) -> dict[str, float]:
    return {key: round(value, 4) for key, value in values.items()}


def statistics_file(path: Path) -> tuple[np.ndarray, np.ndarray]:
    bank, explicit = statistics(load_image(path))
    return bank, np.array([explicit[name] for name in EXPLICIT], np.float32)
