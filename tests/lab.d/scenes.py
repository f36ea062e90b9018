"""What happens in the lab. A scene is a function of a `Stage`; the table at the end gives it a name, goals and rounds."""

import os
import random
import signal
import time
from functools import partial

from names import NameServer
from network import ISP, SERVER, SERVER_2, SERVER_6, Network
from system import Failure, Lag, inside, run, write
from tunnel import EXPLAINED, LOGGED_IN, PREPARING, Client, Server, Tunnel
from users import Listener, Pinger, Prober, Services, echoes

PHASE = 5.0  # redial asks an idle link that often: events come at any time between
LIMIT = {"redial": 45.0, "frpc": 120.0}  # for coming back


class Stage:
    """One round of a scene: its network, its tunnels, and what was measured."""

    def __init__(self, site, short, beside):
        self.site, self.short, self.kinds = site, short, ["redial"] + (["frpc"] if beside else [])
        self.net, self.tunnels, self.services = None, [], None
        self.lag = Lag()
        self.measured = {kind: {"seconds": [], "lags": [], "logins": 0} for kind in self.kinds}
        self.failures, self.notes = [], []

    def build(self, where=None, net=None, **options):
        """The network, and on its box `where` (default: the first) the clients, not yet started."""
        self.net = net or Network(**options.pop("network", {}))
        where = where or self.net.chain[0]
        self.services = Services(where)
        for at, kind in enumerate(self.kinds):
            self.tunnels.append(Tunnel(self.site, kind, where, self.services, 7000 + 1000 * at, options))

    def begin(self, where=None, **options):
        """The same, started and working, at a random moment of their heartbeats."""
        self.build(where, **options)
        for tunnel in self.tunnels:
            tunnel.start()
        for tunnel in self.tunnels:
            tunnel.client.expect_registered()
            if not echoes("server", tunnel.public["echo"], 10):
                raise Failure(f"{tunnel.kind}: no echo before anything happened\n{tunnel.client.process.tail()}")
        self.idle()

    def idle(self, least=1.0):
        time.sleep(least + random.random() * PHASE)

    def ports(self):
        return [tunnel.server.port for tunnel in self.tunnels]

    def outage(self, event, limit=None):
        """Lets `event(broken)` happen; measures from its end to the first echo of each tunnel. When it ended."""
        probers = {}

        def broken():
            for tunnel in self.tunnels:
                if tunnel not in probers:
                    probers[tunnel] = Prober("server", tunnel.public["echo"])

        whole = event(broken)
        self.lag.reset()
        for tunnel, prober in probers.items():
            back = prober.first_echo(whole, whole + (limit or LIMIT[tunnel.kind]))
            prober.stop()
            self.record(tunnel, whole, back)
            if tunnel.kind == "redial" and back is None:
                self.failures.append(f"not back within {limit or LIMIT[tunnel.kind]:g} s")
        for tunnel in self.tunnels:
            tunnel.client.expect_alive()
        return whole

    def record(self, tunnel, whole, back):
        self.measured[tunnel.kind]["seconds"].append(None if back is None else back - whole)
        self.measured[tunnel.kind]["lags"].append(self.lag.worst)

    def end(self):
        for tunnel in self.tunnels:
            if tunnel.client.process:
                tunnel.stop()
                self.measured[tunnel.kind]["logins"] = tunnel.client.logins()

    def require(self, holds, what):
        if not holds:
            self.failures.append(what)

    @property
    def redial(self):
        """The tunnel that is judged."""
        return self.tunnels[0]


# Recovery: something breaks, the tunnel comes back.


def talk(stage):
    """Traffic of our own on the link: a user listens to a service that talks all the time."""
    listeners = [Listener("server", tunnel.public["talk"]) for tunnel in stage.tunnels]
    for listener in listeners:
        if not listener.news.wait(10):
            raise Failure("the talking service is not heard")


