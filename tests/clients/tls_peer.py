"""A mail server with STARTTLS that passes REQUIRETLS on, or does not: tls_peer.py HOST PORT CERT KEY FILE [KEYWORD...].

Prints a line when it listens, and appends what clients say inside TLS to FILE, a line each. KEYWORDs are offered inside TLS.
"""

import asyncio
import ssl
import sys

HOST, PORT, CERT, KEY, FILE, *KEYWORDS = sys.argv[1:]
CONTEXT = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
CONTEXT.load_cert_chain(CERT, KEY)


async def talk(reader, writer):
    secure = False

    def say(text):
        writer.write(text.encode() + b"\r\n")

    say("220 peer.test ESMTP")
    while line := (await reader.readline()).decode().rstrip("\r\n"):
        if secure:
            with open(FILE, "a", encoding="utf-8") as file:
                file.write(line + "\n")
        verb = line.split(" ")[0].split(":")[0].upper()
        if verb == "EHLO":
            offered = KEYWORDS if secure else ["STARTTLS"]
            for keyword in ["peer.test", *offered[:-1]]:
                say("250-" + keyword)
            say("250 " + offered[-1])
        elif verb == "STARTTLS":
            say("220 Go ahead")
            await writer.drain()
            try:
                await writer.start_tls(CONTEXT)
            except OSError:
                return  # The client does not like the certificate.
            secure = True
        elif verb == "DATA":
            say("354 Go ahead")
            while await reader.readline() != b".\r\n":
                pass
            say("250 2.0.0 Taken")
        elif verb == "QUIT":
            say("221 2.0.0 Bye")
            break
        else:
            say("250 2.0.0 OK")
        await writer.drain()
    writer.close()


async def main():
    server = await asyncio.start_server(talk, HOST, int(PORT))
    print("listens", flush=True)
    await server.serve_forever()


asyncio.run(main())
