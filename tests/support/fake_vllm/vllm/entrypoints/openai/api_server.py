"""Stands in for vLLM's server: its command line, its paths and the ways in which it dies. No model.

Files in the working folder make it misbehave: "die" ends it at the next request, "die-always" at each,
"insomnia" makes it fail to sleep. FAKE_VLLM in the environment keeps it from starting: "no-memory", "hang".
"""

import argparse
import json
import os
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer


class Server(ThreadingMixIn, UnixStreamServer):
    daemon_threads = True

    def get_request(self):
        request, _ = super().get_request()
        return request, ("local", 0)  # the handler names the client by host and port


class Handler(BaseHTTPRequestHandler):
    asleep = False

    def do_GET(self):
        if self.path == "/health":
            self.reply(200)
        elif self.path == "/is_sleeping":
            self.reply(200, {"is_sleeping": Handler.asleep})
        elif self.path == "/v1/models":
            self.reply(
                200, {"data": [{"id": options.served_model_name, "max_model_len": options.max_model_len}]}
            )

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.path in ("/sleep?level=1", "/wake_up"):
            if os.environ.get("VLLM_SERVER_DEV_MODE") != "1" or not options.enable_sleep_mode:
                return self.reply(404, {"detail": "Not Found"})
            if self.path != "/wake_up" and Path("insomnia").exists():
                return self.reply(500, {"detail": "Memory usage increased after sleeping."})
            Handler.asleep = self.path != "/wake_up"
            return self.reply(200, {"status": "done"})
        if self.headers.get("authorization") != f"Bearer {os.environ['VLLM_API_KEY']}":
            return self.reply(401, {"error": "Unauthorized"})
        if Handler.asleep:
            return self.reply(500, {"error": {"message": "asleep"}})
        if Path("die").exists() or Path("die-always").exists():
            Path("die").unlink(missing_ok=True)
            print("EngineDeadError: EngineCore encountered an issue", flush=True)
            os._exit(1)
        seed = json.loads(body)["seed"]
        content = json.dumps({"prompts": [f"floating mossy rocks, seed {seed}"]})
        self.reply(200, {"choices": [{"message": {"content": content}, "finish_reason": "stop"}]})

    def reply(self, status, answer=None):
        body = b"" if answer is None else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--model")
    parser.add_argument("--uds")
    parser.add_argument("--served-model-name")
    parser.add_argument("--max-model-len", type=int)
    parser.add_argument("--enable-sleep-mode", action="store_true")
    options, _ = parser.parse_known_args()
    trouble = os.environ.get("FAKE_VLLM")
    if trouble == "no-memory":
        sys.exit(
            "ValueError: Free memory on device (3.1/79.1 GiB) on startup is less than desired GPU memory"
        )
    engine = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    with Path("pids").open("a") as file:
        file.write(f"{os.getppid()} {os.getpid()} {engine.pid}\n")
    if trouble == "hang":
        time.sleep(600)
    print("serving", " ".join(sys.argv[1:]), flush=True)
    Server(options.uds, Handler).serve_forever()
