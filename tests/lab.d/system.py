"""The machine: commands, threads inside a network namespace, and a watch on how late the machine runs us."""

import ctypes
import os
import subprocess
import threading
import time

CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)


class Failure(Exception):
    """Something that ends a scene, in words for the person at the terminal."""


def run(command, feed=None, check=True):
    """Runs a command (a string is split at blanks); its standard output."""
    words = command.split() if isinstance(command, str) else [str(word) for word in command]
    done = subprocess.run(words, input=feed, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if check and done.returncode != 0:
        raise Failure(f"`{' '.join(words)}` ended with {done.returncode}: {done.stderr.strip()}\n{feed or ''}".rstrip())
    return done.stdout


def enter(space):
    """Moves the calling thread into a network namespace."""
    with open(f"/run/netns/{space}", encoding="ascii") as handle:
        if LIBC.setns(handle.fileno(), CLONE_NEWNET) != 0:
            raise Failure(f"entering the namespace {space}: {os.strerror(ctypes.get_errno())}")


def start_inside(space, body):
    """Runs `body` on a thread of its own inside a namespace; the sockets it makes belong there."""

    def go():
        enter(space)
        body()

    thread = threading.Thread(target=go, daemon=True)
    thread.start()
    return thread


def inside(space, body):
    """Runs `body` inside a namespace and gives back what it returns."""
    outcome = {}

    def go():
        try:
            outcome["value"] = body()
        except Exception as error:  # noqa: BLE001 - handed to the caller
            outcome["error"] = error

    start_inside(space, go).join()
    if "error" in outcome:
        raise outcome["error"]
    return outcome.get("value")


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(str(text))


class Lag:
    """How late this process was woken at worst: what a figure may owe to a busy machine."""

    STEP = 0.02

    def __init__(self):
        self.worst = 0.0
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self):
        before = time.monotonic()
        while True:
            time.sleep(self.STEP)
            now = time.monotonic()
            self.worst = max(self.worst, now - before - self.STEP)
            before = now

    def reset(self):
        self.worst = 0.0
