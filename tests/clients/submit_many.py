"""Sends messages one after the other, each to a recipient of its own, until COUNT are acknowledged; prints every recipient once it
is: submit_many.py PORT USER PASSWORD NAME COUNT. A connection that dies is opened again for the next message."""

import smtplib
import sys
import time

port, user, password, name, count = sys.argv[1:]
client, acknowledged = None, 0
for number in range(3 * int(count)):
    if acknowledged == int(count):
        break
    recipient = f"{name}-{number}@d{number % 7}.elsewhere.test"
    # Every tenth is longer than what a front-end keeps to send it again.
    text = ("x" * 70 + "\r\n") * (6000 if number % 10 == 5 else 20)
    try:
        if client is None:
            client = smtplib.SMTP("127.0.0.1", int(port), timeout=300)
            client.login(user, password)
        client.sendmail(user, [recipient], f"From: {user}\r\nSubject: {recipient}\r\n\r\n{text}")
        print(recipient, flush=True)
        acknowledged += 1
    except (smtplib.SMTPException, OSError) as error:
        print(f"not acknowledged: {error}", file=sys.stderr, flush=True)
        client = None
        time.sleep(0.05)
assert acknowledged == int(count), "too few are acknowledged"
