"""Those at both ends of the tunnel: the local services, and the users at the server."""

import selectors
import socket
import threading
import time

from system import inside, start_inside

TICK, CHUNK = 0.05, 16384


class Services:
    """The local services, in the client's namespace: `echo`; `talk`, which says something all the time; `pour`, which
    sends as fast as it may. One thread for all."""

    def __init__(self, space):
        self.selector = selectors.DefaultSelector()
        self.talkers = set()
        self.ports = {}
        for name in ("echo", "talk", "pour"):
            listener = inside(space, lambda: socket.create_server(("127.0.0.1", 0), backlog=1024))
            listener.setblocking(False)
            self.ports[name] = listener.getsockname()[1]
            self.selector.register(listener, selectors.EVENT_READ, getattr(self, f"_{name}"))
        threading.Thread(target=self._loop, daemon=True).start()

    def _loop(self):
        due = time.monotonic()
        while True:
            for key, _ in self.selector.select(TICK if self.talkers else None):
                try:
                    key.data(key.fileobj)
                except BlockingIOError:
                    pass
                except OSError:
                    self._close(key.fileobj)
            if self.talkers and due <= time.monotonic():
                due = time.monotonic() + TICK
                for talker in list(self.talkers):
                    self._talk_to(talker)

    def _close(self, conn):
        self.talkers.discard(conn)
        self.selector.unregister(conn)
        conn.close()

    def _accept(self, listener, events, then):
        conn, _ = listener.accept()
        conn.setblocking(False)
        self.selector.register(conn, events, then)
        return conn

    def _echo(self, listener):
        self._accept(listener, selectors.EVENT_READ, self._answer)

    def _answer(self, conn):
        data = conn.recv(CHUNK)
        if data:
            conn.sendall(data)
        else:
            self._close(conn)

    def _talk(self, listener):
        self.talkers.add(self._accept(listener, selectors.EVENT_READ, self._swallow))

    def _talk_to(self, conn):
        try:
            conn.send(b"." * 100)
        except BlockingIOError:
            pass
        except OSError:
            self._close(conn)

    def _pour(self, listener):
        self._accept(listener, selectors.EVENT_READ | selectors.EVENT_WRITE, self._pour_to)

    @staticmethod
    def _pour_to(conn):
        conn.send(b"." * CHUNK)

    def _swallow(self, conn):
        if not conn.recv(CHUNK):
            self._close(conn)


class Prober:
    """A user connection every 100 ms, each with one small message to be echoed."""

    EVERY, LIFE = 0.1, 5.0

    def __init__(self, space, address):
        self.address, self.echoes, self.stopped = address, [], False
        self.news = threading.Condition()
        self.thread = start_inside(space, self._loop)

    def first_echo(self, since, limit):
        """When the first echo after `since` came; None if none did before `limit`."""
        with self.news:
            while True:
                found = next((at for at in self.echoes if at >= since), None)
                left = limit - time.monotonic()
                if found is not None or left <= 0:
                    return found
                self.news.wait(left)

    def stop(self):
        self.stopped = True
        self.thread.join()

    def _loop(self):
        selector, born, due = selectors.DefaultSelector(), {}, time.monotonic()
        while not self.stopped:
            now = time.monotonic()
            if due <= now:
                due = max(due + self.EVERY, now)
                self._open(selector, born, now)
            for conn in [conn for conn, at in born.items() if at + self.LIFE <= now]:
                self._close(selector, born, conn)
            for key, events in selector.select(max(due - time.monotonic(), 0)):
                try:
                    self._go_on(selector, born, key.fileobj, events)
                except OSError:
                    self._close(selector, born, key.fileobj)
        for conn in list(born):
            self._close(selector, born, conn)

    def _open(self, selector, born, now):
        conn = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        conn.setblocking(False)
        if conn.connect_ex(self.address) not in (0, 115):  # EINPROGRESS
            return conn.close()
        born[conn] = now
        selector.register(conn, selectors.EVENT_WRITE)
        return None

    def _go_on(self, selector, born, conn, events):
        if events & selectors.EVENT_WRITE:
            conn.send(b"are you there?")
            selector.modify(conn, selectors.EVENT_READ)
            return
        if conn.recv(100):
            with self.news:
                self.echoes.append(time.monotonic())
                self.news.notify_all()
        self._close(selector, born, conn)

    @staticmethod
    def _close(selector, born, conn):
        born.pop(conn, None)
        selector.unregister(conn)
        conn.close()


