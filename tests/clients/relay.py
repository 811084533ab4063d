"""Sends a message: relay.py PORT FILE FROM [-MAIL-OPTION]... [+RCPT-OPTION]... RECIPIENT...; prints refused recipients."""

import smtplib
import sys

port, file, sender, *rest = sys.argv[1:]
with open(file, "rb") as opened:
    message = opened.read()
with smtplib.SMTP("127.0.0.1", int(port), timeout=60) as client:
    refused = client.sendmail(
        sender,
        [word for word in rest if word[0] not in "-+"],
        message,
        mail_options=[word[1:] for word in rest if word[0] == "-"],
        rcpt_options=[word[1:] for word in rest if word[0] == "+"],
    )
    print(sorted(refused))
