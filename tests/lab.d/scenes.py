"""What happens in the lab. A scene is a function of a `Stage`; the table at the end gives it a name, goals and rounds."""

import os
import random
import signal
import time
from functools import partial

from names import NameServer
from network import ISP, SERVER, SERVER_2, SERVER_6, Network
from report import quantile
from system import Failure, Lag, inside, run, write
from tunnel import EXPLAINED, LOGGED_IN, PREPARING, Client, Server, Tunnel
from users import Listener, Pinger, Prober, Services, Stayer, echoes

PHASE = 5.0  # redial asks an idle link that often: events come at any time between
LIMIT = {"redial": 45.0, "frpc": 120.0}  # for coming back


class Stage:
    """One round of a scene: its network, its tunnels, and what was measured."""

    def __init__(self, site, short, beside, seconds):
        self.site, self.short, self.seconds = site, short, seconds
        self.kinds = ["redial"] + (["frpc"] if beside else [])
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

    def lasting(self, seconds):
        """How long something lasts that lasts so long in the full form."""
        return self.seconds or (40 if self.short else seconds)

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


def redial(stage, down=0.0, same=False, where=None, traffic=False, route_stays=False, **options):
    stage.begin(where, **options)
    if traffic:
        talk(stage)
    stage.outage(partial(stage.net.redial, down=down, same=same, route_stays=route_stays))


def loss_30(stage):
    """The redial itself is not all: a third of the packets is lost from then on. A second switch needs a cause: at times a
    link stands still, because the server's retransmissions back off without bound."""
    stage.begin()

    def event(broken):
        stage.net.weather("numgen random mod 100 < 30 drop")
        return stage.net.redial(broken)

    mark = stage.redial.client.process.mark()
    whole = stage.outage(event)
    time.sleep(10 if stage.short else 60)
    hasty = stage.redial.client.hasty(mark)
    stage.require(not hasty, f"left a link that had shown life {hasty} s before")
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


def boot(stage, name="wan", **options):
    """The program starts long before there is a network; `name` is what its interface is called then."""
    if name != "wan":
        stage.kinds = ["redial"]  # frpc knows no interfaces
    stage.build(**options)
    stage.net.ip("client", "link set wan down")
    for tunnel in stage.tunnels:
        tunnel.start()
    stage.redial.client.process.expect(["no route to the server", "connect to server error"], 15)

    def event(broken):
        time.sleep(random.random() + (5 if stage.short else 60))
        stage.net.ip("client", f"link set wan name {name}", f"link set {name} up", "route replace default via 192.168.77.1")
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


class Crowd:
    """Many clients of one frps, working, each with an echo of its own, in place of the tunnels of the stage."""

    def __init__(self, stage, count):
        stage.build()
        self.server, port = stage.redial.server, stage.services.ports["echo"]
        stage.kinds, stage.tunnels, self.clients = ["redial"], [], []
        self.server.start()
        for i in range(count):
            name = f"redial-{i}"
            self.clients.append(Client(stage.site, "redial", name, "client", self.server.port, [(name, port, 20001 + i)]))
            self.clients[-1].start()
        for client in self.clients:
            client.expect_registered(60)

    @staticmethod
    def address(client):
        return SERVER, client.proxies[0][2]

    def logins(self):
        return [client.logins() for client in self.clients]

    def end(self):
        for client in self.clients:
            client.process.stop()
        self.server.process.stop()


