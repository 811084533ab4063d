"""Python's poplib as a POP3 client. Arguments: pop3 port, pop3s port, address, password, CA file, number of messages."""

import poplib
import ssl
import sys

plain, secure, address, password, ca, count = sys.argv[1:]
count = int(count)
context = ssl.create_default_context(cafile=ca)


def sign_in(client):
    client.user(address)
    client.pass_(password)
    return client


def contents(client):
    sizes = {}
    for line in client.list()[1]:
        number, size = line.split()
        sizes[int(number)] = int(size)
    out = []
    for number in sorted(sizes):
        _, lines, octets = client.retr(number)
        whole = b"\r\n".join(lines) + b"\r\n"
        assert len(whole) == sizes[number], (number, len(whole), sizes[number])
        top = client.top(number, 0)[1]
        assert lines[: len(top)] == top and top[-1] == b"", top
        out.append(whole)
    return out


inside = sign_in(poplib.POP3_SSL("localhost", int(secure), context=context))
starts = poplib.POP3("localhost", int(plain))
assert "STLS" in starts.capa()
starts.stls(context=context)
assert "STLS" not in starts.capa()
sign_in(starts)
assert inside.stat()[0] == count and starts.stat() == inside.stat()
names = inside.uidl()[1]
assert len(set(line.split()[1] for line in names)) == count
assert contents(inside) == contents(starts)
starts.dele(1)
try:
    starts.retr(1)
    raise AssertionError("a message that is marked was read")
except poplib.error_proto:
    pass
starts.quit()
# Numbers of a session that goes on do not move; a new one sees what is left under the same names.
assert inside.stat()[0] == count
inside.quit()
again = sign_in(poplib.POP3("localhost", int(plain)))
assert [line.split()[1] for line in again.uidl()[1]] == [line.split()[1] for line in names[1:]]
again.quit()
print("all checks held")
