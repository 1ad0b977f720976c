"""Wall time, peak memory and overhead of a whole run; time of `--help`; size of the gallery; painting time.

    python benchmarks/speed.py [--keep FOLDER]

The demo (user 17, "floating mossy rocks"): 5 iterations of 20 proposals without early stop, confirmation
included, in a fresh process. Peak memory is the largest resident set of that process. Overhead is the share
of the wall time that is neither proposer, nor renderer, nor scorer, as result.json accounts for it.
Processor time says more than wall time where others work beside it. How many of its pictures the image gate
rejected stands there too; `--keep` keeps the run, to be looked at.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from common import RESULTS, machine, write_json

STEER = [sys.executable, "-m", "steer"]
HELPS = 7
PAINTINGS = 24


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--keep", type=Path, help="an empty folder for the run", default=None)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        report = {
            "machine": machine(),
            **whole_run(args.keep or Path(folder)),
            "help_seconds": help_seconds(),
            **painting(),
        }
    write_json(RESULTS / "speed.json", report)
    print(json.dumps(report, indent=1))


def whole_run(folder: Path) -> dict[str, Any]:
    command = [*STEER, "run", "--user", "17", "--prompt", "floating mossy rocks", "--patience", "0"]
    began = time.monotonic()
    done = subprocess.run([*command, "--out", str(folder), "--json"], check=True, stdout=subprocess.PIPE)
    wall = time.monotonic() - began
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    result = json.loads(done.stdout)
    seconds = result["seconds"]
    record = next(folder.iterdir())
    return {
        "wall_seconds": round(wall, 1),
        "processor_seconds": round(used.ru_utime + used.ru_stime, 1),
        "peak_gib": round(used.ru_maxrss / 1024**2, 2),
        "seconds": {name: round(value, 2) for name, value in seconds.items()},
        "overhead_share": round(seconds["other"] / seconds["total"], 4),
        "start_up_seconds": round(wall - seconds["total"], 1),
        "images": len(list((record / "images").glob("*.png"))),
        "gallery_mb": round((record / "gallery.html").stat().st_size / 1e6, 2),
        "candidates": result["candidates"],
        "rejected_by_the_image_gate": result["rejected"]["image"],
        "winner": result["best"]["prompt"],
        "predicted_gain_confirmed": round(result["confirm"]["gain_mean"], 3),
    }


def help_seconds() -> dict[str, float]:
    times = []
    for _ in range(HELPS):
        began = time.monotonic()
        subprocess.run([*STEER, "--help"], check=True, stdout=subprocess.DEVNULL)
        times.append(time.monotonic() - began)
    return {"median": round(statistics.median(times), 3), "worst": round(max(times), 3)}


def painting() -> dict[str, Any]:
    """Seconds of processor time for one 512 x 512 painting on one core, over the whole world."""
    import numpy as np

    from steer.sandbox.paint.painter import paint
    from steer.sandbox.scene import STYLES, draw

    styles = list(STYLES)
    scenes = [draw(np.random.default_rng(i), style=styles[i % len(styles)]) for i in range(PAINTINGS)]
    paint(scenes[0])
    times = []
    for scene in scenes:
        began = time.process_time()
        paint(scene)
        times.append(time.process_time() - began)
    return {"painting_seconds": {"mean": round(statistics.fmean(times), 3), "worst": round(max(times), 3)}}


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", str(os.cpu_count()))
    main()