def herd(stage, count=200):
    """frps restarts under many clients: their logins are spread, and they are all back soon."""
    crowd = Crowd(stage, count)
    server, clients = crowd.server, crowd.clients
    marks = [client.process.mark() for client in clients]
    stage.idle()
    server.process.stop(signal.SIGTERM)
    ready = server.start()
    stage.lag.reset()
    back = sorted(client.process.expect(LOGGED_IN, 45, mark) - ready for client, mark in zip(clients, marks))
    for i in (0, count // 2, count - 1):
        stage.require(echoes("server", crowd.address(clients[i]), 10), f"no echo through client {i}")
    stage.require(set(crowd.logins()) == {2}, "some logged in more than once")
    first = sum(at < 0.1 for at in back)
    stage.require(first <= count * 0.15, f"{first} of {count} logins came in the first 100 ms")
    stage.measured["redial"].update(seconds=back, lags=[stage.lag.worst] * count, logins=2)
    stage.notes.append(f"logins after the start, by 100 ms: {histogram(back)}; {first} in the first 100 ms")
    crowd.end()


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


def calm(stage, weather, seconds=600):
    """Bad weather for a while: no login beyond the first, no user connection lost or forgotten."""
    stage.begin()
    users = [(tunnel, "a user", Pinger("server", tunnel.public["echo"])) for tunnel in stage.tunnels]
    users += weather(stage, stage.lasting(seconds)) or []
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


# Long ones.


def rough(stage, percent, seconds=600):
    """So much is lost from before the first login on, and nothing else happens. It is a measurement more than a test."""
    stage.build()
    time.sleep(1.5)  # the kernel is a second late to tell of the new devices, and that is an event
    stage.net.weather(f"numgen random mod 100 < {percent} drop")
    began = time.monotonic()
    for tunnel in stage.tunnels:
        tunnel.start()
    for tunnel in stage.tunnels:
        tunnel.client.expect_registered(120)
        login = tunnel.client.process.times(LOGGED_IN)[0] - began
        stage.notes.append(f"{tunnel.kind}: the first login took {login:.1f} s")
    users = {tunnel: [] for tunnel in stage.tunnels}
    refused = dict.fromkeys(stage.tunnels, 0)
    end = time.monotonic() + stage.lasting(seconds)
    while time.monotonic() < end:
        for tunnel, pingers in users.items():
            if not pingers or pingers[-1].lost:
                try:
                    pingers.append(Pinger("server", tunnel.public["echo"]))
                except OSError:
                    refused[tunnel] += 1
        time.sleep(0.5)

    def event(broken):
        stage.net.weather("")
        whole = time.monotonic()
        broken()
        return whole

    stage.outage(event)
    for tunnel, pingers in users.items():
        lost = [text for text in [pinger.finish(30) for pinger in pingers] if text]
        doubts, switches = tunnel.client.process.count(PREPARING), tunnel.client.logins() - 1
        stage.notes += [
            f"{tunnel.kind}: {doubts} second connections prepared, {switches} switches",
            f"{tunnel.kind}: of {sum(pinger.back for pinger in pingers)} messages the slowest took "
            f"{max(pinger.worst for pinger in pingers):.1f} s; {len(lost)} of {len(pingers)} user connections were lost"
            f" ({', '.join(sorted(set(lost))) or 'none'}), {refused[tunnel]} refused",
        ]


CYCLE = 10.0  # seconds a client may take to come back
GROWTH = (256, 2)  # KiB of anonymous memory and descriptors that a client may hold more at the end
# Links a client may have at once while users stay on dead ones: the mux gives such a link up after 10 s without an
# answer, the kernel after 15 s.
LINKS = 20


def reconnects(stage, count=20, cycles=500, visited=100):
    """A silent death over and over, for `count` clients at once; in the last `visited` cycles users come to some of them
    and stay. What a client holds must not grow."""
    crowd = Crowd(stage, count)
    try:
        die_often(stage, crowd, *((40, 15) if stage.short else (cycles, visited)))
    finally:
        stage.measured["redial"]["logins"] = max(crowd.logins())
        crowd.end()


def die_often(stage, crowd, cycles, visited, early=20):
    """`early`: how many deaths what is held at the end is compared with."""
    server, clients, figures = crowd.server, crowd.clients, stage.measured["redial"]
    for client in clients:
        if not echoes("server", crowd.address(client), 10):
            raise Failure(f"no echo before anything happened\n{client.process.tail()}")

    def holds():
        return [client.process.holds() for client in clients]

    def note(when, now):
        kinds = ("KiB resident", "anonymous", "descriptors")
        said = [f"{min(values)}-{max(values)} {kind}" for values, kind in zip(zip(*now), kinds)]
        frps = server.process.holds()
        stage.notes.append(f"{when}: a client holds {', '.join(said)}; frps {frps[0]} KiB, {frps[2]} descriptors")

    def die():
        marks = [client.process.mark() for client in clients]
        stage.lag.reset()
        began = time.monotonic()
        stage.net.forget()
        for client in clients:
            client.process.send(signal.SIGUSR1)
        end = began + CYCLE
        back = [c.process.expect(LOGGED_IN, max(end - time.monotonic(), 0), m) for c, m in zip(clients, marks)]
        figures["seconds"].append(max(back) - began)
        figures["lags"].append(stage.lag.worst)
        for client, mark in zip(clients, marks):
            client.expect_registered(5, mark)

    stayers, lived, links, most = [], [], 0, 0
    note("at first", holds())
    for cycle in range(cycles):
        if cycle == early:
            before = holds()
            note(f"after {early} deaths", before)
        if cycle == cycles - visited:
            note(f"after {cycle}", holds())
        try:
            if cycle >= cycles - visited:
                stayers += [Stayer("server", crowd.address(clients[i]), speaks=i % 2 == 0) for i in range(4)]
            die()
        except (Failure, OSError) as failure:
            raise Failure(f"death {cycle + 1} of {cycles}: {failure}") from failure
        ended = [stayer for stayer in stayers if stayer.has_ended()]
        lived += [time.monotonic() - stayer.came for stayer in ended]
        stayers = [stayer for stayer in stayers if stayer not in ended]
        most = max(most, len(stayers))
        if stayers:
            links = max(links, *stage.net.links("client", server.port).values())
    note(f"after {cycles}, the last {visited} with users", holds())
    stage.notes.append(
        f"{len(lived)} user connections ended, {quantile(lived, 0.5) or 0:.1f} s old (p50) and at most "
        f"{max(lived, default=0):.1f} s; {most} open at once at most; at most {links} links of one client"
    )
    for stayer in stayers:
        stayer.conn.close()
    end = time.monotonic() + 40
    while max(now[2] - then[2] for now, then in zip(holds(), before)) > 0 and time.monotonic() < end:
        time.sleep(1)
    after = holds()
    note(f"{time.monotonic() - end + 40:.0f} s after the users left", after)
    grown = [max(now[at] - then[at] for now, then in zip(after, before)) for at in (1, 2)]
    stage.notes.append(f"since death {early} a client has grown by at most {grown[0]} KiB and {grown[1]} descriptors")
    stage.require(grown[0] <= GROWTH[0], f"a client has grown by {grown[0]} KiB")
    stage.require(grown[1] <= GROWTH[1], f"a client has {grown[1]} descriptors more")
    stage.require(links <= LINKS, f"a client had {links} links at once")
    stage.require(set(crowd.logins()) == {cycles + 1}, "some logged in more than once for a death")
    for client in clients[:: len(clients) // 4]:
        stage.require(echoes("server", crowd.address(client), 10), f"no echo through {client.name}")


class Scene:
    """`p50` and `worst`: what the issue asks for, in seconds; `logins`: at most, with the first. `size`: seconds it
    takes, roughly; `alone`: too heavy to run beside others. `rounds`: in the full and in the short form.
    `long`: runs only when it is asked for. `luck`: chance decides here; of a single round no more is asked than that."""

    def __init__(
        self, name, about, play, worst=None, p50=None, logins=2, rounds=(7, 1), alone=False, size=(20, 15), long=False, luck=None
    ):
        self.name, self.about, self.play, self.worst, self.p50, self.logins = name, about, play, worst, p50, logins
        self.rounds, self.alone, self.size, self.long, self.luck = rounds, alone, size, long, luck


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
    Scene("lan-loss-30", "… and 30 % loss from then on", loss_30, worst=8, luck=25, logins=4, size=(85, 35)),
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
    Scene(
        "interface-later",
        "… and before the interface that it is to use",
        partial(boot, name="late", client='redial.interface = "late"'),
        worst=0.6,
        logins=1,
        size=(75, 15),
    ),
    Scene("ipv6-redial-0s", "IPv6, redial on the router", partial(redial, **ROUTER, **SIX), **PROMPT),
    Scene("ipv6-route-stays", "… and the default route does not go away", partial(redial, route_stays=True, **ROUTER, **SIX), **PROMPT),
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
    *[
        Scene(name, about, play, logins=logins, rounds=(1, 1), alone=alone, size=size, long=True)
        for name, about, play, logins, alone, size in [
            ("long-loss-2", "an hour (short: 40 s) of 2 % loss", partial(calm, weather=loss_2, seconds=3600), 1, False, (3620, 55)),
            ("long-loss-30", "10 min (short: 40 s) of 30 % loss from the start", partial(rough, percent=30), 3, False, (640, 60)),
            ("long-reconnects", "20 clients die in silence 500 x (short: 40 x)", reconnects, 501, True, (800, 90)),
        ]
    ],
]
