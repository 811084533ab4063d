"""Opens N IMAP sessions over TLS, leaves each in IDLE, and prints the front-end's memory in KiB meanwhile.

Usage: idle_sessions.py PORT COUNT PID USERS CA
"""

import resource
import socket
import ssl
import sys


def line(stream, want):
    while True:
        got = stream.readline()
        if not got:
            raise SystemExit("the connection ended, waiting for %r" % want)
        if got.startswith(want):
            return got


def main():
    port, count, pid = (int(a) for a in sys.argv[1:4])
    users = [entry.split() for entry in open(sys.argv[4])]
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4 * count + 100), hard))
    context = ssl.create_default_context(cafile=sys.argv[5])
    sessions = []
    for n in range(count):
        address, password = users[n % len(users)]
        raw = socket.create_connection(("127.0.0.1", port), 90)
        secure = context.wrap_socket(raw, server_hostname="localhost")
        stream = secure.makefile("rwb", buffering=0)
        line(stream, b"* OK")
        stream.write(b"a LOGIN %s %s\r\n" % (address.encode(), password.encode()))
        line(stream, b"a OK")
        stream.write(b"b SELECT INBOX\r\n")
        line(stream, b"b OK")
        stream.write(b"c IDLE\r\n")
        line(stream, b"+")
        sessions.append((raw, secure, stream))
    for field in open("/proc/%d/status" % pid):
        if field.startswith("VmRSS:"):
            print(field.split()[1])


main()
