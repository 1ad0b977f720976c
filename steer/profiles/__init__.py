"""Profiles: what people rated, kept on disk so that any predictor can learn their taste from it."""

from __future__ import annotations

from steer.profiles.store import Demographics, Profile, Profiles, Rating

__all__ = ["Demographics", "Profile", "Profiles", "Rating"]
