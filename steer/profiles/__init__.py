"""Profiles: what people rated, kept on disk so that any predictor can learn their taste from it."""

from __future__ import annotations

from steer.profiles.ratings_on_disk import Profile, Profiles
from steer.profiles.snapshot import Demographics, ProfileState, Rating

__all__ = ["Demographics", "Profile", "ProfileState", "Profiles", "Rating"]
