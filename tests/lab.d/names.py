"""A name server that knows one name."""

import socket
import struct
import threading

from system import inside

A, IN = 1, 1


class NameServer:
    """Answers every question for an A record with `address`, and says of all else that there is none."""

    def __init__(self, space, bind, address, ttl):
        self.address, self.ttl, self.asked = address, ttl, 0
        self.sock = inside(space, lambda: self._open(bind))
        threading.Thread(target=self._loop, daemon=True).start()

    @staticmethod
    def _open(bind):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind((bind, 53))
        return sock

    def _loop(self):
        while True:
            query, peer = self.sock.recvfrom(1500)
            answer = self._answer(query)
            if answer:
                self.sock.sendto(answer, peer)

    def _answer(self, query):
        end = query.find(b"\0", 12) + 5
        if len(query) < end or end < 17:
            return None
        self.asked += 1
        kind, _ = struct.unpack("!HH", query[end - 4 : end])
        known = kind == A
        header = query[:2] + struct.pack("!HHHHH", 0x8580, 1, int(known), 0, 0)
        record = struct.pack("!HHHIH", 0xC00C, A, IN, self.ttl, 4) + socket.inet_aton(self.address)
        return header + query[12:end] + (record if known else b"")
