"""An HTTPS server with one file: https_file.py CERT KEY FILE TYPE. Prints its port; notes requests as JSON lines in FILE.log.

GET answers the file, POST answers 200 and notes the body; a path that begins with /to/ redirects (307) to what follows.
"""

import http.server
import json
import ssl
import sys
import threading

CERT, KEY, FILE, TYPE = sys.argv[1:]
LOCK = threading.Lock()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def note(self, body=""):
        with LOCK, open(FILE + ".log", "a", encoding="utf-8") as log:
            line = {"method": self.command, "path": self.path, "headers": dict(self.headers), "body": body}
            log.write(json.dumps(line) + "\n")

    def answer(self, body):
        if self.path.startswith("/to/"):
            self.send_response(307)
            self.send_header("Location", self.path[4:])
        else:
            self.send_response(200)
            self.send_header("Content-Type", TYPE)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.note()
        with open(FILE, "rb") as file:
            self.answer(file.read())

    def do_POST(self):
        self.note(self.rfile.read(int(self.headers["Content-Length"])).decode("latin-1"))
        self.answer(b"")

    def log_message(self, *arguments):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(CERT, KEY)
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_address[1], flush=True)
server.serve_forever()
