"""Opens an exported SQLite file with a public engine and the owner's password, and prints what it holds as JSON.

open_export.py mc|sqlcipher FILE PASSWORD
"""

import hashlib
import json
import sys

engine, path, password = sys.argv[1:]
if engine == "mc":
    import apsw

    connection = apsw.Connection(path)
    connection.pragma("cipher", "chacha20")
    connection.pragma("key", password)
else:
    import sqlcipher3

    connection = sqlcipher3.connect(path)
    connection.execute("PRAGMA key='%s'" % password.replace("'", "''"))

rows = connection.execute(
    "SELECT f.name, m.flags, m.keywords, m.internal_date, m.subject, m.sha256, c.octets FROM message m"
    " JOIN folder f ON f.id = m.folder JOIN content c ON c.message = m.id ORDER BY m.id"
)
print(
    json.dumps(
        [
            [folder, sorted((flags + " " + keywords).split()), date, subject, sha256, hashlib.sha256(octets).hexdigest()]
            for folder, flags, keywords, date, subject, sha256, octets in rows
        ]
    )
)
