"""A browser's stand-in: knows the token, and asks as our own pages do."""

from fastapi import FastAPI
from fastapi.testclient import TestClient

TOKEN = "t" * 32
OWN = {"origin": "http://127.0.0.1:8000", "sec-fetch-site": "same-origin"}


def client_of(app: FastAPI, **settings) -> TestClient:
    """Has opened the printed address already."""
    client = TestClient(app, base_url="http://127.0.0.1:8000", headers=OWN, **settings)
    assert client.get(f"/?token={TOKEN}").status_code == 200
    return client
