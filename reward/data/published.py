"""Published counts of the data sets, and the one line that says where a copy differs.

PAMELA's are the data set card's; those of LAPIS and PARA are what third-party readers counted in the files
(LAPIS's own paper says 283,859 ratings of 552 people; the file has 283,860 of 568).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

PAMELA: Mapping[str, int] = {
    "ratings": 69_904,
    "users": 199,
    "images": 5_077,
    "train ratings": 50_222,
    "train users": 156,
    "train images": 3_554,
    "val_seen ratings": 6_551,
    "val_seen users": 82,
    "val_seen images": 609,
    "val_unseen ratings": 926,
    "val_unseen users": 16,
    "val_unseen images": 513,
    "test_seen ratings": 9_735,
    "test_seen users": 82,
    "test_seen images": 914,
    "test_unseen ratings": 2_470,
    "test_unseen users": 27,
    "test_unseen images": 914,
}
# Sums over the released training ratings, which a simulated copy of the layout cannot share.
PAMELA_CONTENT: Mapping[str, float] = {
    "Art images in train": 1_279,
    "Photorealism images in train": 2_275,
    "Art ratings in train": 17_698,
    "styles in train": 26,
    "groups in train": 19,
    "Art images without a style": 0,
    "Photorealism images with a style": 0,
    "mean rating in train": 3.161,
}
LAPIS: Mapping[str, int] = {
    "ratings": 283_860,
    "users": 568,
    "images": 11_723,
    "train images": 8_205,
    "val images": 1_173,
    "test images": 2_345,
    "users without demographics": 36,
}
PARA: Mapping[str, int] = {
    "ratings": 807_586,
    "users": 438,
    "images": 31_220,
    "sessions": 446,
    "train images": 28_220,
    "test images": 3_000,
}


def notice(
    title: str, found: Mapping[str, float], published: Mapping[str, float], faults: Sequence[str] = ()
) -> tuple[str, ...]:
    """One line with both numbers of every count that differs, and other faults; () where there are none."""
    differing = [
        f"{name} {_number(found.get(name, 0))} (published {_number(count)})"
        for name, count in published.items()
        if found.get(name, 0) != count
    ]
    if not differing and not faults:
        return ()
    return (
        f"{title} is not as published: {', '.join([*differing, *faults])}. If it is meant to be the release, "
        "get it again",
    )


def _number(count: float) -> str:
    return f"{count:,}" if isinstance(count, int) else f"{count:g}"
