"""Submits a message inside TLS: submit_tls.py starttls|tls PORT CA USER PASSWORD FILE [-MAIL-OPTION]... RECIPIENT...

Prints the recipients that were refused, or the reply that refused all.
"""

import smtplib
import ssl
import sys

way, port, ca, user, password, file, *rest = sys.argv[1:]
options = [word[1:] for word in rest if word.startswith("-")]
recipients = [word for word in rest if not word.startswith("-")]
context = ssl.create_default_context(cafile=ca)
with open(file, "rb") as opened:
    message = opened.read()
if way == "tls":
    client = smtplib.SMTP_SSL("localhost", int(port), timeout=60, context=context)
else:
    client = smtplib.SMTP("localhost", int(port), timeout=60)
    client.starttls(context=context)
with client:
    client.login(user, password)
    try:
        print(sorted(client.sendmail(user, recipients, message, mail_options=options)))
    except smtplib.SMTPResponseException as refused:
        print(refused.smtp_code, refused.smtp_error.decode())
