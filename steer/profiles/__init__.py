"""Profiles: what people rated, kept on disk so that any predictor can learn their taste from it."""

from __future__ import annotations

from steer.profiles.state import Demographics, ProfileState, Rating
from steer.profiles.store import Profile, Profiles

__all__ = ["Demographics", "Profile", "ProfileState", "Profiles", "Rating"]
