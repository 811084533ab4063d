"""Python's smtplib and imaplib against the MX and the IMAP front-end: what a script of a user would do.

Usage: smtplib_imaplib.py MX IMAP IMAPS ADDRESS PASSWORD CA
"""

import email.message
import email.policy
import imaplib
import smtplib
import ssl
import sys

MX, IMAP, IMAPS = (int(a) for a in sys.argv[1:4])
ADDRESS, PASSWORD, CA = sys.argv[4:7]


def check(what, got, want):
    if got != want:
        raise SystemExit("%s: got %r, want %r" % (what, got, want))


def message(subject):
    out = email.message.EmailMessage(policy=email.policy.SMTP)
    out["From"], out["To"], out["Subject"] = "ann@elsewhere.test", ADDRESS, subject
    out.set_content("Hej, verden. Æblegrød.\n")
    out.add_attachment(b"\0\1\2" * 5000, maintype="application", subtype="octet-stream", filename="data.bin")
    return out


with smtplib.SMTP("localhost", MX) as smtp:
    smtp.ehlo()
    for keyword in ("size", "pipelining", "8bitmime", "smtputf8", "chunking", "enhancedstatuscodes", "starttls"):
        check("EHLO offers " + keyword, smtp.has_extn(keyword), True)
    smtp.starttls(context=ssl.create_default_context(cafile=CA))
    smtp.send_message(message("one"))
    refused = {}
    try:
        smtp.sendmail("ann@elsewhere.test", ["nobody@" + ADDRESS.split("@")[1]], b"Subject: x\r\n\r\n")
    except smtplib.SMTPRecipientsRefused as error:
        refused = error.recipients
    check("an unknown recipient", [code for code, _ in refused.values()], [550])

imap = imaplib.IMAP4("localhost", IMAP)
imap.starttls(ssl.create_default_context(cafile=CA))
try:
    imap.login(ADDRESS, "wrong")
    raise SystemExit("a wrong password was taken")
except imaplib.IMAP4.error:
    pass
imap.login(ADDRESS, PASSWORD)
imap.logout()

imap = imaplib.IMAP4_SSL("localhost", IMAPS, ssl_context=ssl.create_default_context(cafile=CA))
imap.authenticate("PLAIN", lambda _: b"\0%s\0%s" % (ADDRESS.encode(), PASSWORD.encode()))
check("select", imap.select("INBOX"), ("OK", [b"1"]))
raw = message("two").as_bytes()
check("append", imap.append("INBOX", r"(\Seen)", None, raw)[0], "OK")
check("noop", imap.noop()[0], "OK")
check("search", imap.search(None, "SUBJECT", "two"), ("OK", [b"2"]))
status, data = imap.fetch("2", "(BODY.PEEK[])")
check("fetch", (status, data[0][1] == raw), ("OK", True))
parsed = email.message_from_bytes(imap.fetch("1", "(RFC822)")[1][0][1], policy=email.policy.default)
check("attachment", parsed.get_payload()[1].get_content(), b"\0\1\2" * 5000)
check("subject", parsed["Subject"], "one")
check("structure", b'"data.bin"' in imap.fetch("1", "(BODYSTRUCTURE)")[1][0], True)
check("store", imap.store("1", "+FLAGS", r"(\Flagged)")[0], "OK")
check("create", imap.create("Projects")[0], "OK")
check("copy", imap.copy("1:2", "Projects")[0], "OK")
check("delete", imap.store("1", "+FLAGS.SILENT", r"(\Deleted)")[0], "OK")
check("expunge", imap.expunge(), ("OK", [b"1"]))
check("status", imap.status("Projects", "(MESSAGES UIDNEXT)"), ("OK", [b"Projects (MESSAGES 2 UIDNEXT 3)"]))
check("close", imap.close()[0], "OK")
check("logout", imap.logout()[0], "BYE")
print("all checks held")
