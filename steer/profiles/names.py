"""Names of profiles: they become folder names, labels of runs and words on pages."""

from __future__ import annotations

import unicodedata

from steer.errors import UnknownProfile

LONGEST = 40
_MARKS = " ._-'"


def checked_name(name: str) -> str:
    """The name in composed form. Raises `UnknownProfile` if no profile can be called that.

    Letters and digits of any script, and spaces and . _ - ' between them: no path, label or markup can be
    made of these. Never digits only, because `--user 17` is a participant or a position.
    """
    name = unicodedata.normalize("NFC", name).strip()
    if not name:
        raise UnknownProfile("a profile needs a name, as in: steer rate me")
    if len(name) > LONGEST:
        raise UnknownProfile(
            f"{name[:12]!r}… has {len(name)} characters; a profile's name has at most {LONGEST}"
        )
    if not any(unicodedata.category(sign)[0] == "L" for sign in name):
        raise UnknownProfile(f"{name!r} has no letter: numbers are participants; call the profile me, say")
    if not (_word(name[0]) and _word(name[-1]) and all(_word(sign) or sign in _MARKS for sign in name)):
        raise UnknownProfile(
            f"{name!r} is no name for a profile: use letters and digits, with spaces or . _ - ' between"
        )
    return name


def is_name(name: str) -> bool:
    """Whether a profile can be called exactly that."""
    try:
        return checked_name(name) == name
    except UnknownProfile:
        return False


def _word(sign: str) -> bool:
    return unicodedata.category(sign)[0] in "LMN"
