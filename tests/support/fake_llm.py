"""An OpenAI-compatible server on a real socket of this machine, with no model behind it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = tuple[int, dict[str, str], bytes]  # status, headers, body


def answer(content: Any, status: int = 200, **headers: str) -> Answer:
    """An answer of JSON, or of text with its own content type."""
    if isinstance(content, str):
        return status, {"content-type": "text/html", **headers}, content.encode()
    return status, {"content-type": "application/json", **headers}, json.dumps(content).encode()


def chat(*texts: str | None, finish: str = "stop", **message: Any) -> Answer:
    """An answer with one choice per text."""
    return answer(
        {
            "choices": [
                {"index": i, "message": {"content": text, **message}, "finish_reason": finish}
                for i, text in enumerate(texts)
            ]
        }
    )


def completions(*texts: str, finish: str = "stop") -> Answer:
    return answer({"choices": [{"text": text, "finish_reason": finish} for text in texts]})


def error(status: int, message: str, **more: Any) -> Answer:
    return answer({"error": {"message": message, **more}}, status)


class FakeLlm:
    """Serves while it is open. `reply(path, body)` makes the answer to a POST; None breaks the connection."""

    def __init__(self, reply: Callable[[str, dict[str, Any]], Answer | None] | None = None) -> None:
        self.reply = reply or (lambda path, body: prompts_of(body))
        self.models: Answer = answer({"data": [{"id": "org/Big-8B-Instruct", "max_model_len": 4096}]})
        self.gets: dict[str, Answer] = {}  # answers to GETs of other paths
        self.asked: list[dict[str, Any]] = []  # bodies of the POSTs
        self.paths: list[str] = []
        self.keys: list[str | None] = []
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                fake.keys.append(self.headers.get("authorization"))
                self.send(fake.gets.get(self.path, fake.models))

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                fake.asked.append(body)
                fake.paths.append(self.path)
                self.send(fake.reply(self.path, body))

            def send(self, made: Answer | None) -> None:
                if made is None:
                    self.close_connection = True
                    return
                status, headers, body = made
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> FakeLlm:
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def prompts_of(body: dict[str, Any]) -> Answer:
    """What a good model on a good server answers: JSON that holds to the schema, `n` times, by the seed."""
    schema = body["response_format"]["json_schema"]["schema"]
    wanted = schema["properties"]["prompts"]["minItems"]
    return chat(
        *(
            json.dumps({"prompts": [f"floating mossy rocks, {body['seed']}-{i}-{k}" for k in range(wanted)]})
            for i in range(body.get("n", 1))
        )
    )
