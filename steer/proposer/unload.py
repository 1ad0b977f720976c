"""Asks a server that somebody else started to give the GPU back for a while: Ollama and LM Studio can.

Both load the model again by themselves when they are next asked. Another server, such as a vLLM, is left
alone: it has no such request, and may be at work for others.
"""

from __future__ import annotations

from typing import Any

from steer.proposer.client import Client


def unload(client: Client, model: str) -> str | None:
    """Unload `model` from the server; the server's name, or None for one that cannot be asked."""
    version = client.tell("GET", "/api/version")
    if isinstance(version.get("version"), str):
        told = client.tell("POST", "/api/generate", {"model": model, "keep_alive": 0})
        return "Ollama" if told.get("done") else None
    listed = client.tell("GET", "/api/v1/models").get("models")
    if not isinstance(listed, list):
        return None
    loaded = [
        id for each in listed if isinstance(each, dict) and each.get("key") == model for id in _ids(each)
    ]
    told_all = [client.tell("POST", "/api/v1/models/unload", {"instance_id": id}) for id in loaded]
    return "LM Studio" if loaded and all(told.get("instance_id") for told in told_all) else None


def _ids(entry: dict[str, Any]) -> list[str]:
    instances = entry.get("loaded_instances")
    found = instances if isinstance(instances, list) else []
    return [each["id"] for each in found if isinstance(each, dict) and isinstance(each.get("id"), str)]
