"""One real pinyon server process, a proxy that counts requests, and document stores."""

import datetime
import http.client
import http.server
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.parse

from ravendb import CreateDatabaseOperation, DocumentStore
from ravendb.serverwide.database_record import DatabaseRecord

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]
# Only guards against a server that hangs; no story depends on their length.
START_LIMIT_S = 60
STOP_LIMIT_S = 60


def find_binary() -> pathlib.Path:
    """PINYON_BIN, else the newer of the release and the debug build."""
    if "PINYON_BIN" in os.environ:
        return pathlib.Path(os.environ["PINYON_BIN"]).resolve()
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target"))
    built = [path for profile in ("release", "debug") if (path := target / profile / "pinyon").exists()]
    if not built:
        raise FileNotFoundError("no pinyon binary: run `cargo build -p pinyon-server` or set PINYON_BIN")
    return max(built, key=lambda path: path.stat().st_mtime)


class Server:
    """A server on its own data directory; `url` has no trailing slash."""

    def __init__(self):
        self.data_dir = tempfile.mkdtemp(prefix="pinyon-stories-")
        self._stderr = tempfile.TemporaryFile()
        self._launch("127.0.0.1:0")

    def restart(self):
        """Stops gracefully and starts again on the same data directory and port."""
        self.terminate()
        self._launch(urllib.parse.urlsplit(self.url).netloc)

    def crash(self):
        """Kills without warning (SIGKILL) and starts again."""
        self._end(signal.SIGKILL)
        self._launch(urllib.parse.urlsplit(self.url).netloc)

    def terminate(self):
        """Asks for a graceful stop and checks that it was one."""
        code = self._end(signal.SIGTERM)
        if code != 0:
            raise RuntimeError(f"the server ended with code {code}\n{self._errors()}")

    def stop(self):
        try:
            self.terminate()
        finally:
            self._stderr.close()
            shutil.rmtree(self.data_dir, ignore_errors=True)

    def _launch(self, listen):
        self._process = subprocess.Popen(
            [find_binary(), "serve", "--data-dir", self.data_dir, "--listen", listen],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            text=True,
        )
        limit = threading.Timer(START_LIMIT_S, self._process.kill)
        limit.start()
        try:
            for line in self._process.stdout:
                ready = re.match(r"listening on (http://\S+)$", line)
                if ready:
                    self.url = ready[1].rstrip("/")
                    break
            else:
                raise RuntimeError(f"the server ended with code {self._process.wait()} before it was ready\n{self._errors()}")
        finally:
            limit.cancel()
        # Nothing may block the server on a full pipe.
        self._drain = threading.Thread(target=self._process.stdout.read, daemon=True)
        self._drain.start()

    def _end(self, kind):
        self._process.send_signal(kind)
        try:
            return self._process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise
        finally:
            self._drain.join()
            self._process.stdout.close()

    def _errors(self):
        self._stderr.seek(0)
        return self._stderr.read().decode(errors="replace")[-20_000:]


class CountingProxy:
    """Passes every request on unchanged; `log` holds (method, path, status) of each."""

    def __init__(self, target):
        self.log = []
        netloc = urllib.parse.urlsplit(target).netloc
        log = self.log

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def forward(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                onward = http.client.HTTPConnection(netloc)
                try:
                    onward.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
                    for name, value in self.headers.items():
                        onward.putheader(name, value)
                    onward.endheaders(body or None)
                    answer = onward.getresponse()
                    content = answer.read()
                finally:
                    onward.close()
                log.append((self.command, self.path, answer.status))
                self.send_response_only(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in ("transfer-encoding", "content-length", "connection"):
                        self.send_header(name, value)
                if answer.status not in (204, 304):
                    self.send_header("Content-Length", answer.getheader("Content-Length") or str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = forward

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def statuses(self, part=""):
        return [status for _, path, status in self.log if part in path]

    def stop(self):
        self._server.shutdown()
        self._server.server_close()


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    @property
    def text(self):
        return self.body.decode()

    @property
    def json(self):
        return json.loads(self.body)


def send(url, method, path, body=None, headers=None) -> Answer:
    """One plain HTTP request; a body that is not text goes as JSON."""
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(url).netloc)
    try:
        payload = body if body is None or isinstance(body, str) else json.dumps(body)
        connection.request(method, path, payload and payload.encode(), headers or {})
        return Answer(connection.getresponse())
    finally:
        connection.close()


def open_store(url, database, **conventions) -> DocumentStore:
    store = DocumentStore(url, database)
    # Stories must not read what an earlier run left in the home directory.
    store.conventions.disable_topology_cache = True
    for name, value in conventions.items():
        setattr(store.conventions, name, value)
    store.initialize()
    return store


def open_counted_store(proxy, database) -> DocumentStore:
    """A store that stays with the proxy's address, so that every request is counted."""
    return open_store(proxy.url, database, disable_topology_updates=True)


def moment() -> datetime.datetime:
    """A UTC moment after everything written so far and before everything written from now on."""

    def later_than(moment):
        while datetime.datetime.now(datetime.timezone.utc) <= moment:
            time.sleep(0.001)
        return datetime.datetime.now(datetime.timezone.utc)

    between = later_than(datetime.datetime.now(datetime.timezone.utc))
    later_than(between)
    return between.replace(tzinfo=None)


def until(look):
    """Asks again until `look` answers something true."""
    while not (seen := look()):
        time.sleep(0.05)
    return seen


class Story(unittest.TestCase):
    """Stories of one class share a server and a database `Story` with its `store`."""

    @classmethod
    def setUpClass(cls):
        cls.server = Server()
        cls.addClassCleanup(cls.server.stop)
        cls.store = cls.create_store("Story")

    @classmethod
    def create_store(cls, database, **conventions):
        store = open_store(cls.server.url, database, **conventions)
        cls.addClassCleanup(store.close)
        store.maintenance.server.send(CreateDatabaseOperation(DatabaseRecord(database)))
        return store

    def start_proxy(self, database="Story"):
        proxy = CountingProxy(self.server.url)
        self.addCleanup(proxy.stop)
        store = open_counted_store(proxy, database)
        self.addCleanup(store.close)
        return proxy, store

    def put(self, documents):
        """Stores `{id: document}` in one batch."""
        with self.store.open_session() as session:
            for key, document in documents.items():
                session.store(document, key)
            session.save_changes()

    def put_raw(self, documents, database="Story"):
        """Stores `{id: document}` exactly as given, by plain HTTP."""
        commands = [{"Type": "PUT", "Id": key, "Document": document} for key, document in documents.items()]
        answer = send(self.server.url, "POST", f"/databases/{database}/bulk_docs", {"Commands": commands})
        self.assertEqual(201, answer.status, answer.text)
