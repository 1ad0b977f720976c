"""`steer reward train`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from steer.cli import options as opt
from steer.cli.console import hint, print_json, say
from steer.cli.progress_bars import bar
from steer.errors import UsageError

if TYPE_CHECKING:
    from accelerate import Accelerator

    from reward.data import Dataset
    from reward.training.pipeline import EncoderNames
    from reward.training.recipe import Recipe

Store = Annotated[
    Path | None,
    typer.Option(
        "--features", help="Folder of encoded features; by default beside the data.", show_default=False
    ),
]

Fold = Annotated[
    int | None,
    typer.Option(
        help="Which fold of LAPIS's and PARA's people is unseen; by default the first.",
        min=1,
        max=4,
        show_default=False,
    ),
]


def train(
    data: Annotated[
        list[Path],
        typer.Argument(metavar="DATA…", help="Data sets, or what prepare wrote.", show_default=False),
    ],
    to: Annotated[Path, typer.Option("--out", help="Folder for the predictor.", show_default=False)],
    recipe: Annotated[
        str | None,
        typer.Option(
            help="steer (ours, for the loop) or paper (as the paper states it).", show_default=False
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="FIELD=VALUE",
            help="Change one field of the recipe; again for more.",
            show_default=False,
        ),
    ] = None,
    encoder: Annotated[
        str | None,
        typer.Option(help="Image-text encoder: folder or hub id, @REVISION to pin it.", show_default=False),
    ] = None,
    text_encoder: Annotated[
        str | None,
        typer.Option(help="Sentence encoder: folder or hub id, @REVISION to pin it.", show_default=False),
    ] = None,
    image_statistics: Annotated[
        bool,
        typer.Option(
            "--image-statistics",
            help="Also read generic statistics of the pixels: brightness, colour, edges.",
        ),
    ] = False,
    epochs: Annotated[
        int | None, typer.Option(help="Instead of the recipe's.", min=1, show_default=False)
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(help="Over all processes.", min=1, show_default=False)
    ] = None,
    learning_rate: Annotated[float | None, typer.Option(help="AdamW's.", show_default=False)] = None,
    patience: Annotated[
        int | None,
        typer.Option(help="Epochs without a better validation; 0 never stops.", min=0, show_default=False),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of weights, order and dropped tokens.")] = 0,
    fold: Fold = None,
    keep_demographics: Annotated[
        bool,
        typer.Option(
            "--keep-demographics",
            help="Keep what participants told of themselves: for groups, and not for sharing.",
        ),
    ] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted training.")] = False,
    features: Store = None,
    device: Annotated[str, typer.Option(help="auto (a GPU where there is one) or cpu.")] = "auto",
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Also write metrics for TensorBoard.")
    ] = False,
    as_json: opt.Json = False,
    quiet: opt.Quiet = False,
) -> None:
    """Train a predictor on one data set, or on several jointly.

    The same command runs on a CPU, on one GPU and, started by torchrun, on several.

    [bold]Examples[/bold]

    steer reward train ratings --out weights

    steer reward train ratings --out weights --resume

    steer reward train ratings --out weights --recipe paper --set epochs=3

    torchrun --nproc-per-node 4 -m steer reward train ratings --out weights
    """
    from reward.data import join, load
    from reward.predictor.checkpoint import CARD_FILE, read_checkpoint
    from reward.training.fit import accelerator_for
    from reward.training.pipeline import train_predictor

    if device not in ("auto", "cpu"):
        raise UsageError(f"there is no device {device!r}; the devices are auto, cpu")
    if (to / CARD_FILE).exists() and resume:
        hint("this training is complete, nothing to do")
        card, _, _ = read_checkpoint(to)
        _finish(to, dict(card.trained["metrics"]), None, card.licences, as_json)
        return
    chosen = _recipe(
        recipe or "steer",
        {
            "epochs": epochs,
            "batch_size": batch_size,
            "learning_rate": learning_rate,
            "patience": patience,
            "image_statistics": image_statistics or None,
        },
        settings or [],
    )
    dataset = join([load(source, fold=fold) for source in data])
    names = _encoders(dataset.simulated, encoder, text_encoder)
    accelerator = accelerator_for(device)
    silent = quiet or not accelerator.is_main_process
    if not silent:
        _announce(dataset, chosen, names, accelerator)
    try:
        with bar(silent) as progress:
            report = train_predictor(
                dataset,
                to,
                chosen,
                names,
                features or feature_store(data[0], to),
                subjects=subjects_of(dataset),
                seed=seed,
                keep_demographics=keep_demographics or None,
                accelerator=accelerator,
                resume=resume,
                tensorboard=tensorboard,
                encoding=progress,
                progress=_epochs(chosen.epochs, silent),
            )
    except KeyboardInterrupt:
        if accelerator.is_main_process:
            hint("interrupted; go on with the same command and --resume")
        raise typer.Exit(130) from None
    if accelerator.is_main_process:
        card, _, _ = read_checkpoint(to)
        _finish(to, dict(card.trained["metrics"]), report, card.licences, as_json)


def feature_store(data: Path, other: Path) -> Path:
    """Where features lie: beside the data set, as `steer sandbox build` puts them; else in `other`."""
    folder = data if data.is_dir() else data.parent
    if folder.name == "PAMELA" and (folder / "annotations").is_dir():
        folder = folder.parent
    return folder / "features" if folder.is_dir() else other / "features"


def subjects_of(dataset: Dataset) -> dict[str, str] | None:
    """What the sandbox's paintings show, which training pairs them with; other data sets do not say."""
    scenes = dataset.root.parent / "scenes.json"
    if dataset.name != "sandbox" or not scenes.is_file():
        return None
    from steer.sandbox.make.dataset import read_scenes
    from steer.sandbox.read.captions import subject_phrase

    return {str(i + 1): subject_phrase(scene) for i, scene in enumerate(read_scenes(scenes)[0])}


