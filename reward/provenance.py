"""What a figure stands on: checkpoint, data, versions. The same facts in checkpoints, tables and reports."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reward.data import Dataset
    from reward.predictor.predictor import Predictor

PACKAGES = ("steer", "torch", "numpy", "scipy", "transformers", "sentence-transformers")


def versions() -> dict[str, str]:
    """Of Python and of the packages that figures depend on, where they are installed."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def of_data(dataset: Dataset) -> dict[str, Any]:
    """Name, digest of the content, and how much there is."""
    return {
        "name": dataset.name,
        "sha256": dataset.digest(),
        "ratings": len(dataset.scores),
        "people": len(dataset.user_ids),
        "images": len(dataset.image_ids),
    }


def of_predictor(predictor: Predictor) -> dict[str, Any]:
    """Which predictor it is, and what it says of its training; older ones say less."""
    trained = predictor.card.trained
    told = {name: trained[name] for name in ("seed", "data", "versions") if name in trained}
    recipe = trained.get("recipe") or {}
    return {
        "name": predictor.folder.resolve().name,
        "identity": predictor.identity,
        "world": predictor.world,
        "recipe": recipe.get("name") if isinstance(recipe, dict) else None,
        **told,
    }
