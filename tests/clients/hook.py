"""Programs that webhooks call: hook.py CERT KEY FILE INWARD. Prints its port; notes calls as JSON lines in FILE.

It listens on 127.0.0.1 with TLS, and at the same port on INWARD without. /later answers 500 to the first call and 200 after
it, /inward redirects to INWARD, /hang never answers, anything else is 200.
"""

import http.server
import json
import ssl
import sys
import threading

CERT, KEY, FILE, INWARD = sys.argv[1:]
LOCK = threading.Lock()
CALLS = {}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode("latin-1")
        host = self.server.server_address[0]
        headers = {name.lower(): value for name, value in self.headers.items()}
        with LOCK, open(FILE, "a", encoding="utf-8") as log:
            CALLS[self.path] = CALLS.get(self.path, 0) + 1
            nth = CALLS[self.path]
            log.write(json.dumps({"host": host, "path": self.path, "headers": headers, "body": body}) + "\n")
        if self.path == "/hang":
            threading.Event().wait()
        if self.path == "/inward" and host != INWARD:
            self.send_response(307)
            self.send_header("Location", f"http://{INWARD}:{self.server.server_address[1]}/secret")
        else:
            self.send_response(500 if self.path == "/later" and nth == 1 else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments):
        pass


def serve(host, port, tls):
    server = http.server.ThreadingHTTPServer((host, port), Handler)
    server.daemon_threads = True
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERT, KEY)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


while True:
    port = serve("127.0.0.1", 0, True)
    try:
        serve(INWARD, port, False)
        break
    except OSError:
        continue
print(port, flush=True)
threading.Event().wait()