def echoes(space, address, limit):
    """Whether one user connection works within `limit`."""

    def ask():
        try:
            with socket.create_connection(address, limit) as conn:
                conn.settimeout(limit)
                conn.sendall(b"?")
                return conn.recv(1) == b"?"
        except OSError:
            return False

    return inside(space, ask)


def connect(space, address):
    conn = inside(space, lambda: socket.create_connection(address, 10))
    conn.settimeout(None)
    return conn


class Listener:
    """A user that reads whatever comes."""

    def __init__(self, space, address):
        self.received, self.news = 0, threading.Event()
        self.conn = connect(space, address)
        threading.Thread(target=self._loop, daemon=True).start()

    def _loop(self):
        try:
            while True:
                data = self.conn.recv(65536)
                if not data:
                    return
                self.received += len(data)
                self.news.set()
        except OSError:
            return


class Stayer:
    """A user who was served once and then stays, and goes on speaking or does not."""

    def __init__(self, space, address, speaks):
        self.came, self.speaks, self.conn = time.monotonic(), speaks, connect(space, address)
        self.conn.settimeout(10)
        self.conn.sendall(b"?")
        if self.conn.recv(1) != b"?":
            raise OSError("the connection was closed before the first echo")
        self.conn.setblocking(False)

    def has_ended(self):
        """Whether the other side has ended the connection."""
        try:
            if self.speaks:
                self.conn.send(b".")
            return not self.conn.recv(100)
        except BlockingIOError:
            return False
        except OSError:
            return True


class Pinger:
    """A user who stays: one connection, a numbered message every second, each to be echoed in order."""

    def __init__(self, space, address):
        self.sent, self.back, self.worst, self.lost, self.stopped = {}, 0, 0.0, None, False
        self.news = threading.Condition()
        self.conn = connect(space, address)
        threading.Thread(target=self._speak, daemon=True).start()
        threading.Thread(target=self._listen, daemon=True).start()

    def _speak(self):
        number = 0
        while not self.stopped and self.lost is None:
            with self.news:
                self.sent[number] = time.monotonic()
            try:
                self.conn.sendall(b"%08d" % number)
            except OSError as error:
                return self._end(f"sending: {error}")
            number += 1
            time.sleep(1)
        return None

    def _listen(self):
        held = b""
        while True:
            try:
                data = self.conn.recv(4096)
            except OSError as error:
                return self._end(f"receiving: {error}")
            if not data:
                return self._end("it was closed")
            held += data
            while len(held) >= 8:
                number, held = held[:8], held[8:]
                with self.news:
                    if int(number) != self.back:
                        return self._end(f"{number!r} came in place of {self.back}")
                    self.worst = max(self.worst, time.monotonic() - self.sent.pop(self.back))
                    self.back += 1
                    self.news.notify_all()

    def _end(self, why):
        with self.news:
            self.lost = self.lost or why
            self.news.notify_all()

    def finish(self, limit):
        """Stops asking and waits for the last answers. Why it failed, if it did."""
        self.stopped, end = True, time.monotonic() + limit
        with self.news:
            while self.sent and self.lost is None and time.monotonic() < end:
                self.news.wait(end - time.monotonic())
            if self.lost is None and self.sent:
                self.lost = f"{len(self.sent)} messages were not echoed"
        return self.lost
