"""Submits as Thunderbird does with its usual settings: thunderbird_settings.py starttls|tls PORT CA USER PASSWORD RECIPIENT.

EHLO with an address literal, AUTH PLAIN with an initial response, MAIL with BODY and SIZE, DSN parameters where they were asked
for, a flowed 8-bit text. Prints every reply.
"""

import base64
import socket
import ssl
import sys

way, port, ca, user, password, recipient = sys.argv[1:]
context = ssl.create_default_context(cafile=ca)
connection = socket.create_connection(("localhost", int(port)), timeout=60)
if way == "tls":
    connection = context.wrap_socket(connection, server_hostname="localhost")
stream = connection.makefile("rwb")


def reply():
    lines = []
    while not lines or lines[-1][3:4] == "-":
        lines.append(stream.readline().decode().rstrip("\r\n"))
    return lines


def say(line):
    stream.write(line.encode() + b"\r\n")
    stream.flush()
    return reply()


def expect(code, lines):
    assert lines[-1].startswith(code), (code, lines)
    return lines


expect("220", reply())
offered = expect("250", say("EHLO [127.0.0.1]"))
if way == "starttls":
    assert "250-STARTTLS" in offered or "250 STARTTLS" in offered, offered
    expect("220", say("STARTTLS"))
    connection = context.wrap_socket(connection, server_hostname="localhost")
    stream = connection.makefile("rwb")
    offered = expect("250", say("EHLO [127.0.0.1]"))
keywords = {line[4:].split(" ")[0] for line in offered[1:]}
assert {"AUTH", "8BITMIME", "SIZE", "DSN", "SMTPUTF8", "PIPELINING"} <= keywords, offered
assert "STARTTLS" not in keywords, offered
secret = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
expect("235", say("AUTH PLAIN " + secret))
text = (
    "Message-ID: <4a1d8e5c-8b5f-4a5b-9d7b-0c1f2a3b4c5d@example.test>\r\nDate: Tue, 24 Nov 2026 12:00:00 +0100\r\n"
    "MIME-Version: 1.0\r\nUser-Agent: Mozilla Thunderbird\r\nContent-Language: de-DE\r\n"
    f"To: {recipient}\r\nFrom: U One <{user}>\r\nSubject: =?UTF-8?B?R3LDvMOfZQ==?=\r\n"
    "Content-Type: text/plain; charset=UTF-8; format=flowed\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    "Viele Grüße \r\naus Köln\r\n.\r\n"
).encode()
ident = "4a1d8e5c-8b5f-4a5b-9d7b-0c1f2a3b4c5d@example.test"
expect("250", say(f"MAIL FROM:<{user}> BODY=8BITMIME SIZE={len(text)} RET=FULL ENVID={ident}"))
expect("250", say(f"RCPT TO:<{recipient}> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;{recipient}"))
expect("354", say("DATA"))
stuffed = text.replace(b"\r\n.", b"\r\n..")
stream.write(stuffed + b".\r\n")
stream.flush()
expect("250", reply())
# What somebody else may send is refused, and the session goes on.
expect("550", say("MAIL FROM:<somebody@example.test> BODY=8BITMIME SIZE=100"))
expect("552", say(f"MAIL FROM:<{user}> BODY=8BITMIME SIZE=99999999999"))
expect("221", say("QUIT"))
print("sent")
