"""Sends COUNT messages one after the other, each to a recipient of its own; prints every recipient once it is acknowledged:
submit_many.py PORT USER PASSWORD NAME COUNT. A connection that dies is opened again for the next message."""

import smtplib
import sys

port, user, password, name, count = sys.argv[1:]
client = None
for number in range(int(count)):
    recipient = f"{name}-{number}@d{number % 7}.elsewhere.test"
    # Every tenth is longer than what a front-end keeps to send it again.
    text = ("x" * 70 + "\r\n") * (6000 if number % 10 == 5 else 20)
    try:
        if client is None:
            client = smtplib.SMTP("127.0.0.1", int(port), timeout=300)
            client.login(user, password)
        client.sendmail(user, [recipient], f"From: {user}\r\nSubject: {recipient}\r\n\r\n{text}")
        print(recipient, flush=True)
    except (smtplib.SMTPException, OSError) as error:
        print(f"not acknowledged: {error}", file=sys.stderr, flush=True)
        client = None
