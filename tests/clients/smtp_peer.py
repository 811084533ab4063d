"""A mail server that misbehaves as it is told: smtp_peer.py BEHAVIOUR FILE [KEYWORD...].

Prints its port, serves until it is killed, and appends what clients say to FILE, a line each; the text of a message is one
line with its length. KEYWORDs are what EHLO offers.
"""

import socket
import sys
import threading

BEHAVIOUR, FILE, KEYWORDS = sys.argv[1], sys.argv[2], sys.argv[3:]
LOCK = threading.Lock()


def note(line):
    with LOCK, open(FILE, "a", encoding="utf-8") as file:
        file.write(line + "\n")


class Gone(Exception):
    """The client went away, or it is time to."""


class Talk:
    def __init__(self, connection):
        self.connection, self.buffer = connection, b""

    def say(self, text):
        self.connection.sendall(text.encode() + b"\r\n")

    def more(self):
        octets = self.connection.recv(65536)
        if not octets:
            raise Gone
        self.buffer += octets

    def line(self):
        while b"\r\n" not in self.buffer:
            self.more()
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line.decode()

    def text(self):
        # The end of the line that said DATA belongs to the final dot of an empty text.
        size, seen = 0, b"\r\n"
        while b"\r\n.\r\n" not in seen + self.buffer:
            size += len(self.buffer)
            seen, self.buffer = (seen + self.buffer)[-4:], b""
            if size > 100_000:
                self.break_off()
            self.more()
        used = (seen + self.buffer).index(b"\r\n.\r\n") + 5 - len(seen)
        self.buffer = self.buffer[used:]
        return size + used

    def break_off(self):
        if BEHAVIOUR == "close-in-text":
            raise Gone
        if BEHAVIOUR == "refuse-in-text":
            self.say("552 5.2.3 That is too much")
            # Reading on keeps the reply from being lost in a reset.
            self.connection.shutdown(socket.SHUT_WR)
            while self.connection.recv(65536):
                pass
            raise Gone

    def hang(self):
        while True:
            self.more()
            self.buffer = b""

    def ehlo(self):
        if BEHAVIOUR == "no-ehlo":
            return self.say("502 5.5.1 What?")
        if BEHAVIOUR == "endless-ehlo":
            while True:
                self.say("250-X-KEYWORD")
        if BEHAVIOUR == "endless-line":
            while True:
                self.connection.sendall(b"250-" + b"x" * 10_000)
        lines = ["peer.test at your service", *KEYWORDS]
        for line in lines[:-1]:
            self.say("250-" + line)
        self.say("250 " + lines[-1])

    def rcpt(self, line):
        who = line.split("<")[1].split("@")[0]
        if BEHAVIOUR == "goes-at-rcpt" and who.startswith("bad"):
            self.say("421 4.3.2 Going down")
            raise Gone
        answers = {"bad": "550 5.1.1 No such mailbox", "later": "450 4.2.1 Try later"}
        self.taken += 1
        if BEHAVIOUR == "two-at-once" and self.taken > 2:
            return self.say("452 4.5.3 Too many recipients")
        answer = next((text for start, text in answers.items() if who.startswith(start)), "250 2.1.5 OK")
        self.accepted += answer.startswith("250")
        self.say(answer)

    def data(self):
        if not self.accepted and BEHAVIOUR != "data-without-recipients":
            return self.say("554 5.5.1 No valid recipients")
        self.say("354 Go ahead")
        note(f"TEXT {self.text()}")
        if BEHAVIOUR == "close-at-end":
            raise Gone
        if BEHAVIOUR == "hang-at-end":
            self.hang()
        if BEHAVIOUR == "full":
            return self.say("452 4.3.1 Disk full")
        self.say("250 2.0.0 Taken" if self.accepted else "554 5.5.1 No valid recipients")

    def serve(self):
        if BEHAVIOUR == "silent":
            self.hang()
        if BEHAVIOUR == "garbage":
            return self.say("SSH-2.0-OpenSSH_9.2")
        if BEHAVIOUR == "not-here":
            return self.say("554 5.3.2 No SMTP service here")
        self.say("220 peer.test ESMTP")
        self.taken = self.accepted = 0
        while True:
            line = self.line()
            note(line)
            verb = line.split(" ")[0].split(":")[0].upper()
            if verb == "EHLO":
                self.ehlo()
            elif verb == "HELO":
                self.say("250 peer.test")
            elif verb == "STARTTLS":
                if BEHAVIOUR == "inject":
                    self.connection.sendall(b"220 Go\r\n250 injected\r\n")
                    self.hang()
                self.say("454 4.7.0 Not now")
            elif verb == "MAIL":
                self.taken = self.accepted = 0
                refused = {"bad-sender": "553 5.1.8 Not you", "later-sender": "451 4.3.0 Not now"}.get(BEHAVIOUR)
                self.say(refused or "250 2.1.0 OK")
            elif verb == "RCPT":
                self.rcpt(line)
            elif verb == "DATA":
                self.data()
            elif verb == "RSET":
                self.say("250 2.0.0 OK")
            elif verb == "QUIT":
                return self.say("221 2.0.0 Bye")
            else:
                self.say("502 5.5.2 What?")


def attend(connection):
    try:
        Talk(connection).serve()
    except (Gone, OSError):
        pass
    finally:
        connection.close()


listener = socket.create_server(("127.0.0.1", 0), backlog=200)
print(listener.getsockname()[1], flush=True)
while True:
    threading.Thread(target=attend, args=(listener.accept()[0],), daemon=True).start()
