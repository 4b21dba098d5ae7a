"""Serves a WSGI application with Python's own library: threads, chunked uploads, a graceful stop.

Headway adds this file to packages whose requirements name no server of their own; add gunicorn or waitress to
requirements.txt and it is used instead. Usage: wsgi.py MODULE:NAME, on the HOST and PORT of the environment.
"""
import importlib
import os
import signal
import sys
import threading
from socketserver import ThreadingMixIn
from wsgiref.simple_server import ServerHandler, WSGIRequestHandler, WSGIServer


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = False  # closing waits for the requests that are being answered
    request_queue_size = 512

    def server_bind(self):
        # WSGIServer's own asks the resolver for this machine's name, which can take seconds.
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = self.server_address[:2]
        self.setup_environ()


class Chunks:
    """The body of a request with Transfer-Encoding: chunked."""

    def __init__(self, raw):
        self.raw, self.rest, self.ended = raw, b"", False

    def read(self, size=-1):
        while not self.ended and (size is None or size < 0 or len(self.rest) < size):
            length = int(self.raw.readline(1024).split(b";")[0].strip() or b"0", 16)
            if length == 0:
                while self.raw.readline(65536).strip():
                    pass
                self.ended = True
            else:
                self.rest += self.raw.read(length)
                self.raw.readline(3)
        if size is None or size < 0:
            size = len(self.rest)
        result, self.rest = self.rest[:size], self.rest[size:]
        return result

    def readline(self, size=-1):
        body = self.read()
        end = body.find(b"\n") + 1 or len(body)
        end = end if size is None or size < 0 else min(end, size)
        self.rest = body[end:]
        return body[:end]

    def readlines(self, hint=-1):
        return list(self)

    def __iter__(self):
        return iter(self.readline, b"")


class Handler(WSGIRequestHandler):
    timeout = 75

    def handle(self):
        self.raw_requestline = self.rfile.readline(65537)
        if len(self.raw_requestline) > 65536:
            self.requestline = self.request_version = self.command = ""
            self.send_error(414)
            return
        if not self.parse_request():
            return
        environ = self.get_environ()
        body = self.rfile
        if "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower():
            environ["wsgi.input_terminated"] = True
            body = Chunks(self.rfile)
        handler = ServerHandler(body, self.wfile, self.get_stderr(), environ)
        handler.request_handler = self
        handler.run(self.server.get_app())

    def log_message(self, format, *args):
        pass  # the edge writes the access log


def application(target):
    module, _, name = target.partition(":")
    sys.path.insert(0, os.getcwd())
    value = importlib.import_module(module)
    if name.endswith("()"):
        return getattr(value, name[:-2])()
    return getattr(value, name)


def main():
    served = application(sys.argv[1])
    address = (os.environ.get("HOST", "127.0.0.1"), int(os.environ.get("PORT", "8000")))
    server = Server(address, Handler)
    server.set_app(served)
    # shutdown() waits for the serving loop, so it must not be called from within it.
    stop = lambda *_: threading.Thread(target=server.shutdown).start()
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    print("serving %s on %s:%d" % (sys.argv[1], *address), flush=True)
    server.serve_forever(poll_interval=0.1)
    server.server_close()


if __name__ == "__main__":
    main()