def _recipe(name: str, changes: Mapping[str, Any], settings: Sequence[str]) -> Recipe:
    from reward.training.recipe import RECIPES, changed

    if name not in RECIPES:
        raise UsageError(f"there is no recipe {name!r}; the recipes are {', '.join(RECIPES)}")
    rate = changes.get("learning_rate")
    if rate is not None and not 0 < rate < 1:
        raise UsageError(f"--learning-rate {rate} is out of range; it lies between 0 and 1, as in 2e-5")
    recipe = replace(RECIPES[name], **{key: value for key, value in changes.items() if value is not None})
    try:
        return changed(recipe, settings)
    except ValueError as error:
        raise UsageError(f"--set {error}") from error


def _encoders(small: bool, image_text: str | None, sentences: str | None) -> EncoderNames:
    """The encoders asked for; else the sandbox's small ones for its data, and the paper's for others."""
    from reward.encoders.sentences import NEMOTRON_ID, SENTENCE_ENCODER_ID
    from reward.training.pipeline import SIGLIP2_ID, EncoderNames
    from steer.machine.presets import WEIGHTS

    return EncoderNames(
        image_text or (str(WEIGHTS / "encoder") if small else SIGLIP2_ID),
        sentences or (SENTENCE_ENCODER_ID if small else NEMOTRON_ID),
        licence="sandbox weights and data" if small and image_text is None else None,
    )


def _announce(dataset: Dataset, recipe: Recipe, names: EncoderNames, accelerator: Accelerator) -> None:
    kind = "simulated people" if dataset.simulated else "people"
    people = len({int(user) for user in dataset.users[dataset.rows("train")]})
    hint(
        f"{dataset.name}: {len(dataset.rows('train')):,} training ratings of {people} {kind}; "
        f"recipe {recipe.name}, {recipe.epochs} epochs",
        style="yellow" if dataset.simulated else None,
    )
    hint(f"encoders {names.image_text} and {names.sentences}")
    several = f"{accelerator.num_processes} processes, " if accelerator.num_processes > 1 else ""
    hint(f"on {several}{accelerator.device}")


def _epochs(total: int, silent: bool) -> Callable[[Mapping[str, float]], None]:
    """One line for each epoch."""

    def tell(metrics: Mapping[str, float]) -> None:
        if silent:
            return
        names = [name for name in ("loss", "val_seen", "val_unseen") if name in metrics]
        shown = ", ".join(f"{name} {metrics[name]:.3f}" for name in names)
        hint(f"epoch {int(metrics['epoch'])} of {total}: {shown} ({metrics['seconds']:.0f} s)")

    return tell


def _finish(
    folder: Path,
    metrics: Mapping[str, Any],
    report: Mapping[str, Any] | None,
    licences: Sequence[str],
    as_json: bool,
) -> None:
    if as_json:
        done = {} if report is None else {"seconds": report["seconds"], "epochs": report["epochs"]}
        print_json(
            {"schema_version": 1, "status": "complete", "folder": str(folder), "best": metrics, **done}
        )
        return
    for line in licences:
        hint(f"licence of {line}")
    hint(f"evaluate it: steer reward evaluate {folder} DATA")
    say(folder)