def redial(stage, down=0.0, same=False, where=None, traffic=False, **options):
    stage.begin(where, **options)
    if traffic:
        talk(stage)
    stage.outage(partial(stage.net.redial, down=down, same=same))


def loss_30(stage):
    """The redial itself is not all: a third of the packets is lost from then on, and there is no second switch."""
    stage.begin()

    def event(broken):
        stage.net.weather("numgen random mod 100 < 30 drop")
        return stage.net.redial(broken)

    mark = stage.redial.client.process.mark()
    whole = stage.outage(event)
    time.sleep(10 if stage.short else 60)  # and now nothing may happen
    stage.require(stage.redial.client.logins() == 2, "switched without cause")
    back = stage.measured["redial"]["seconds"][0]
    echo = "no echo" if back is None else f"the first echo {back:.2f}"
    stage.notes.append(f"redial: {echo}; {stage.redial.client.story(mark, whole)}")


def blackhole(stage, one_way, where=None, traffic=False, **options):
    stage.begin(where, **options)
    if traffic:
        talk(stage)
    stage.outage(partial(stage.net.blackhole, ports=stage.ports(), one_way=one_way))


def flapping(stage):
    stage.begin("router")
    stage.outage(stage.net.flap)


def container(stage):
    stage.begin(network={"chain": ("container", "host", "router")})
    stage.outage(partial(stage.net.renumber, box="host"))


def upstream(stage):
    """Two boxes away the address changes; the router beside us keeps its mapping and its address."""
    stage.begin(network={"chain": ("client", "router", "carrier")})
    stage.outage(stage.net.redial)


def power_loss(stage):
    """A machine that loses its power says no goodbye."""
    stage.begin()

    def event(broken):
        stage.net.weather("drop")
        for tunnel in stage.tunnels:
            tunnel.server.process.stop()
        run("nsenter --net=/run/netns/server ss -K -t")
        broken()
        time.sleep(2)
        for tunnel in stage.tunnels:
            tunnel.server.start()
        stage.net.weather("")
        return time.monotonic()

    stage.outage(event)


def moved(stage, ttl):
    """The server goes on at another address, and its name follows. `ttl`: of a name server; None: /etc/hosts."""
    net = Network()
    if ttl is None:
        hosts = stage.site.path("hosts")
        write(hosts, f"127.0.0.1 localhost\n{SERVER} frps.lab.internal\n")
        run(["mount", "--bind", hosts, "/etc/hosts"])
        extra = ""
    else:
        names = NameServer("isp", ISP, SERVER, ttl)
        extra = f'dnsServer = "{ISP}"'
    stage.begin(net=net, address="frps.lab.internal", client=extra)

    def event(broken):
        if ttl is None:
            write(hosts, f"127.0.0.1 localhost\n{SERVER_2} frps.lab.internal\n")
        else:
            names.address = SERVER_2
        stage.net.nft("isp", f"add element inet lab gone {{ {SERVER} }}")
        whole = time.monotonic()
        broken()
        return whole

    stage.outage(event)


def stopped(stage):
    """The program stands still for a while (a laptop sleeps, a machine is starved)."""
    stage.begin()

    def event(broken):
        for tunnel in stage.tunnels:
            tunnel.client.process.send(signal.SIGSTOP)
        time.sleep(5 if stage.short else 60)
        for tunnel in stage.tunnels:
            tunnel.client.process.send(signal.SIGCONT)
        whole = time.monotonic()
        broken()
        return whole

    stage.outage(event)


def boot(stage):
    """The program starts long before there is a network."""
    stage.build()
    stage.net.ip("client", "link set wan down")
    for tunnel in stage.tunnels:
        tunnel.start()
    stage.redial.client.process.expect(["no route to the server", "connect to server error"], 15)

    def event(broken):
        time.sleep(random.random() + (5 if stage.short else 60))
        stage.net.ip("client", "link set wan up", "route replace default via 192.168.77.1")
        whole = time.monotonic()
        broken()
        return whole

    stage.outage(event)


