"""The public test suite of RFC 7208 as Debian's python3-spf brings it: its cases as JSON, and its zones over DNS.

`cases FILE` prints them; `serve FILE NUMBER` serves the zone of one scenario on a free loopback port, which it prints.
"""
import gzip
import json
import socket
import sys

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.ANY.TXT
import dns.rrset
import yaml


def scenarios(file):
    opened = gzip.open(file, "rt", encoding="utf-8") if file.endswith(".gz") else open(file, encoding="utf-8")
    return list(yaml.safe_load_all(opened))


def cases(file):
    listed = []
    for number, scenario in enumerate(scenarios(file)):
        for name, case in scenario["tests"].items():
            results = case["result"] if isinstance(case["result"], list) else [case["result"]]
            listed.append({
                "scenario": number, "name": name, "helo": str(case["helo"]), "ip": str(case["host"]),
                "from": case.get("mailfrom") or "", "results": results, "explanation": case.get("explanation"),
            })
    json.dump(listed, sys.stdout)


def octets(text):
    return text.encode("latin-1", "replace") if isinstance(text, str) else str(text).encode()


def rdata(kind, value):
    if kind == "TXT":
        strings = [octets(each) for each in (value if isinstance(value, list) else [value])]
        strings = [part[at:at + 255] for part in strings for at in range(0, max(len(part), 1), 255)]
        return dns.rdtypes.ANY.TXT.TXT(dns.rdataclass.IN, dns.rdatatype.TXT, strings)
    if kind == "MX":
        value = f"{value[0]} {value[1] or '.'}"
    text = str(value)
    if kind in ("MX", "CNAME", "PTR") and not text.endswith("."):
        text += "."
    return dns.rdata.from_text(dns.rdataclass.IN, dns.rdatatype.from_text(kind), text)


class Zone:
    def __init__(self, data):
        self.records, self.silent = {}, set()
        for owner, entries in data.items():
            key = owner.lower().rstrip(".")
            texts = {}
            for entry in entries:
                if entry == "TIMEOUT":
                    self.silent.add(key)
                    continue
                for kind, value in entry.items():
                    # A TXT record without a string is none that a server could load.
                    if value == []:
                        continue
                    texts.setdefault(kind, []).append(value)
            # Drivers of the suite copy SPF to TXT where a scenario has no TXT of its own.
            if "SPF" in texts and "TXT" not in texts:
                texts["TXT"] = texts["SPF"]
            texts.pop("SPF", None)
            if texts.get("TXT") == ["NONE"]:
                texts.pop("TXT")
            self.records[key] = {kind: [rdata(kind, value) for value in values] for kind, values in texts.items()}

    def exists(self, key):
        return key in self.records or any(other.endswith("." + key) for other in self.records)

    def answer(self, query):
        response = dns.message.make_response(query)
        response.flags |= dns.flags.RA
        question = query.question[0]
        kind = dns.rdatatype.to_text(question.rdtype)
        name = question.name
        for _ in range(8):
            # Not as text, which has escapes.
            key = ".".join(label.decode("latin-1") for label in name.labels if label).lower()
            found = self.records.get(key, {})
            if kind in found:
                response.answer.append(dns.rrset.from_rdata_list(name, 60, found[kind]))
                return response
            # What is not listed beside a TIMEOUT times out. A failure is the same to SPF, and quicker.
            if key in self.silent:
                response.set_rcode(dns.rcode.SERVFAIL)
                return response
            if "CNAME" not in found:
                if not self.exists(key):
                    response.set_rcode(dns.rcode.NXDOMAIN)
                return response
            response.answer.append(dns.rrset.from_rdata_list(name, 60, found["CNAME"]))
            name = found["CNAME"][0].target
        return response


def serve(file, number):
    zone = Zone(scenarios(file)[int(number)]["zonedata"])
    listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listener.bind(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    while True:
        packet, peer = listener.recvfrom(4096)
        listener.sendto(zone.answer(dns.message.from_wire(packet)).to_wire(), peer)


if __name__ == "__main__":
    {"cases": cases, "serve": serve}[sys.argv[1]](*sys.argv[2:])
