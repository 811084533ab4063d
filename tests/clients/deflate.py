"""Speaks IMAP through COMPRESS=DEFLATE (RFC 4978) with Python's zlib.

Usage: deflate.py talk PORT CA|- ADDRESS PASSWORD     a message there and back, in one stream that refers to its past
       deflate.py bomb PORT CA|- ADDRESS PASSWORD     a gigabyte of one letter, as a command and as a literal
       deflate.py idle PORT CA|- USERS COUNT PID      COUNT sessions in IDLE; prints the front-end's memory in KiB
"""

import resource
import socket
import ssl
import sys
import zlib

MIB = 1024 * 1024


class Client:
    def __init__(self, port, ca, address, password):
        self.stream = socket.create_connection(("127.0.0.1", port), 90)
        if ca != "-":
            context = ssl.create_default_context(cafile=ca)
            self.stream = context.wrap_socket(self.stream, server_hostname="localhost")
        self.packer = self.unpacker = None
        self.buffer = b""
        self.line(b"* OK")
        self.ask("a", "LOGIN %s %s" % (address, password))

    def compress(self):
        self.ask("c", "COMPRESS DEFLATE")
        assert self.buffer == b"", "something came behind the answer"
        self.packer = zlib.compressobj(9, zlib.DEFLATED, -15)
        self.unpacker = zlib.decompressobj(-15)

    def send(self, octets):
        if self.packer:
            octets = self.packer.compress(octets) + self.packer.flush(zlib.Z_SYNC_FLUSH)
        self.stream.sendall(octets)

    def more(self):
        octets = self.stream.recv(65536)
        if not octets:
            raise SystemExit("the connection ended")
        self.buffer += self.unpacker.decompress(octets) if self.unpacker else octets

    def line(self, want=b""):
        while True:
            while b"\r\n" not in self.buffer:
                self.more()
            got, self.buffer = self.buffer.split(b"\r\n", 1)
            if got.startswith(want):
                return got

    def take(self, count):
        while len(self.buffer) < count:
            self.more()
        got, self.buffer = self.buffer[:count], self.buffer[count:]
        return got

    def ask(self, tag, text):
        self.send(("%s %s\r\n" % (tag, text)).encode())
        answer = self.line(tag.encode() + b" ")
        assert answer.startswith(tag.encode() + b" OK"), answer
        return answer


def talk(port, ca, address, password):
    client = Client(port, ca, address, password)
    client.compress()
    message = b"Subject: deflated\r\n\r\n" + b"".join(b"line %d of many\r\n" % (n * n) for n in range(20000))
    client.send(b"d APPEND INBOX {%d+}\r\n%s\r\n" % (len(message), message))
    client.line(b"d OK")
    client.ask("e", "SELECT INBOX")
    # Each command refers back to the ones before, over pauses in which the server keeps as little as it can.
    for n in range(40):
        client.ask("f%d" % n, "UID SEARCH SUBJECT deflated BODY %s" % "never%d" % n)
    client.send(b"g NOOP\r\nh FETCH 1 BODY.PEEK[]\r\ni NOOP\r\n")
    head = client.line(b"* 1 FETCH")
    assert head.endswith(b"{%d}" % len(message)), head
    assert client.take(len(message)) == message, "the message differs"
    client.line(b"i OK")
    client.send(b"j COMPRESS DEFLATE\r\n")
    assert client.line(b"j ").startswith(b"j NO [COMPRESSIONACTIVE]")
    client.send(b"k LOGOUT\r\n")
    client.line(b"k OK")


def bomb(port, ca, address, password):
    for start in (b"d ", b"d APPEND INBOX {%d+}\r\n" % (1024 * MIB), b"d LOGIN {%d+}\r\n" % (1024 * MIB)):
        client = Client(port, ca, address, password)
        client.compress()
        try:
            client.send(start)
            for _ in range(1024):
                client.send(b"a" * MIB)
            client.line(b"* BYE")
        except (ConnectionError, SystemExit):
            # Closed while it was sending: the answer may be lost with the connection.
            pass


def idle(port, ca, users, count, pid):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4 * count + 100), hard))
    users = [entry.split() for entry in open(users)]
    clients = []
    for n in range(count):
        client = Client(port, ca, *users[n % len(users)])
        client.compress()
        client.ask("d", "SELECT INBOX")
        client.ask("e", "UID FETCH 1:* (FLAGS ENVELOPE)")
        client.send(b"f IDLE\r\n")
        client.line(b"+")
        # What the client has is smaller than what the server may keep.
        client.packer = client.unpacker = None
        clients.append(client)
    for field in open("/proc/%d/status" % pid):
        if field.startswith("VmRSS:"):
            print(field.split()[1])


def main():
    what, port, ca, rest = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4:]
    if what == "idle":
        idle(port, ca, rest[0], int(rest[1]), int(rest[2]))
    else:
        {"talk": talk, "bomb": bomb}[what](port, ca, *rest)


main()
