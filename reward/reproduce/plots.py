"""What all pictures of tables and figures share. Needs matplotlib; each says whose figures it shows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from reward.errors import DatasetError, MissingPackage
from reward.files import whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NAMES = {"srocc": "SROCC", "plcc": "PLCC", "pairwise": "pairwise accuracy"}
PEOPLE = {
    "test_seen": "seen people",
    "test_unseen": "unseen people",
    "val_unseen": "unseen people, validation",
}
INK, GREY, OWN, OTHER, THIRD = "#222222", "#9a9a9a", "#0b6e99", "#d9822b", "#6a4c93"
_STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#555555",
    "axes.titlelocation": "left",
    "legend.frameon": False,
    "legend.fontsize": 8,
}


def require() -> None:
    """Raises MissingPackage before anything is computed, where nothing could be drawn in the end."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise MissingPackage(
            "plots need matplotlib: pip install 'steer[research]'; "
            "from a checkout: pip install -e '.[research]'"
        ) from error


class drawing:
    """A figure of some inches that is saved whole when the block ends without an error."""

    def __init__(self, path: Path, width: float, height: float) -> None:
        require()
        import matplotlib as mpl

        self._path = path
        self._size = (width, height)
        self._style = mpl.rc_context(_STYLE)

    def __enter__(self) -> Figure:
        from matplotlib.figure import Figure

        self._style.__enter__()
        self._figure = Figure(figsize=self._size, dpi=150, layout="constrained", facecolor="white")
        return self._figure

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        try:
            if error is None:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                with whole(self._path) as temporary:
                    self._figure.savefig(temporary, format="png")
        except OSError as failure:
            raise DatasetError(
                f"cannot write {self._path} ({failure.strerror or failure}): choose another folder by --out"
            ) from failure
        finally:
            self._style.__exit__(kind, error, trace)


def panels(figure: Figure, count: int, share: bool = False) -> list[Axes]:
    """So many axes beside each other."""
    return list(figure.subplots(1, count, squeeze=False, sharey=share)[0])


def titled(figure: Figure, title: str, label: str, note: str = "") -> None:
    """A title, and below it whose figures these are."""
    figure.suptitle(f"{title}\n{label}{'; ' + note if note else ''}", x=0.01, ha="left", fontsize=10)