# Many.


def many_proxies(stage, count=501):
    """The set-up of the report this program exists for: 501 proxies and a pool of 100 (fatedier/frp#4374)."""
    stage.begin("router", more=count - 3, pool=100, client="transport.poolCount = 100")
    marks = [tunnel.client.process.mark() for tunnel in stage.tunnels]
    whole = []

    def event(broken):
        whole.append(stage.net.redial(broken))
        return whole[0]

    stage.outage(event)
    for tunnel, mark in zip(stage.tunnels, marks):
        limit = LIMIT[tunnel.kind]
        all_back = tunnel.client.expect_registered(limit, mark) - whole[0]
        stage.require(echoes("server", tunnel.last, 10), f"{tunnel.kind}: no echo through the last proxy")
        stage.notes.append(f"{tunnel.kind}: all {count} proxies back after {all_back:.2f} s")
        if tunnel.kind == "redial":
            stage.require(all_back <= 5, f"all proxies were back only after {all_back:.2f} s")


def herd(stage, count=200):
    """frps restarts under many clients: their logins are spread, and they are all back soon."""
    stage.build()
    stage.kinds, tunnels = ["redial"], stage.tunnels
    server, port = tunnels[0].server, stage.services.ports["echo"]
    server.start()
    clients = []
    for i in range(count):
        name = f"redial-{i}"
        clients.append(Client(stage.site, "redial", name, "client", server.port, [(name, port, 20001 + i)]))
        clients[-1].start()
    for client in clients:
        client.expect_registered(60)
    marks = [client.process.mark() for client in clients]
    stage.idle()
    server.process.stop(signal.SIGTERM)
    ready = server.start()
    stage.lag.reset()
    back = sorted(client.process.expect(LOGGED_IN, 45, mark) - ready for client, mark in zip(clients, marks))
    for i in (0, count // 2, count - 1):
        stage.require(echoes("server", (SERVER, 20001 + i), 10), f"no echo through client {i}")
    stage.require(all(client.logins() == 2 for client in clients), "some logged in more than once")
    first = sum(at < 0.1 for at in back)
    stage.require(first <= count * 0.15, f"{first} of {count} logins came in the first 100 ms")
    stage.measured["redial"].update(seconds=back, lags=[stage.lag.worst] * count, logins=2)
    stage.notes.append(f"logins after the start, by 100 ms: {histogram(back)}; {first} in the first 100 ms")
    for client in clients:
        client.process.stop()
    server.process.stop()
    stage.tunnels = []


def histogram(times, step=0.1):
    bins = [0] * (int(max(times) / step) + 1)
    for at in times:
        bins[max(int(at / step), 0)] += 1
    return " ".join(map(str, bins))


# Takeover: what each release of frps does with a session that died in silence.

TAKES_OVER_LATE = ("0.65.0", "0.68.1", "0.69.0", "0.70.0")
VERSIONS = ("0.44.0", "0.52.3", "0.61.2", "0.64.0", *TAKES_OVER_LATE, "0.70.1")


def takeover(stage, version):
    late = version in TAKES_OVER_LATE
    hangs = version in ("0.69.0", "0.70.0")
    stage.kinds = ["redial"]
    stage.begin(version=version)
    deaths = (2 if stage.short else 20) if hangs else 1
    for death in range(deaths):
        mark = stage.redial.client.process.mark()
        stage.outage(partial(stage.net.blackhole, ports=stage.ports()), limit=120 if late else None)
        if stage.failures:
            stage.failures[-1] += f" (death {death + 1} of {deaths})"
            break
        stage.redial.client.expect_registered(90, mark)
        said = stage.redial.client.process.count(EXPLAINED, mark) > 0
        stage.require(said == late, "the log does not say why it waits" if late else "the log blames a blameless frps")
        stage.idle()


# No false alarm: nothing breaks, and nobody loses anything.


SLOWEST = 20.0  # seconds for a user's message: ten times the worst that the weather alone does to it


def calm(stage, weather):
    """Bad weather for a while: no login beyond the first, no user connection lost or forgotten."""
    stage.begin()
    users = [(tunnel, "a user", Pinger("server", tunnel.public["echo"])) for tunnel in stage.tunnels]
    users += weather(stage, 40 if stage.short else 600) or []
    for tunnel, who, pinger in users:
        lost = pinger.finish(30)
        stage.notes.append(f"{tunnel.kind}: {who}: {pinger.back} messages, the slowest took {pinger.worst:.1f} s")
        if tunnel.kind == "redial":
            stage.require(lost is None, f"the connection of {who} is lost: {lost}")
            stage.require(pinger.worst <= SLOWEST, f"a message of {who} took {pinger.worst:.1f} s")
    for tunnel in stage.tunnels:
        races = tunnel.client.process.count(PREPARING)
        stage.notes.append(f"{tunnel.kind}: {races} second connections prepared")
    switches = stage.redial.client.logins() - 1
    stage.require(switches == 0, f"{switches} switches without cause")


def loss_2(stage, seconds):
    stage.net.weather("numgen random mod 100 < 2 drop")
    time.sleep(seconds)
    stage.net.weather("")


def saturated(stage, seconds):
    stage.net.saturate()
    pourers = [Listener("server", tunnel.public["pour"]) for tunnel in stage.tunnels]
    for pourer in pourers:
        pourer.news.wait(10)
    time.sleep(5)  # for the buffer to fill
    late = [(tunnel, "a user who came later", Pinger("server", tunnel.public["echo"])) for tunnel in stage.tunnels]
    time.sleep(seconds - 5)
    for tunnel, pourer in zip(stage.tunnels, pourers):
        pourer.conn.shutdown(2)
        rate = pourer.received * 8 / seconds / 1e6
        stage.notes.append(f"{tunnel.kind}: {rate:.1f} Mbit/s of 4 poured")
        stage.require(rate > 1 or tunnel.kind != "redial", "the upload hardly moved")
    run(f"tc -n {stage.net.line} qdisc del dev wan root")
    return late


def stalls(stage, seconds):
    every = 10 if stage.short else 30
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(every - 3)
        stage.net.weather("drop")
        time.sleep(3)
        stage.net.weather("")


class Scene:
    """`p50` and `worst`: what the issue asks for, in seconds; `logins`: at most, with the first. `size`: seconds it
    takes, roughly; `alone`: too heavy to run beside others. `rounds`: in the full and in the short form."""

    def __init__(self, name, about, play, worst=None, p50=None, logins=2, rounds=(7, 1), alone=False, size=(20, 15)):
        self.name, self.about, self.play, self.worst, self.p50, self.logins = name, about, play, worst, p50, logins
        self.rounds, self.alone, self.size = rounds, alone, size


ROUTER = {"where": "router"}
FAST = {"client": "transport.tcpMuxKeepaliveInterval = 1"}
LEAKY = {"network": {"leaky": True}}
SIX = {"network": {"ipv6": True}, "address": SERVER_6}
PROMPT = {"p50": 0.3, "worst": 0.6}
IDLE = {"p50": 4, "worst": 7}

SCENES = [
    Scene("router-redial-0s", "redial on the router: a new address at once", partial(redial, **ROUTER), **PROMPT, rounds=(7, 3)),
    Scene("router-redial-10s", "… after 10 s without line", partial(redial, down=10, **ROUTER), **PROMPT),
    *[
        Scene(f"router-return-{s}s", f"… the same address after {s} s", partial(redial, down=s, same=True, **ROUTER), **PROMPT)
        for s in (2, 4, 8, 15)
    ],
    Scene("lan-redial-0s", "behind the router, idle: the mapping is lost", redial, **IDLE, rounds=(7, 3)),
    Scene("lan-redial-10s", "… after 10 s without line", partial(redial, down=10), **IDLE),
    Scene("lan-return-8s", "… and the same address again", partial(redial, down=8, same=True), **IDLE),
    Scene("lan-redial-traffic", "… with traffic of our own", partial(redial, traffic=True), worst=2, rounds=(7, 2)),
    Scene("lan-redial-fast", "… idle, keepalive of 1 s", partial(redial, **FAST), worst=2.5, rounds=(7, 2)),
    Scene("lan-leaky", "… the next packet earns a RST", partial(redial, **LEAKY), worst=6),
    Scene("lan-leaky-traffic", "… with traffic of our own", partial(redial, traffic=True, **LEAKY), worst=1),
    Scene("lan-loss-30", "… and 30 % loss from then on", loss_30, worst=8, size=(85, 35)),
    Scene("one-way", "the server's packets of today's flows vanish", partial(blackhole, one_way=True), **IDLE),
    Scene("one-way-traffic", "… with traffic of our own", partial(blackhole, one_way=True, traffic=True), worst=2),
    Scene("two-way", "today's flows vanish", partial(blackhole, one_way=False), **IDLE),
    Scene("two-way-traffic", "… with traffic of our own", partial(blackhole, one_way=False, traffic=True), worst=2),
    Scene("upstream-nat", "the carrier's NAT changes, nothing here does", upstream, **IDLE),
    Scene("container", "the host's address changes, the container sees nothing", container, **IDLE),
    Scene("flapping", "the carrier comes and goes 10 x in 5 s", flapping, worst=2, logins=4),
    Scene("power-loss", "the server dies without a word, back after 2 s", power_loss, worst=3),
    Scene("dns-hosts", "the server moves, /etc/hosts follows", partial(moved, ttl=None), worst=7),
    Scene("dns-server", "the server moves, its name (TTL 1 s) follows", partial(moved, ttl=1), worst=7),
    Scene("dns-cached", "… and its old address is still cached", partial(moved, ttl=600), worst=20),
    Scene("stopped", "SIGSTOP for a minute (short: 5 s)", stopped, worst=3, size=(75, 15)),
    Scene("boot", "started a minute (short: 5 s) before the network", boot, worst=0.6, logins=1, size=(75, 15)),
    Scene("ipv6-redial-0s", "IPv6, redial on the router", partial(redial, **ROUTER, **SIX), **PROMPT),
    Scene("ipv6-two-way", "IPv6, today's flows vanish", partial(blackhole, one_way=False, **ROUTER, **SIX), **IDLE),
    Scene("proxies-501", "501 proxies, pool of 100, redial", many_proxies, worst=2, rounds=(3, 1), alone=True),
    Scene("herd-200", "frps restarts under 200 clients", herd, worst=8, rounds=(3, 1), alone=True, size=(40, 30)),
    *[
        Scene(
            f"takeover-{version}",
            "a silent death" + (", 20 in a row (short: 2)" if version in ("0.69.0", "0.70.0") else ""),
            partial(takeover, version=version),
            worst=60 if version in TAKES_OVER_LATE else 8,
            logins=21 if version in ("0.69.0", "0.70.0") else 2,
            rounds=(1, 1) if version in ("0.69.0", "0.70.0") else (3, 1),
            size=(800, 90) if version in ("0.69.0", "0.70.0") else (40, 40),
        )
        for version in VERSIONS
    ],
    Scene("calm-loss-2", "10 min (short: 40 s) of 2 % loss", partial(calm, weather=loss_2), logins=1, rounds=(1, 1), size=(620, 55)),
    Scene("calm-saturated", "… of an uplink with a full 2 s buffer", partial(calm, weather=saturated), logins=1, rounds=(1, 1), size=(620, 55)),
    Scene("calm-stalls", "… of stalls of 3 s every 30 s (short: 10 s)", partial(calm, weather=stalls), logins=1, rounds=(1, 1), size=(620, 55)),
]
