"""A tunnel: a real frps, a client, its proxies."""

import re
import signal

from network import SERVER
from process import Process
from system import Failure, write

SOON = 15
# What frps says when it serves: today, and before 0.35. That its port accepts is not enough.
READY = ["frps started successfully", "start frps success"]
LOGGED_IN = "login to server success"
STARTED = "start proxy success"
EXPLAINED = "may hold the old session"
PREPARING = "preparing another"
# The stages of an outage, by what the log says.
STAGES = [
    ("may be dead", "in doubt"),
    ("answers again", "answers again"),
    ("is lost", "lost"),
    ("try to connect", "dials"),
    ("connect to server error", "in vain"),
    (LOGGED_IN, "logged in"),
    (STARTED, "a proxy started"),
]


def minor(version):
    return int(version.split(".")[1])


class Server:
    def __init__(self, site, name, port, version, pool=5):
        self.site, self.name, self.port, self.version = site, name, port, version
        if minor(version) < 52:
            text = f"[common]\nbind_addr = 0.0.0.0\nbind_port = {port}\nmax_pool_count = {pool}\ndisable_log_color = true\n"
        else:
            text = f'bindAddr = "::"\nbindPort = {port}\ntransport.maxPoolCount = {pool}\nlog.disablePrintColor = true\n'
        self.file = site.path(f"{name}.frps.{'ini' if minor(version) < 52 else 'toml'}")
        write(self.file, text)
        self.process = None

    def start(self):
        """It serves when this returns; since when it does."""
        program = self.site.peer("frps", self.version)
        log = self.site.path(f"{self.name}.frps.log")
        self.process = Process(f"frps {self.version}", "server", [program, "-c", self.file], log)
        return self.process.expect(READY, SOON)


class Client:
    """redial or frpc, with proxies to local services: `(name, local port, public port)`."""

    def __init__(self, site, kind, name, space, server_port, proxies, address=SERVER, extra=""):
        self.site, self.kind, self.name, self.space, self.proxies = site, kind, name, space, proxies
        text = (
            f'serverAddr = "{address}"\nserverPort = {server_port}\nloginFailExit = false\nlog.level = "debug"\n'
            f"log.disablePrintColor = true\n{extra}\n"
        )
        for proxy, local, public in proxies:
            text += (
                f'[[proxies]]\nname = "{proxy}"\ntype = "tcp"\nlocalIP = "127.0.0.1"\nlocalPort = {local}\n'
                f"remotePort = {public}\n"
            )
        self.file = site.path(f"{name}.toml")
        write(self.file, text)
        self.process = None

    def start(self):
        program = self.site.redial if self.kind == "redial" else self.site.peer("frpc", self.site.newest)
        self.process = Process(self.name, self.space, [program, "-c", self.file], self.site.path(f"{self.name}.log"))

    def expect_registered(self, limit=SOON, since=0):
        return self.process.expect(STARTED, limit, since, len(self.proxies))

    def story(self, since, zero):
        """The stages since the mark `since`, in seconds after `zero`; one that is said over and over, once."""
        told = []
        for at, line in self.process.lines[since:]:
            name = next((name for text, name in STAGES if text in line), None)
            if name and not (told and told[-1].startswith(name)):
                told.append(f"{name} {at - zero:.2f}")
        return ", ".join(told) or "the log says nothing"

    def hasty(self, since):
        """Sessions given up though they had shown life within the last seconds: how many seconds before."""
        lines = (re.search(r"last sign of life was ([0-9.]+) s", line) for _, line in self.process.lines[since:])
        return [float(found[1]) for found in lines if found and float(found[1]) < 5]

    def logins(self):
        return self.process.count(LOGGED_IN)

    def expect_alive(self):
        if not self.process.alive():
            raise Failure(f"{self.name} has ended by itself\n{self.process.tail()}")


class Tunnel:
    """One client of its own frps. Public ports: `base` for the echo, the next ones for what else is offered."""

    def __init__(self, site, kind, space, services, base, options):
        version = options.get("version", site.newest)
        self.kind, self.services = kind, services
        self.server = Server(site, kind, base, version, options.get("pool", 5))
        names = ["echo", "talk", "pour"] + ["echo"] * options.get("more", 0)
        proxies = [(f"{name}{i}", services.ports[name], base + 1 + i) for i, name in enumerate(names)]
        self.public = {"echo": (SERVER, base + 1), "talk": (SERVER, base + 2), "pour": (SERVER, base + 3)}
        self.last = (SERVER, base + len(names))
        extra = options.get("client", "")
        address = options.get("address", SERVER)
        self.client = Client(site, kind, kind, space, base, proxies, address, extra)

    def start(self):
        self.server.start()
        self.client.start()

    def stop(self):
        for process in (self.client.process, self.server.process):
            if process:
                process.stop(signal.SIGKILL)
