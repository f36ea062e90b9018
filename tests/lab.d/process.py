"""A program inside a namespace, and the lines it writes with the time they came."""

import os
import signal
import subprocess
import threading
import time

from system import Failure

TAIL = 25


class Process:
    def __init__(self, name, space, command, log):
        self.name, self.log, self.lines = name, log, []
        self.news = threading.Condition()
        self.ended = False
        self.child = subprocess.Popen(
            ["nsenter", f"--net=/run/netns/{space}", *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={"PATH": os.environ.get("PATH", "")},
        )
        self.reader = threading.Thread(target=self._follow, daemon=True)
        self.reader.start()

    def _follow(self):
        with open(self.log, "ab", buffering=0) as file:
            for line in self.child.stdout:
                file.write(line)
                with self.news:
                    self.lines.append((time.monotonic(), line.decode(errors="replace").rstrip()))
                    self.news.notify_all()
        with self.news:
            self.ended = True
            self.news.notify_all()

    def mark(self):
        """The end of its log so far."""
        return len(self.lines)

    def times(self, text, since=0):
        """When the lines came that hold `text`."""
        return [at for at, line in self.lines[since:] if text in line]

    def count(self, text, since=0):
        return len(self.times(text, since))

    def expect(self, texts, limit, since=0, count=1):
        """Waits until `count` lines hold one of the texts; when the last of them came."""
        texts = [texts] if isinstance(texts, str) else texts
        found = self._wait(limit, lambda: self._found(texts, since, count))
        if found is None:
            state = "it has ended" if self.ended else f"not within {limit:g} s"
            raise Failure(f"{self.name}: awaited {count} x {' or '.join(map(repr, texts))}: {state}\n{self.tail()}")
        return found

    def _found(self, texts, since, count):
        times = [at for at, line in self.lines[since:] if any(text in line for text in texts)]
        return times[count - 1] if len(times) >= count else None

    def _wait(self, limit, look):
        end = time.monotonic() + limit
        with self.news:
            while True:
                found, left = look(), end - time.monotonic()
                if found is not None or self.ended or left <= 0:
                    return found
                self.news.wait(left)

    def send(self, number):
        self.child.send_signal(number)

    def alive(self):
        return self.child.poll() is None

    def holds(self):
        """Its memory in KiB, resident and of that anonymous, and its open descriptors.

        Not by /proc/PID/status: what that says of RssAnon may be off by 128 KiB and more for each processor."""
        with open(f"/proc/{self.child.pid}/smaps_rollup", encoding="ascii") as file:
            lines = (line.partition(":") for line in file)
            sizes = {name: int(size.split()[0]) for name, _, size in lines if "kB" in size}
        return sizes["Rss"], sizes["Anonymous"], len(os.listdir(f"/proc/{self.child.pid}/fd"))

    def stop(self, number=signal.SIGKILL):
        """Ends it and waits until it has ended."""
        if self.alive():
            self.child.send_signal(number)
        self.child.wait()
        self.reader.join(5)  # the last lines

    def tail(self):
        lines = [line for _, line in self.lines[-TAIL:]]
        return "\n".join([f"--- {self.name}", *lines])
