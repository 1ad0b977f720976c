"""Pictures that runs of one prompt share: its base, gate and checks are the same renders for everybody.

A picture is kept by everything that it depends on: the renderer with its settings, the versions of the
packages that made it, prompt and seed. Those of the base prompt stay with the sweep, for people who are added
later; those of rewrites, which two people's runs have in common now and then, until all runs of the prompt
are done.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reward.files import write_whole
from steer.parts import Closes, KeepsLog, Parts, Renderer, Rests, TakesNotes, Wakes
from steer.record.files import writing
from steer.record.folder import describe, versions

if TYPE_CHECKING:
    from PIL.Image import Image


class SharedRenderer:
    """A renderer that looks for its pictures in a folder first; see `steer.parts.Renderer`."""

    def __init__(self, parts: Parts, folder: Path, prompt: str) -> None:
        self.renderer: Renderer = parts.renderer
        self.name = self.renderer.name
        self.made = self.found = 0  # pictures
        self._identity = [describe(parts)["renderer"], versions()]
        self._prompt = prompt
        self._folder = folder

    def __getattr__(self, name: str) -> Any:  # model, revision, steps …: what records say of a renderer
        return getattr(self.renderer, name)

    def path(self, prompt: str, seed: int) -> Path:
        """Where the picture is kept."""
        key = json.dumps([self._identity, prompt, seed], ensure_ascii=False, sort_keys=True)
        folder = self._folder if prompt == self._prompt else self._folder / "rewrites"
        return folder / f"{hashlib.sha256(key.encode(errors='backslashreplace')).hexdigest()[:24]}.png"

    def render(self, prompts: Sequence[str], seeds: Sequence[int]) -> Iterator[Image]:
        """See `steer.parts.Renderer`."""
        from steer.record.png import encode_png, load_whole

        jobs = list(zip(prompts, seeds, strict=True))
        paths = [self.path(*job) for job in jobs]
        missing = {path: i for i, path in reversed(list(enumerate(paths))) if not path.exists()}
        wanted = sorted(missing.values())
        fresh = self._fresh([jobs[i] for i in wanted])
        for i, path in enumerate(paths):
            kept = None if missing.get(path) == i else load_whole(path)
            if kept is not None:
                self.found += 1
                yield kept[0]
                continue
            # What was kept and cannot be read is made again.
            image = next(fresh if missing.get(path) == i else self._fresh([jobs[i]]), None)
            if image is None:  # too few, which the loop tells
                return
            image = image.convert("RGB")
            with writing(self._folder):
                path.parent.mkdir(parents=True, exist_ok=True)
                write_whole(path, encode_png(image, {}))
            self.made += 1
            yield image

    def _fresh(self, jobs: Sequence[tuple[str, int]]) -> Iterator[Image]:
        if jobs:
            yield from self.renderer.render([prompt for prompt, _ in jobs], [seed for _, seed in jobs])

    # --- what any part may do besides

    def wake(self) -> None:
        """See `steer.parts.Wakes`."""
        if isinstance(self.renderer, Wakes):
            self.renderer.wake()

    def rest(self) -> None:
        """See `steer.parts.Rests`."""
        if isinstance(self.renderer, Rests):
            self.renderer.rest()

    def close(self) -> None:
        """See `steer.parts.Closes`."""
        if isinstance(self.renderer, Closes):
            self.renderer.close()

    def notes(self) -> Sequence[str]:
        """See `steer.parts.TakesNotes`."""
        return self.renderer.notes() if isinstance(self.renderer, TakesNotes) else ()

    def keep_log(self, folder: Path) -> None:
        """See `steer.parts.KeepsLog`."""
        if isinstance(self.renderer, KeepsLog):
            self.renderer.keep_log(folder)


def sharing(parts: Parts, folder: Path, prompt: str) -> tuple[Parts, SharedRenderer]:
    """The same parts, with a renderer that shares the pictures of a prompt in `folder`."""
    renderer = SharedRenderer(parts, folder, prompt)
    return replace(parts, renderer=renderer), renderer


def forget_rewrites(folder: Path) -> None:
    """All runs of the prompt are done: only the base prompt's own pictures stay."""
    shutil.rmtree(folder / "rewrites", ignore_errors=True)
