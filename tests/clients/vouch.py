"""Independent verifiers and signers: dkimpy, pyspf and authheaders, asking the DNS server on a loopback port.

The message is read from standard input with CRLF; what is found is printed a word per line.
"""
import sys

import dkim
import dns.resolver
import spf


def resolver(port):
    asked = dns.resolver.Resolver(configure=False)
    asked.nameservers, asked.port, asked.lifetime = ["127.0.0.1"], int(port), 20
    return asked


def texts(port):
    def look_up(name, timeout=5):
        name = name.decode() if isinstance(name, bytes) else name
        try:
            answer = resolver(port).resolve(name, "TXT")
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return None
        return b"".join(answer[0].strings)

    return look_up


def dkim_verify(message, port):
    count = sum(line.lower().startswith(b"dkim-signature:") for line in message.split(b"\r\n\r\n")[0].split(b"\r\n"))
    for at in range(count):
        verifier = dkim.DKIM(message, debug_content=False)
        try:
            print("pass" if verifier.verify(idx=at, dnsfunc=texts(port)) else "fail")
        except dkim.DKIMException as problem:
            print("error", problem)


def dkim_sign(message, domain, selector, algorithm, key_file, forms, length):
    key = open(key_file, "rb").read()
    header, body = forms.split("/")
    signed = dkim.sign(
        message, selector.encode(), domain.encode(), key, canonicalize=(header.encode(), body.encode()),
        signature_algorithm=algorithm.encode(), length=length == "length",
        include_headers=[b"from", b"to", b"subject", b"date"],
    )
    sys.stdout.buffer.write(signed)


def arc_verify(message, port):
    validation, results, reason = dkim.arc_verify(message, dnsfunc=texts(port))
    # None: it found no chain, or one that it cannot read.
    print(validation.decode() if validation else "none")
    print(reason, file=sys.stderr)


def arc_sign(message, domain, selector, key_file, host):
    fields = dkim.arc_sign(message, selector.encode(), domain.encode(), open(key_file, "rb").read(), host.encode())
    sys.stdout.buffer.write(b"".join(fields))


def ask_spf(port, ip, sender, helo):
    def look_up(name, kind, strict=True, timeout=20):
        try:
            answer = resolver(port).resolve(name, kind)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return []
        found = []
        for record in answer:
            if kind == "TXT":
                found.append(((name, kind), record.strings))
            elif kind == "MX":
                found.append(((name, kind), (record.preference, record.exchange.to_text(omit_final_dot=True))))
            elif kind == "PTR":
                found.append(((name, kind), record.target.to_text(omit_final_dot=True)))
            else:
                found.append(((name, kind), record.address))
        return found

    spf.DNSLookup = look_up
    return spf.check2(i=ip, s=sender, h=helo)[0]


def check_spf(_, port, ip, sender, helo):
    print(ask_spf(port, ip, sender, helo))


def dmarc(message, port, ip, sender, helo):
    """What each signature, and then SPF, makes of DMARC alone: `SELECTOR DOMAIN rsa-sha256 pass dmarc=pass`, `spf pass dmarc=pass`."""
    import authheaders
    import authres

    def look_up(name):
        found = texts(port)(name)
        return found.decode() if found else None

    def judged(**results):
        return authheaders.check_dmarc(message, dnsfunc=look_up, **results).result

    count = sum(line.lower().startswith(b"dkim-signature:") for line in message.split(b"\r\n\r\n")[0].split(b"\r\n"))
    for at in range(count):
        verifier = dkim.DKIM(message)
        try:
            result = "pass" if verifier.verify(idx=at, dnsfunc=texts(port)) else "fail"
        except dkim.DKIMException as problem:
            result = f"error ({problem})"
        fields = {name.decode(): value.decode() for name, value in verifier.signature_fields.items()}
        of = authres.DKIMAuthenticationResult(result=result, header_d=fields.get("d"))
        print(fields.get("s"), fields.get("d"), fields.get("a"), result, "dmarc=" + judged(dkim_result=of))
    result = ask_spf(port, ip, sender, helo)
    of = authres.SPFAuthenticationResult(result=result, smtp_mailfrom=sender, smtp_helo=helo)
    print("spf", result, "dmarc=" + judged(spf_result=of))


COMMANDS = {
    "dkim-verify": dkim_verify, "dkim-sign": dkim_sign, "arc-verify": arc_verify, "arc-sign": arc_sign, "spf": check_spf,
    "dmarc": dmarc,
}

if __name__ == "__main__":
    COMMANDS[sys.argv[1]](sys.stdin.buffer.read(), *sys.argv[2:])
