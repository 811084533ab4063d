"""Signs in and sends a message: submit.py PORT USER PASSWORD FILE [-DSN-OPTION]... RECIPIENT...; prints refused recipients."""

import smtplib
import sys

port, user, password, file, *rest = sys.argv[1:]
options = [word[1:] for word in rest if word.startswith("-")]
recipients = [word for word in rest if not word.startswith("-")]
with open(file, "rb") as opened:
    message = opened.read()
with smtplib.SMTP("127.0.0.1", int(port), timeout=60) as client:
    client.login(user, password)
    mail = ["BODY=8BITMIME"] if any(byte > 127 for byte in message) else []
    refused = client.sendmail(user, recipients, message, mail_options=mail, rcpt_options=options)
    print(sorted(refused))
