import hashlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from sklearn_occ.datasets import _download


class LoopbackServer:
    """Serves the bytes in `files` on 127.0.0.1 and counts the requests."""

    def __init__(self, registry):
        self.files, self.requests, self.registry = {}, [], registry
        self.withheld_bytes = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                outer.requests.append(self.path)
                content = outer.files.get(self.path.lstrip("/"))
                if content is None:
                    self.send_error(404)
                    return
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content[: len(content) - outer.withheld_bytes])

            def log_message(self, *args):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.http.server_port}"
        self.thread = Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def publish(self, name, content, algorithm="md5"):
        """Serve `content` as the public file `name`, with its true checksum in the registry."""
        digest = hashlib.new(algorithm, content).hexdigest()
        self.files[name] = content
        self.registry[name] = _download.RemoteFile(f"{self.address}/{name}", f"{algorithm}:{digest}")

    def stop(self):
        if self.thread.is_alive():
            self.http.shutdown()
            self.thread.join()
            self.http.server_close()


@pytest.fixture
def server(monkeypatch):
    """A local stand-in for the publishers; nothing else can be reached through the registry."""
    monkeypatch.delenv("SKLEARN_OCC_DATA", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    registry = {}
    monkeypatch.setattr(_download, "REMOTE_FILES", registry)
    server = LoopbackServer(registry)
    yield server
    server.stop()
