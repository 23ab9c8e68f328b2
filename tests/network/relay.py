"""A relay that says from where it was called, and what it was told: one line of JSON for each thing, on standard output."""

import json
import socket
import socketserver
import sys
import threading


class Relay(socketserver.StreamRequestHandler):
    def say(self, line):
        self.wfile.write(line.encode() + b"\r\n")

    def note(self, **what):
        print(json.dumps(what), flush=True)

    def handle(self):
        self.note(peer=self.client_address[0], port=self.client_address[1])
        self.say("220 relay.test ESMTP")
        data = False
        for line in self.rfile:
            line = line.decode("latin-1").rstrip("\r\n")
            verb = line.split(" ")[0].upper()
            if data:
                data = line != "."
                if not data:
                    self.say("250 2.0.0 queued")
                continue
            self.note(line=line)
            if verb == "EHLO":
                self.say("250-relay.test")
                self.say("250-PIPELINING")
                self.say("250 XCLIENT NAME ADDR PORT PROTO HELO DESTADDR DESTPORT")
            elif verb == "XCLIENT":
                self.say("220 relay.test ESMTP")
            elif verb == "DATA":
                data = True
                self.say("354 go on")
            elif verb == "QUIT":
                self.say("221 bye")
                return
            else:
                self.say("250 2.0.0 fine")


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, address):
        self.address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
        super().__init__((address, 25), Relay)


if __name__ == "__main__":
    servers = [Server(address) for address in sys.argv[1:]]
    for server in servers:
        threading.Thread(target=server.serve_forever).start()
    print(json.dumps({"ready": True}), flush=True)
